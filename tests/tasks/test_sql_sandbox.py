import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from flywheel.errors import ConfigurationError, Unavailable
from flywheel.tasks.sql_sandbox import SqlSandbox, SqlServer
from tests.tasks.conftest import MARKER, make_shop
from tests.tasks.sql_cases import REFUSED, SAFE, all_of

ROOT = Path(__file__).parents[2]
COSTLY = [
    *SAFE["costly"],
    "SELECT * FROM range(200000000) ORDER BY 1 DESC",
    "SELECT list(range) FROM range(300000000)",
    "SELECT levenshtein(repeat('a', 60000), repeat('b', 60000))",
    "SELECT length(lpad('x', 2000000000, 'y'))",
]


def child_of(sandbox: SqlSandbox) -> int:
    """The process that serves now."""
    sandbox.run("SELECT 1")
    child = sandbox._server._child
    assert child is not None
    return child._process.pid


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.05)
    return fact()


def test_safe_statements_run(sandbox: SqlSandbox) -> None:
    statements = [s for group, listed in SAFE.items() if group != "costly" for s in listed]
    failed = {s: result.error for s in statements if (result := sandbox.run(s)).error or not result.columns}
    assert failed == {}


def test_answer_is_columns_and_rows(sandbox: SqlSandbox) -> None:
    result = sandbox.run("```sql\nSELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY city;\n```")
    assert (result.accepted, result.columns, result.rows) == (True, ["city", "n"], [["Basel", 20], ["Bern", 20]])
    assert (result.truncated, result.error) == (False, None)


def test_refused_statement_is_not_run(sandbox: SqlSandbox) -> None:
    result = sandbox.run("SELECT * FROM private")
    assert (result.accepted, result.rows, result.error) == (False, [], None)
    assert "`private`" in result.reason


def test_values_are_json(sandbox: SqlSandbox) -> None:
    result = sandbox.run("""
        SELECT 12.5::DECIMAL(5, 1), 12::DECIMAL(5, 0), 'nan'::DOUBLE, '-inf'::FLOAT, DATE '2026-01-02',
            TIMESTAMP '2026-01-02 03:04:05', TIME '03:04', INTERVAL 3 DAY, '\\xAB'::BLOB, [1, NULL],
            {'a': DATE '2026-01-02'}, map {'k': 1.5}, 170141183460469231731687303715884105727, NULL, true,
            DATE '294000-01-01'
    """)
    assert result.error is None
    assert json.loads(json.dumps(result.rows, allow_nan=False))[0] == [
        12.5, 12, "nan", "-inf", "2026-01-02", "2026-01-02T03:04:05", "03:04:00", "3 days, 0:00:00", "ab",
        [1, None], {"a": "2026-01-02"}, {"k": 1.5}, 170141183460469231731687303715884105727, None, True, "294000-01-01",
    ]  # fmt: skip


def test_rows_are_cut_and_said(sandbox: SqlSandbox) -> None:
    result = sandbox.run("SELECT id FROM orders")
    assert (len(result.rows), result.truncated) == (1000, True)
    whole = sandbox.run("SELECT id FROM orders LIMIT 1000")
    assert (len(whole.rows), whole.truncated) == (1000, False)


def test_bytes_are_cut_and_said(sandbox: SqlSandbox) -> None:
    result = sandbox.run("SELECT repeat('x', 300000) FROM range(10)")
    assert (len(result.rows), result.truncated, result.error) == (3, True, None)


def test_endless_result_is_cut(sandbox: SqlSandbox) -> None:
    result = sandbox.run("SELECT * FROM range(1000000000000)")
    assert (len(result.rows), result.truncated, result.error) == (1000, True, None)


@pytest.mark.parametrize("statement", COSTLY)
def test_cost_ends_in_time_or_memory(sandbox: SqlSandbox, statement: str) -> None:
    started = time.monotonic()
    result = sandbox.run(statement)
    assert result.accepted
    assert result.error in ("time", "memory")
    assert time.monotonic() - started < 6
    assert sandbox.run("SELECT count(*) FROM orders").rows == [[1500]]


def test_costly_parse_is_refused_and_leaves_the_sandbox_well(sandbox: SqlSandbox) -> None:
    before = child_of(sandbox)
    assert "too complex" in sandbox.check("SELECT " + "(" * 4000).reason
    assert child_of(sandbox) != before
    assert not alive(before)


