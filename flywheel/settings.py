"""The settings: environment variables, read once, checked, then frozen.

The only module of the product that reads `os.environ`. Each field carries its variable, its default and its meaning in
one place; `docs/settings.md` is compared with this list by a test. Knows nothing of files, models or pages.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from flywheel.errors import ConfigurationError
from flywheel.setting_values import (
    MOST_ROWS,
    OPENAI_URL,
    Limit,
    address,
    base_at_server,
    base_here,
    check_server,
    count,
    database_at,
    hub_repo,
    hub_token,
    language,
    limit,
    max_tokens,
    number,
    path_of,
    port,
    served_name,
)

OPENINGS = (
    "GRADIO_VIBE_MODE",
    "GRADIO_WATCH_DIRS",
    "GRADIO_ALLOWED_PATHS",
    "GRADIO_BLOCKED_PATHS",
    "GRADIO_DEBUG",
    "GRADIO_LOCAL_DEV_MODE",
)


def _setting(variable: str, default: str, meaning: str) -> Any:
    return field(metadata={"variable": variable, "default": default, "meaning": meaning})


def _secret(variable: str, meaning: str) -> Any:
    return field(repr=False, metadata={"variable": variable, "default": "", "meaning": f"{meaning}; never shown"})


@dataclass(frozen=True)
class Settings:
    """All settings of one process. Make it with `read`; tests may use `dataclasses.replace`."""

    home: Path = _setting("FLYWHEEL_HOME", "~/.flywheel", "folder that holds everything: database, runs, versions")
    base_model: str = _setting(
        "FLYWHEEL_BASE_MODEL",
        "starter",
        "`starter`, a Hub id with optional `@revision`, or a folder; with the engine `openai` the name at the server",
    )
    task: str = _setting("FLYWHEEL_TASK", "sql", "`sql` (questions about a database) or `chat`")
    system_prompt: str = _setting("FLYWHEEL_SYSTEM_PROMPT", "", "replaces the task's own system message")
    temperature: float = _setting("FLYWHEEL_TEMPERATURE", "0", "how freely answers are drawn, 0 to 2; 0: the likeliest")
    top_p: float = _setting("FLYWHEEL_TOP_P", "1", "share of likely words that are drawn from, above 0 and up to 1")
    max_tokens: int | None = _setting(
        "FLYWHEEL_MAX_TOKENS", "", "how long an answer may be; empty: as suits the task (`sql` 256, `chat` 1024)"
    )
    compare_share: float = _setting(
        "FLYWHEEL_COMPARE_SHARE", "0", "share of the questions, 0 to 1, that get two answers to choose from"
    )
    database: str = _setting(
        "FLYWHEEL_DATABASE",
        "",
        "DuckDB or SQLite file or `postgresql://` address that is asked; empty: the sample shop",
    )
    engine: str = _setting(
        "FLYWHEEL_ENGINE",
        "local",
        "`local`: the model runs in this process; `openai`: it runs at any OpenAI-compatible server",
    )
    tools: bool = _setting(
        "FLYWHEEL_TOOLS", "on", "`on`: a base that calls functions runs its SQL as a tool; `off`: it writes SQL"
    )
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", OPENAI_URL, "address of that server, for example `http://localhost:11434/v1`"
    )
    openai_api_key: str = _secret("OPENAI_API_KEY", "key for that server, empty where it needs none")
    presidio: str = _setting(
        "FLYWHEEL_PRESIDIO", "", "spaCy pipeline with which Presidio looks for names and places; empty: nothing does"
    )
    teacher_model: str = _setting("FLYWHEEL_TEACHER_MODEL", "", "model that drafts examples for review; empty: none")
    teacher_base_url: str = _setting(
        "FLYWHEEL_TEACHER_BASE_URL", OPENAI_URL, "address of the OpenAI-compatible server that runs it"
    )
    teacher_api_key: str = _secret("FLYWHEEL_TEACHER_API_KEY", "key for that server, empty where it needs none")
    language: str = _setting("FLYWHEEL_LANGUAGE", "en", "language of the pages: a code, or the path of a file of words")
    guest_chat: bool = _setting("FLYWHEEL_GUEST_CHAT", "on", "`on`: anyone who opens the page may chat; `off`")
    guest_limit: Limit = _setting(
        "FLYWHEEL_GUEST_LIMIT", "30/minute, 1000/day", "answers for one guest of the page; `off`: no limit"
    )
    person_limit: Limit = _setting(
        "FLYWHEEL_PERSON_LIMIT", "30/minute, 1000/day", "answers for one person who signed in with Hugging Face"
    )
    address_limit: Limit = _setting(
        "FLYWHEEL_ADDRESS_LIMIT", "200/minute, 5000/day", "answers for all guests of one network address together"
    )
    key_limit: Limit = _setting("FLYWHEEL_KEY_LIMIT", "off", "answers for one program's key, unless it is an owner's")
    guest_rows: int = _setting("FLYWHEEL_GUEST_ROWS", "20", "rows of one guest that a dataset takes at most")
    guest_alike: int = _setting("FLYWHEEL_GUEST_ALIKE", "3", "rows of guests that ask nearly the same, at most")
    guest_same_reply: int = _setting("FLYWHEEL_GUEST_SAME_REPLY", "10", "rows of guests with one reply: none is taken")
    guest_own_words: float = _setting("FLYWHEEL_GUEST_OWN_WORDS", "0.3", "share of guests' rows in a model's own words")
    owners: tuple[str, ...] = _setting(
        "FLYWHEEL_OWNERS", "", "Hub names that own this Space, separated by commas; empty: the Space's author"
    )
    reviewers: tuple[str, ...] = _setting("FLYWHEEL_REVIEWERS", "", "Hub names that may review, separated by commas")
    second_review: float = _setting(
        "FLYWHEEL_SECOND_REVIEW", "10", "percent of all examples that two reviewers judge, where there are two; 0: none"
    )
    hub_repo: str = _setting("FLYWHEEL_HUB_REPO", "", "repository on the Hub that versions are published to")
    hub_endpoint: str = _setting("HF_ENDPOINT", "https://huggingface.co", "the Hub's address")
    hub_token: str = _secret("HF_TOKEN", "token for the Hub: private base models, publishing, deploying")
    server_name: str = _setting("GRADIO_SERVER_NAME", "127.0.0.1", "address to listen on; on a Space `0.0.0.0`")
    server_port: int = _setting("GRADIO_SERVER_PORT", "7860", "port to listen on")
    url: str = _setting("FLYWHEEL_URL", "", "address people use, when a proxy stands before the app")
    space_id: str = _setting("SPACE_ID", "", "set by Hugging Face on a Space")
    space_host: str = _setting("SPACE_HOST", "", "set by Hugging Face on a Space: its host, in links")
    space_system: str = _setting("SYSTEM", "", "`spaces` on a Hugging Face Space; set by it")
    oauth_client_secret: str = _secret("OAUTH_CLIENT_SECRET", "set by Hugging Face on a Space with `hf_oauth: true`")

    given: frozenset[str] = frozenset()
    """The variables that were set; all others have their default. No setting itself."""

    @property
    def is_starter(self) -> bool:
        """The bundled model answers."""
        return self.base_model == "starter"

    @property
    def is_remote(self) -> bool:
        """The model runs at another server: nothing is trained here, and no version but the base can serve."""
        return self.engine == "openai"

    @property
    def is_sample_database(self) -> bool:
        """The bundled bike shop is asked."""
        return self.database == ""

    @property
    def is_space(self) -> bool:
        """This process runs on a Hugging Face Space."""
        return self.space_system == "spaces" and bool(self.space_id)

    @property
    def space_hosts(self) -> tuple[str, ...]:
        """The hosts under which a Space is reached, its own first; a custom domain follows after a comma."""
        return _names(self.space_host) if self.is_space else ()

    @property
    def public_url(self) -> str:
        """Where people find this app: as set, else a Space's own address; empty where neither is known."""
        return self.url or (f"https://{self.space_hosts[0]}" if self.space_hosts else "")

    @property
    def trusts_oauth(self) -> bool:
        """Hugging Face signs people in. Only a Space sets all three; elsewhere anyone can forge such a session."""
        return self.is_space and bool(self.oauth_client_secret)

    @property
    def hub_owners(self) -> tuple[str, ...]:
        """Who owns this Space by their Hub name: those named, else its author. Nobody where sign-in is not trusted."""
        return (self.owners or (self.space_id.partition("/")[0],)) if self.trusts_oauth else ()


