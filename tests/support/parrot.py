"""A tiny model that has learnt a few answers by heart, so that a test knows what a real model will say."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.tiny import make_tiny_model


def make_parrot(path: Path, answers: Mapping[str, str], *, steps: int = 100, system: str = "") -> Path:
    """Make a model under `path` that answers each question with its answer, greedily; returns `path`. About 3 s.

    `system` is the system message that it will be sent before each question, if any.
    """
    from transformers import AutoTokenizer

    make_tiny_model(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    rows = [(_prompt(tokenizer, system, question), answer) for question, answer in answers.items()]
    return teach(path, rows, steps=steps)


def teach(path: Path, rows: Iterable[tuple[str, str]], *, steps: int = 100, until: float = 0.0) -> Path:
    """Have the tiny model under `path` learn what to say after each rendered prompt; returns `path`.

    It ends early where the loss falls below `until`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    lessons = [_lesson(tokenizer, prompt, answer) for prompt, answer in rows]
    longest = max(len(ids) for ids, _ in lessons)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in lessons])
    labels = torch.tensor([[-100] * start + row[start:] + [-100] * (longest - len(row)) for row, start in lessons])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < until:
            break
    assert loss.item() < 0.02, f"the parrot did not learn its answers (loss {loss.item():.3f})"
    model.to(torch.bfloat16).save_pretrained(path)
    return path


def _prompt(tokenizer, system: str, question: str) -> str:
    told = [{"role": "system", "content": system}] if system else []
    asked = [*told, {"role": "user", "content": question}]
    return tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)


def _lesson(tokenizer, prompt: str, answer: str) -> tuple[list[int], int]:
    return tokenizer(f"{prompt}{answer}<|im_end|>")["input_ids"], len(tokenizer(prompt)["input_ids"])
