"""The shape of the database: numbered steps, appended to a list and never edited.

The columns of a table stand here and nowhere else; whatever needs them reads the catalog. Rules for a new step:
every table has `id VARCHAR PRIMARY KEY` and no other constraint than NOT NULL (a foreign key or an index forbids
later changes); an added column is nullable and has no default (the ledger's row hashes leave out what is NULL).
"""

from collections.abc import Callable
from datetime import UTC, datetime

import duckdb

from storage.errors import NewerDatabase

LEDGER = "ledger"
MIGRATIONS = "migrations"

Columns = dict[str, "Column"]


class Column:
    """Type as the engine names it, and whether NULL is allowed."""

    __slots__ = ("nullable", "type")

    def __init__(self, type: str, nullable: bool) -> None:
        self.type = type
        self.nullable = nullable


def m001_wheel(cursor: duckdb.DuckDBPyConnection) -> None:
    """Ledger, conversations, feedback, examples, dataset versions, runs, versions."""
    for statement in _WHEEL:
        cursor.execute(statement)


def m002_keys(cursor: duckdb.DuckDBPyConnection) -> None:
    """Keys of programs, and what happened to them."""
    for statement in _KEYS:
        cursor.execute(statement)


def m003_publications(cursor: duckdb.DuckDBPyConnection) -> None:
    """What was published on the Hub, and how each attempt ended."""
    for statement in _PUBLICATIONS:
        cursor.execute(statement)


def m004_conversation_events(cursor: duckdb.DuckDBPyConnection) -> None:
    """What its owner does with a conversation: rename, delete, choose the branch that is shown."""
    cursor.execute(_CONVERSATION_EVENTS)


def m005_notices(cursor: duckdb.DuckDBPyConnection) -> None:
    """Notices that people have put away."""
    cursor.execute(_NOTICES)


def m006_redacted_prompts(cursor: duckdb.DuckDBPyConnection) -> None:
    """The prompt as a reviewer left it; NULL where it is as it came."""
    cursor.execute("ALTER TABLE example_events ADD COLUMN prompt VARCHAR")


def m007_consent(cursor: duckdb.DuckDBPyConnection) -> None:
    """What people allow, and what was erased at their wish."""
    for statement in _CONSENT:
        cursor.execute(statement)


def m008_dataset_reports(cursor: duckdb.DuckDBPyConnection) -> None:
    """What was reported of a dataset version when it was frozen."""
    cursor.execute(_DATASET_REPORTS)


def m009_review(cursor: duckdb.DuckDBPyConnection) -> None:
    """How long a decision took, what two reviewers said apart, and tags, which a frozen row keeps."""
    for statement in _REVIEW:
        cursor.execute(statement)


def m010_invitations(cursor: duckdb.DuckDBPyConnection) -> None:
    """Links that reviewers are invited by, and what became of them."""
    for statement in _INVITATIONS:
        cursor.execute(statement)


def m011_comparisons(cursor: duckdb.DuckDBPyConnection) -> None:
    """What people chose where two answers stood side by side."""
    cursor.execute(_COMPARISONS)


def m012_pins(cursor: duckdb.DuckDBPyConnection) -> None:
    """Examples that are kept as permanent tests."""
    cursor.execute(_PINS)


def m013_drafts(cursor: duckdb.DuckDBPyConnection) -> None:
    """Which texts a model drafted for an example, as fingerprints."""
    cursor.execute(_DRAFTS)


_STAMP = "created TIMESTAMPTZ NOT NULL, created_by VARCHAR NOT NULL"

