"""The Spacefile: a Hugging Face Space as data. Its keys, what each may hold, and README's front matter made from it.

Hugging Face knows no such file; `deploy` applies it. Values of secrets never stand in it, and no value of a variable or
secret is ever repeated in an error. Knows nothing of the Hub.
"""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flywheel import plainyaml
from flywheel.errors import InvalidInput
from flywheel.redaction.redact import find
from flywheel.settings import variables
from flywheel.texts import escaped, steers

NAME = "Spacefile"
FREE_HARDWARE = ("cpu-basic", "zero-a10g")
HARDWARE = (
    *FREE_HARDWARE,
    "cpu-upgrade",
    *("t4-small", "t4-medium", "l4x1", "l4x4", "l40sx1", "l40sx4", "l40sx8"),
    *("a10g-small", "a10g-large", "a10g-largex2", "a10g-largex4", "a100-large", "a100x4", "a100x8"),
    *("rtx-pro-6000", "rtx-pro-6000x2", "rtx-pro-6000x4", "rtx-pro-6000x8"),
)
"""As huggingface_hub lists them; a test compares."""
TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,})")
"""What the tokens of common services look like."""
SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIALS?)S?$", re.I)
SET_BY_THE_SPACE = ("SYSTEM", "SPACE_ID", "SPACE_HOST", "SPACE_AUTHOR_NAME", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class SpacefileError(InvalidInput):
    """The Spacefile cannot be used; the message names the line, the key and what is allowed."""

    exit_code = 2


def _matching(pattern: str, hint: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(hint)
        return value

    return AfterValidator(check)


def _emoji(value: str) -> str:
    if not 1 <= len(value) <= 10 or any(character.isascii() for character in value):
        raise ValueError("write one emoji")
    return value


def _inside(value: str) -> str:
    path = Path(value)
    if path.is_absolute() or ".." in path.parts or not value.endswith(".py"):
        raise ValueError("name a Python file of this tree, such as `app.py`")
    return value


def _plain(value: str) -> str:
    if any(map(steers, value)):
        raise ValueError("remove the control characters")
    return value


Line = Annotated[str, AfterValidator(_plain), _matching(r"\S(.{0,98}\S)?", "write one line of at most 100 characters")]
Colour = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
RepoName = Annotated[str, _matching(r"[\w.-]+(/[\w.-]+)?", "write the id of a repository, such as `user/name`")]
Flavour = Annotated[str, _matching("|".join(HARDWARE), "hardware")]
Duration = Annotated[str, _matching(r"[1-9]\d{0,5}\s?[smhd]?", "write a time such as `30m` or `1h`")]


class Volume(BaseModel):
    """A bucket or a repository that is mounted into the Space."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["bucket", "model", "dataset"]
    source: Annotated[str, _matching(r"[\w.-]+/[\w.-]+", "write the id of a bucket or repository, as `user/name`")]
    mount_path: Annotated[str, _matching(r"/[\w./-]+", "write an absolute path such as `/data`")]
    read_only: bool = False


class Spacefile(BaseModel):
    """A Space. The fields up to `pinned` go into README's front matter; the others only `deploy` applies."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: Line
    emoji: Annotated[str, AfterValidator(_emoji)]
    colorFrom: Colour
    colorTo: Colour
    sdk: Literal["gradio"]
    sdk_version: Annotated[str, _matching(r"\d+\.\d+\.\d+", 'write the whole version in quotes, such as "6.31.0"')]
    python_version: Annotated[str, _matching(r"3\.\d+(\.\d+)?", 'write a version in quotes, such as "3.12"')]
    app_file: Annotated[str, AfterValidator(_inside)]
    license: Annotated[str, _matching(r"[a-z0-9.+-]+", "write an identifier such as `apache-2.0`")] | None = None
    short_description: (
        Annotated[str, AfterValidator(_plain), _matching(r"\S(.{0,58}\S)?", "write one line of at most 60 characters")]
        | None
    ) = None
    suggested_hardware: Flavour | None = None
    hf_oauth: bool | None = None
    hf_oauth_scopes: list[Annotated[str, _matching(r"[a-z-]+", "write scopes such as `email`")]] | None = None
    hf_oauth_expiration_minutes: Annotated[int, Field(ge=1, le=43_200)] | None = None
    startup_duration_timeout: Duration | None = None
    models: list[RepoName] | None = None
    datasets: list[RepoName] | None = None
    preload_from_hub: list[Line] | None = None
    tags: list[Line] | None = None
    header: Literal["default", "mini"] | None = None
    fullWidth: bool | None = None
    pinned: bool | None = None
    visibility: Literal["private", "public", "protected"] = "private"
    hardware: Flavour | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    secrets: list[str] = Field(default_factory=list)
    volumes: list[Volume] = Field(default_factory=list)


OURS = ("visibility", "hardware", "variables", "secrets", "volumes")
"""Keys that Hugging Face does not read from a README."""


def read_spacefile(path: Path) -> Spacefile:
    """Read and check a Spacefile. Raises SpacefileError or Unreadable: all that is wrong, one line each."""
    try:
        with path.open("rb") as file:
            content = file.read(plainyaml.MOST_BYTES + 1)
    except OSError as error:
        words = f"The Spacefile `{path}` cannot be read ({error.strerror}). Name one with `--spacefile FILE`."
        raise SpacefileError(words) from error
    return parse_spacefile(content)


def parse_spacefile(content: bytes) -> Spacefile:
    """As `read_spacefile`, from its bytes."""
    document = plainyaml.load(content, NAME)
    _refuse(document, _problems_of_secrets(document.values))
    try:
        space = Spacefile.model_validate(document.values)
    except ValidationError as error:
        problems = [_words(dict(one)) for one in error.errors(include_url=False)]
        meant = "".join(words.partition("Did you mean")[2] for _, words in problems)
        # A key that is there under a wrong name is told once.
        _refuse(document, [one for one in problems if not (one[1].endswith("Add it.") and f"`{one[0]}`" in meant)])
        raise
    _refuse(document, _problems_of_environment(space))
    return space


def _refuse(document: plainyaml.Document, problems: list[tuple[str, str]]) -> None:
    if problems:
        lines = (f"{NAME}{_line(document, key)}: {words}" for key, words in problems)
        raise SpacefileError("\n".join(lines))


def front_matter(space: Spacefile) -> str:
    """The block that stands at the top of README.md, with its two `---` lines."""
    values = space.model_dump(exclude=set(OURS), exclude_none=True)
    body = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, default_flow_style=False, width=1000)
    return f"---\n{body}---\n"


def with_front_matter(readme: str, space: Spacefile) -> str:
    """`readme` with its front matter replaced, or put there where it has none."""
    front = re.match(r"---\n.*?\n---\n", readme, re.S)
    return front_matter(space) + (readme[front.end() :] if front else "\n" + readme)


def _line(document: plainyaml.Document, key: str) -> str:
    line = document.lines.get(key, document.lines.get(key.partition(".")[0]))
    return "" if line is None else f" line {line}"


def _problems_of_secrets(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Told before anything else is looked at, and without the value."""
    secrets = values.get("secrets")
    with_value = isinstance(secrets, dict) or (
        isinstance(secrets, list) and any(not isinstance(s, str) or not ENVIRONMENT_NAME.fullmatch(s) for s in secrets)
    )
    if with_value or (isinstance(secrets, str) and not ENVIRONMENT_NAME.fullmatch(secrets)):
        words = (
            "`secrets` may hold names only, such as `- HF_TOKEN`; values are taken from the environment or asked for. "
            "If a value was saved here, remove it and revoke it where it was made."
        )
        return [("secrets", words)]
    words = "this holds what looks like a token or a password. Remove it, revoke it, and put its name under `secrets`."
    return [(key, words) for key, value in values.items() if TOKEN.search(f"{key} {value}") or _opens(value)]


def _opens(value: Any) -> bool:
    """Whether a value holds what opens something: a key, a password, an address with a login."""
    if isinstance(value, dict):
        return any(_opens(f"{name}={text}") if isinstance(text, str) else _opens(text) for name, text in value.items())
    if isinstance(value, list):
        return any(map(_opens, value))
    return isinstance(value, str) and any(span.type in ("SECRET", "URL_LOGIN") for span in find(value))


def _problems_of_environment(space: Spacefile) -> list[tuple[str, str]]:
    known = [f.metadata["variable"] for f in variables()]
    problems = []
    for key, names in (("variables", list(space.variables)), ("secrets", space.secrets)):
        for name in names:
            place = f"{key}.{name}"
            if not ENVIRONMENT_NAME.fullmatch(name):
                problems.append(
                    (place, f"`{name[:60]}` is no name of a variable. Use letters, digits and underscores.")
                )
            elif name in SET_BY_THE_SPACE:
                problems.append((place, f"`{name}` is set by Hugging Face. Remove it."))
            elif name.startswith("FLYWHEEL_") and name not in known:
                problems.append((place, f"`{name}` is no setting of Flywheel.{_nearest(name, known)}"))
    for name, value in space.variables.items():
        if any(steers(one) and one not in "\n\t" for one in value):
            problems.append((f"variables.{name}", f"`variables.{name}` holds control characters. Remove them."))
        if SECRET_NAME.search(name):
            words = f"everybody can read variables, and `{name}` is named like a secret. Put its name under `secrets`."
            problems.append((f"variables.{name}", words))
        if name in space.secrets:
            problems.append(("secrets", f"`{name}` is a variable too. Keep one of the two."))
    home = Path(space.variables.get("FLYWHEEL_HOME", ""))
    if any(home.is_relative_to(volume.mount_path) for volume in space.volumes):
        words = (
            f"FLYWHEEL_HOME is `{home}`, a mounted volume: a database that is open there gets damaged. Choose another."
        )
        problems.append(("variables.FLYWHEEL_HOME", words))
    if len(set(space.secrets)) < len(space.secrets):
        problems.append(("secrets", "a name stands there twice. Keep one."))
    return problems


def _words(error: dict[str, Any]) -> tuple[str, str]:
    """The key, and what is wrong in words; `error` is pydantic's."""
    place = error["loc"]
    key = str(place[0])
    path = key + "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in place[1:])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        allowed = list(Volume.model_fields if key == "volumes" else Spacefile.model_fields)
        return key, f"`{place[-1]}` is no key of a Spacefile.{_nearest(str(place[-1]), allowed)}"
    if kind == "missing":
        return key, f"`{path}` is missing. Add it."
    found = "" if key in ("variables", "secrets") else f" `{_shown(value)}`,"
    if kind == "literal_error":
        return key, f"`{path}` is{found} and may be {_options(error['ctx']['expected'])}.{_hint(value, error)}"
    if kind == "value_error" and str(error["ctx"]["error"]) == "hardware":
        return key, f"`{path}` is{found} and may be {', '.join(f'`{h}`' for h in HARDWARE)}.{_nearest(value, HARDWARE)}"
    if kind == "value_error":
        return key, f"`{path}` is{found} which is not possible: {error['ctx']['error']}."
    wanted = TYPES.get(kind, str(error["msg"]).lower())
    return key, f"`{path}` is{found} {_kind_of(value)}; {wanted}."


def _shown(value: Any) -> str:
    return escaped(str(value)[:80], keep="")


TYPES = {
    "string_type": "it must be text. Put it in quotes",
    "bool_type": "write `true` or `false`",
    "int_type": "write a whole number",
    "list_type": "write a list, one `- ...` a line",
    "dict_type": "write `name: value` lines",
    "model_type": "write `type`, `source` and `mount_path`",
}


def _kind_of(value: Any) -> str:
    kinds = {bool: "a yes or no", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return "empty" if value is None else kinds.get(type(value), "text")


def _options(expected: str) -> str:
    return expected.replace("'", "`")


def _hint(value: Any, error: dict[str, Any]) -> str:
    return _nearest(str(value), re.findall(r"'([^']+)'", error["ctx"]["expected"]))


def _nearest(value: Any, allowed: Any) -> str:
    found = get_close_matches(str(value).lower(), [str(one).lower() for one in allowed], n=1, cutoff=0.6)
    original = {str(one).lower(): one for one in allowed}
    return f" Did you mean `{original[found[0]]}`?" if found else ""
