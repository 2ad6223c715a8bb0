"""Checks of settings that take more than a line: the address and key of a server, numbers within bounds.

Each raises ConfigurationError with one line that names the variable and its value. Knows no environment.
"""

from urllib.parse import urlsplit

from flywheel.errors import ConfigurationError

OPENAI_URL = "https://api.openai.com/v1"
MOST_NAME = 300
"""Characters of a model's name at a server."""


def number(variable: str, value: str, low: float, high: float, wanted: str, *, above: bool = False) -> float:
    """A number from `low` (or above it) to `high`; `wanted` says so in words."""
    try:
        found = float(value) if value.isascii() else low - 1
    except ValueError:
        found = low - 1
    # Not a number is neither below nor above anything.
    if not (low < found <= high if above else low <= found <= high):
        raise ConfigurationError(f"{variable} is `{value[:200]}`. Set it to {wanted}.")
    return found


def count(variable: str, value: str, most: int) -> int:
    """A whole number from 1 to `most`."""
    if value.isascii() and value.isdigit() and 1 <= int(value[:20]) <= most:
        return int(value)
    raise ConfigurationError(f"{variable} is `{value[:200]}`. Set it to a whole number from 1 to {most}.")


def served_name(variable: str, value: str) -> str:
    """The name of a model at a server: any text that is one line."""
    if not value.isprintable() or len(value) > MOST_NAME:
        raise ConfigurationError(f"{variable} is {value[:200]!r}. Set it to the model's name at the server.")
    return value


def check_server(url: str, key: str, prefix: str = "OPENAI") -> None:
    """The address and the key of the server, by the start of their variables' names. Neither a key nor a password is
    ever repeated in a message."""
    at, with_key = f"{prefix}_BASE_URL", f"{prefix}_API_KEY"
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError(f"{with_key} holds a blank or a sign that no key has. Copy the key again.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        example = "`http://localhost:11434/v1`"
        raise ConfigurationError(f"{at} is `{ascii(url[:200])[1:-1]}`. Set it to an address such as {example}.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{at} holds more than an address of `{parts.hostname}`. "
            f"Leave name, password, `?` and `#` out, and set {with_key} to the key."
        )
    if url.rstrip("/") == OPENAI_URL and not key:
        raise ConfigurationError(f"{at} is `{url}`, which needs a key, and {with_key} is empty. Set one of the two.")