def variables() -> list[Field[Any]]:
    """The settings themselves, in their order: each with `variable`, `default` and `meaning` in its metadata."""
    return [f for f in fields(Settings) if f.metadata]


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting. Raises ConfigurationError with one line that names the variable and its value."""
    source = os.environ if environment is None else environment
    raw = {f.name: source.get(f.metadata["variable"], "").strip() or f.metadata["default"] for f in variables()}
    remote = _choice("FLYWHEEL_ENGINE", raw["engine"], ("local", "openai")) == "openai"
    if remote:
        check_server(raw["openai_base_url"], raw["openai_api_key"])
    if raw["teacher_model"]:
        check_server(raw["teacher_base_url"], raw["teacher_api_key"], "FLYWHEEL_TEACHER")
    return Settings(
        home=path_of("FLYWHEEL_HOME", raw["home"]).absolute(),
        base_model=base_at_server(raw["base_model"]) if remote else base_here(raw["base_model"]),
        task=_choice("FLYWHEEL_TASK", raw["task"], ("sql", "chat")),
        system_prompt=raw["system_prompt"],
        temperature=number("FLYWHEEL_TEMPERATURE", raw["temperature"], 0, 2, "a number from 0 to 2"),
        top_p=number("FLYWHEEL_TOP_P", raw["top_p"], 0, 1, "a number above 0 and up to 1", above=True),
        max_tokens=max_tokens("FLYWHEEL_MAX_TOKENS", raw["max_tokens"]),
        compare_share=number("FLYWHEEL_COMPARE_SHARE", raw["compare_share"], 0, 1, "a number from 0 to 1"),
        database=database_at("FLYWHEEL_DATABASE", raw["database"]),
        engine=raw["engine"],
        tools=_choice("FLYWHEEL_TOOLS", raw["tools"], ("on", "off")) == "on",
        openai_base_url=raw["openai_base_url"].rstrip("/"),
        openai_api_key=raw["openai_api_key"],
        teacher_model=served_name("FLYWHEEL_TEACHER_MODEL", raw["teacher_model"]),
        teacher_base_url=raw["teacher_base_url"].rstrip("/"),
        teacher_api_key=raw["teacher_api_key"],
        presidio=raw["presidio"],
        language=language(raw["language"]),
        guest_chat=_choice("FLYWHEEL_GUEST_CHAT", raw["guest_chat"], ("on", "off")) == "on",
        guest_limit=limit("FLYWHEEL_GUEST_LIMIT", raw["guest_limit"]),
        person_limit=limit("FLYWHEEL_PERSON_LIMIT", raw["person_limit"]),
        address_limit=limit("FLYWHEEL_ADDRESS_LIMIT", raw["address_limit"]),
        key_limit=limit("FLYWHEEL_KEY_LIMIT", raw["key_limit"]),
        guest_rows=count("FLYWHEEL_GUEST_ROWS", raw["guest_rows"], MOST_ROWS),
        guest_alike=count("FLYWHEEL_GUEST_ALIKE", raw["guest_alike"], MOST_ROWS),
        guest_same_reply=count("FLYWHEEL_GUEST_SAME_REPLY", raw["guest_same_reply"], MOST_ROWS),
        guest_own_words=number("FLYWHEEL_GUEST_OWN_WORDS", raw["guest_own_words"], 0, 0.9, "a number from 0 to 0.9"),
        owners=_names(raw["owners"]),
        reviewers=_names(raw["reviewers"]),
        second_review=number("FLYWHEEL_SECOND_REVIEW", raw["second_review"], 0, 100, "a number from 0 to 100"),
        hub_repo=hub_repo(raw["hub_repo"]),
        hub_endpoint=address("HF_ENDPOINT", raw["hub_endpoint"]),
        hub_token=hub_token(raw["hub_token"]),
        server_name=_server_name(source.get("GRADIO_SERVER_NAME", "").strip(), raw),
        server_port=port(raw["server_port"]),
        url=address("FLYWHEEL_URL", raw["url"]) if raw["url"] else "",
        space_id=raw["space_id"],
        space_host=raw["space_host"],
        space_system=raw["space_system"],
        oauth_client_secret=raw["oauth_client_secret"],
        given=frozenset(name for f in variables() if source.get(name := f.metadata["variable"], "").strip()),
    )


def prepare_environment() -> None:
    """Set the switches of other libraries that they read at import: no telemetry, no network a person did not ask for.

    Called first thing by every entry point. What would open the page wider than our settings say is taken out; in the
    rest, what the person has set stays.
    """
    for name in OPENINGS:
        os.environ.pop(name, None)
    os.environ["GRADIO_SHARE"] = "False"
    # The page library calls its own address when it starts; a proxy must not get that call.
    hosts = [host for host in (os.environ.get("NO_PROXY", ""), "localhost", "127.0.0.1") if host]
    os.environ["NO_PROXY"] = ",".join(dict.fromkeys(",".join(hosts).split(",")))
    for name, value in {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "200",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        # The web server believes nobody who says for whom they ask, unless the owner names a proxy of their own.
        "FORWARDED_ALLOW_IPS": "",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)


def values_of(names: Iterable[str]) -> dict[str, str]:
    """Variables that are set and not empty, by name: where a deployment takes the values of secrets from."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def variables_of_postgres() -> dict[str, str]:
    """What PostgreSQL's client reads passwords, certificates and defaults from."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG") or name == "HOME"}


def child_environment() -> dict[str, str]:
    """The environment of programs we start: what they need to run, and no secret.

    Source: this process's environment, by allow-list; tokens and keys are not on it.
    """
    allowed = (
        "PATH",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TZ",
        "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
    )
    kept = {name: os.environ[name] for name in allowed if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}


def _server_name(given: str, raw: Mapping[str, str]) -> str:
    """A Space's proxy stands outside of its container: loopback would be reached by nobody."""
    return "0.0.0.0" if raw["space_system"] == "spaces" and not given else raw["server_name"]


def _choice(variable: str, value: str, allowed: tuple[str, ...]) -> str:
    if value in allowed:
        return value
    options = " or ".join(f"`{option}`" for option in allowed)
    raise ConfigurationError(f"{variable} is `{value}`. Set it to {options}.")


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())
