"""The values that fill a skeleton's markers: names, dates, amounts, closed sets.

Names of people and products are drawn here from made-up ones for training; the names that stand in the sample
database are used for held-out questions only, so an answer that has one right was copied, not remembered.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from starter import database, wording


@dataclass(frozen=True)
class Value:
    """One filled slot: what the question says, what the SQL says, and whether the SQL repeats it as typed."""

    text: str
    sql: str
    copied: bool = False


NAMES = {section.name: " ".join(section.lines).split() for section in wording.read("names")}
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ei", "ou", "ea", "ia"]
CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "k", "nd", "rt", "ck", "ng", "sch", "x", "v"]

STATUSES = {
    "delivered": ("delivered", "completed", "fulfilled", "delivered", "delivered"),
    "shipped": ("shipped", "shipped", "dispatched", "shipped", "shipped"),
    "open": ("open", "pending", "unfinished", "outstanding", "open", "open"),
    "cancelled": ("cancelled", "canceled", "cancelled", "cancelled"),
    "returned": ("returned", "returned", "refunded", "sent back"),
}
CATEGORIES = {
    "road bike": ("road bike", "road bikes", "racing bikes", "road bicycles"),
    "mountain bike": ("mountain bike", "mountain bikes", "mtb", "mountain bicycles", "mtbs"),
    "city bike": ("city bike", "city bikes", "urban bikes", "city bicycles"),
    "e-bike": ("e-bike", "e-bikes", "electric bikes", "ebikes", "electric bicycles"),
    "kids bike": ("kids bike", "kids bikes", "children's bikes", "bikes for kids", "kids' bikes"),
    "helmet": ("helmet", "helmets", "bike helmets", "helmets"),
    "lock": ("lock", "locks", "bike locks", "locks"),
    "light": ("light", "lights", "bike lights", "lamps"),
    "clothing": ("clothing", "clothes", "clothing items", "pieces of clothing"),
}
CATEGORY_SINGULAR = {
    "road bike": ("road bike", "racing bike"),
    "mountain bike": ("mountain bike", "mtb"),
    "city bike": ("city bike", "urban bike"),
    "e-bike": ("e-bike", "electric bike", "ebike"),
    "kids bike": ("kids bike", "children's bike"),
    "helmet": ("helmet", "bike helmet"),
    "lock": ("lock", "bike lock"),
    "light": ("light", "bike light", "lamp"),
    "clothing": ("piece of clothing", "clothing item"),
}
ROLES = {
    "manager": ("managers", "store managers", "bosses", "managers"),
    "mechanic": ("mechanics", "mechanics", "repair people", "bike mechanics"),
    "salesperson": ("salespeople", "sellers", "sales staff", "salespersons"),
    "cashier": ("cashiers", "cashiers", "checkout staff"),
    "apprentice": ("apprentices", "trainees", "apprentices"),
}
ROLE_SINGULAR = {
    "manager": ("manager", "boss", "head"),
    "mechanic": ("mechanic", "mechanic"),
    "salesperson": ("salesperson", "seller"),
    "cashier": ("cashier", "cashier"),
    "apprentice": ("apprentice", "trainee"),
}
SMALL_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


def draw(kind: str, rng: random.Random, held_out: bool) -> Value:
    """A value for the marker `{kind}`; `held_out` takes names from the sample database instead of made-up ones."""
    return DRAWS[kind](rng, held_out)


def made_up_word(rng: random.Random, syllables: int) -> str:
    """A capitalised pronounceable word that means nothing."""
    parts = [rng.choice(NAMES["onsets"]) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables)]
    return "".join(parts).capitalize()


def _copied(text: str) -> Value:
    return Value(text, text.replace("'", "''"), copied=True)


def _person(table: str, rng: random.Random, held_out: bool) -> Value:
    if held_out:
        return _copied(rng.choice(database.names(table)))
    first = rng.choice(NAMES["first"]) if rng.random() < 0.5 else made_up_word(rng, rng.choice((1, 2, 2)))
    last = rng.choice(NAMES["last"]) if rng.random() < 0.5 else made_up_word(rng, rng.choice((2, 2, 3)))
    return _copied(f"{first} {last}")


def _first_name(rng: random.Random, held_out: bool) -> Value:
    if held_out:
        return _copied(rng.choice(database.FIRST_NAMES))
    return _copied(rng.choice(NAMES["first"]) if rng.random() < 0.6 else made_up_word(rng, 2))


def _product(rng: random.Random, held_out: bool) -> Value:
    if held_out:
        return _copied(rng.choice(database.names("products")))
    model = rng.choice(NAMES["models"]) if rng.random() < 0.5 else made_up_word(rng, rng.choice((1, 2, 2)))
    if rng.random() < 0.25:
        model += " " + (rng.choice(NAMES["models"]) if rng.random() < 0.5 else made_up_word(rng, 2))
    number = rng.randrange(11, 99) * 10 if rng.random() < 0.7 else rng.randrange(1, 1000)
    return _copied(f"{model} {number}")


def _from_set(known: tuple[str, ...] | list[str], others: list[str]) -> Callable[[random.Random, bool], Value]:
    def choose(rng: random.Random, held_out: bool) -> Value:
        luck = rng.random()
        if held_out or luck < 0.7:
            return _copied(rng.choice(known))
        return _copied(rng.choice(others) if luck < 0.85 else made_up_word(rng, 2))

    return choose


def _synonyms(table: dict[str, tuple[str, ...]]) -> Callable[[random.Random, bool], Value]:
    def choose(rng: random.Random, held_out: bool) -> Value:
        value = rng.choice(list(table))
        return Value(rng.choice(table[value]), value)

    return choose


def _year(rng: random.Random, held_out: bool) -> Value:
    year = str(rng.choices((2023, 2024, 2025, rng.randrange(2015, 2027)), (5, 5, 5, 2))[0])
    return Value(year, year)


def _hiring_year(rng: random.Random, held_out: bool) -> Value:
    year = str(rng.randrange(2009, 2026))
    return Value(year, year)


def _month(rng: random.Random, held_out: bool) -> Value:
    month = rng.randrange(12)
    text = MONTHS[month][:3] if rng.random() < 0.15 else MONTHS[month]
    return Value(text, str(month + 1))


def _quarter(rng: random.Random, held_out: bool) -> Value:
    quarter = rng.randrange(4)
    names = (f"Q{quarter + 1}", f"the {('first', 'second', 'third', 'fourth')[quarter]} quarter of", f"q{quarter + 1}")
    return Value(rng.choice(names), str(quarter + 1))


def _day(rng: random.Random, held_out: bool) -> Value:
    day = date(2023, 1, 1) + timedelta(days=rng.randrange(1096))
    month = MONTHS[day.month - 1]
    texts = (day.isoformat(), day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day} {day.year}")
    return Value(rng.choice(texts), day.isoformat())


def _amount(low: int, high: int, money: bool) -> Callable[[random.Random, bool], Value]:
    def choose(rng: random.Random, held_out: bool) -> Value:
        amount = rng.choice(
            (rng.randrange(low, high), round(rng.randrange(low, high), -1), round(rng.randrange(low, high), -2))
        )
        amount = max(amount, low)
        text = f"{amount:,}" if amount >= 1000 and rng.random() < 0.15 else str(amount)
        style = rng.random() if money else 1.0
        text = f"{text} euros" if style < 0.3 else f"€{text}" if style < 0.4 else f"${text}" if style < 0.45 else text
        return Value(text, str(amount))

    return choose


def _count(low: int, high: int) -> Callable[[random.Random, bool], Value]:
    def choose(rng: random.Random, held_out: bool) -> Value:
        number = rng.randrange(low, high)
        text = SMALL_NUMBERS.get(number, str(number)) if rng.random() < 0.3 else str(number)
        return Value(text, str(number))

    return choose


def _order_number(rng: random.Random, held_out: bool) -> Value:
    number = str(rng.randrange(1, 1600))
    return Value(number, number)


def _letter(rng: random.Random, held_out: bool) -> Value:
    return _copied(rng.choice("ABCDEFGHIJKLMNOPRSTVWZ"))


def _host(rng: random.Random, held_out: bool) -> Value:
    return _copied(rng.choice(("gmail", "outlook", "yahoo", "proton", "hotmail")))


def _email(rng: random.Random, held_out: bool) -> Value:
    person = _person("customers", rng, held_out).text.lower().replace(" ", ".").replace("'", "")
    return _copied(f"{person}@{rng.choice(('gmail.com', 'outlook.com', 'yahoo.com', 'proton.me'))}")


def _word(rng: random.Random, held_out: bool) -> Value:
    return Value(made_up_word(rng, rng.choice((1, 2, 2, 3))).lower(), "")


def _odd(rng: random.Random, held_out: bool) -> Value:
    word = rng.choice(NAMES["odd"]) if rng.random() < 0.6 else made_up_word(rng, rng.choice((1, 1, 2))).lower()
    return Value(word, "")


DRAWS: dict[str, Callable[[random.Random, bool], Value]] = {
    "customer": partial(_person, "customers"),
    "employee": partial(_person, "employees"),
    "firstname": _first_name,
    "product": _product,
    "city": _from_set(database.CITIES, NAMES["cities"]),
    "store": _from_set([name for name, _ in database.STORES], ["Market", "Airport", "Central", "Seaside", "New Town"]),
    "storecity": _from_set([city for _, city in database.STORES], NAMES["cities"]),
    "brand": _from_set(database.BRANDS, NAMES["brands"]),
    "status": _synonyms(STATUSES),
    "category": _synonyms(CATEGORIES),
    "onecategory": _synonyms(CATEGORY_SINGULAR),
    "roles": _synonyms(ROLES),
    "role": _synonyms(ROLE_SINGULAR),
    "year": _year,
    "hiring": _hiring_year,
    "month": _month,
    "quarter": _quarter,
    "day": _day,
    "amount": _amount(20, 3000, money=True),
    "price": _amount(10, 2500, money=True),
    "salary": _amount(1500, 5000, money=True),
    "stock": _amount(2, 60, money=False),
    "units": _amount(5, 200, money=False),
    "top": _count(2, 13),
    "many": _count(2, 16),
    "order": _order_number,
    "letter": _letter,
    "host": _host,
    "email": _email,
    "word": _word,
    "odd": _odd,
}
