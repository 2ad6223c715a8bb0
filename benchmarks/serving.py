"""Answering speed: many users at once, one user, and promotions in between, against peers in the same run.

    python -m benchmarks.serving [--rounds 5] [--users 8] [--only page]

Two kinds of answers: the starter's own (about a dozen tokens) and long ones (96 tokens, by a random model of the
starter's size). Contenders take turns within a round; medians and their ratios are printed. Peers: a bare `generate`
loop for one user, `generate_batch` (transformers' continuous batching) for many. On a busy machine single figures mean
little; the ratios were taken side by side.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flywheel.roles import Principal, Role
from flywheel.services import build_services
from flywheel.serving.engine import AdapterSpec, Generation, Message, Sampling
from flywheel.serving.local import LocalEngine, _use_cores
from flywheel.settings import read
from starter.paths import DATA_DIR, MODEL_DIR
from storage.files import sha256_file
from tests.support.adapters import make_adapter
from tests.support.tiny import make_tiny_model

EACH, LONG = 6, 96
"""Questions of a user; tokens of a long answer."""
Speed = tuple[float, list[float]]
"""Tokens a second, and seconds to each first token."""
Times = dict[tuple[str, str], list[tuple[float, int]]]
"""Contender and question → seconds and tokens of each of its answers."""


def questions(count: int) -> list[str]:
    rows = [json.loads(line) for line in (DATA_DIR / "handwritten_test.jsonl").read_text().splitlines()]
    return [row["question"] for row in rows][:count]


def chat(question: str) -> list[Message]:
    return [{"role": "user", "content": question}]


def timed(ask: Callable[[], Sequence[Generation]]) -> Speed:
    began = time.perf_counter()
    answers = ask()
    seconds = time.perf_counter() - began
    firsts = [answer.first_token_s or 0.0 for answer in answers]
    return sum(answer.completion_tokens for answer in answers) / seconds, firsts


def in_turn(engine: LocalEngine, asked: Sequence[str], sampling: Sampling) -> list[Generation]:
    return [engine.submit(chat(question), "v0", sampling).result() for question in asked]


def at_once(ask: Callable[[Sequence[str]], Sequence[Any]], asked: Sequence[str], users: int) -> list[Any]:
    """Each user asks the next question when the last is answered."""
    with ThreadPoolExecutor(users) as pool:
        said = list(pool.map(ask, [asked[number::users] for number in range(users)]))
    return [answer for some in said for answer in some]


def taking_turns(
    contenders: dict[str, Callable[[str], int]], asked: Sequence[str], each: Times | None = None
) -> dict[str, float]:
    """Tokens a second of each. They take turns after every question, so that each meets the same load.

    `each` gets the seconds and tokens of every answer, by contender and question.
    """
    seconds, tokens = dict.fromkeys(contenders, 0.0), dict.fromkeys(contenders, 0)
    for question in asked:
        for name, answer in contenders.items():
            began = time.perf_counter()
            count = answer(question)
            took = time.perf_counter() - began
            tokens[name] += count
            seconds[name] += took
            if each is not None:
                each.setdefault((name, question), []).append((took, count))
    return {name: tokens[name] / seconds[name] for name in contenders}


def settled(each: Times, name: str, asked: Sequence[str], pick: Callable[[list[float]], float]) -> float:
    """Tokens a second of a contender whose time for each question is picked out of the rounds' (median, or best)."""
    tokens = sum(each[name, question][-1][1] for question in asked)
    return tokens / sum(pick([took for took, _ in each[name, question][1:]]) for question in asked)


