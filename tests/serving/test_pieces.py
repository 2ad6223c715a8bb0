import random

import pytest

from flywheel.serving.pieces import Pieces

TEXT = "Straße, 日本語, مرحبا, 👩‍👩‍👧 and 5 €"


def bytewise(ids) -> str:
    """The hardest tokenizer there is: each token is one byte."""
    return bytes(ids).decode("utf-8", "replace")


def stream(data: bytes, stop: tuple[str, ...] = ()) -> tuple[list[str], Pieces]:
    pieces = Pieces(bytewise, stop)
    given = []
    for byte in data:
        given.append(pieces.push(byte))
        if pieces.stopped:
            break
    given.append(pieces.finish())
    return given, pieces


def test_no_piece_splits_a_character() -> None:
    given, pieces = stream(TEXT.encode())
    assert "".join(given) == pieces.text == TEXT
    assert not any("\ufffd" in piece for piece in given)
    assert len(given) > 20


@pytest.mark.parametrize("size", range(1, 12))
def test_several_tokens_at_once_make_the_same_text(size: int) -> None:
    data, pieces = (TEXT * 3).encode(), Pieces(bytewise)
    given = [pieces.push(*data[at : at + size]) for at in range(0, len(data), size)]
    assert "".join([*given, pieces.finish()]) == pieces.text == TEXT * 3
    assert not any("\ufffd" in piece for piece in given)
    assert sum(map(bool, given)) > len(data) / size / 3


def test_cut_character_is_dropped() -> None:
    given, pieces = stream("ok 👩".encode()[:-1])
    assert "".join(given) == pieces.text == "ok "


def test_broken_bytes_do_not_hold_text_back() -> None:
    given, _ = stream(b"a" + b"\xff" * 20 + b"the rest of the answer")
    assert "".join(given).endswith("the rest of the answer")
    assert "the rest" in "".join(given[:-5])


@pytest.mark.parametrize("stop", ["\n\n", "; --", "€"])
def test_stop_text_is_never_shown(stop: str) -> None:
    given, pieces = stream(f"SELECT 1{stop} and more".encode(), (stop,))
    assert "".join(given) == pieces.text == "SELECT 1"
    assert pieces.stopped


def test_beginning_of_stop_text_is_shown_in_the_end() -> None:
    given, pieces = stream(b"one\ntwo\n", ("\n\n",))
    assert "".join(given) == pieces.text == "one\ntwo\n"
    assert not pieces.stopped


def test_earliest_of_several_stops_counts() -> None:
    _, pieces = stream(b"a b c d", ("d", "c", "b c"))
    assert pieces.text == "a "


def test_pieces_make_the_text_for_any_bytes() -> None:
    chance = random.Random(0)
    for _ in range(200):
        whole = "".join(chance.choices("aé日👩\n ", k=chance.randrange(30)))
        data = whole.encode()[: chance.randrange(120)]
        given, pieces = stream(data, ("\n\n", "aaa"))
        assert "".join(given) == pieces.text
        assert pieces.text == data.decode("utf-8", "ignore").split("\n\n")[0].split("aaa")[0] or pieces.stopped