@pytest.mark.parametrize(
    ("end", "told"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "memory"), (signal.SIGXCPU, "time")]
)
def test_an_engine_ended_in_its_work_tells_why(sandbox: SqlSandbox, end: signal.Signals, told: str) -> None:
    child = child_of(sandbox)
    timer = threading.Timer(0.5, os.kill, (child, end))
    timer.start()
    assert sandbox.run("SELECT count(*) FROM range(100000000000)").error == told
    timer.join()
    assert sandbox.run("SELECT 1").rows == [[1]]


def test_killed_child_is_replaced(sandbox: SqlSandbox) -> None:
    before = child_of(sandbox)
    os.kill(before, signal.SIGSEGV)
    assert wait_for(lambda: not alive(before))
    first, second = sandbox.run("SELECT 1"), sandbox.run("SELECT 1")
    assert first.rows == [[1]] or first.reason or first.error
    assert second.rows == [[1]]
    assert child_of(sandbox) != before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT nope FROM orders", 'Referenced column "nope" not found'),
        ("SELECT 'a'::INTEGER", "Could not convert string 'a'"),
        ("SELECT price FROM orders WHERE id = (SELECT id FROM orders)", "More than one row"),
        ("SELECT sum(name) FROM customers", "No function matches"),
        ("SELECT '/etc/secret/file'::INTEGER", "could not run this statement"),
    ],
)
def test_error_is_one_sentence(sandbox: SqlSandbox, statement: str, words: str) -> None:
    result = sandbox.run(statement)
    assert result.accepted
    assert result.error is not None
    assert words in result.error
    assert "\n" not in result.error
    assert "/" not in result.error
    assert result.error.endswith(".")


def test_threads_get_their_own_answers(sandbox: SqlSandbox) -> None:
    def ask(number: int) -> bool:
        rows = sandbox.run(f"SELECT {number}, max(id) FROM orders WHERE id <= {number}").rows
        return rows == [[number, number]]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_a_run_takes_a_moment(sandbox: SqlSandbox) -> None:
    sandbox.run("SELECT 1")
    started = time.perf_counter()
    for number in range(50):
        sandbox.run(
            f"SELECT name, sum(price) FROM customers c JOIN orders ON customer = c.id WHERE price > {number} GROUP BY 1"
        )
    assert (time.perf_counter() - started) / 50 < 0.05


def test_child_alone_reaches_nothing(shop: Path, sandbox: SqlSandbox) -> None:
    """The layers under the guard, without the guard: every refused statement goes to the child as it is."""
    files = {path: path.read_bytes() for path in shop.parent.iterdir()}
    secret = shop.parent / "secret.txt"
    secret.write_text(MARKER)
    private = f"SELECT * FROM read_text('{secret}')"
    for statement in [private, *all_of(REFUSED)]:
        if "\ud800" in statement or len(statement) > 3000:
            continue
        answer = sandbox._server.ask({"run": statement})
        assert MARKER not in str(answer), statement
    secret.unlink()
    assert {path: path.read_bytes() for path in shop.parent.iterdir()} == files
    assert sorted(sandbox.tables()) == ["customers", "orders"]
    assert sandbox.run("SELECT count(*), sum(price) > 0 FROM orders").rows == [[1500, True]]


def test_child_is_bare(sandbox: SqlSandbox) -> None:
    process = Path(f"/proc/{child_of(sandbox)}")
    assert (process / "environ").read_bytes() == b""
    assert list((process / "cwd").resolve().iterdir()) == []
    limits = (process / "limits").read_text()
    for line in ("Max file size             0 ", "Max open files            32 ", "Max core file size        0 "):
        assert line in limits
    assert "Max address space         1610612736" in limits
    assert os.getsid(int(process.name)) == int(process.name)


def test_child_has_no_network_where_granted(sandbox: SqlSandbox) -> None:
    pid = child_of(sandbox)
    assert sandbox._server._child is not None
    if not sandbox._server._child.greeting["offline"]:
        pytest.skip("this system grants no network namespace")
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_new_rows_are_seen(tmp_path: Path) -> None:
    database = make_shop(tmp_path / "shop.duckdb")
    sandbox = SqlSandbox(database)
    assert sorted(sandbox.tables()) == ["customers", "orders", "private"]
    assert sandbox.run("SELECT count(*) FROM customers").rows == [[40]]
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO customers SELECT * FROM customers")
        connection.execute("CREATE TABLE visits AS SELECT 1 AS id")
    assert sandbox.run("SELECT count(*) FROM customers").rows == [[80]]
    assert sandbox.run("SELECT * FROM visits").rows == [[1]]
    assert sandbox.tables()["visits"] == [("id", "INTEGER")]
    sandbox.close()


