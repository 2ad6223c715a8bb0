"""Synthetic pairs: a real client, a real server that plays the teacher, a real database."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flywheel import synthesis_prompts
from flywheel.errors import Forbidden, InvalidInput
from flywheel.settings import read
from flywheel.synthesis import Made, Synthesis, Wish
from flywheel.synthesis_prompts import pieces, read_pairs
from flywheel.tasks.build import sample_database
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.sql_sandbox import SqlSandbox
from flywheel.teacher import Patience, Teacher
from storage.home import Home
from tests.support.desk import GUEST, OWNER, REVIEWER, Desk, rules
from tests.support.openai_server import OpenAIServer, openai_server

QUICK = Patience(connect=1, silence=0.5, total=2, tries=2, first_pause=0.01, longest_pause=0.02)
COUNTED = "SELECT count(*) FROM orders"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlTask]:
    home = Home.open(tmp_path_factory.mktemp("shop"))
    made = SqlTask(SqlSandbox(sample_database(home)), system_prompt="", single_turn=True, examples=())
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, task: SqlTask) -> Iterator[Desk]:
    opened = Desk.open(tmp_path / "home", task)
    opened.approved(
        [("how many orders of ann@example.com", COUNTED), ("how many stores", "SELECT count(*) FROM stores")]
    )
    yield opened
    opened.database.close()


def synthesis(desk: Desk, server: OpenAIServer) -> Synthesis:
    settings = replace(read({}), teacher_model="parrot", teacher_base_url=server.url, teacher_api_key="sk-secret")
    return Synthesis(Teacher(settings, QUICK), desk.examples, desk.datasets._task, desk.home, rules)


def make(desk: Desk, server: OpenAIServer, **wish: object) -> Made:
    work = synthesis(desk, server).make(REVIEWER, Wish(**wish))  # type: ignore[arg-type]
    while True:
        try:
            next(work)
        except StopIteration as done:
            made: Made = done.value
            return made


def answering(*batches: list[tuple[str, str]]) -> Callable[[list[dict[str, str]]], str]:
    """A teacher that gives one list after the other, then new questions for ever."""
    left, number = list(batches), iter(range(10_000))

    def answer(messages: list[dict[str, str]]) -> str:
        pairs = left.pop(0) if left else [(f"how many orders above {next(number)}", COUNTED) for _ in range(5)]
        return json.dumps([{"question": question, "answer": sql} for question, sql in pairs])

    return answer


def made_rows(desk: Desk) -> list[str]:
    return [e.prompt[0]["content"] for e in desk.examples.listing(limit=500) if e.provenance == "synthetic"]


def test_only_rows_that_pass_every_check_wait_for_review(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering(
        [
            ("how many customers", "SELECT count(*) FROM customers"),
            ("How many STORES?", "SELECT count(*) FROM stores"),
            ("drop it", "DROP TABLE orders"),
            ("no column", "SELECT nothing FROM orders"),
            ("none", "SELECT name FROM customers WHERE name = 'nobody at all'"),
            ("a null", "SELECT max(name) FROM customers WHERE name = 'nobody at all'"),
            ("in words", "I do not know."),
        ]
    )
    made = make(desk, server, source="schema", count=1)
    assert (made.added, made.calls, made.stopped, made.failed) == (1, 1, "", False)
    [example] = [e for e in desk.examples.listing() if e.provenance == "synthetic"]
    assert (example.state, example.source) == ("pending", "teacher:parrot:schema")
    server.answer = answering([("drop it", "DROP TABLE orders"), ("how many customers", COUNTED)])
    made = make(desk, server, source="schema", count=2, calls=1)
    assert made.before == 1 and made.added == 0
    assert made.left_out == {"the guard refuses the statement": 1, "the same question is here already": 1}
    assert "orders(" in server.asked[0]["messages"][0]["content"]


def test_every_reason_is_counted(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering(
        [
            ("How many STORES?", "SELECT count(*) FROM stores"),
            ("no column", "SELECT nothing FROM orders"),
            ("none", "SELECT name FROM customers WHERE name = 'nobody at all'"),
            ("a null", "SELECT max(name) FROM customers WHERE name = 'nobody at all'"),
            ("in words", "I do not know."),
        ]
    )
    assert make(desk, server, source="schema", count=9, calls=1).left_out == {
        "the statement finds nothing": 2,
        "the same question is here already": 1,
        "the statement fails": 1,
        "the answer is no SQL": 1,
    }


def test_personal_data_are_redacted_before_they_leave(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    make(desk, server, count=5)
    asked = server.asked[0]["messages"][0]["content"]
    assert "[EMAIL]" in asked and "ann@example.com" not in asked and "how many stores" in asked


def test_broken_run_goes_on_without_paying_twice(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    first = make(desk, server, count=20, calls=2)
    assert (first.added, first.calls, first.stopped) == (10, 2, "the budget of 2 requests is spent")
    again = make(desk, server, count=20)
    assert (again.before, again.added, again.calls, again.stopped) == (10, 10, 2, "")
    done = make(desk, server, count=20)
    assert (done.before, done.added, done.calls) == (20, 0, 0) and len(server.asked) == 4
    questions = [asked["messages"][0]["content"] for asked in server.asked]
    assert len(set(questions)) == 4


def test_answer_that_was_paid_and_not_stored_is_used(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    work = synthesis(desk, server)
    stores = work._examples.add_many

    def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    work._examples.add_many = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        list(work.make(REVIEWER, Wish(count=5)))
    work._examples.add_many = stores  # type: ignore[method-assign]
    assert made_rows(desk) == []
    made = make(desk, server, count=5)
    assert (made.added, made.calls, made.replayed) == (5, 0, 1) and len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refuses the key in FLYWHEEL_TEACHER_API_KEY"), (429, "too much"), (500, "failed (500)")],
)
def test_teacher_failures_keep_what_is_done(desk: Desk, server: OpenAIServer, status: int, words: str) -> None:
    plain = answering()

    def answer(messages: list[dict[str, str]]) -> str:
        server.fail(5, status)
        return plain(messages)

    server.answer = answer
    made = make(desk, server, count=20)
    assert made.failed and words in made.stopped and "sk-secret" not in made.stopped
    assert len(made_rows(desk)) == made.added == 5
    server.failing.clear()
    server.answer = plain
    assert make(desk, server, count=20).added == 15


def test_hanging_teacher_ends_the_run(desk: Desk, server: OpenAIServer) -> None:
    server.silent = True
    made = make(desk, server, count=5)
    assert made.failed and "went silent" in made.stopped


def test_half_an_answer_gives_its_whole_pairs(desk: Desk, server: OpenAIServer) -> None:
    whole = answering()([])
    server.answer = lambda messages: "Here you are:\n```json\n" + whole[: len(whole) * 3 // 4]
    made = make(desk, server, count=9, calls=1)
    assert made.added == 3 and made.left_out == {"it is no whole pair": 1}


def test_refusals_are_counted_and_end_the_run(desk: Desk, server: OpenAIServer) -> None:
    server.answer = lambda messages: " "
    made = make(desk, server, count=9)
    assert made.calls == 5 and made.left_out == {"the teacher refused": 5} and "refused 5 requests" in made.stopped
    assert not made.failed


def test_budget_of_tokens_is_kept(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    made = make(desk, server, count=500, tokens=30)
    assert made.stopped == "the budget of 30 tokens is spent" and 1 <= made.calls <= 3


def test_each_part_of_documents_is_asked_once(desk: Desk, server: OpenAIServer, tmp_path: Path) -> None:
    manual = tmp_path / "manual.txt"
    manual.write_text("Brakes.\n\n" + "b" * 2_990 + "\n\n" + "c" * 100, encoding="utf-8")
    assert [len(piece) <= synthesis_prompts.PIECE for piece in pieces(manual.read_text())] == [True] * 2
    server.answer = answering()
    made = make(desk, server, source="documents", documents=(str(manual),), count=500)
    assert (made.calls, made.added) == (2, 10) and "every part" in made.stopped
    manual.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        make(desk, server, source="documents", documents=(str(manual),))


def test_prompt_is_the_homes_own_where_there_is_one(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    folder = desk.home.path / "prompts"
    folder.mkdir()
    (folder / "rows.txt").write_text("{count} like these {examples} in {braces}")
    make(desk, server, count=1)
    assert server.asked[0]["messages"][0]["content"].startswith("5 like these {")
    (folder / "rows.txt").write_text("no marks")
    with pytest.raises(InvalidInput, match=r"has no `\{examples\}`"):
        make(desk, server, count=1)


def test_freeze_takes_no_more_synthetic_rows_than_others(desk: Desk, server: OpenAIServer) -> None:
    server.answer = answering()
    make(desk, server, count=10)
    ids = [e.id for e in desk.examples.listing("pending", limit=50)]
    approved, _ = desk.curation.approve_many(OWNER, ids)
    assert len(approved) == 10
    frozen = desk.datasets.freeze(OWNER)
    reasons = [entry["reason"] for entry in frozen.refused]
    # One of the two others holds an address that nobody looked at.
    assert reasons.count("synthetic rows are at most as many as all others") == 9
    assert desk.datasets.report(OWNER, "d1")["provenance"]["synthetic"] == 1


def test_guests_and_homes_without_a_teacher_make_nothing(desk: Desk, server: OpenAIServer) -> None:
    with pytest.raises(Forbidden):
        next(synthesis(desk, server).make(GUEST, Wish()))
    without = Synthesis(Teacher(read({})), desk.examples, desk.datasets._task, desk.home, rules)
    with pytest.raises(InvalidInput, match="FLYWHEEL_TEACHER_MODEL"):
        next(without.make(OWNER, Wish()))


def test_pairs_are_read_from_what_models_write() -> None:
    assert read_pairs("I cannot.").broken == 1
    assert read_pairs('[{"question": "q", "answer": "a"}, {"question": 3}, {"q": 1}]').pairs == [("q", "a")]
    assert read_pairs('[{"question": "q", "answer": " "}]').broken == 1
    assert read_pairs("{" * 5000).broken == 1
