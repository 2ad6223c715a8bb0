"""What holds for every text: nothing else is touched, nothing is left, JSON and SQL stay what they are."""

import json
import re

import hypothesis
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel.redaction.redact import TYPES, redact
from tests.redaction.cases import CLEAN, FOUND

KNOWN = [re.sub(r"«(.*?)\|[A-Z_]+»", r"\1", marked, flags=re.DOTALL) for marked in FOUND] + CLEAN
SIGNS = "0123456789+-./()@:'\"=,;[]{}\\ \n\tabAE_%$`#*"
piece = st.one_of(
    st.sampled_from(KNOWN),
    st.text(st.sampled_from(SIGNS), max_size=12),
    st.text(max_size=8),
    st.integers(0, 10**19).map(str),
)
text = st.lists(piece, max_size=6).map("".join)
TAGS = re.compile(rf"""(['"]?)\[(?:{"|".join(TYPES)})\]\1""")


@settings(max_examples=300)
@given(text)
def test_second_time_finds_nothing(given_text: str) -> None:
    once = redact(given_text)
    again = redact(once.text)
    assert (again.text, again.spans) == (once.text, [])


@settings(max_examples=300)
@given(text)
def test_offsets_point_at_what_was_replaced(given_text: str) -> None:
    redacted = redact(given_text)
    at, rest = 0, redacted.text
    for span in redacted.spans:
        assert at <= span.start < span.end <= len(given_text)
        untouched = given_text[at : span.start]
        assert rest.startswith(untouched)
        tag = TAGS.match(rest, len(untouched))
        assert tag and span.type in tag.group()
        rest, at = rest[tag.end() :], span.end
    assert rest == given_text[at:]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.sampled_from([4111111111111111]) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["phone", "password", "a"]), inner),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.lists(values) | st.dictionaries(text, values, max_size=3), st.booleans(), st.sampled_from([None, 1]))
def test_json_stays_json(value: object, ascii_only: bool, indent: int | None) -> None:
    redacted = redact(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    after = json.loads(redacted.text)
    assert type(after) is type(value)


@settings(max_examples=200)
@given(st.lists(text.map(lambda s: s.replace("\0", "")), min_size=1, max_size=3))
def test_quoted_sql_stays_parseable(values: list[str]) -> None:
    hypothesis.assume(not any("```" in value for value in values))
    quoted = ["'" + value.replace("'", "''") + "'" for value in values]
    statement = "SELECT name FROM t WHERE x IN (" + ", ".join(quoted) + ")"
    # Outside the literals nothing was written: as many quotes open as close, and the frame is whole.
    after = redact(statement).text
    outside = re.sub(r"'(?:[^']|'')*'", "?", after)
    assert re.fullmatch(r"SELECT name FROM t WHERE x IN \(\?(?:, \?)*\)", outside), after
