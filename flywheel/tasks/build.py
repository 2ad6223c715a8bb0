"""Makes the task that the settings name, with the database it asks.

The sample shop is written at the first start, into the home. Knows nothing of models but whether it is the starter.
"""

import hashlib
import json
import os
from pathlib import Path

from flywheel.errors import ConfigurationError
from flywheel.settings import Settings
from flywheel.tasks import suggestions
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask, schema_prompt
from flywheel.tasks.sql_lite import MARK
from flywheel.tasks.sql_postgres import SCHEMES
from flywheel.tasks.sql_sandbox import SqlSandbox
from flywheel.words.catalogue import say
from storage.files import fsync_dir
from storage.home import Home

Task = SqlTask | ChatTask

DUCKDB_MARK = b"DUCK"
"""Bytes 8 to 11 of every DuckDB file."""


def build_task(settings: Settings, home: Home) -> Task:
    """The task of these settings. ConfigurationError names what is wrong with the database."""
    if settings.task == "chat":
        return ChatTask(settings.system_prompt) if settings.system_prompt else ChatTask()
    sandbox = SqlSandbox(_database(settings, home))
    if settings.is_starter:
        notice = None if settings.is_sample_database else say("chat.other_database")
        examples = _starter_examples() if settings.is_sample_database else _table_questions(sandbox)
        return SqlTask(
            sandbox, system_prompt=settings.system_prompt, single_turn=True, examples=examples, notice=notice
        )
    prompt = settings.system_prompt or schema_prompt(sandbox.tables())
    return SqlTask(sandbox, system_prompt=prompt, single_turn=False, examples=_table_questions(sandbox))


def database_of(settings: Settings) -> Path | str:
    """The database of these settings, a file or an address, for commands that need no more of a home than that."""
    return _database(settings, Home.open(settings.home))


def _database(settings: Settings, home: Home) -> Path | str:
    return sample_database(home) if settings.is_sample_database else _configured(settings.database)


def sample_database(home: Home) -> Path:
    """The sample shop in this home, written first if it is not there. A later release with another shop writes anew."""
    from starter import database

    program = hashlib.sha256(Path(database.__file__).read_bytes()).hexdigest()
    path = home.path / f"sample-{program[:8]}.duckdb"
    if not path.exists():
        part = path.with_name(f".{path.name}.{os.getpid()}")
        database.build(part)
        part.replace(path)
        fsync_dir(path.parent)
    return path


def _configured(name: str) -> Path | str:
    if name.startswith(SCHEMES):
        return name
    if "://" in name:
        scheme = name.split("://")[0]
        raise ConfigurationError(
            f"FLYWHEEL_DATABASE is a `{scheme}://` address, and only DuckDB files, SQLite files and `postgresql://` "
            "addresses can be asked. Copy the tables into such a file and name that."
        )
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        raise ConfigurationError(
            f"FLYWHEEL_DATABASE is `{name}`, and there is no such file. Name a DuckDB or SQLite file."
        )
    with path.open("rb") as file:
        head = file.read(len(MARK))
    if head[8:12] != DUCKDB_MARK and head != MARK:
        raise ConfigurationError(
            f"FLYWHEEL_DATABASE is `{name}`, which is neither a DuckDB nor a SQLite file. Name one."
        )
    return path


def _starter_examples() -> list[str]:
    from starter import paths

    questions = json.loads(paths.EXAMPLES_FILE.read_text(encoding="utf-8"))
    return [str(question) for question in questions]


def _table_questions(sandbox: SqlSandbox) -> list[str]:
    return suggestions.questions(sandbox.tables())
