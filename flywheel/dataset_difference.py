"""What changed between two dataset versions. Pure; a row is told by what it holds, wherever it came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from flywheel.rows import content_of
from storage.datasets import DatasetRow


@dataclass(frozen=True)
class Changed:
    """One example with another text than before."""

    old: DatasetRow
    new: DatasetRow


@dataclass(frozen=True)
class Difference:
    """What the newer version has and the older has not, and the other way round."""

    old: str
    new: str
    added: list[DatasetRow]
    removed: list[DatasetRow]
    changed: list[Changed]
    """The same example in both, with another prompt or completion; in neither of the lists above."""
    moved: list[DatasetRow]
    """On another side in the newer one; there must be none."""


def difference(old: str, new: str, before: Sequence[DatasetRow], after: Sequence[DatasetRow]) -> Difference:
    """Compare the rows of two versions, each in its order."""
    had, has = {content_of(row): row for row in before}, {content_of(row): row for row in after}
    gone = {row.example_id: row for key, row in had.items() if key not in has}
    come = {row.example_id: row for key, row in has.items() if key not in had}
    same = [id for id in come if id in gone]
    moved = [row for key, row in has.items() if key in had and had[key].side != row.side]
    moved += [come[id] for id in same if come[id].side != gone[id].side]
    return Difference(
        old,
        new,
        added=[row for id, row in come.items() if id not in gone],
        removed=[row for id, row in gone.items() if id not in come],
        changed=[Changed(gone[id], come[id]) for id in same],
        moved=moved,
    )
