"""Checks of settings that take more than a line: the address and key of a server, numbers, limits of use.

Each raises ConfigurationError with one line that names the variable and its value. Knows no environment.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flywheel.errors import ConfigurationError
from flywheel.words import catalogue

HUB_ID = re.compile(r"^(?!.*\.\.)[\w.-]+/[\w.-]+(@[\w./-]+)?$")
OPENAI_URL = "https://api.openai.com/v1"
MOST_ROWS = 10_000_000
MOST_NAME = 300
"""Characters of a model's name at a server."""
HUB_REPO = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
MOST_LIMIT = 100_000
_PART = re.compile(r"([0-9]{1,6})\s*/\s*(minute|day)")


@dataclass(frozen=True)
class Limit:
    """How many answers are given within any 60 seconds, and within any 24 hours; None: as many as are asked for."""

    per_minute: int | None = None
    per_day: int | None = None

    def __str__(self) -> str:
        parts = ((self.per_minute, "minute"), (self.per_day, "day"))
        return ", ".join(f"{most}/{span}" for most, span in parts if most is not None) or "off"


def limit(variable: str, value: str) -> Limit:
    """A limit as it is written: `30/minute, 1000/day`, one of the two, or `off`."""
    if value == "off":
        return Limit()
    found: dict[str, int] = {}
    for part in value.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or match[2] in found or not 1 <= int(match[1]) <= MOST_LIMIT:
            raise ConfigurationError(
                f"{variable} is `{value[:200]}`. Set it to `off`, or to answers such as `30/minute, 1000/day`."
            )
        found[match[2]] = int(match[1])
    return Limit(found.get("minute"), found.get("day"))


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


def max_tokens(variable: str, value: str) -> int | None:
    """How long an answer may be; None where nothing is set."""
    return count(variable, value, 32_768) if value else None


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


def hub_repo(value: str) -> str:
    """The name of a repository, or nothing."""
    if not value or HUB_REPO.match(value):
        return value
    raise ConfigurationError(
        f"FLYWHEEL_HUB_REPO is `{value}`. Set it to a repository's name on the Hub, such as `name/model`."
    )


def hub_token(value: str) -> str:
    """A token, or nothing. It is never repeated in a message."""
    if not value.isascii() or not value.isprintable() or " " in value:
        words = "HF_TOKEN holds a space, a line break or another character that no token has (it is not shown here)"
        raise ConfigurationError(f"{words}. Copy it again.")
    return value


def address(variable: str, value: str) -> str:
    """An http address without a slash at its end."""
    if re.match(r"https?://[^\s/@]+(/\S*)?$", value):
        return value.rstrip("/")
    raise ConfigurationError(f"{variable} is `{value}`. Set it to an address such as `https://huggingface.co`.")


def port(value: str) -> int:
    """A port to listen on."""
    if value.isascii() and value.isdigit() and 0 < int(value) < 65536:
        return int(value)
    raise ConfigurationError(f"GRADIO_SERVER_PORT is `{value}`. Set it to a number from 1 to 65535.")


def language(value: str) -> str:
    """The code of a language, or the path of its file. Raises ConfigurationError for one that is not there."""
    catalogue.find(value)
    return value


def path_of(variable: str, value: str) -> Path:
    """The path with `~` spelled out. Raises ConfigurationError for one that no system takes."""
    try:
        path = Path(value).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{variable} is `{value[:200]}`, which is no path here ({error}).") from error
    return path


def database_at(variable: str, value: str) -> str:
    """A path with `~` spelled out, or an address as it is; empty stays empty."""
    return value if "://" in value or not value else str(path_of(variable, value))


def base_at_server(value: str) -> str:
    """The name of a model at a server: any text that is one line."""
    if value == "starter":
        raise ConfigurationError(
            "FLYWHEEL_BASE_MODEL is `starter`, which runs in this process alone, and FLYWHEEL_ENGINE is `openai`. "
            "Set FLYWHEEL_BASE_MODEL to the model's name at the server, or FLYWHEEL_ENGINE to `local`."
        )
    return served_name("FLYWHEEL_BASE_MODEL", value)


def base_here(value: str) -> str:
    """A base model for this machine: `starter`, a folder, or a Hub id."""
    if value == "starter":
        return value
    folder = path_of("FLYWHEEL_BASE_MODEL", value)
    if folder.is_dir():
        return str(folder.absolute())
    if HUB_ID.match(value) and not value.startswith((".", "~")):
        return value
    raise ConfigurationError(
        f"FLYWHEEL_BASE_MODEL is `{value}`, which is no folder. "
        "Set it to `starter`, a Hub id such as `Qwen/Qwen3-0.6B`, or a folder with a model."
    )
