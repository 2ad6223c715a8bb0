"""How long the sandbox takes to copy the tables of a PostgreSQL server, beside the server's own export of them.

`python -m benchmarks.copying [--rows N]`. The limit is `COPY … TO STDOUT` of the same table, read and thrown away.
"""

import argparse
import time
from contextlib import closing

import psycopg

from flywheel.tasks.sql_sandbox import SqlSandbox
from tests.support.postgres import Postgres, postgres

TABLE = """CREATE TABLE orders AS SELECT n AS id, n % 977 AS customer, (n * 1.25)::numeric(12, 2) AS total,
    DATE '2020-01-01' + (n % 2000)::integer AS ordered_on, now() AS stored, 'a note on order ' || n AS note
    FROM generate_series(1, {rows}) n"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with postgres() as server:
        server.execute(TABLE.format(rows=options.rows))
        limit = exported(server)
        began = time.perf_counter()
        with closing(SqlSandbox(server.url())) as sandbox:
            copied = time.perf_counter() - began
            began = time.perf_counter()
            assert sandbox.run("SELECT count(*) FROM orders").rows == [[options.rows]]
            asked = time.perf_counter() - began
    print(f"{options.rows:,} rows: copied in {copied:.1f} s, exported in {limit:.1f} s: {copied / limit:.2f} x")
    print(f"a question on the copy: {asked * 1e3:.0f} ms")


def exported(server: Postgres) -> float:
    """Seconds of the server's own export."""
    with psycopg.connect(server.url()) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy("COPY orders TO STDOUT (FORMAT csv)") as rows:
            for _ in rows:
                pass
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
