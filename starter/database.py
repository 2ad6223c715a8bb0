"""The sample bike-shop database, written by a seeded program: the same rows on every machine.

Owns the schema and its content. Knows nothing of questions or models; imports DuckDB and the standard library alone.
"""

import random
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb

FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)
STORES = (
    ("Harbour", "Leeds"),
    ("Old Town", "York"),
    ("Riverside", "Bristol"),
    ("Station", "Cardiff"),
    ("Hilltop", "Bath"),
)
CITIES = ("Leeds", "York", "Bristol", "Cardiff", "Bath", "Oxford", "Exeter", "Derby")
BRANDS = ("Velora", "Kestrel", "Norrland", "Brisk", "Tandem", "Lumen", "Granite", "Otter")
ROLES = ("manager", "mechanic", "salesperson", "cashier", "apprentice")
STATUSES = ("delivered", "shipped", "open", "cancelled", "returned")
# category: (lowest price, highest price, weight in orders, model words)
CATEGORIES = {
    "road bike": (700, 3200, 5, ("Aero", "Sprint", "Comet", "Vento")),
    "mountain bike": (600, 2900, 5, ("Trail", "Summit", "Boulder", "Ridge")),
    "city bike": (350, 1200, 8, ("Metro", "Avenue", "Plaza", "Tram")),
    "e-bike": (1400, 4200, 4, ("Volt", "Pulse", "Ampere", "Surge")),
    "kids bike": (150, 480, 6, ("Pixie", "Rocket", "Bunny", "Dino")),
    "helmet": (35, 190, 12, ("Shell", "Crown", "Dome", "Guard")),
    "lock": (15, 130, 12, ("Clasp", "Bolt", "Chainlink", "Fortress")),
    "light": (12, 110, 12, ("Beacon", "Flare", "Glow", "Halo")),
    "clothing": (25, 220, 10, ("Breeze Jacket", "Pedal Shorts", "Winter Gloves", "Rain Cape")),
}
FIRST_NAMES = (  # noqa: SIM905 - a list of one name a line would hide the schema
    "Anna Elena Diego Marcus Priya Tomas Ingrid Yusuf Clara Hugo Fatima Oskar Nadia Felix Amara Bruno Greta Ravi "
    "Sofia Liam Mei Jonas Zoe Karim Helga Pedro Ivy Stefan Leila Arthur Rosa Dmitri Alice Omar Freya Mateo "
    "Chloe Viktor Sana Edith"
).split()
LAST_NAMES = (  # noqa: SIM905 - as above
    "Petrov Moreau Lindqvist Okafor Sharma Novak Berg Demir Fischer Castillo Haddad Nilsen Volkov Wagner Diallo "
    "Ricci Sorensen Patel Romano Murphy Chen Becker Laurent Aziz Schmidt Alvarez Thornton Kowalski Rahimi Whitfield "
    "Mendes Orlov Bennett Farouk Larsen Delgado Fontaine Horvat Qureshi Ashworth Tanaka Silva Keller Brandt Dufour "
    "Nakamura Ivanova Costa Hughes Svensson Gruber Pereira Lambert Osei Vargas Holm Rossi Jansen Walsh O'Connell"
).split()
SCHEMA = """
CREATE TABLE stores (store_id INTEGER PRIMARY KEY, name VARCHAR, city VARCHAR, opened_on DATE);
CREATE TABLE employees (employee_id INTEGER PRIMARY KEY, name VARCHAR, role VARCHAR, salary INTEGER, hired_on DATE,
  store_id INTEGER);
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name VARCHAR, email VARCHAR, city VARCHAR, joined_on DATE);
CREATE TABLE products (product_id INTEGER PRIMARY KEY, name VARCHAR, brand VARCHAR, category VARCHAR,
  price DECIMAL(10,2), cost DECIMAL(10,2), stock INTEGER);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, employee_id INTEGER, store_id INTEGER,
  ordered_on DATE, status VARCHAR, total DECIMAL(10,2));
CREATE TABLE order_items (order_id INTEGER, product_id INTEGER, quantity INTEGER, unit_price DECIMAL(10,2));
"""
Row = tuple[object, ...]


def build(path: Path) -> None:
    """Write the sample database to `path`, replacing a file that lies there. Takes about a second."""
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    try:
        connection.execute(SCHEMA)
        for table, rows in _tables().items():
            values = ", ".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in rows)
            connection.execute(f"INSERT INTO {table} VALUES {values}")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def names(table: str) -> list[str]:
    """The names in `customers`, `employees`, `products` or `stores`, in the order of their ids."""
    return [str(row[1]) for row in _tables()[table]]


