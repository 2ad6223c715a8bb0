"""Parquet files as rows, and rows as Parquet.

A stranger's file is read in small batches, after what it says of its sizes was looked at. This is the one place of the
library, and it is loaded by the first Parquet file. Knows no format of rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from flywheel.errors import InvalidInput
from flywheel.readers import Rows
from flywheel.words.catalogue import say

COLUMNS = frozenset(
    ("messages", "conversations", "prompt", "completion", "label", "chosen", "rejected", "instruction", "input")
) | frozenset(("output", "system", "history", "text"))
"""Columns that any format of rows has; others are never read."""
MOST_COLUMNS = 1_000
MOST_ROWS = 10_000_000
MOST_CHUNK = 512 * 1000 * 1000
"""Bytes of one column of one row group, unpacked: so much is in memory at once."""
MOST_PACKED = 1_000
"""How many times larger than the file the content may be. Text packs to a tenth, a bomb to a hundred-thousandth."""
BATCH = 256


def rows_of(file: IO[bytes], name: str, size: int) -> Rows:
    """Rows with the columns that are known. Raises InvalidInput for what is no such file or too much to unpack."""
    import pyarrow.parquet

    with _in_words(name):
        opened = pyarrow.parquet.ParquetFile(
            file, thrift_string_size_limit=10_000_000, thrift_container_size_limit=1_000_000, pre_buffer=False
        )
    wanted = _check(opened.metadata, opened.schema_arrow, name, size)
    number = 0
    batches = opened.iter_batches(batch_size=BATCH, columns=wanted, use_threads=False)
    while True:
        with _in_words(name):
            batch = next(batches, None)
            if batch is None:
                return
            rows = batch.to_pylist()
        for row in rows:
            number += 1
            # A column that a row leaves empty is no part of it.
            yield number, {key: value for key, value in row.items() if value is not None}


def write(rows: Sequence[dict[str, Any]]) -> bytes:
    """A file with `prompt` and `completion` as lists of messages; the same rows give the same bytes."""
    import pyarrow
    import pyarrow.parquet

    messages = pyarrow.list_(pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())]))
    schema = pyarrow.schema([("prompt", messages), ("completion", messages)])
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def _check(metadata: Any, schema: Any, name: str, size: int) -> list[str]:
    """The columns to read. Looks at what the file says of itself before anything is unpacked."""
    if metadata.num_columns > MOST_COLUMNS:
        raise InvalidInput(
            say("error.parquet.columns", name=name, count=f"{metadata.num_columns:,}", most=f"{MOST_COLUMNS:,}")
        )
    if metadata.num_rows > MOST_ROWS:
        raise InvalidInput(say("error.parquet.rows", name=name, count=f"{metadata.num_rows:,}", most=f"{MOST_ROWS:,}"))
    wanted = [column for column in schema.names if column in COLUMNS]
    if not wanted:
        listed = ", ".join(f"`{column[:40]}`" for column in schema.names[:5])
        raise InvalidInput(say("error.parquet.no_known_columns", name=name, listed=listed))
    total = 0
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            if chunk.path_in_schema.split(".")[0] not in wanted:
                continue
            total += chunk.total_uncompressed_size
            if not 0 <= chunk.total_uncompressed_size <= MOST_CHUNK or total > max(size, 1_000) * MOST_PACKED:
                raise InvalidInput(
                    say(
                        "error.parquet.unpacks",
                        name=name,
                        total=f"{total / 1e6:,.0f}",
                        size=f"{size / 1e6:,.1f}",
                    )
                )
    return wanted


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InvalidInput(say("error.parquet.unreadable", name=name, reason=reason)) from error