_WHEEL = (
    """CREATE TABLE ledger (seq BIGINT PRIMARY KEY, created TIMESTAMPTZ NOT NULL, created_by VARCHAR NOT NULL,
        table_name VARCHAR NOT NULL, row_id VARCHAR NOT NULL, row_hash VARCHAR NOT NULL, hash VARCHAR NOT NULL)""",
    f"""CREATE TABLE conversations (id VARCHAR PRIMARY KEY, owner VARCHAR NOT NULL, task VARCHAR NOT NULL,
        title VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE turns (id VARCHAR PRIMARY KEY, conversation_id VARCHAR NOT NULL, parent_id VARCHAR,
        role VARCHAR NOT NULL, content VARCHAR NOT NULL, state VARCHAR NOT NULL, version VARCHAR,
        source VARCHAR NOT NULL, details VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE feedback (id VARCHAR PRIMARY KEY, turn_id VARCHAR NOT NULL, rating VARCHAR,
        reasons VARCHAR NOT NULL, comment VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE corrections (id VARCHAR PRIMARY KEY, turn_id VARCHAR NOT NULL, text VARCHAR NOT NULL,
        {_STAMP})""",
    f"""CREATE TABLE examples (id VARCHAR PRIMARY KEY, turn_id VARCHAR, conversation_id VARCHAR,
        prompt VARCHAR NOT NULL, answer VARCHAR, version VARCHAR, split VARCHAR, source VARCHAR NOT NULL,
        content_hash VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE example_events (id VARCHAR PRIMARY KEY, example_id VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        provenance VARCHAR NOT NULL, completion VARCHAR NOT NULL, reasons VARCHAR NOT NULL, comment VARCHAR NOT NULL,
        reason VARCHAR, {_STAMP})""",
    f"""CREATE TABLE dataset_versions (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, name VARCHAR NOT NULL,
        note VARCHAR NOT NULL, task VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, system_hash VARCHAR NOT NULL,
        counts VARCHAR NOT NULL, refused VARCHAR NOT NULL, policy VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE dataset_rows (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL,
        example_id VARCHAR NOT NULL, side VARCHAR NOT NULL, group_key VARCHAR NOT NULL, prompt VARCHAR NOT NULL,
        completion VARCHAR NOT NULL, provenance VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE runs (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, dataset VARCHAR NOT NULL,
        method VARCHAR NOT NULL, preset VARCHAR NOT NULL, settings VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE run_events (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, state VARCHAR NOT NULL,
        reason VARCHAR, version VARCHAR, {_STAMP})""",
    f"""CREATE TABLE versions (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, run INTEGER, dataset VARCHAR,
        base VARCHAR NOT NULL, revision VARCHAR, base_form VARCHAR NOT NULL, adapter_sha256 VARCHAR, {_STAMP})""",
    f"""CREATE TABLE scores (id VARCHAR PRIMARY KEY, version VARCHAR NOT NULL, suite VARCHAR NOT NULL,
        n INTEGER NOT NULL, value DOUBLE NOT NULL, lo DOUBLE NOT NULL, hi DOUBLE NOT NULL, details VARCHAR NOT NULL,
        {_STAMP})""",
    f"""CREATE TABLE promotions (id VARCHAR PRIMARY KEY, version VARCHAR NOT NULL, previous VARCHAR NOT NULL,
        kind VARCHAR NOT NULL, override VARCHAR, verdict VARCHAR NOT NULL, {_STAMP})""",
)

_KEYS = (
    f"""CREATE TABLE keys (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL, name VARCHAR NOT NULL,
        role VARCHAR NOT NULL, digest VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE key_events (id VARCHAR PRIMARY KEY, key_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, {_STAMP})""",
)

_PUBLICATIONS = (
    f"""CREATE TABLE publications (id VARCHAR PRIMARY KEY, version VARCHAR NOT NULL, repo VARCHAR NOT NULL,
        visibility VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE publication_ends (id VARCHAR PRIMARY KEY, publication_id VARCHAR NOT NULL,
        state VARCHAR NOT NULL, sha VARCHAR, tag VARCHAR, reason VARCHAR, {_STAMP})""",
)

_CONVERSATION_EVENTS = f"""CREATE TABLE conversation_events (id VARCHAR PRIMARY KEY,
        conversation_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, title VARCHAR, turn_id VARCHAR, {_STAMP})"""

_NOTICES = f"""CREATE TABLE notices (id VARCHAR PRIMARY KEY, notice VARCHAR NOT NULL, {_STAMP})"""

_CONSENT = (
    f"""CREATE TABLE consents (id VARCHAR PRIMARY KEY, person VARCHAR NOT NULL, conversation_id VARCHAR,
        choice VARCHAR NOT NULL, {_STAMP})""",
    f"""CREATE TABLE erasures (id VARCHAR PRIMARY KEY, table_name VARCHAR NOT NULL, row_id VARCHAR NOT NULL,
        row_hash VARCHAR NOT NULL, {_STAMP})""",
)

