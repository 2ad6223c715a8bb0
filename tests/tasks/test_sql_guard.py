import contextlib
import itertools
import json
import random
import shutil
import time
from pathlib import Path

import duckdb
import pytest

from flywheel.tasks.sql_functions import FUNCTIONS, TABLE_FUNCTIONS
from flywheel.tasks.sql_guard import check, strip_fence
from flywheel.tasks.sql_rules import judge
from tests.tasks.conftest import MARKER
from tests.tasks.sql_cases import DOCUMENT, REFUSED, SAFE, TABLES, all_of, document

SLOW = [statement for statement in all_of(REFUSED) if len(statement) > 3000]


def variants(statement: str, dice: random.Random) -> list[str]:
    """The same statement in other letters, blanks, comments and nestings."""
    shaken = "".join(letter.upper() if dice.random() < 0.5 else letter.lower() for letter in statement)
    outer = [statement.upper(), statement.lower(), shaken, f" \n\t{statement}\n ", f"/* a -- */ {statement}"]
    if any(mark in statement for mark in ("--", "/*", ";")):
        return outer
    blanks = [" ", "\n", "\t", "  ", " /* b */ ", " -- c\n", "\r\n", "/**/ "]
    spaced = ["".join(dice.choice(blanks) if letter == " " else letter for letter in statement) for _ in range(3)]
    nested = [
        f"SELECT * FROM ({statement}) AS inside",
        f"WITH inside AS ({statement}) SELECT count(*) FROM inside",
        f"SELECT id FROM orders WHERE EXISTS ({statement})",
        f"({statement})",
    ]
    return [*outer, *spaced, *nested, f"{statement};", f"{statement} -- end", f"{statement} /* ; */"]


def test_ordinary_statements_are_accepted() -> None:
    said = {statement: check(statement, TABLES).reason for statement in all_of(SAFE)}
    assert len(said) >= 50
    assert {statement: reason for statement, reason in said.items() if reason} == {}


def test_attacks_are_refused_with_a_reason() -> None:
    verdicts = {statement: check(statement, TABLES) for statement in all_of(REFUSED)}
    assert len(verdicts) >= 120
    assert [statement for statement, verdict in verdicts.items() if verdict.accepted] == []
    assert all(verdict.reason.endswith(".") and "\n" not in verdict.reason for verdict in verdicts.values())


def test_variants_are_judged_alike() -> None:
    dice = random.Random(7)
    count = 0
    wrong = []
    for groups, accepted in ((SAFE, True), (REFUSED, False)):
        for statement in all_of(groups):
            for variant in variants(statement, dice) if statement not in SLOW else []:
                count += 1
                if check(variant, TABLES).accepted != accepted:
                    wrong.append(variant)
    assert wrong == []
    assert count >= 2000


def test_document_says_what_the_guard_says() -> None:
    assert document() == DOCUMENT.read_text(), "write it anew: python -m tests.tasks.sql_cases"