@lru_cache(maxsize=1)
def _tables() -> dict[str, list[Row]]:
    rng = random.Random(2023)
    tables = {
        "stores": _stores(),
        "employees": _employees(rng),
        "customers": _customers(rng),
        "products": _products(rng),
    }
    tables["orders"], tables["order_items"] = _orders(rng, tables)
    return tables


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _day(rng: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randrange((last - first).days + 1))


def _stores() -> list[Row]:
    opened = (date(2009, 4, 18), date(2012, 9, 1), date(2015, 3, 14), date(2018, 6, 2), date(2021, 5, 22))
    return [(i, name, city, day) for i, ((name, city), day) in enumerate(zip(STORES, opened, strict=True), 1)]


def _people(rng: random.Random, count: int, firsts: list[str], lasts: list[str]) -> list[str]:
    return rng.sample([f"{first} {last}" for first in firsts for last in lasts], count)


def _employees(rng: random.Random) -> list[Row]:
    pay = {"manager": 4600, "mechanic": 3100, "salesperson": 2900, "cashier": 2400, "apprentice": 1500}
    rows: list[Row] = []
    for i, name in enumerate(_people(rng, 30, FIRST_NAMES, LAST_NAMES), 1):
        role = "manager" if i <= len(STORES) else rng.choice(ROLES[1:])
        hired = _day(rng, date(2014, 1, 1), date(2025, 6, 30))
        rows.append((i, name, role, pay[role] + 10 * rng.randrange(-20, 60), hired, (i - 1) % len(STORES) + 1))
    return rows


def _customers(rng: random.Random) -> list[Row]:
    hosts = ("gmail.com", "outlook.com", "yahoo.com", "proton.me")
    rows: list[Row] = []
    for i, name in enumerate(_people(rng, 220, FIRST_NAMES, LAST_NAMES), 1):
        email = f"{name.lower().replace(' ', '.').replace(chr(39), '')}@{rng.choice(hosts)}"
        city = rng.choices(CITIES, (9, 7, 8, 6, 5, 4, 3, 2))[0]
        rows.append((i, name, email, city, _day(rng, date(2021, 1, 1), LAST_DAY)))
    return rows


def _products(rng: random.Random) -> list[Row]:
    rows: list[Row] = []
    for category, (low, high, _, models) in CATEGORIES.items():
        for j in range(8):
            price = round(low + (high - low) * rng.random() ** 1.6) - 0.05
            name = f"{models[j % 4]} {rng.randrange(11, 99) * 10}"
            cost = round(price * rng.uniform(0.5, 0.75), 2)
            rows.append(
                (len(rows) + 1, name, rng.choice(BRANDS), category, round(price, 2), cost, rng.randrange(0, 60))
            )
    return rows


def _orders(rng: random.Random, tables: dict[str, list[Row]]) -> tuple[list[Row], list[Row]]:
    unsold = set(rng.sample(range(len(tables["products"])), 4))
    weights = [0 if i in unsold else CATEGORIES[str(row[3])][2] for i, row in enumerate(tables["products"])]
    eager = [0.0 if rng.random() < 0.08 else rng.paretovariate(1.3) for _ in tables["customers"]]
    eager = [min(weight, 9.0) for weight in eager]
    orders: list[Row] = []
    items: list[Row] = []
    for order_id, day in enumerate(sorted(_day(rng, FIRST_DAY, LAST_DAY) for _ in range(1500)), 1):
        customer = rng.choices(tables["customers"], eager)[0]
        employee = rng.choice(tables["employees"][5:])
        bought = {int(str(p[0])): p for p in rng.choices(tables["products"], weights, k=rng.choice((1, 1, 1, 2, 2, 3)))}
        total = 0.0
        for product_id, product in bought.items():
            quantity = rng.choice((1, 1, 1, 2, 3)) if float(str(product[4])) < 250 else 1
            items.append((order_id, product_id, quantity, product[4]))
            total += quantity * float(str(product[4]))
        status = rng.choices(STATUSES, (76, 7, 6, 6, 5))[0]
        orders.append((order_id, customer[0], employee[0], employee[5], day, status, round(total, 2)))
    return orders, items
