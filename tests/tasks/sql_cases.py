"""The published statements: what the guard says to each, over the shop's tables `customers` and `orders`.

`docs/sql_guard.md` is rendered from these lists; `python -m tests.tasks.sql_cases` writes its table anew.
"""

import re
from pathlib import Path

from flywheel.tasks.sql_guard import check

DOCUMENT = Path(__file__).parents[2] / "docs" / "sql_guard.md"
TABLES = {
    "customers": ["id", "name", "city", "since"],
    "orders": ["id", "customer", "price", "placed", "note", "items"],
}

SAFE = {
    "plain": [
        "SELECT name, city FROM customers WHERE city = 'Bern' ORDER BY name LIMIT 5",
        "select * from main.orders o;",
        'SELECT "id" FROM "Orders" -- the ids',
        "/* all */ SELECT ALL note FROM ORDERS WHERE note IS NOT NULL AND note NOT LIKE 'x%' ESCAPE '!'",
        "FROM orders SELECT id WHERE price BETWEEN 1 AND 2",
        "FROM orders",
        "TABLE orders",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT 'drop table orders; delete from orders' AS text",
        "SELECT 1 AS \"delete\"",
    ],
    "groups": [
        "SELECT city, count(*), round(avg(price), 2) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY city",
        "SELECT customer, sum(id) FILTER (WHERE price > 10) FROM orders GROUP BY ALL HAVING count(*) > 1 ORDER BY 1",
        "SELECT city, count(DISTINCT name) FROM customers GROUP BY ROLLUP (city)",
        "SELECT customer, id, grouping(id) FROM orders GROUP BY GROUPING SETS ((customer), (customer, id))",
        "SELECT string_agg(name, ', ' ORDER BY name), median(id), mode(city), arg_max(name, id) FROM customers",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM orders",
        "SELECT DISTINCT ON (customer) customer, id FROM orders ORDER BY customer, placed DESC NULLS LAST",
    ],
    "joins": [
        "SELECT * FROM customers LEFT JOIN orders ON customers.id = orders.customer",
        "SELECT c.* EXCLUDE (since), o.* REPLACE (price * 2 AS price) FROM customers c, orders o WHERE c.id = customer",
        "SELECT name FROM customers SEMI JOIN orders ON customers.id = orders.customer",
        "SELECT * FROM customers POSITIONAL JOIN orders",
        "SELECT c.name, x.n FROM customers c, LATERAL (SELECT count(*) n FROM orders o WHERE o.customer = c.id) x",
    ],
    "subqueries": [
        "SELECT name FROM customers WHERE id NOT IN (SELECT customer FROM orders)",
        "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id AND price > 100)",
        "SELECT price - (SELECT avg(price) FROM orders) FROM orders LIMIT (SELECT 3)",
        "SELECT id FROM orders WHERE price >= ALL (SELECT price FROM orders)",
        "WITH big AS (SELECT * FROM orders WHERE price > 50), n AS (SELECT count(*) AS n FROM big) SELECT * FROM n",
        "WITH orders AS (SELECT * FROM orders WHERE price > 50) SELECT count(*) FROM orders",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n",
        "SELECT id FROM orders UNION SELECT id FROM customers EXCEPT SELECT 3 INTERSECT SELECT 4",
        "SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS b",
    ],
    "windows": [
        "SELECT id, row_number() OVER (PARTITION BY customer ORDER BY placed) FROM orders",
        "SELECT sum(price) OVER w, lag(price, 1, 0) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS 2 PRECEDING)",
        "SELECT * FROM orders QUALIFY rank() OVER (PARTITION BY customer ORDER BY price DESC) = 1",
    ],
    "time": [
        "SELECT extract(year FROM placed), date_trunc('month', placed), strftime(placed, '%Y-%m') FROM orders",
        "SELECT * FROM orders WHERE placed >= DATE '2026-01-01' - INTERVAL 3 MONTH AND placed < current_date",
        "SELECT date_diff('day', since, current_date), since::timestamp AT TIME ZONE 'UTC' FROM customers",
        "SELECT day FROM range(DATE '2026-01-01', DATE '2026-02-01', INTERVAL 1 DAY) r(day)",
    ],
    "expressions": [
        "SELECT CASE WHEN price > 10 THEN 'much' ELSE 'little' END, coalesce(note, '-'), nullif(id, 1) FROM orders",
        "SELECT upper(name) || ' ' || left(city, 2), trim(BOTH 'x' FROM name), name ILIKE '%a%' FROM customers",
        "SELECT regexp_matches(name, '^A'), regexp_replace(name, 'a', 'b', 'g'), printf('%05d', id) FROM customers",
        "SELECT CAST(price AS INTEGER), TRY_CAST(note AS DATE), price::DECIMAL(10, 2), id::VARCHAR FROM orders",
        "SELECT [x * 2 FOR x IN items IF x > 1], list_sum(items), items[1], items[1:2] FROM orders",
        "SELECT list_transform(items, lambda x: x + 1), list_filter(items, lambda x: x > 1), len(items) FROM orders",
        "SELECT {'a': id, 'b': [price]}.a, struct_pack(x := 1), map {'k': id} FROM orders",
        "SELECT '{\"a\": [1]}'::JSON ->> '$.a[0]', note::JSON -> '$.x' FROM orders",
        "SELECT unnest(items) FROM orders",
        "SELECT COLUMNS('i.*'), COLUMNS(* EXCLUDE (note)) FROM orders",
        "SELECT * FROM orders USING SAMPLE 10 ROWS",
        "SELECT 7 // 2, 7 % 2, 2 ** 3, -5, @ -5, 5 & 3, 1 << 2, 'a' COLLATE NOCASE < 'B'",
        "SELECT * FROM orders ORDER BY random() LIMIT 3",
        "SELECT * FROM range(10), generate_series(1, 3), unnest([1, 2]) u(x)",
        "FROM orders PIVOT (sum(price) FOR customer IN (1, 2))",
        "FROM orders UNPIVOT (value FOR kind IN (id, customer))",
    ],
    "costly": [
        "SELECT count(*) FROM range(10000000) a, range(10000000) b",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT repeat('x', 2000000000)",
    ],
}  # fmt: skip

