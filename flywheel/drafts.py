"""A correction before it is sent: what it changes, and what it returns beside what the answer had returned.

Stores nothing. Knows no page.
"""

from dataclasses import dataclass, fields
from typing import Any

from flywheel.chat import Chat
from flywheel.roles import Principal
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlOutcome
from flywheel.tasks.statements import is_ordered, same_rows
from flywheel.worddiff import Part, word_diff


@dataclass(frozen=True)
class Trial:
    """Two results side by side."""

    before: SqlOutcome | None
    """What the answer returned when it was given, rows left out where it was kept so; None when it was not run."""
    before_count: int
    """How many rows it returned then."""
    after: SqlOutcome
    same: bool | None
    """Whether both return the same rows; None where one of them returned none, or not all were kept."""


class Drafts:
    """Looks at what a person is about to send."""

    def __init__(self, chat: Chat, task: Task) -> None:
        self._chat, self._task = chat, task

    def diff(self, who: Principal, turn_id: str, text: str) -> list[Part]:
        """From one's answer to the text, word by word; empty when that would change nothing. Raises NotFound."""
        answer = self._chat.answer(who, turn_id).content
        if self._task.completion(text) == self._task.completion(answer):
            return []
        return word_diff(answer.strip(), text.strip())

    def attempt(self, who: Principal, turn_id: str, statement: str) -> Trial:
        """Run the statement guarded, as the answer's own was run. Raises NotFound; InvalidInput where nothing runs."""
        after = self._chat.try_sql(who, turn_id, statement)
        kept: dict[str, Any] = self._chat.answer(who, turn_id).details.get("sql") or {}
        before = SqlOutcome(**{f.name: kept[f.name] for f in fields(SqlOutcome) if f.name in kept}) if kept else None
        whole = before is not None and not kept.get("rows_cut")
        same = _same(before, after) if before is not None and whole else None
        return Trial(before, int(kept.get("row_count") or 0), after, same)


def _same(before: SqlOutcome, after: SqlOutcome) -> bool | None:
    if not (_ran(before) and _ran(after)) or before.truncated or after.truncated:
        return None
    return same_rows(before.rows, after.rows, ordered=is_ordered(after.sql or ""))


def _ran(outcome: SqlOutcome) -> bool:
    return outcome.sql is not None and outcome.accepted and outcome.error is None
