"""The report on what would be frozen, and the one that is stored with a version."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel import dataset_report
from flywheel.errors import Forbidden, NotFound
from flywheel.languages import UNDETERMINED, language
from flywheel.report_dataset import report as words
from flywheel.serving.texts import Texts
from flywheel.tasks.chat import ChatTask
from flywheel.ui.dataset_report import report_view
from flywheel.validity import Rules
from storage.examples import NewExample
from storage.versions import Score
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk, asked


@pytest.fixture(scope="module")
def texts() -> Texts:
    import threading

    from transformers import AutoTokenizer

    from starter import paths

    return Texts(AutoTokenizer.from_pretrained(paths.MODEL_DIR), threading.Lock())


@pytest.fixture
def desk(tmp_path: Path, texts: Texts) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", ChatTask("Be kind."))

    def count(prompt: list[dict[str, str]], completion: str) -> int:
        return texts.counts([[*prompt, {"role": "assistant", "content": completion}]])[0]

    opened.datasets._rules = lambda: Rules(("<|im_end|>",), 120, count, texts)
    yield opened
    opened.database.close()


def filled(desk: Desk) -> None:
    desk.approved([(f"how many of the orders are in group {i} of {i * 7}", f"SELECT {i}") for i in range(20)])
    desk.approved(
        [("wie viele Kunden sind nicht in der Liste", "Leider kann ich das nicht sagen."), ("long?", "x " * 90)]
    )
    wrong = NewExample(asked("which is the best bike of all"), "The red one.", state="approved", answer="The blue one.")
    desk.examples.add_many([wrong], by=REVIEWER.id)
    desk.approved([("Which is the best bike of all?", "The red one.")])


def test_report_counts_what_a_freeze_would_take(desk: Desk) -> None:
    filled(desk)
    told = desk.datasets.report(REVIEWER)
    assert told["dataset"] is None and told["rows"]["all"] == sum(told["provenance"].values()) == 22
    assert told["reviewers"] == {OWNER.id: 21, REVIEWER.id: 1} or sum(told["reviewers"].values()) == 22
    assert told["lengths"]["limit"] == 120 and told["lengths"]["too_long"] == 1
    assert sum(count for _, count in told["lengths"]["histogram"]) == told["lengths"]["measured"] == 22
    assert told["lengths"]["shortest"] <= told["lengths"]["median"] <= told["lengths"]["longest"] <= 120
    assert told["duplicates"]["same_pair"] == 1
    assert told["left_out"] == {
        "it is too long for the base: … tokens, and at most … fit": 1,
        "the same pair as example …, which is kept": 1,
    }
    assert told["answers"] == {"statements": 20, "words": 2, "refusals": 1}
    assert told["labels"]["right"] == 22
    assert told["languages"] == {"English": 21, "German": 1}
    assert desk.datasets.listing(OWNER) == []


def test_report_is_stored_with_the_version(desk: Desk) -> None:
    filled(desk)
    before = desk.datasets.report(OWNER)
    desk.datasets.freeze(OWNER)
    desk.approved([("something new that came after it", "yes")])
    stored = desk.datasets.report(REVIEWER, "d1")
    assert {**stored, "dataset": None} == before
    json.dumps(stored)
    # No text of anybody is stored: what is shown is rendered from the rows.
    assert "bike" not in json.dumps(desk.frozen.report("d1"))


def test_shown_rows_mark_exactly_what_is_trained(desk: Desk) -> None:
    filled(desk)
    for sample in desk.datasets.report(OWNER)["samples"]:
        example = desk.examples.get(sample["example_id"])
        assert example is not None
        learnt = "".join(text for text, trained in sample["tokens"] if trained)
        read = "".join(text for text, trained in sample["tokens"] if not trained)
        assert learnt.startswith(example.completion) and example.prompt[-1]["content"] in read
        assert sample["trained"] > 0


def test_bound_is_never_below_the_count(texts: Texts) -> None:
    talks = [
        [*asked(text), {"role": "assistant", "content": text * 3}]
        for text in ("how many orders", "東京 naïve 🚲", "a" * 50, "<>|%'\n\t  x", "SELECT count(*) FROM orders")
    ]
    bounds = [texts.at_most(talk) for talk in talks]
    assert all(bound is not None and bound >= count for bound, count in zip(bounds, texts.counts(talks), strict=True))


def test_gain_of_earlier_versions_is_told(desk: Desk) -> None:
    from flywheel.learning_value import LearningValue
    from storage.versions import VersionStore

    filled(desk)
    versions = VersionStore(desk.database)
    frozen = desk.datasets.freeze(OWNER).version
    versions.create(run=None, dataset="d1", base="b", revision=None, base_form="full", adapter_sha256=None, by="t")
    details = {"correct": [1, 1, 1, 0], "beside": {"v0": [1, 0, 0, 0]}}
    versions.add_scores([Score("v1", "corrected", 4, 0.75, 0.3, 0.9, details)], by="t")
    [gain] = LearningValue(versions, desk.frozen)()
    assert (gain["version"], gain["against"], gain["points"]) == ("v1", "v0", 50.0)
    assert gain["points_per_10_rows"] == round(500 / frozen.counts["train"], 3)


def test_long_sets_are_measured_in_part(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(desk)
    monkeypatch.setattr(dataset_report, "MEASURED", 5)
    told = desk.datasets.report(OWNER)["lengths"]
    assert (told["measured"], told["of"]) == (5, 22)


def test_guests_and_unknown_versions_are_refused(desk: Desk) -> None:
    filled(desk)
    with pytest.raises(Forbidden):
        desk.datasets.report(GUEST)
    with pytest.raises(NotFound):
        desk.datasets.report(OWNER, "d9")


def test_report_is_told_in_words_and_on_the_page(desk: Desk) -> None:
    filled(desk)
    told = desk.datasets.report(OWNER)
    text = words(told)
    assert "A freeze now: 22 rows" in text and "1 rows exceed it" in text and "[SELECT" in text
    page = report_view(told)
    assert 'class="fw-trained"' in page and page.count("<svg") >= 4 and "<script" not in page
    remote = replace(Rules(), control_tokens=())
    desk.datasets._rules = lambda: remote
    assert "not counted, the base's tokenizer is at another server" in words(desk.datasets.report(OWNER))


def test_reports_escape_what_people_wrote(desk: Desk) -> None:
    desk.approved([("<script>alert(1)</script> how many", "<b>bold</b>")])
    page = report_view(desk.datasets.report(OWNER))
    assert "<script>" not in page and "<b>" not in page and "&lt;" in page


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("how many of the orders were late", "English"),
        ("wie viele der Bestellungen sind nicht bezahlt", "German"),
        ("combien de commandes sont dans le magasin", "French"),
        ("今日の注文は何件ですか", "Japanese"),
        ("сколько заказов было вчера", "Russian or another Cyrillic"),
        ("42", UNDETERMINED),
        ("Trek Domane", UNDETERMINED),
    ],
)
def test_language_is_told_or_undetermined(text: str, name: str) -> None:
    assert language(text) == name