_DATASET_REPORTS = f"""CREATE TABLE dataset_reports (id VARCHAR PRIMARY KEY, number INTEGER NOT NULL,
        report VARCHAR NOT NULL, {_STAMP})"""

_REVIEW = (
    "ALTER TABLE example_events ADD COLUMN seconds DOUBLE",
    "ALTER TABLE dataset_rows ADD COLUMN tags VARCHAR",
    f"""CREATE TABLE votes (id VARCHAR PRIMARY KEY, example_id VARCHAR NOT NULL, event_id VARCHAR NOT NULL,
        decision VARCHAR NOT NULL, completion VARCHAR NOT NULL, reason VARCHAR, seconds DOUBLE, {_STAMP})""",
    f"""CREATE TABLE example_tags (id VARCHAR PRIMARY KEY, example_id VARCHAR NOT NULL, tag VARCHAR NOT NULL,
        kind VARCHAR NOT NULL, {_STAMP})""",
)

_INVITATIONS = (
    f"""CREATE TABLE invitations (id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, digest VARCHAR NOT NULL,
        expires TIMESTAMPTZ NOT NULL, {_STAMP})""",
    f"""CREATE TABLE invitation_events (id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        invitation_id VARCHAR, {_STAMP})""",
)

_COMPARISONS = f"""CREATE TABLE comparisons (id VARCHAR PRIMARY KEY, conversation_id VARCHAR NOT NULL,
        left_id VARCHAR NOT NULL, right_id VARCHAR NOT NULL, verdict VARCHAR NOT NULL, {_STAMP})"""

_PINS = f"""CREATE TABLE pins (id VARCHAR PRIMARY KEY, example_id VARCHAR NOT NULL, kind VARCHAR NOT NULL,
        {_STAMP})"""

_DRAFTS = f"""CREATE TABLE drafts (id VARCHAR PRIMARY KEY, example_id VARCHAR NOT NULL, text_hash VARCHAR NOT NULL,
        {_STAMP})"""

STEPS: list[Callable[[duckdb.DuckDBPyConnection], None]] = [
    m001_wheel,
    m002_keys,
    m003_publications,
    m004_conversation_events,
    m005_notices,
    m006_redacted_prompts,
    m007_consent,
    m008_dataset_reports,
    m009_review,
    m010_invitations,
    m011_comparisons,
    m012_pins,
    m013_drafts,
]


def applied(cursor: duckdb.DuckDBPyConnection) -> int:
    """How many steps the database has seen; 0 for an empty one."""
    try:
        found = cursor.execute(f"SELECT coalesce(max(number), 0) FROM {MIGRATIONS}").fetchall()
    except duckdb.CatalogException:
        return 0
    return int(found[0][0])


def migrate(cursor: duckdb.DuckDBPyConnection) -> None:
    """Apply the missing steps, each in a transaction of its own. Raises NewerDatabase."""
    done = applied(cursor)
    if done > len(STEPS):
        raise NewerDatabase(
            f"The database is at step {done}, this Flywheel knows {len(STEPS)}. Use the newer Flywheel that wrote it."
        )
    for number, step in enumerate(STEPS[done:], start=done + 1):
        cursor.begin()
        try:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {MIGRATIONS}"
                " (number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, created TIMESTAMPTZ NOT NULL)"
            )
            step(cursor)
            cursor.execute(f"INSERT INTO {MIGRATIONS} VALUES (?, ?, ?)", [number, step.__name__, datetime.now(UTC)])
        except BaseException:
            cursor.rollback()
            raise
        cursor.commit()


def columns(cursor: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    """Table → column → type, of every table that takes rows (the ledger and the list of steps write themselves)."""
    found: dict[str, Columns] = {}
    rows = cursor.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY table_name, column_index"
    ).fetchall()
    for table, column, kind, nullable in rows:
        if table not in (LEDGER, MIGRATIONS):
            found.setdefault(table, {})[column] = Column(kind, bool(nullable))
    return found