REFUSED = {
    "not one statement": [
        "",
        "   ",
        "-- nothing",
        ";",
        "hello, how are you?",
        "Here is the query: SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE orders",
        "SELECT 1 /* ; */ ; -- \n DELETE FROM orders",
        "SELECT",
        "SELECT 'open",
        "SELECT 1 /* open",
        "SELECT 1\0",
        "SELECT '\ud800'",
        "SELECT '" + "x" * 10_000 + "'",
        "SELECT " + "(" * 4000,
        "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    ],
    "not a SELECT": [
        "DROP TABLE orders",
        "DELETE FROM orders",
        "UPDATE orders SET price = 0",
        "INSERT INTO orders SELECT * FROM orders",
        "MERGE INTO orders USING customers ON true WHEN MATCHED THEN DELETE",
        "TRUNCATE orders",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE TEMP VIEW orders AS SELECT 1",
        "CREATE MACRO abs(x) AS 1",
        "CREATE SEQUENCE s",
        "ALTER TABLE orders ADD COLUMN x INTEGER",
        "COPY orders TO 'out.csv'",
        "COPY (SELECT 1) TO 'out.csv'",
        "COPY orders FROM 'in.csv'",
        "EXPORT DATABASE 'out'",
        "IMPORT DATABASE 'in'",
        "ATTACH 'other.db'",
        "DETACH shop",
        "USE memory",
        "SET memory_limit = '1TB'",
        "SET VARIABLE x = 1",
        "RESET threads",
        "PRAGMA version",
        "CALL pragma_version()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "BEGIN TRANSACTION",
        "COMMIT",
        "CHECKPOINT",
        "VACUUM",
        "ANALYZE",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DEALLOCATE p",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "COMMENT ON TABLE orders IS 'x'",
        "PIVOT orders ON customer USING sum(price)",
        "SELECT * FROM (PIVOT orders ON customer USING sum(price))",
    ],
    "hidden writing": [
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
        "WITH new AS (INSERT INTO orders SELECT * FROM orders RETURNING *) FROM new",
        "WITH changed AS (UPDATE orders SET price = 0 RETURNING *) SELECT count(*) FROM changed",
        "WITH saved AS (COPY orders TO 'out.csv') SELECT 1",
        "SELECT * FROM (WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone)",
        "SELECT 1 WHERE EXISTS (WITH gone AS (DELETE FROM orders RETURNING *) FROM gone)",
        "SELECT nextval('s')",
        "SELECT setval('s', 1)",
        "SELECT setseed(0.5)",
        "SELECT write_log('x')",
        "SELECT * FROM checkpoint()",
        "SELECT * FROM force_checkpoint('shop')",
        "SELECT * FROM enable_logging('all')",
        "SELECT * FROM truncate_duckdb_logs()",
    ],
    "files": [
        "SELECT * FROM 'data.csv'",
        'SELECT * FROM "data.parquet"',
        "SELECT * FROM read_csv('data.csv')",
        "SELECT * FROM read_text('data.txt')",
        "SELECT * FROM READ_BLOB('data.bin')",
        "SELECT * FROM read_json_auto('data.json')",
        "SELECT * FROM read_parquet(['data.parquet'])",
        "SELECT * FROM parquet_schema('data.parquet')",
        "SELECT * FROM sniff_csv('data.csv')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM read_duckdb('shop.duckdb')",
        "SELECT (SELECT content FROM read_text('data.txt'))",
        "SELECT * FROM orders ORDER BY (SELECT size FROM read_blob('data.bin'))",
        "SELECT * FROM orders LIMIT (SELECT count(*) FROM glob('*'))",
        "SELECT * FROM orders, LATERAL (SELECT * FROM read_text(note))",
    ],
    "other tables": [
        "SELECT * FROM private",
        "SELECT * FROM main.private",
        "SELECT * FROM other.orders",
        "SELECT * FROM shop.main.orders",
        "SELECT * FROM temp.main.orders",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM duckdb_tables",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM pragma_table_info('private')",
        "SELECT * FROM orders WHERE id IN (SELECT id FROM private)",
        "SELECT * FROM orders UNION ALL SELECT * FROM private",
        "WITH private AS (SELECT * FROM private) SELECT * FROM private",
        "WITH RECURSIVE private AS (SELECT * FROM private UNION ALL SELECT * FROM private) SELECT * FROM private",
        "WITH a AS (SELECT * FROM private), private AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM (WITH private AS (SELECT 1) SELECT 1), private",
        "WITH private AS (SELECT 1) SELECT * FROM main.private",
        "SELECT * FROM query('SELECT * FROM private')",
        "SELECT * FROM query_table('private')",
        "SELECT * FROM json_execute_serialized_sql('{}')",
        "SELECT * FROM orders AT (VERSION => 1)",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "DESCRIBE orders",
        "SUMMARIZE orders",
        "SELECT * FROM (DESCRIBE orders)",
        "SELECT * FROM (SHOW TABLES)",
    ],
    "settings, session and waiting": [
        "SELECT current_setting('memory_limit')",
        "SELECT getenv('HOME')",
        "SELECT getvariable('x')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_extensions()",
        "SELECT version()",
        "SELECT current_database()",
        "SELECT current_user",
        "SELECT current_query()",
        "SELECT txid_current()",
        "SELECT sleep_ms(1000)",
        "SELECT pg_sleep(10)",
        "SELECT * FROM test_all_types()",
    ],
    "by another name": [
        "SELECT system.main.sleep_ms(1)",
        "SELECT main.abs(-1)",
        "SELECT id.abs() FROM orders",
        "SELECT list_transform([1], lambda x: sleep_ms(x))",
        "SELECT [getenv(x) FOR x IN ['HOME']]",
        "SELECT list_aggregate([1], 'sum')",
        "SELECT sum(price) EXPORT_STATE FROM orders",
        "SELECT finalize(note) FROM orders",
        "SELECT 'orders'::regclass",
        "SELECT NULL::main.kind",
        "SELECT make_type('INTEGER')",
        "SELECT json_serialize_sql('SELECT 1')",
        "SELECT stats(price) FROM orders",
        "SELECT row_number() OVER (ORDER BY getenv(note)) FROM orders",
        "SELECT count(*) FILTER (WHERE getvariable('x') = 1) FROM orders",
        "FROM orders PIVOT (sum(price) FOR customer IN (SELECT id FROM private))",
        "SELECT ?",
        "SELECT $1",
        "SELECT * FROM orders WHERE id = $id",
    ],
}  # fmt: skip


def all_of(groups: dict[str, list[str]]) -> list[str]:
    return [statement for statements in groups.values() for statement in statements]


def table() -> str:
    """The published table as Markdown, with the guard's own words."""
    lines = ["| group | statement | verdict |", "|---|---|---|"]
    for groups in (SAFE, REFUSED):
        for group, statements in groups.items():
            for statement in statements:
                verdict = check(statement, TABLES)
                said = "accepted" if verdict.accepted else verdict.reason
                lines.append(f"| {group} | {_cell(statement)} | {_escaped(said)} |")
    return "\n".join(lines)


def _cell(statement: str) -> str:
    shown = statement if len(statement) <= 130 else f"{statement[:20]}… ({len(statement):,} characters)"
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)
    return f"`{_escaped(shown)}`" if shown.strip() else "(empty)"


def _escaped(text: str) -> str:
    return re.sub(r"([|])", r"\\\1", text)


def document() -> str:
    """The document with its table as the guard speaks today."""
    return re.sub(r"\| group \|.*\|\n", lambda _: table() + "\n", DOCUMENT.read_text(), flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
