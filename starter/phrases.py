"""Heads such as "cancelled orders in 2024 at the Harbour store": wording and SQL side by side, freely combined.

A head is a noun with up to two filters. It yields the words and the `FROM … WHERE …` that belong to them; families
put a question and a SELECT around it. Knows nothing of values: slots stay markers.
"""

import random
from dataclasses import dataclass, field

from starter import wording
from starter.grammar import MARKER


@dataclass(frozen=True)
class Filter:
    """A way to narrow a head: its wording, its condition, and the tables the condition needs beside the head's own."""

    text: str
    where: str
    joins: tuple[str, ...] = ()
    before: bool = False


@dataclass
class Head:
    """A noun phrase and its SQL: `wheres` in the order of the words, `joins` always in the same order."""

    table: str
    text: str
    joins: list[str] = field(default_factory=list)
    wheres: list[str] = field(default_factory=list)

    def sql_from(self, *more: str) -> str:
        """` FROM table JOIN …` with the joins of the filters and those named in `more`, each once."""
        joins = sorted({*more, *self.joins}, key=JOIN_ORDER.index)
        return f" FROM {self.table}" + "".join(f" JOIN {join} USING ({KEYS[join, self.table]})" for join in joins)

    def sql_where(self, *first: str) -> str:
        """` WHERE …` over the conditions in `first` and those of the filters, or nothing."""
        wheres = [*first, *self.wheres]
        return " WHERE " + " AND ".join(wheres) if wheres else ""


# stores before employees: both orders and employees have a store_id, and USING needs it to be unique
JOIN_ORDER = ("orders", "order_items", "products", "customers", "stores", "employees")
KEYS = {
    ("customers", "orders"): "customer_id",
    ("employees", "orders"): "employee_id",
    ("stores", "orders"): "store_id",
    ("order_items", "orders"): "order_id",
    ("orders", "order_items"): "order_id",
    ("products", "order_items"): "product_id",
    ("stores", "employees"): "store_id",
    ("orders", "customers"): "customer_id",
    ("stores", "order_items"): "store_id",
    ("customers", "order_items"): "customer_id",
}


def _filters() -> dict[str, list[Filter]]:
    return {section.name: [_filter(line) for line in section.lines] for section in wording.read("filters")}


def _filter(line: str) -> Filter:
    text, rest = line.split(" => ")
    where, *joins = rest.split(" +")
    return Filter(text.removeprefix("^"), where, tuple(joins), before=text.startswith("^"))


FILTERS = _filters()
# names of filters, each with how often it is chosen among its neighbours
Pool = dict[str, int]
ORDERS: Pool = {"ordered": 9, "placed": 4, "bought": 4, "served": 2, "worth": 4, "basket": 2, "state": 4}
TAKINGS: Pool = {"ordered": 9, "placed": 4, "bought": 2}
SALES: Pool = {"ordered": 8, "placed": 4}
TIME: Pool = {"ordered": 1}
CUSTOMERS: Pool = {"joined": 4, "living": 7, "named": 2, "habit": 7}
PRODUCTS: Pool = {"made_by": 6, "priced": 6, "stocked": 4, "sold": 2}
EMPLOYEES: Pool = {"working": 5, "hired": 4, "paid": 4, "active": 1}
HOW_MANY = (0, 1, 1, 1, 1, 2, 2)
ORDER_NOUNS = ("orders", "orders", "orders", "orders", "purchases")
CUSTOMER_NOUNS = ("customers", "customers", "customers", "customers", "clients", "buyers")
PRODUCT_NOUNS = ("products", "products", "items", "articles", "products")
BIKE_NOUNS = ("bikes", "bikes", "bicycles")
STAFF_NOUNS = ("employees", "employees", "employees", "staff members", "staff", "workers", "people", "colleagues")


def orders(rng: random.Random) -> Head:
    """Orders, with up to two filters."""
    return _head("orders", rng.choice(ORDER_NOUNS), ORDERS, rng)


def takings(rng: random.Random) -> Head:
    """A time, a place or a buyer for money taken: no noun of its own, filters over `orders`."""
    return _head("orders", "", TAKINGS, rng)


def when(rng: random.Random) -> Head:
    """A time alone, for questions that name the buyer or the seller themselves."""
    return _head("orders", "", TIME, rng, most=1)


def sales(rng: random.Random) -> Head:
    """A time or a place for things sold: no noun of its own, filters over `order_items JOIN orders`."""
    return _head("order_items", "", SALES, rng, implied=("orders",))


def sold_when(rng: random.Random) -> Head:
    """A time alone, for things sold."""
    return _head("order_items", "", TIME, rng, implied=("orders",), most=1)


def customers(rng: random.Random) -> Head:
    """Customers, with up to two filters."""
    return _head("customers", rng.choice(CUSTOMER_NOUNS), CUSTOMERS, rng)


def products(rng: random.Random) -> Head:
    """Products of any kind, bikes, or products of one category."""
    luck = rng.random()
    if luck < 0.45:
        return _head("products", rng.choice(PRODUCT_NOUNS), PRODUCTS, rng)
    if luck < 0.55:
        return _head("products", rng.choice(BIKE_NOUNS), PRODUCTS, rng, meaning="category ILIKE '%bike'")
    return _head("products", "{category}", PRODUCTS, rng, meaning="category = '{category}'")


def goods(rng: random.Random) -> Head:
    """A filter on products without a noun, for questions that name the category before a verb."""
    return _head("products", "", {"made_by": 2, "priced": 3}, rng, most=1)


def catalogue(rng: random.Random) -> Head:
    """A kind of goods, narrowed by brand at most: what one asks the number in stock of."""
    return _head("products", "{category}", {"made_by": 1}, rng, most=1, meaning="category = '{category}'")


def employees(rng: random.Random) -> Head:
    """Employees of any role or of one."""
    if rng.random() < 0.6:
        return _head("employees", rng.choice(STAFF_NOUNS), EMPLOYEES, rng)
    return _head("employees", "{roles}", EMPLOYEES, rng, meaning="role = '{roles}'")


HEADS = {
    kind.__name__: kind
    for kind in (orders, takings, when, sales, sold_when, customers, products, goods, catalogue, employees)
}


def _head(
    table: str,
    noun: str,
    pool: Pool,
    rng: random.Random,
    *,
    most: int = 2,
    implied: tuple[str, ...] = (),
    meaning: str = "",
) -> Head:
    """`meaning` is the condition that the noun stands for; `implied` are joins that any filter needs."""
    chosen = _chosen(pool, min(most, rng.choice(HOW_MANY)), bool(noun), rng)
    head = Head(table, noun, list(implied) if chosen else [], [meaning] if meaning else [])
    for number, item in enumerate(sorted(chosen, key=lambda item: not item.before)):
        suffix = f"_{'ab'[number]}"
        text = _renamed(item.text, suffix)
        head.text = f"{text} {head.text}" if item.before else f"{head.text} {text}"
        head.wheres.append(_renamed(item.where, suffix))
        head.joins.extend(item.joins)
    head.text = head.text.strip()
    return head


def _chosen(pool: Pool, count: int, with_noun: bool, rng: random.Random) -> list[Filter]:
    names = [name for name, weight in pool.items() for _ in range(weight)]
    chosen: list[Filter] = []
    for _ in range(count):
        picked = rng.choice(names)
        names = [name for name in names if name != picked]
        chosen.append(rng.choice([item for item in FILTERS[picked] if with_noun or not item.before]))
    return chosen


def _renamed(grammar: str, suffix: str) -> str:
    return MARKER.sub(lambda found: f"{{{found[1]}{found[2] or ''}{suffix}}}", grammar)
