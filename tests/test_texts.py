import pytest

from flywheel.errors import InvalidInput
from flywheel.texts import check_text


@pytest.mark.parametrize("text", ["a", " padded ", "日本語", "👩‍👩‍👧", "مرحبا", "\u202e", "x" * 10])
def test_texts_stay_as_they_are(text: str) -> None:
    assert check_text(text, "message", 10) == text


@pytest.mark.parametrize(
    ("text", "blamed"),
    [("", "empty"), ("\n \t", "empty"), ("x" * 11, "11 characters"), ("a\0", "position 2"), ("a\udc80", "U\\+DC80"),
     (None, "no text"), (7, "no text")],
)  # fmt: skip
def test_refusal_names_the_fault(text: object, blamed: str) -> None:
    with pytest.raises(InvalidInput, match=f"^Your message .*{blamed}"):
        check_text(text, "message", 10)


def test_comment_may_be_empty() -> None:
    assert check_text("", "comment", 10, empty=True) == ""