def test_accepted_statements_change_no_byte(shop: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    shutil.copy(shop, copy)
    before = copy.read_bytes()
    dice = random.Random(11)
    statements = [s for group, listed in SAFE.items() if group != "costly" for s in listed]
    with duckdb.connect(str(copy)) as connection:  # writable and without any lock
        for statement in statements:
            connection.cursor().execute(statement).fetchall()
            for variant in dice.sample(variants(statement, dice), 3):
                assert check(variant, TABLES).accepted
                # In other letters a format or an option in quotes may be no valid one any more.
                with contextlib.suppress(duckdb.Error):
                    connection.cursor().execute(variant).fetchall()
    assert copy.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy.duckdb"]


def test_with_never_opens_a_private_table(shop: Path) -> None:
    """The guard's reading of WITH against the engine's: every shape it accepts is run where `private` exists."""
    names = ("private", "orders", "a", '"PRIVATE"')
    bodies = (
        "SELECT name FROM private",
        "SELECT * FROM a",
        "SELECT 'x' AS name",
        "FROM private UNION ALL FROM private",
    )
    shapes = []
    for recursive, (one, two), (first, second), last in itertools.product(
        ("", "RECURSIVE "), itertools.product(names, names), itertools.product(bodies, bodies), names
    ):
        inner = f"WITH {recursive}{one} AS ({first}), {two} AS ({second}) SELECT * FROM {last}"
        shapes += [inner, f"WITH {one} AS ({first}) SELECT * FROM (WITH {recursive}{two} AS ({second}) FROM {last})"]
    dice = random.Random(3)
    accepted = [shape for shape in dice.sample(shapes, 1200) if check(shape, TABLES).accepted]
    assert len(accepted) > 50
    with duckdb.connect(str(shop), read_only=True) as connection:
        for statement in accepted:
            try:
                rows = connection.cursor().execute(statement).fetchmany(100)
            except duckdb.Error:
                continue
            assert MARKER not in str(rows), statement


def test_every_allowed_function_exists() -> None:
    """A name the engine does not know could one day mean something else."""
    with duckdb.connect() as connection:
        known = {
            row[0].lower() for row in connection.execute("SELECT function_name FROM duckdb_functions()").fetchall()
        }
    assert sorted((FUNCTIONS | TABLE_FUNCTIONS) - known) == []


def test_no_reader_or_writer_is_allowed() -> None:
    prefixes = ("read_", "duckdb_", "pragma_", "parquet_", "pg_", "has_", "current_", "enable_", "disable_", "__")
    harmless = {"pg_size_pretty", "current_date", "current_localtime", "current_localtimestamp"}
    assert {name for name in FUNCTIONS | TABLE_FUNCTIONS if name.startswith(prefixes)} == harmless


def test_unknown_tree_is_refused() -> None:
    column = {"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": ["id"]}
    node = {"type": "SELECT_NODE", "select_list": [column], "from_table": {"type": "EMPTY"}}
    assert _judged(node) is True
    assert _judged({**node, "into_table": "x"}) is False
    assert _judged({**node, "from_table": {"type": "WEB_PAGE"}}) is False
    assert _judged({**node, "select_list": [{**column, "class": "SPELL"}]}) is False
    assert _judged({**node, "select_list": [{"class": "FUNCTION", "type": "FUNCTION"}]}) is False
    assert _judged({**node, "type": "UPSERT_NODE"}) is False
    assert _judged(node, kind="RELATION") is False


def _judged(node: dict[str, object], kind: str = "SELECT") -> bool:
    tree = json.dumps({"error": False, "statements": [{"node": node}]})
    return judge({"tree": tree, "kinds": [kind], "parameters": 0}, TABLES).accepted


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  SELECT 1;\n", "SELECT 1;"),
        ("```sql\nSELECT 1\n```", "SELECT 1"),
        ("\n```SQL \r\nSELECT 1\r\n```  ", "SELECT 1"),
        ("```\nSELECT 1;\n```", "SELECT 1;"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```SELECT 1```", "SELECT 1"),
        ("```sql\nSELECT 1\n```\n```sql\nSELECT 2\n```", "```sql\nSELECT 1\n```\n```sql\nSELECT 2\n```"),
        ("Sure:\n```sql\nSELECT 1\n```", "Sure:\n```sql\nSELECT 1\n```"),
        ("``````", ""),
        ("```sql\n", "```sql"),
    ],
)
def test_one_fence_is_taken_off(text: str, inside: str) -> None:
    assert strip_fence(text) == inside


def test_names_alone_are_enough() -> None:
    assert check("SELECT * FROM Orders", ["orders"]).accepted
    assert check("SELECT * FROM orders", {"ORDERS"}).accepted
    assert not check("SELECT * FROM orders", []).accepted
    assert not check("SELECT * FROM \u212aunden", ["kunden"]).accepted  # the Kelvin sign is no K


def test_column_may_bear_a_session_word() -> None:
    assert not check("SELECT user FROM visits", ["visits"]).accepted
    assert check("SELECT user FROM visits", {"visits": ["User"]}).accepted


def test_a_check_takes_a_moment() -> None:
    check("SELECT 1", TABLES)
    started = time.perf_counter()
    for number in range(50):
        check(f"SELECT name, count(*) FROM customers WHERE id > {number} GROUP BY name", TABLES)
    assert (time.perf_counter() - started) / 50 < 0.05
