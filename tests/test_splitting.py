"""Sides of a dataset: who goes where, and that nobody ever moves."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel.neighbours import Neighbours, clusters, near, normalise, words
from flywheel.splitting import Entry, Split, split

SENTENCES = [f"question number {i} about topic {i * 7} and thing {i * 13}" for i in range(400)]


def entries(texts: list[str], **given: object) -> list[Entry]:
    return [Entry(f"e{i}", normalise(text), **given) for i, text in enumerate(texts)]  # type: ignore[arg-type]


def sides(result: Split) -> Counter[str]:
    return Counter(place.side for place in result.placements.values())


def test_shares_are_held() -> None:
    assert sides(split(entries(SENTENCES[:100]))) == {"train": 70, "validation": 10, "test": 20}


def test_one_row_is_trained() -> None:
    assert sides(split(entries(["hello there"]))) == {"train": 1}


def test_few_rows_leave_training_rows() -> None:
    for count in range(1, 12):
        assert sides(split(entries(SENTENCES[:count])))["train"] >= 0.7 * count


def test_order_does_not_matter() -> None:
    rows = entries(SENTENCES[:60])
    shuffled = random.Random(1).sample(rows, len(rows))
    assert split(rows).placements == split(shuffled).placements


def test_ids_do_not_matter() -> None:
    rows = entries(SENTENCES[:60])
    renamed = [replace(row, id=f"x{60 - i}") for i, row in enumerate(rows)]
    first, second = split(rows).placements, split(renamed).placements
    assert [first[row.id].side for row in rows] == [second[row.id].side for row in renamed]


def test_conversation_shares_a_side() -> None:
    rows = [Entry(f"e{i}", text, conversation=f"c{i // 4}") for i, text in enumerate(SENTENCES[:200])]
    placed = split(rows).placements
    for i in range(0, 200, 4):
        assert len({placed[f"e{j}"].side for j in range(i, i + 4)}) == 1
    assert sides(split(rows))["test"] == 40


def test_near_duplicates_share_a_side() -> None:
    texts = [f"{text} {ending}" for text in SENTENCES[1:61] for ending in ("please", "thanks")]
    placed = split(entries(texts)).placements
    assert all(placed[f"e{i}"].side == placed[f"e{i + 1}"].side for i in range(0, 120, 2))


def test_values_keep_questions_apart() -> None:
    texts = [f"how many big ticket orders in {year}" for year in range(2000, 2040)]
    assert len({place.group for place in split(entries(texts)).placements.values()}) == 40


def test_fixed_side_stands() -> None:
    rows = entries(SENTENCES[:9], fixed="test") + [Entry(f"n{i}", text) for i, text in enumerate(SENTENCES[20:60])]
    result = split(rows)
    assert all(result.placements[f"e{i}"].side == "test" for i in range(9))
    assert sides(result) == {"train": 28, "validation": 4, "test": 9 + 8}


def test_held_out_rows_free_the_others_for_training() -> None:
    rows = entries(SENTENCES[:10], fixed="test") + [Entry(f"n{i}", text) for i, text in enumerate(SENTENCES[20:50])]
    assert sides(split(rows)) == {"train": 27, "validation": 3, "test": 10}


def test_resembling_a_held_out_row_is_trained_and_counted() -> None:
    held_out = Entry("h", "show me all of the big ticket orders from the year 2023", fixed="test")
    new = Entry("n", "show me all of the big ticket orders from the year 2024")
    result = split([held_out, new])
    assert result.placements["n"].side == "train"
    assert result.resembling == 1


def test_same_question_as_a_held_out_row_is_left_out() -> None:
    held_out = Entry("h", normalise("How many big ticket orders?"), fixed="test")
    others = entries(SENTENCES[:5])
    result = split([held_out, Entry("n", normalise("  how many BIG ticket  orders")), *others])
    assert "n" not in result.placements
    assert "asks the same question" in result.left_out["n"]


def test_new_row_joins_its_group() -> None:
    for side in ("train", "validation", "test"):
        old = Entry("o", "where is my order from last week in leeds", placed=side, group="g")
        new = Entry("n", "where is my order from last week in leeds please")
        assert split([old, new]).placements["n"].side == side


def test_bridging_row_is_left_out() -> None:
    old = [
        Entry("a", "a b c d e f g h", placed="train", group="1"),
        Entry("b", "k l m n o p q r", placed="test", group="2", conversation="c1"),
    ]
    result = split([*old, Entry("n", "a b c d e f g h i", conversation="c1")])
    assert "`train` and `test`" in result.left_out["n"]
    assert set(result.placements) == {"a", "b"}


def test_left_out_row_does_not_spoil_its_conversation() -> None:
    old = [
        Entry("a", "a b c d e f g h", placed="train", group="1"),
        Entry("b", "k l m n o p q r", placed="test", group="2", conversation="c1"),
    ]
    bridge = Entry("n", "a b c d e f g h i", conversation="c1")
    later = Entry("m", "something else entirely said here", conversation="c1")
    assert split([*old, bridge, later]).placements["m"].side == "test"


def test_rejected_row_still_binds() -> None:
    gone = Entry("g", "what did we sell in leeds last year", placed="test", group="1", live=False)
    result = split([gone, Entry("n", "what did we sell in leeds last year please"), *entries(SENTENCES[:3])])
    assert result.placements["n"].side == "test"
    assert "g" not in result.placements


def test_rejected_test_question_cannot_be_fixed_for_training() -> None:
    gone = Entry("g", "what did we sell", placed="test", group="1", live=False)
    result = split([gone, Entry("n", "what did we sell", fixed="train"), *entries(SENTENCES[:3])])
    assert "earlier version" in result.left_out["n"]


def test_same_question_on_two_sides_clashes() -> None:
    rows = [Entry("a", "how many", placed="train", group="1"), Entry("b", "how many", fixed="test")]
    result = split(rows)
    assert [(one.id, other.id) for one, other in result.clashes] == [("a", "b")]
    assert not result.placements


def test_normalising_keeps_values() -> None:
    assert normalise(" How  MANY orders​ in ２０２３?") == "how many orders in 2023"
    assert normalise("orders in 2023") != normalise("orders in 2024")


@given(st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=12), min_size=2, max_size=25))
def test_neighbours_are_found_exactly(texts: list[list[str]]) -> None:
    sets = [words(" ".join(text)) for text in texts]
    found = Neighbours(sets)
    for i, one in enumerate(sets):
        expected = {j for j, other in enumerate(sets[:i]) if len(one & other) * 5 >= len(one | other) * 4}
        assert found.groups(one, lambda group: group) == expected
        found.add(one, i)


@given(st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=12), min_size=1, max_size=20))
def test_clusters_are_what_near_duplicates_link(texts: list[list[str]]) -> None:
    joined = [" ".join(text) for text in texts]
    numbers, sets = clusters(joined), [words(text) for text in joined]
    linked = {i: {j for j, other in enumerate(sets) if near(one, other)} for i, one in enumerate(sets)}
    for i, found in linked.items():
        assert {numbers[j] for j in found} == {numbers[i]}
    for number in set(numbers):
        members = {i for i, of in enumerate(numbers) if of == number}
        reached = {min(members)}
        while grown := {j for i in reached for j in linked[i]} - reached:
            reached |= grown
        assert reached == members


VOCABULARY = [f"word{i} and value{i} of kind{i}" for i in range(12)]
entry = st.builds(
    Entry,
    id=st.uuids().map(str),
    text=st.tuples(st.sampled_from(VOCABULARY), st.sampled_from(["", " please", " now", " x y z"])).map("".join),
    conversation=st.sampled_from([None, "c1", "c2", "c3"]),
    fixed=st.sampled_from([None, None, None, "train", "validation", "test"]),
)


@settings(max_examples=150)
@given(st.lists(st.lists(entry, max_size=8), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_nothing_ever_changes_side(history: list[list[Entry]], chance: random.Random) -> None:
    """Over random histories of new rows, rejections and freezes: no example and no question goes from test to train."""
    known: list[Entry] = []
    placed: dict[str, tuple[str, str]] = {}
    tested: set[str] = set()
    for arriving in history:
        known += arriving
        live = {row.id: chance.random() < 0.7 for row in known}
        rows = []
        for row in known:
            side, group = placed.get(row.id, (None, None))
            if live[row.id] or side:
                rows.append(replace(row, placed=side, group=group, live=live[row.id]))  # type: ignore[arg-type]
        result = split(rows)
        text = {row.id: row.text for row in known}
        ended = set(result.placements) | set(result.left_out)
        assert ended == (set() if result.clashes else {row.id for row in known if live[row.id]})
        for id, place in result.placements.items():
            assert placed.get(id, (place.side,))[0] == place.side
            assert place.side != "train" or text[id] not in tested
            placed.setdefault(id, (place.side, place.group))
        sides_of: dict[str, set[str]] = {}
        for id, place in result.placements.items():
            sides_of.setdefault(text[id], set()).add(place.side)
        assert all(len(found) == 1 for found in sides_of.values()), "no question stands on two sides"
        tested |= {text[id] for id, place in result.placements.items() if place.side == "test"}
        for group in {place.group for place in result.placements.values()}:
            assert len({p.side for p in result.placements.values() if p.group == group}) == 1
