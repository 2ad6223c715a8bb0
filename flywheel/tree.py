"""Which branch of a conversation is shown, and what stands beside each turn of it. Pure: turns in, turns out.

A retry is another answer to the same question, an edited question another one in the same place. Where turns stand
beside each other, the one is shown under which something was said or chosen last. Nothing of it moves: an id names the
same turn for ever.
"""

from collections.abc import Mapping, Sequence

from storage.conversations import Turn


def shown_path(turns: Sequence[Turn], choices: Mapping[str, str]) -> list[Turn]:
    """The branch to show, root first. `turns` oldest first; `choices`: turn → id of the event that chose it last."""
    newest = _activity(turns, choices)
    below = _below(turns)
    path: list[Turn] = []
    while beside := below.get(path[-1].id if path else None):
        path.append(max(beside, key=lambda turn: newest[turn.id]))
    return path


def path_through(turns: Sequence[Turn], turn_id: str, choices: Mapping[str, str]) -> list[Turn]:
    """From the root to this turn; a question is followed by the answer that would be shown to it.

    Empty when the turn is none of these.
    """
    known = {turn.id: turn for turn in turns}
    path: list[Turn] = []
    at = known.get(turn_id)
    while at is not None:
        path.append(at)
        at = known.get(at.parent_id or "")
    path.reverse()
    if path and path[-1].role == "user":
        answers = [turn for turn in turns if turn.parent_id == turn_id and turn.role == "assistant"]
        newest = _activity(turns, choices)
        path += sorted(answers, key=lambda turn: newest[turn.id])[-1:]
    return path


def siblings(turns: Sequence[Turn]) -> dict[str, tuple[str, ...]]:
    """Turn → the ids that stand in its place, its own among them, oldest first."""
    below = _below(turns)
    return {
        turn.id: tuple(other.id for other in beside if other.role == turn.role)
        for beside in below.values()
        for turn in beside
    }


def _below(turns: Sequence[Turn]) -> dict[str | None, list[Turn]]:
    known = {turn.id for turn in turns}
    below: dict[str | None, list[Turn]] = {}
    for turn in turns:
        parent = turn.parent_id if turn.parent_id in known else None
        below.setdefault(parent, []).append(turn)
    return below


def _activity(turns: Sequence[Turn], choices: Mapping[str, str]) -> dict[str, str]:
    """Turn → the newest id at it or under it. A turn is newer than the one it follows, so one pass from the end will
    do."""
    newest = {turn.id: max(turn.id, choices.get(turn.id, "")) for turn in turns}
    for turn in reversed(turns):
        if turn.parent_id in newest:
            newest[turn.parent_id] = max(newest[turn.parent_id], newest[turn.id])
    return newest
