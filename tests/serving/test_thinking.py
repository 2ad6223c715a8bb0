"""Thoughts are told apart from the answer, however a model leaves its tags; an answer without them stays as it is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.serving.thinking import Said, parted

OPENED = "<|im_start|>assistant\n<think>\n"


@pytest.mark.parametrize(
    ("written", "prompt", "text", "thinking"),
    [
        ("<think>\nLet me see.\n</think>\n\nIt is 4.", "", "It is 4.", "Let me see."),
        ("\n\n<thinking>a</thinking>b", "", "b", "a"),
        ("[THINK]a[/THINK]b", "", "b", "a"),
        ("<think>one</think><think>two</think>three", "", "three", "one\n\ntwo"),
        ("<think>cut in the mid", "", "", "cut in the mid"),
        ("<think></think>\n\nNo thought.", "", "No thought.", ""),
        ("Let me see.\n</think>\n\nIt is 4.", OPENED, "It is 4.", "Let me see."),
        ("so, </think> is inside. It is 4.", OPENED, "is inside. It is 4.", "so,"),
        ("cut in the mid", OPENED, "", "cut in the mid"),
        ("<think>again</think>done", OPENED, "done", "again"),
        ("Nobody told.\n</think>\nIt is 4.", "", "It is 4.", "Nobody told."),
        ("The tag </think> ends a thought.", "", "The tag </think> ends a thought.", ""),
        ("Write:\n```\n<think>\n</think>\n```\n", "", "Write:\n```\n<think>\n</think>\n```\n", ""),
        ("SELECT '<think>x</think>' AS t", "", "SELECT '<think>x</think>' AS t", ""),
        ("", OPENED, "", ""),
    ],
)
def test_thoughts_are_told_apart(written: str, prompt: str, text: str, thinking: str) -> None:
    assert parted(written, prompt=prompt) == Said(text, thinking)


@given(st.text().filter(lambda text: "think" not in text.lower()))
def test_other_text_stays_sign_by_sign(text: str) -> None:
    assert parted(text) == Said(text, "")


@given(st.text(st.sampled_from("ab <\n>")), st.text("ab", min_size=1))
def test_growing_text_is_never_taken_back(thought: str, answer: str) -> None:
    written = f"<think>{thought}</think>{answer}"
    shown = [parted(written[:end], growing=True).text for end in range(len(written) + 1)]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(shown))
    assert shown[-1] == parted(written).text


def test_beginning_of_a_tag_waits() -> None:
    assert parted("<thi", growing=True).text == ""
    assert parted("<thi").text == "<thi"
    assert parted("<b", growing=True).text == "<b"