class Bare:
    """The same base in a plain transformers program."""

    def __init__(self, base: Path, tokens: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        _use_cores()
        self.model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        self.tokenizer, self.tokens = AutoTokenizer.from_pretrained(base), tokens

    def prompt(self, question: str) -> Any:
        return self.tokenizer.apply_chat_template(
            chat(question), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )

    def answer(self, question: str) -> int:
        """Answer one question; returns the tokens written."""
        prompt = self.prompt(question)
        whole = self.model.generate(**prompt, max_new_tokens=self.tokens, do_sample=False)
        ids = whole[0, prompt["input_ids"].shape[1] :]
        self.tokenizer.decode(ids, skip_special_tokens=True)
        return len(ids)

    def batched(self, asked: Sequence[str]) -> float:
        """Tokens a second with continuous batching, which gets all questions at once."""
        from transformers import ContinuousBatchingConfig, GenerationConfig

        config = self.model.generation_config
        given = GenerationConfig(
            max_new_tokens=self.tokens,
            do_sample=False,
            eos_token_id=config.eos_token_id,
            pad_token_id=config.pad_token_id,
        )
        small = ContinuousBatchingConfig(page_size=32, num_blocks=256, max_batch_tokens=256)
        inputs = [self.prompt(question)["input_ids"][0].tolist() for question in asked]
        began = time.perf_counter()
        done = self.model.generate_batch(
            inputs, generation_config=given, continuous_batching_config=small, progress_bar=False
        )
        return sum(len(one.generated_tokens) for one in done.values()) / (time.perf_counter() - began)


def compare(base: Path, tokens: int, users: int, rounds: int) -> None:
    """Many users and one user at one base."""
    engine = LocalEngine(str(base), None, lambda version: None)
    print("  " + engine.wait_ready(120)[1])
    asked, sampling, bare = questions(users * EACH), Sampling(max_new_tokens=tokens), Bare(base, tokens)
    few = asked[: 2 * users]
    speeds: dict[str, list[float]] = {}
    firsts: list[float] = []
    for _ in range(rounds + 1):
        crowd, first = timed(lambda: at_once(lambda some: in_turn(engine, some, sampling), asked, users))
        firsts += first
        single = {"in turn": lambda q: in_turn(engine, [q], sampling)[0].completion_tokens, "bare": bare.answer}
        for name, speed in {"at once": crowd, **taking_turns(single, few)}.items():
            speeds.setdefault(name, []).append(speed)
        # Last, because it changes the settings of the model it runs on.
        peer = Bare(base, tokens)
        speeds.setdefault("peer", []).append(peer.batched(asked))
    engine.close()
    middle = {name: statistics.median(some[1:]) for name, some in speeds.items()}
    firsts.sort()
    print(f"  {users} users at once    {middle['at once']:7.0f} tokens/s")
    print(
        f"  one after another   {middle['in turn']:7.0f} tokens/s   at once = {ratio(speeds, 'at once', 'in turn')} x"
    )
    print(f"  bare generate       {middle['bare']:7.0f} tokens/s   one user = {ratio(speeds, 'in turn', 'bare')} x")
    print(f"  generate_batch      {middle['peer']:7.0f} tokens/s   at once = {ratio(speeds, 'at once', 'peer')} x")
    p95 = firsts[int(len(firsts) * 0.95)]
    print(f"  first token, {users} users: p50 {statistics.median(firsts) * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms")


def ratio(speeds: dict[str, list[float]], ours: str, theirs: str) -> str:
    pairs = [a / b for a, b in zip(speeds[ours][1:], speeds[theirs][1:], strict=True)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"


def page(base: Path, task: str, tokens: int, users: int, rounds: int) -> None:
    """All that a page does for an answer: checks, both turns stored, a statement run."""
    with tempfile.TemporaryDirectory() as home:
        given = {} if base == MODEL_DIR else {"FLYWHEEL_BASE_MODEL": str(base)}
        services = build_services(read({"FLYWHEEL_HOME": home, "FLYWHEEL_TASK": task, **given}))
        services.wait_until_ready()
        who, bare, asked = Principal("bench", Role.OWNER), Bare(base, tokens), questions(2 * users)

        def ask(some: Sequence[str]) -> list[int]:
            return [reply(question) for question in some]

        def reply(question: str) -> int:
            *_, last = services.chat.reply(who, None, question, sampling=Sampling(max_new_tokens=tokens))
            assert last.turn and last.turn.state == "complete"
            return int(last.turn.details["completion_tokens"])

        speeds: dict[str, list[float]] = {"crowd": [], "one": [], "bare": []}
        each: Times = {}
        for _ in range(rounds + 1):
            for name, speed in taking_turns({"one": reply, "bare": bare.answer}, asked, each).items():
                speeds[name].append(speed)
            began = time.perf_counter()
            written = sum(at_once(ask, asked, users))
            speeds["crowd"].append(written / (time.perf_counter() - began))
        services.close()
    one, crowd = (statistics.median(speeds[name][1:]) for name in ("one", "crowd"))
    print(f"  one user, the page's path  {one:7.0f} tokens/s   = {ratio(speeds, 'one', 'bare')} x bare generate")
    for word, pick in (("median", statistics.median), ("best", min)):
        ours, theirs = settled(each, "one", asked, pick), settled(each, "bare", asked, pick)
        print(f"    by the {word} of each question {ours / theirs:.2f} x ({ours:.0f} against {theirs:.0f} tokens/s)")
    print(f"  {users} users, the page's path  {crowd:6.0f} tokens/s   = {ratio(speeds, 'crowd', 'one')} x one user")


def promotions(base: Path, users: int) -> None:
    """Answers under way while other versions are loaded and asked."""
    with tempfile.TemporaryDirectory() as folder:
        specs = {}
        for seed in (1, 2, 3):
            path = make_adapter(base, Path(folder) / f"v{seed}", seed=seed)
            specs[f"v{seed}"] = AdapterSpec(path, "full", sha256_file(path / "adapter_model.safetensors"))
        engine = LocalEngine(str(base), None, specs.get)
        engine.wait_ready(120)
        asked, long = questions(users), Sampling(max_new_tokens=256)
        alone = [engine.submit(chat(question), "v1", long).result().text for question in asked]
        streams = [engine.submit(chat(question), "v1", long) for question in asked]
        waits = []
        for version in ("v2", "v3") * 3:
            began = time.perf_counter()
            engine.warm(version)
            waits.append(time.perf_counter() - began)
            engine.submit(chat(asked[0]), version, Sampling(max_new_tokens=8)).result()
        answers = [stream.result() for stream in streams]
        engine.close()
    broken = sum(answer.error is not None for answer in answers)
    mixed = sum(answer.text != text for answer, text in zip(answers, alone, strict=True)) - broken
    print(
        f"  {users} streams, {len(waits)} promotions: {broken} broken, {mixed} mixed; longest {max(waits) * 1e3:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--only", choices=("all", "page"), default="all", help="page: the starter's page path alone")
    options = parser.parse_args()
    if options.only == "page":
        return page(MODEL_DIR, "sql", 128, options.users, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        big = make_tiny_model(
            Path(folder) / "long", vocab=1536, hidden=256, layers=4, heads=4, key_value_heads=4, intermediate=512
        )
        print("the starter's answers")
        compare(MODEL_DIR, 128, options.users, options.rounds)
        page(MODEL_DIR, "sql", 128, options.users, options.rounds)
        print(f"answers of up to {LONG} tokens, a random model of the starter's size")
        compare(big, LONG, options.users, options.rounds)
        page(big, "chat", LONG, options.users, options.rounds)
        print("promotions")
        promotions(MODEL_DIR, options.users)


if __name__ == "__main__":
    main()
