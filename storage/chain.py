"""Ledger lines: one per appended row, numbered without gaps, each hash covering the one before; and the side file.

The side file is a witness outside the database: number and hash of the newest line. It is written after COMMIT, so
it may lag the ledger and never lead it; a database behind it has lost rows. Knows nothing of what the rows mean.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring as text_of
from pathlib import Path
from typing import Any

import duckdb

_GENESIS = "0" * 64
_TAIL_BYTES = 128


@dataclass(frozen=True)
class Head:
    """Number and hash of the last line; (0, zeros) for an empty ledger."""

    seq: int = 0
    hash: str = _GENESIS


@dataclass(frozen=True)
class Entry:
    """What a line says of one row, before it has a number."""

    table: str
    row_id: str
    by: str
    row_hash: str


def chain(head: Head, entries: Sequence[Entry], at: datetime) -> tuple[Head, list[tuple[Any, ...]]]:
    """The new head, and the entries as ledger rows (seq, created, created_by, table_name, row_id, row_hash, hash)."""
    lines: list[tuple[Any, ...]] = []
    for entry in entries:
        seq = head.seq + 1
        digest = line_hash(head.hash, seq, at, entry)
        lines.append((seq, at, entry.by, entry.table, entry.row_id, entry.row_hash, digest))
        head = Head(seq, digest)
    return head, lines


def line_hash(before: str, seq: int, at: datetime, entry: Entry) -> str:
    """Hex sha256 of a line and the hash before it, as a JSON list."""
    texts = (at.astimezone(UTC).isoformat(), entry.by, entry.table, entry.row_id, entry.row_hash)
    line = f"[{text_of(before)}, {seq:d}, {', '.join(map(text_of, texts))}]"
    return hashlib.sha256(line.encode()).hexdigest()


class Tail:
    """The side file: one line of fixed length, rewritten in place after each commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> Head | None:
        """What the file says; None where there is none. Raises ValueError where it cannot be read."""
        try:
            content = json.loads(self.path.read_bytes())
            head = Head(int(content["seq"]), str(content["hash"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"`{self.path}` is damaged") from error
        if head.seq < 0 or len(head.hash) != len(_GENESIS):
            raise ValueError(f"`{self.path}` is damaged")
        return head

    def write(self, head: Head) -> None:
        """Replace the line in one system call. Not synced: after a power cut it may lag, which it is allowed to."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        line = json.dumps({"seq": head.seq, "hash": head.hash}).ljust(_TAIL_BYTES - 1) + "\n"
        os.pwrite(self._descriptor, line.encode(), 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def head(cursor: duckdb.DuckDBPyConnection) -> Head:
    """The newest line."""
    found = cursor.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchall()
    return Head(*found[0]) if found else Head()


def newest_id(cursor: duckdb.DuckDBPyConnection) -> str:
    """The greatest row id ever recorded, "" where there is none."""
    return str(cursor.execute("SELECT coalesce(max(row_id), '') FROM ledger").fetchall()[0][0])
