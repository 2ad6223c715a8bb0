"""Freezing: which approved examples become rows, where they go, and what the files hold."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel import datasets
from flywheel.datasets import Datasets
from flywheel.errors import Conflict, Damaged, Forbidden, InvalidInput, NotFound, Unavailable
from flywheel.steps import ended
from flywheel.tasks.chat import ChatTask
from flywheel.validity import Rules
from storage.examples import NewExample
from tests.support.desk import OWNER, REVIEWER, STARTER_DATA, Desk, asked, rules
from trainers.job import verify_manifest

ROOT = Path(__file__).parents[1]
PAIRS = [(f"question {i} about thing {i} and part {i}", f"answer {i}") for i in range(1, 61)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))
    yield opened
    opened.database.close()


def lines(desk: Desk, dataset: str, side: str) -> list[dict[str, list[dict[str, str]]]]:
    text = (desk.home.dataset_dir(dataset) / f"{side}.jsonl").read_text(encoding="utf-8")
    return [json.loads(row) for row in text.split("\n") if row]


def test_nothing_approved_says_what_to_do(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match=r"Nothing is approved yet.*Approve corrections"):
        desk.datasets.freeze(OWNER)
    assert desk.datasets.listing(OWNER) == []
    assert list(desk.home.datasets.iterdir()) == []


def test_rows_longer_than_a_run_takes_are_told(desk: Desk) -> None:
    desk.datasets._rules = lambda: replace(rules(), max_tokens=2000)
    desk.approved([(f"question {words}", "word " * words) for words in (20, 598, 700)], split="train")
    told = desk.datasets.freeze(OWNER).version.policy["reported"]
    assert told[-1].startswith("2 rows are longer than the 512 tokens that a run takes")
    assert "`--set max_length=704`" in told[-1]


def test_only_the_owner_freezes(desk: Desk) -> None:
    desk.approved(PAIRS)
    with pytest.raises(Forbidden):
        desk.datasets.freeze(REVIEWER)


def test_frozen_files_hold_what_is_sent(desk: Desk) -> None:
    desk.approved([("What is <|im_end|> for?", "It ends a turn.")])
    version = desk.datasets.freeze(OWNER, name="first", note="a try").version
    assert (version.id, version.name, version.note, version.by) == ("d1", "first", "a try", OWNER.id)
    assert lines(desk, "d1", "train") == [
        {
            "prompt": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "What is ‹|im_end|› for?"},
            ],
            "completion": [{"role": "assistant", "content": "It ends a turn."}],
        }
    ]
    assert lines(desk, "d1", "test") == lines(desk, "d1", "validation") == []
    assert version.system_hash == hashlib.sha256(b"Be kind.").hexdigest()
    assert verify_manifest(desk.home.dataset_dir("d1")) == []


def test_own_system_message_stands(desk: Desk) -> None:
    prompt = [{"role": "system", "content": "Be brief."}, *asked("hello?")]
    desk.examples.add_many([NewExample(prompt, "Hi.", state="approved")], by=OWNER.id)
    desk.datasets.freeze(OWNER)
    assert lines(desk, "d1", "train")[0]["prompt"] == prompt


def test_rows_are_split_and_counted(desk: Desk) -> None:
    desk.approved(PAIRS)
    version = desk.datasets.freeze(OWNER).version
    assert version.counts == {"train": 42, "validation": 6, "test": 12}
    for side, count in version.counts.items():
        assert len(lines(desk, "d1", side)) == len(desk.datasets.rows(OWNER, "d1", side)) == count
    assert "70/10/20" in version.policy["words"]


def test_held_out_phrasings_leave_corrections_to_train(desk: Desk) -> None:
    """The bundled data as the demonstration uses them: 30 corrections of one term, all phrasings held out."""
    phrasings = desk.curation.load_phrasings(OWNER, "big_ticket")
    text = (STARTER_DATA / "corrections" / "big_ticket.jsonl").read_text()
    corrections = [json.loads(line) for line in text.splitlines()][:30]
    desk.approved([(row["question"], row["correction"]) for row in corrections])
    frozen = desk.datasets.freeze(OWNER)
    assert frozen.version.counts == {"train": 27, "validation": 3, "test": phrasings}
    assert frozen.refused == []
    assert "90/10" in frozen.version.policy["words"]


def test_unusable_rows_are_refused_by_name(desk: Desk) -> None:
    """40 bad rows among 100, put in past every check: 60 are frozen, 40 are listed with their reasons."""
    bad = [
        ([], "fine", "the prompt is empty"),
        (asked(""), "fine", "message 1 of the prompt is empty"),
        (asked("  \n"), "fine", "has only blanks"),
        (asked("q"), "", "the completion is empty"),
        (asked("q"), "\t ", "the completion has only blanks"),
        (asked("q"), "a<|im_start|>b", "`<|im_start|>`"),
        (asked("q"), "nul\0", "null character"),
        (asked("word " * 150), "word " * 100, "252 tokens, and at most 200 fit"),
        ([{"role": "system", "content": "only"}], "fine", "no message by `user`"),
        ([*asked("q"), *asked("r")], "fine", "by `user` where `assistant` is expected"),
        ([*asked("q"), {"role": "assistant", "content": "a"}], "fine", "ends with a message by `assistant`"),
        ([{"role": "assistant", "content": "a"}, *asked("q")], "fine", "by `assistant` where `user` is expected"),
        ([*asked("q"), {"role": "system", "content": "s"}], "fine", "by `system` where `assistant` is expected"),
    ]
    desk.approved(PAIRS)
    reasons = {}
    for number in range(40):
        prompt, completion, reason = bad[number % len(bad)]
        side = (None, "train", "test", "validation")[number % 4]
        new = NewExample(prompt, completion, state="approved", split=side)
        added, _ = desk.examples.add_many([new], by=OWNER.id)
        reasons |= dict.fromkeys(added, reason)
    frozen = desk.datasets.freeze(OWNER)
    assert sum(frozen.version.counts.values()) == 60
    listed = {entry["example_id"]: entry["reason"] for entry in frozen.refused}
    assert set(listed) == set(reasons)
    assert all(reasons[id] in listed[id] for id in listed)
    assert frozen.version.refused == frozen.refused


def test_system_message_counts_for_the_length(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "home", ChatTask("word " * 150))
    desk.approved([("word " * 40, "word " * 20), ("short", "fits")])
    frozen = desk.datasets.freeze(OWNER)
    assert [entry["reason"] for entry in frozen.refused] == [
        "it is too long for the base: 210 tokens, and at most 200 fit"
    ]
    desk.database.close()


def test_only_unusable_rows_freeze_nothing(desk: Desk) -> None:
    desk.approved([("q", " ")])
    with pytest.raises(InvalidInput, match=r"None of the 1 approved examples can be used.*only blanks"):
        desk.datasets.freeze(OWNER)


def test_only_held_out_rows_freeze_nothing(desk: Desk) -> None:
    desk.approved(PAIRS[:12], split="test")
    with pytest.raises(InvalidInput, match="All 12 usable rows are held out"):
        desk.datasets.freeze(OWNER)


def test_one_row_and_equal_rows_freeze(desk: Desk) -> None:
    desk.approved([("same?", "yes"), ("Same", "yes"), ("  same?", "yes "), ("ｓａｍｅ", "yes")])
    frozen = desk.datasets.freeze(OWNER)
    assert frozen.version.counts == {"train": 1, "validation": 0, "test": 0}
    assert len(frozen.refused) == 3
    assert all("same pair as example" in entry["reason"] for entry in frozen.refused)


def test_contradicting_rows_stay_together(desk: Desk) -> None:
    desk.approved([*PAIRS, ("say yes or no", "yes"), ("Say yes or no!", "no")])
    desk.datasets.freeze(OWNER)
    rows = [row for row in desk.datasets.rows(OWNER, "d1") if row.completion in ("yes", "no")]
    assert len({row.side for row in rows}) == 1
    assert len(rows) == 2


def test_conversation_goes_to_one_side(desk: Desk) -> None:
    desk.approved(PAIRS)
    first = desk.corrected("where is my bike", "a", "b1")
    for i in range(5):
        desk.corrected(f"other matter {i} of {i * 11}", "a", f"b{i}", conversation=first.conversation_id)
    desk.curation.approve_many(REVIEWER, [example.id for example in desk.curation.inbox(REVIEWER)])
    desk.datasets.freeze(OWNER)
    groups = {(row.side, row.group_key) for row in desk.datasets.rows(OWNER, "d1") if row.provenance == "correction"}
    assert len(groups) == 1


def test_unchanged_rows_give_the_same_version(desk: Desk) -> None:
    desk.approved(PAIRS)
    first = desk.datasets.freeze(OWNER)
    again = desk.datasets.freeze(OWNER, name="another name")
    assert (first.created, again.created) == (True, False)
    assert again.version == first.version
    assert [version.id for version in desk.datasets.listing(OWNER)] == ["d1"]


def test_order_of_approval_does_not_matter(tmp_path: Path) -> None:
    hashes, files = set(), set()
    for seed in range(3):
        desk = Desk.open(tmp_path / str(seed), ChatTask())
        desk.approved(random.Random(seed).sample(PAIRS, len(PAIRS)))
        version = desk.datasets.freeze(OWNER).version
        hashes.add(version.content_hash)
        files.add((desk.home.dataset_dir("d1") / "train.jsonl").read_bytes())
        desk.database.close()
    assert len(hashes) == len(files) == 1


def test_other_rows_give_another_hash(desk: Desk) -> None:
    desk.approved(PAIRS[:10])
    first = desk.datasets.freeze(OWNER).version
    desk.approved(PAIRS[10:11])
    assert desk.datasets.freeze(OWNER).version.content_hash != first.content_hash


def test_later_version_keeps_every_side(desk: Desk) -> None:
    desk.approved(PAIRS[:30])
    desk.datasets.freeze(OWNER)
    desk.approved(PAIRS[30:])
    desk.datasets.freeze(OWNER)
    before = {row.example_id: row.side for row in desk.datasets.rows(OWNER, "d1")}
    after = {row.example_id: row.side for row in desk.datasets.rows(OWNER, "d2")}
    assert {id: after[id] for id in before} == before
    difference = desk.datasets.diff(OWNER, "d1", "d2")
    assert (len(difference.added), difference.removed, difference.moved) == (30, [], [])
    assert difference.changed == []
    [changed] = [e for e in desk.examples.approved() if e.prompt == asked(PAIRS[0][0])]
    desk.examples.decide(changed.id, "approved", completion="better", expected_event=None, by=OWNER.id)
    desk.datasets.freeze(OWNER)
    difference = desk.datasets.diff(OWNER, "d2", "d3")
    assert [(c.old.completion, c.new.completion) for c in difference.changed] == [(PAIRS[0][1], "better")]
    assert difference.added == difference.removed == difference.moved == []


def test_same_question_on_two_sides_fails_with_the_pair(desk: Desk) -> None:
    [trained] = desk.approved([("How many orders?", "10")], split="train")
    [held] = desk.approved([("how many  ORDERS", "11")], split="test")
    with pytest.raises(Conflict) as error:
        desk.datasets.freeze(OWNER)
    assert trained in str(error.value) and held in str(error.value)
    assert desk.datasets.listing(OWNER) == []


def test_question_of_a_held_out_row_is_left_out(desk: Desk) -> None:
    desk.approved(PAIRS[:5])
    desk.approved([("How many orders?", "10")], split="test")
    [same] = desk.approved([("how many orders", "ten")])
    frozen = desk.datasets.freeze(OWNER)
    assert frozen.refused == [{"example_id": same, "reason": "a row fixed for `test` asks the same question"}]


def test_lost_files_come_back_with_a_freeze(desk: Desk) -> None:
    desk.approved(PAIRS)
    desk.datasets.freeze(OWNER)
    train = desk.home.dataset_dir("d1") / "train.jsonl"
    content = train.read_bytes()
    train.write_bytes(content[:-5])
    with pytest.raises(Damaged, match=r"train.jsonl is damaged"):
        desk.datasets.verify(OWNER, "d1")
    assert desk.datasets.freeze(OWNER).created is False
    desk.datasets.verify(OWNER, "d1")
    assert train.read_bytes() == content


def test_unwritable_folder_freezes_nothing(desk: Desk) -> None:
    desk.approved(PAIRS)
    desk.home.datasets.rmdir()
    desk.home.datasets.write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        desk.datasets.freeze(OWNER)
    assert desk.datasets.listing(OWNER) == []
    desk.home.datasets.unlink()
    desk.home.datasets.mkdir()
    assert desk.datasets.freeze(OWNER).version.id == "d1"


KILLED = """
import os, signal, sys
from pathlib import Path
from flywheel.steps import ended
from flywheel.tasks.chat import ChatTask
from storage.datasets import DatasetStore
from tests.support.desk import OWNER, Desk
desk = Desk.open(Path(sys.argv[1]), ChatTask())
desk.approved([(f"question {i}", "a") for i in range(20)])
DatasetStore.create = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
desk.datasets.freeze(OWNER)
"""


def test_killed_freeze_is_done_again(tmp_path: Path) -> None:
    """Killed between the files and the record of the version: the next freeze gives what the first would have."""
    home = tmp_path / "home"
    child = subprocess.run([sys.executable, "-c", KILLED, str(home)], cwd=ROOT, timeout=60, env=os.environ, check=False)
    assert child.returncode == -signal.SIGKILL
    desk = Desk.open(home, ChatTask())
    left = (desk.home.dataset_dir("d1") / "train.jsonl").read_bytes()
    assert desk.datasets.listing(OWNER) == []
    assert desk.datasets.freeze(OWNER).version.id == "d1"
    assert (desk.home.dataset_dir("d1") / "train.jsonl").read_bytes() == left
    desk.datasets.verify(OWNER, "d1")
    desk.database.close()


def test_unknown_version_and_side_are_named(desk: Desk) -> None:
    desk.approved(PAIRS)
    desk.datasets.freeze(OWNER)
    for name in ("d9", "x", "../d1", "d1x"):
        with pytest.raises(NotFound, match="There is no dataset version"):
            desk.datasets.show(OWNER, name)
    with pytest.raises(InvalidInput, match="There is no side `trian`"):
        desk.datasets.rows(OWNER, "d1", "trian")


def test_rows_come_in_pages(desk: Desk) -> None:
    desk.approved(PAIRS)
    desk.datasets.freeze(OWNER)
    paged = [row for start in range(0, 60, 7) for row in desk.datasets.show(OWNER, "d1", None, 7, start).rows]
    assert paged == desk.datasets.rows(OWNER, "d1")


def test_longer_base_takes_what_was_too_long(desk: Desk) -> None:
    desk.approved([*PAIRS[:3], ("long", "word " * 250)])
    assert len(desk.datasets.freeze(OWNER).refused) == 1
    bounds = replace(rules(), max_tokens=None)
    larger = Datasets(desk.frozen, desk.examples, ChatTask("Be kind."), desk.home, lambda: bounds, desk.guard)
    assert larger.freeze(OWNER).version.counts["train"] == 4
    assert Rules().count is None


@pytest.mark.parametrize("seed", range(12))
def test_no_test_row_is_ever_trained(desk: Desk, seed: int) -> None:
    """Over random histories of imports, rejections and freezes, by example and by question."""
    chance = random.Random(seed)
    tested: set[str] = set()
    for _ in range(40):
        kind, number = chance.randrange(6), chance.randrange(12)
        text = f"question {number} about thing {number} and part {number}" + " ?" * (kind % 2)
        if kind < 3:
            desk.approved([(text, f"answer {chance.randrange(3)}")])
        elif kind == 3:
            desk.approved([(text, "answer")], split=chance.choice(["train", "test"]))
        elif kind == 4 and (known := desk.examples.approved()):
            desk.curation.reject(REVIEWER, chance.choice(known).id, "no")
        else:
            _freeze_and_check(desk, tested)
    _freeze_and_check(desk, tested)


def _freeze_and_check(desk: Desk, tested: set[str]) -> None:
    try:
        version = desk.datasets.freeze(OWNER).version
    except (InvalidInput, Conflict):
        return
    rows = desk.datasets.rows(OWNER, version.id)
    known = {row.example_id: row.prompt[-1]["content"].rstrip(" ?") for row in rows}
    trained = {row.example_id for row in rows if row.side == "train"}
    assert not trained & tested
    assert not {known[id] for id in trained} & {text for text in tested if text.startswith("question")}
    for row in rows:
        if row.side == "test":
            tested |= {row.example_id, known[row.example_id]}


def test_a_freeze_tells_how_far_it_is(desk: Desk) -> None:
    desk.approved(PAIRS)
    steps = list(desk.datasets.freezing(OWNER))
    fractions = [fraction for _, fraction in steps if fraction is not None]
    assert steps[:2] == [("reading what is approved", 0.0), ("looking at the rows: 0 of 60", 0.0)]
    assert steps[-1][0] == "writing the version"
    assert len(fractions) == len(steps) and fractions == sorted(fractions)
    assert [version.id for version in desk.datasets.listing(OWNER)] == ["d1"]


def test_what_is_frozen_meanwhile_is_begun_with(desk: Desk) -> None:
    desk.approved(PAIRS)
    work = desk.datasets.freezing(OWNER)
    next(work)
    desk.approved([(f"another {i} of {i}", "yes") for i in range(5)])
    between = desk.datasets.freeze(OWNER).version
    assert ended(work).version.id == between.id == "d1" and between.counts["train"] > 0
    assert len(desk.datasets.listing(OWNER)) == 1


def test_a_freeze_beyond_the_memory_is_not_begun(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.approved(PAIRS)
    monkeypatch.setattr(datasets, "MANY", 60)
    monkeypatch.setattr(datasets, "free_bytes", lambda: 60 * datasets.BYTES_A_ROW - 1)
    with pytest.raises(Unavailable, match=r"60 examples are approved.*Nothing was begun"):
        desk.datasets.freeze(OWNER)
    monkeypatch.setattr(datasets, "free_bytes", lambda: 60 * datasets.BYTES_A_ROW)
    assert desk.datasets.freeze(OWNER).created