def test_database_is_free_for_a_writer(shop: Path, sandbox: SqlSandbox) -> None:
    sandbox.run("SELECT 1")
    program = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", program, str(shop)], check=True, timeout=60)


def test_open_database_is_said_in_words(tmp_path: Path) -> None:
    database = make_shop(tmp_path / "shop.duckdb")
    sandbox = SqlSandbox(database, ["orders"])
    program = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE fresh AS SELECT 1; CHECKPOINT")
print("open", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", program, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(Unavailable, match=r"Another program has the database `shop.duckdb` open for writing"):
            SqlSandbox(database)
        result = sandbox.run("SELECT count(*) FROM orders")
        assert not result.accepted
        assert "Another program" in result.reason
        writer.communicate()
    assert sandbox.run("SELECT count(*) FROM orders").rows == [[1500]]
    sandbox.close()


def test_view_counts_only_by_name(shop: Path) -> None:
    sandbox = SqlSandbox(shop, ["NAMES"])
    assert sandbox.tables() == {"names": [("name", "VARCHAR")]}
    assert sandbox.run("SELECT count(*) FROM Names").rows == [[40]]
    assert not sandbox.check("SELECT * FROM customers").accepted
    sandbox.close()
    everything = SqlSandbox(shop)
    assert not everything.check("SELECT * FROM names").accepted
    everything.close()


def test_wrong_database_is_said_in_words(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no database file"):
        SqlSandbox(tmp_path / "none.duckdb")
    (tmp_path / "text.duckdb").write_text("hello " * 1000)
    with pytest.raises(ConfigurationError, match=r"`text.duckdb` cannot be read"):
        SqlSandbox(tmp_path / "text.duckdb")
    with pytest.raises(ConfigurationError, match=r"has no table `nope`. It has: `customers`, `orders`, `private`"):
        SqlSandbox(shop, ["orders", "nope"])


def test_child_that_cannot_start_is_said(tmp_path: Path) -> None:
    server = SqlServer(tmp_path, tmp_path / "missing.duckdb", seconds=1, max_rows=1, memory_mb=64)
    with pytest.raises(Unavailable, match="could not be started"):
        server.ask({"run": "SELECT 1"})


def test_close_leaves_nothing(shop: Path) -> None:
    sandbox = SqlSandbox(shop)
    pid, folder = child_of(sandbox), sandbox._folder
    assert folder.stat().st_mode & 0o777 == 0o700
    sandbox.close()
    sandbox.close()
    assert not alive(pid)
    assert not folder.exists()


def test_child_dies_with_its_parent(shop: Path) -> None:
    program = f"""
import sys, threading, time
from pathlib import Path
from flywheel.tasks.sql_guard import check
from flywheel.tasks.sql_sandbox import SqlSandbox
check("SELECT 1", [])
sandbox = SqlSandbox(Path({str(shop)!r}), seconds=60)
sandbox.run("SELECT 1")
print(sandbox._server._child._process.pid, sandbox._folder, flush=True)
sandbox.run("SELECT count(*) FROM range(10000000) a, range(10000000) b")
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert wait_for(lambda: _busy(int(pid)))
        parent.kill()
    assert wait_for(lambda: not alive(int(pid)), 5)
    assert wait_for(lambda: not Path(folder).exists(), 5)


def test_copy_goes_with_an_idle_parent(shop: Path) -> None:
    program = f"""
from pathlib import Path
from flywheel.tasks.sql_sandbox import SqlSandbox
sandbox = SqlSandbox(Path({str(shop)!r}))
print(sandbox._folder, flush=True)
input()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        assert folder.exists()
        parent.kill()
    assert wait_for(lambda: not folder.exists(), 5)


def _busy(pid: int) -> bool:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") > 0.6


def test_slow_statement_does_not_outlive_a_thread(sandbox: SqlSandbox) -> None:
    """The child belongs to the process, not to the thread that happened to start it."""
    sandbox._server.stop()
    thread = threading.Thread(target=sandbox.run, args=("SELECT 1",))
    thread.start()
    thread.join()
    assert alive(child_of(sandbox))
    assert sandbox.run("SELECT 2").rows == [[2]]


def test_values_are_told_as_stored(sandbox: SqlSandbox) -> None:
    statement = "SELECT 123456789012345678.91::DECIMAL(20,2) AS a, 'infinity'::DATE AS b, 12.50::DECIMAL(6,2) AS c"
    assert sandbox.run(statement).rows == [["123456789012345678.91", "infinity", 12.5]]
