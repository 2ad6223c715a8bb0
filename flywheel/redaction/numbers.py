"""Numbers with a rule that tells them from others: payment cards, bank accounts, US social security numbers.

Pure. Works on folded text; each pattern is bounded, and each of its starts is decided by the characters beside it.
"""

import re
from collections.abc import Iterator

Find = tuple[int, int, str]
"""Start, end and type, in the folded text."""

_CARD = re.compile(
    r"(?<!\w)(?<!\d[-.])(?:(?:\d{4}[ .-]){3}\d{4}(?:[ .-]\d{3}(?!\d))?|\d{4}[ .-]\d{6}[ .-]\d{4,5}|\d{13,19})"
    r"(?!\w)(?![-.]\d)"
)
_CARD_GROUPS = re.compile(r"(?:\d{4}[ .-]){3}\d{4}(?!\w)(?![-.]\d)")
_ISSUER = re.compile(
    r"4(?:\d{15}|\d{18}|\d{12})$|5[1-5]\d{14}$|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}$|3[47]\d{13}$"
    r"|3(?:0[0-5]|[68]\d)\d{11}$|6(?:011|5\d\d|4[4-9]\d)\d{12}$|35(?:2[89]|[3-8]\d)\d{12}$|62\d{14,17}$"
    r"|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}$"
)
_CARD_WORD = re.compile(r"(?:card|visa|credit|debit|karte|carte|tarjeta|\bpan\b)[^\n]{0,30}\Z", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ ]?\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_LENGTHS = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD FK",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK MN",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL SO OM",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM DJ BI",
    28: "AL AZ BY CY DO GT HU LB PL SV NI",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_REST = {
    country: re.compile(rf"(?:[ -]?[A-Za-z0-9]){{{length - 4}}}(?![A-Za-z0-9])")
    for length, countries in _IBAN_LENGTHS.items()
    for country in countries.split()
}
_SSN = re.compile(r"(?<![\w.-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])(?!\.\d)")
_SSN_BARE = re.compile(
    r"(?:\bssn|social security(?: (?:number|no\.?|nr\.?))?)[\s:=#'\"]{1,4}(?:is\s{1,2}['\"]?)?"
    r"((?!000|666|9)\d{9})(?!\w)",
    re.IGNORECASE,
)
_SSN_WORD = re.compile(r"(?:ssn|social security)[^\n]{0,30}\Z", re.IGNORECASE)
_OTHER_NUMBER = re.compile(
    r"(?:order|invoice|ticket|case|sku|article|part|item|serial|tracking|ref|reference|isbn|model|version|id"
    r"|bestellung|rechnung|auftrag)[ ._-]{0,2}(?:number|num|no|nr|id)?[ .:#=_'\"]{0,3}\Z|[#№]\Z",
    re.IGNORECASE,
)


def named_otherwise(text: str, start: int) -> bool:
    """Whether the words before a number say that it is an order, an invoice or the like."""
    return _OTHER_NUMBER.search(text[max(0, start - 30) : start]) is not None


def cards(text: str) -> Iterator[Find]:
    """Payment cards: an issuer's prefix and length, and the check digit (Luhn)."""
    for found in _CARD.finditer(text):
        # A last group of three may belong to what follows: a security code, an amount.
        shorter = _CARD_GROUPS.match(text, found.start())
        ends = [found.end(), *([shorter.end()] if shorter and shorter.end() < found.end() else [])]
        for end in ends:
            digits = re.sub(r"\D", "", text[found.start() : end])
            if _ISSUER.match(digits) and luhn(digits) and _certain(text, found.start(), digits):
                yield found.start(), end, "CARD"
                break


def _certain(text: str, start: int, digits: str) -> bool:
    """Thirteen digits are more often an article's bar code."""
    return len(digits) > 13 or _CARD_WORD.search(text[max(0, start - 40) : start]) is not None


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def accounts(text: str) -> Iterator[Find]:
    """Bank accounts (IBAN): the country's length and the check digits (mod 97), with or without blanks."""
    for found in _IBAN.finditer(text):
        rest = _IBAN_REST.get(found.group()[:2].upper())
        last = rest.match(text, found.end()) if rest else None
        if last and _mod97(re.sub(r"[ -]", "", text[found.start() : last.end()]).upper()):
            yield found.start(), last.end(), "IBAN"


def _mod97(iban: str) -> bool:
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1


def social_security(text: str) -> Iterator[Find]:
    """US social security numbers: written with dashes, or named as such."""
    for found in _SSN.finditer(text):
        named = _SSN_WORD.search(text[max(0, found.start() - 45) : found.start()])
        if named or (found.group(1) == "-" and not named_otherwise(text, found.start())):
            yield found.start(), found.end(), "SSN"
    for found in _SSN_BARE.finditer(text):
        yield found.start(1), found.end(1), "SSN"
