"""A tiny model that has learnt a few answers by heart, so that a test knows what a real model will say."""

from collections.abc import Mapping
from pathlib import Path

from tests.support.tiny import make_tiny_model


def make_parrot(path: Path, answers: Mapping[str, str], *, steps: int = 100, system: str = "") -> Path:
    """Make a model under `path` that answers each question with its answer, greedily; returns `path`. About 3 s.

    `system` is the system message that it will be sent before each question, if any.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    make_tiny_model(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    rows = [_row(tokenizer, system, question, answer) for question, answer in answers.items()]
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows])
    labels = torch.tensor([[-100] * start + row[start:] + [-100] * (longest - len(row)) for row, start in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.02, f"the parrot did not learn its answers (loss {loss.item():.3f})"
    model.to(torch.bfloat16).save_pretrained(path)
    return path


def _row(tokenizer, system: str, question: str, answer: str) -> tuple[list[int], int]:
    told = [{"role": "system", "content": system}] if system else []
    asked = [*told, {"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    start = len(tokenizer(prompt)["input_ids"])
    return tokenizer(f"{prompt}{answer}<|im_end|>")["input_ids"], start
