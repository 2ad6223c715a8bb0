"""Checks of settings that take more than a line: the address and key of a server, numbers within bounds.

Each raises ConfigurationError with one line that names the variable and its value. Knows no environment.
"""

from urllib.parse import urlsplit

from flywheel.errors import ConfigurationError

OPENAI_URL = "https://api.openai.com/v1"


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


def check_server(url: str, key: str) -> None:
    """The address and the key of the server. Neither a key nor a password is ever repeated in a message."""
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError("OPENAI_API_KEY holds a blank or a sign that no key has. Copy the key again.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        example = "`http://localhost:11434/v1`"
        raise ConfigurationError(
            f"OPENAI_BASE_URL is `{ascii(url[:200])[1:-1]}`. Set it to an address such as {example}."
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"OPENAI_BASE_URL holds more than an address of `{parts.hostname}`. "
            "Leave name, password, `?` and `#` out, and set OPENAI_API_KEY to the key."
        )
    if url.rstrip("/") == OPENAI_URL and not key:
        raise ConfigurationError(
            f"OPENAI_BASE_URL is `{url}`, which needs a key, and OPENAI_API_KEY is empty. Set one of the two."
        )
