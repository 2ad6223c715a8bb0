"""What was paid for: each answer of the teacher is on disk before anything is made of it.

One file a task, in the home. A run that broke off reads it and asks nothing twice. Once the rows of an answer are
stored, its text is dropped at the end of the run. Knows no rows and no teacher.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from flywheel.errors import Unavailable
from storage.files import write_atomic


@dataclass
class Paid:
    """One request that was answered."""

    tokens: int
    text: str | None
    """None once its rows are stored, or where the teacher refused."""
    added: int = 0
    stored: bool = False


@dataclass
class Journal:
    """The requests of one task, by their key."""

    path: Path
    paid: dict[str, Paid] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, name: str) -> "Journal":
        """The journal of a task; a line that broke off is as if it had never been."""
        journal = cls(folder / f"{name}.jsonl")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            lines = journal.path.read_text(encoding="utf-8").splitlines() if journal.path.exists() else []
        except OSError as error:
            raise _full(journal.path, error) from error
        for line in lines:
            try:
                entry = json.loads(line)
                journal.paid[entry["key"]] = Paid(entry["tokens"], entry["text"], entry["added"], entry["stored"])
            except (ValueError, KeyError, TypeError):
                continue
        return journal

    @property
    def added(self) -> int:
        """Rows that came of it so far."""
        return sum(entry.added for entry in self.paid.values())

    def write(self, key: str, paid: Paid) -> None:
        """Put an entry on disk; the latest of a key counts. Raises Unavailable."""
        self.paid[key] = paid
        self._append(key, paid)

    def compact(self) -> None:
        """Write the file anew: what is stored needs its text no more."""
        for paid in self.paid.values():
            paid.text = None if paid.stored else paid.text
        if self.paid:
            write_atomic(self.path, "".join(_line(key, paid) for key, paid in self.paid.items()))

    def _append(self, key: str, paid: Paid) -> None:
        import os

        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(key, paid))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _full(self.path, error) from error


def _line(key: str, paid: Paid) -> str:
    entry = {"key": key, "tokens": paid.tokens, "text": paid.text, "added": paid.added, "stored": paid.stored}
    return json.dumps(entry) + "\n"


def _full(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"`{path}` cannot be written ({error.strerror}). Free some space, then go on.")
