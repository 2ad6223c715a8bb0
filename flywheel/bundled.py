"""The starter's example data: corrections of a word for the inbox, and held-out phrasings for a test.

They mean nothing to another base or another database, and are not there then. Knows nothing of roles.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from flywheel.errors import InvalidInput
from flywheel.roles import Principal
from flywheel.settings import Settings
from flywheel.words.catalogue import say
from storage.examples import ExampleStore, NewExample


class Bundled:
    """Adds bundled rows as examples; what is there already is not added again."""

    def __init__(self, folder: Path | None, examples: ExampleStore) -> None:
        """`folder`: None where another base than the starter is configured."""
        self._folder = folder
        self._examples = examples

    def terms(self) -> list[str]:
        """Words that example corrections are bundled for."""
        folder = self._folder / "corrections" if self._folder else None
        return sorted(path.stem for path in folder.glob("*.jsonl")) if folder else []

    def load_corrections(self, who: Principal, term: str, limit: int | None) -> int:
        """Pending corrections of a term; returns how many were not there yet."""
        rows = self._rows("corrections", term)[:limit]
        return self._add(
            [_new(row, "correction", "correction", None, "pending", f"starter:{term}") for row in rows], who
        )

    def load_phrasings(self, who: Principal, term: str) -> int:
        """Held-out phrasings of a term as approved test rows; returns how many were not there yet."""
        rows = self._rows("phrasings", term)
        return self._add([_new(row, "sql", "imported", "test", "approved", f"starter:{term}") for row in rows], who)

    def _rows(self, kind: str, term: str) -> list[dict[str, str]]:
        if self._folder is None:
            raise InvalidInput(say("error.bundled.elsewhere"))
        if term not in (terms := self.terms()):
            known = ", ".join(f"`{name}`" for name in terms)
            raise InvalidInput(say("error.bundled.no_term", term=term, known=known))
        text = (self._folder / kind / f"{term}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def _add(self, rows: Sequence[NewExample], who: Principal) -> int:
        added, _ = self._examples.add_many(rows, by=who.id)
        return len(added)


def folder(settings: Settings) -> Path | None:
    """Where the starter's example data are; None where another base or another database is configured."""
    if not settings.is_starter:
        return None
    from starter import paths

    return paths.DATA_DIR


def _new(row: dict[str, str], key: str, provenance: str, split: str | None, state: str, source: str) -> NewExample:
    prompt = [{"role": "user", "content": row["question"]}]
    return NewExample(prompt, row[key], provenance=provenance, split=split, source=source, state=state)
