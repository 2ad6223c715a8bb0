"""Which branch is shown, for any tree and any choices."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from flywheel.tree import path_through, shown_path, siblings
from storage.conversations import Turn


@st.composite
def trees(draw: st.DrawFn) -> list[Turn]:
    """Questions and answers by turns under parents drawn at random, oldest first."""
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 25))):
        parent = draw(st.sampled_from([None, *turns]))
        role = "user" if parent is None or parent.role == "assistant" else "assistant"
        turns.append(
            Turn(
                f"{number:03}", "c", parent and parent.id, role, "", "complete", None, "page", {}, datetime.now(UTC)
            )
        )  # fmt: skip
    return turns


@given(trees(), st.data())
def test_whatever_is_chosen_is_shown_to_a_leaf(turns: list[Turn], data: st.DataObject) -> None:
    choices: dict[str, str] = {}
    for event in range(data.draw(st.integers(0, 5))):
        choices[data.draw(st.sampled_from(turns)).id] = f"{100 + event}"
    path = shown_path(turns, choices)
    last = max(choices, key=choices.__getitem__) if choices else turns[-1].id
    assert last in [turn.id for turn in path]
    assert [turn.parent_id for turn in path] == [None, *(turn.id for turn in path[:-1])]
    assert not [turn for turn in turns if turn.parent_id == path[-1].id]


@given(trees(), st.data())
def test_a_branch_ends_where_it_is_told_to(turns: list[Turn], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(turns))
    path = path_through(turns, chosen.id, {})
    at = [turn.id for turn in path].index(chosen.id)
    following = path[at + 1 :]
    assert len(following) <= (chosen.role == "user")
    assert all(turn.parent_id == chosen.id and turn.role == "assistant" for turn in following)
    assert path_through(turns, "unknown", {}) == []


@given(trees())
def test_every_turn_has_its_place_among_its_siblings(turns: list[Turn]) -> None:
    beside = siblings(turns)
    assert all(turn.id in beside[turn.id] and sorted(beside[turn.id]) == [*beside[turn.id]] for turn in turns)
    assert all(beside[other] == ids for ids in beside.values() for other in ids)
