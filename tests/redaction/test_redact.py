"""What is found and what is not, and that a text with tags is still what it was."""

import json
import re
from pathlib import Path

import pytest

from flywheel.redaction import redact as redaction
from flywheel.redaction.lines import NOT_JSON, redact_lines
from flywheel.redaction.redact import find, in_words, redact
from flywheel.tasks.sql_guard import check
from tests.redaction.cases import CLEAN, FOUND, PEM

STARTER_DATA = Path(__file__).parents[2] / "starter" / "data"
MARK = re.compile(r"«(.*?)\|([A-Z_]+)»", re.DOTALL)


def unmarked(marked: str) -> tuple[str, list[tuple[str, str]]]:
    """The text, and what is to be found in it."""
    return MARK.sub(r"\1", marked), MARK.findall(marked)


@pytest.mark.parametrize("marked", FOUND)
def test_exactly_this_is_found(marked: str) -> None:
    text, wanted = unmarked(marked)
    assert [(text[span.start : span.end], span.type) for span in find(text)] == wanted


@pytest.mark.parametrize("text", CLEAN)
def test_this_is_left_alone(text: str) -> None:
    assert redact(text) == redaction.Redacted(text, [])


@pytest.mark.parametrize("marked", FOUND)
def test_redacting_again_changes_nothing(marked: str) -> None:
    once = redact(unmarked(marked)[0])
    assert redact(once.text) == redaction.Redacted(once.text, [])


def test_tags_stand_where_the_data_stood() -> None:
    redacted = redact("🚲 mail ann@example.com, call +49 30 1234567.")
    assert redacted.text == "🚲 mail [EMAIL], call [PHONE]."
    assert [(span.start, span.end, span.type) for span in redacted.spans] == [(7, 22, "EMAIL"), (29, 43, "PHONE")]
    assert in_words(redacted.spans) == "1 EMAIL, 1 PHONE"


def test_starter_holds_no_personal_data_but_invented_addresses() -> None:
    texts = {text for path in STARTER_DATA.rglob("*.jsonl") for text in texts_of(path)}
    assert len(texts) > 2000
    for text in texts:
        assert {span.type for span in find(text)} <= {"EMAIL"}, text
        assert not find(text) or "@" in text


def texts_of(path: Path) -> list[str]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    said = [m["content"] for row in rows for m in [*row.get("prompt", []), *row.get("completion", [])]]
    return said + [row[key] for row in rows for key in ("question", "sql", "correction") if row.get(key)]


SQL = [
    "SELECT name FROM customers WHERE card = 4111111111111111",
    "SELECT name FROM customers WHERE card IN (4111111111111111, 5555555555554444) LIMIT 5",
    "SELECT name FROM customers WHERE phone = '+49 30 1234567' -- call 212-555-0123",
    "SELECT name AS \"ann@example.com\" FROM customers WHERE email = 'o''brien@example.com'",
    "SELECT 5 * 4111111111111111::BIGINT + 4111111111111111 AS n FROM customers",
    "/* 4111111111111111 */ SELECT name FROM customers WHERE phone = 15551234567 AND name <> 'it''s me'",
    "SELECT name FROM customers WHERE card = 1 +4930123456789 AND iban = DE89370400440532013000",
    "SELECT '{\"card\": 4111111111111111}' AS j FROM customers",
    "SELECT e'it\\'s 4111111111111111' AS j, E'\\\\' AS k, 4111111111111111 AS n FROM customers",
]


@pytest.mark.parametrize("statement", SQL)
def test_sql_stays_parseable(statement: str) -> None:
    redacted = redact(statement)
    assert redacted.spans
    columns = ["name", "card", "phone", "email", "iban", "DE89370400440532013000"]
    verdict = check(redacted.text, {"customers": columns})
    assert verdict.accepted, (redacted.text, verdict.reason)


def test_fenced_code_is_read_as_code() -> None:
    text = "Try 4111111111111111:\n```sql\nSELECT 4111111111111111\n```\nor\n```json\n[4111111111111111]\n```"
    fenced = "Try [CARD]:\n```sql\nSELECT '[CARD]'\n```\nor\n```json\n[\"[CARD]\"]\n```"
    assert redact(text).text == fenced


@pytest.mark.parametrize("value", [-4111111111111111, 4111111111111111, [4111111111111111, {"phone": 15551234567}]])
def test_json_numbers_become_texts(value: object) -> None:
    assert "4111" not in json.dumps(json.loads(redact(json.dumps({"a": value})).text))


def test_longest_of_overlapping_finds_counts() -> None:
    assert redact("password=ann@example.com!23").text == "password=[SECRET]"
    assert redact("https://ann:x1@example.com").text == "https://[URL_LOGIN]@example.com"


def test_what_a_first_tag_uncovers_is_found_too() -> None:
    text = f"x {PEM}212-555-0123 and bob@example.com"
    redacted = redact(text)
    assert redacted.text == "x [SECRET][PHONE] and [EMAIL]"
    found = [text[span.start : span.end] for span in redacted.spans]
    assert found == [PEM, "212-555-0123", "bob@example.com"]


def test_tag_in_the_text_is_kept() -> None:
    assert redact("password=abc123[EMAIL]def456").text == "password=[SECRET][EMAIL]def456"


UNITS = [
    "@", "a@", "a@b.", "a@b.c", "1", "1-", "1 ", "1.", "4111 ", "4111 1111 1111 1111 ", "0 ", "01 ", "212 555 0123 ",
    "+49301234567", "(2", "://", "a://", "://a:", "http://a:b@", "-----BEGIN " + "PRIVATE KEY-----", "password=",
    "password='", 'password="', "password is ", "api_key=", "sk-a", "hf_", "eyJaaaaaaaaa.", "DE89 ", "DE89", "a:", "::",
    "fe80:", "1.1.1.1.", "1.1.1.1 ", "ab:", "ab-", "'", '"', "'\"", "--", "/*", "$$", "```", "{", "[", '{"a":', "\\",
    "\\u0040", "a", " ", "\n", "A_", "aws A1b", "Bearer ", "a%40", "a(at)b", "\u200b", "１", "＠", "call 1",
    " (", "phone is ", "order number ", "A_KEY=", "0049 ", "[EMAIL]a@b.co", "123-45-", "o'a@b.co ", "a.a@",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_text_is_searched_in_few_passes(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    search = redaction._search
    monkeypatch.setattr(redaction, "_search", lambda text: passes.append(1) or search(text))
    for start in ("", "SELECT '", "a@b.co "):
        redact((start + unit * 5_000)[:5_000])
    assert len(passes) <= 3 * 3


def test_lines_are_answered_in_order() -> None:
    lines = [
        '\ufeff{"text": "ann@example.com"}\n',
        "no",
        "",
        '{"text": 3}',
        '["text"]',
        "[" * 99_999,
        '{"text": "\\ud800"}',
    ]
    answers = list(redact_lines(lines))
    assert answers[0] == {"text": "[EMAIL]", "spans": [[0, 15, "EMAIL"]]}
    assert answers[1:6] == [{"error": NOT_JSON}] * 5
    assert answers[6] == {"text": "\ud800", "spans": []}
