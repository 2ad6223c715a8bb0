"""What an installation needs around a home: Python, libraries, settings that go together, base model, port, Hub."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

from flywheel.addresses import is_loopback, require_free_port
from flywheel.base_model import base_model
from flywheel.doctor.finding import OK, PROBLEM, WARNING, Finding
from flywheel.errors import Unavailable
from flywheel.settings import Settings
from flywheel.words import catalogue

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
LEAST_PYTHON = (3, 11)


def python() -> Iterator[Finding]:
    """Python against its floor."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= LEAST_PYTHON:
        yield Finding(OK, "python", found)
    else:
        least = ".".join(map(str, LEAST_PYTHON))
        yield Finding(PROBLEM, "python", f"this is {found}", f"Use Python {least} or newer.")


def libraries() -> Iterator[Finding]:
    """Every library against the range in requirements.txt; one line where all are right."""
    from packaging.requirements import Requirement

    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    wanted = [Requirement(line) for line in lines if line]
    wrong = []
    for library in wanted:
        try:
            found = importlib.metadata.version(library.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{library.name} is missing")
        else:
            if not library.specifier.contains(found, prereleases=True):
                wrong.append(f"{library.name} is {found}, {library.specifier} is needed")
    for words in wrong:
        yield Finding(PROBLEM, "libraries", words, f"{sys.executable} -m pip install -r {REQUIREMENTS}")
    if not wrong:
        yield Finding(OK, "libraries", f"{len(wanted)} are installed in the versions needed")


def together(settings: Settings) -> Iterator[Finding]:
    """Settings that are each right and contradict one another."""
    doubts = list(_doubts(settings))
    for words, todo in doubts:
        yield Finding(WARNING, "settings", words, todo)
    if not doubts:
        yield Finding(OK, "settings", "they go together")


def _doubts(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.task == "chat" and not settings.is_sample_database:
        yield "FLYWHEEL_DATABASE is set, and FLYWHEEL_TASK=chat asks no database", "Unset one of the two."
    if settings.task == "chat" and settings.is_starter and settings.engine == "local":
        yield "FLYWHEEL_TASK is `chat`, and the starter only knows its shop", "Set FLYWHEEL_BASE_MODEL to a chat model."
    if settings.task == "sql" and settings.is_starter and not settings.is_sample_database:
        yield "the starter only knows its shop, and FLYWHEEL_DATABASE is another", "Set FLYWHEEL_BASE_MODEL as well."
    if (settings.owners or settings.reviewers) and not settings.trusts_oauth:
        yield (
            "FLYWHEEL_OWNERS and FLYWHEEL_REVIEWERS mean nothing here",
            "Names are known on a Space with sign-in only.",
        )
    if settings.is_space and not settings.trusts_oauth:
        yield "nobody can sign in on this Space", "Put `hf_oauth: true` into its README."
    if not settings.is_space and not is_loopback(settings.server_name) and settings.guest_chat:
        words = f"GRADIO_SERVER_NAME is `{settings.server_name}`: everybody in your network may chat"
        yield words, "Set FLYWHEEL_GUEST_CHAT=off if that is not meant."


def language(settings: Settings) -> Iterator[Finding]:
    """Whether all sentences are there in the language of the pages."""
    found = catalogue.catalogue(settings.language)
    told = f"`{settings.language}`, {len(found.sentences) - len(found.unknown)} sentences"
    if found.unknown:
        todo = "They may be keys of an older version: compare with `flywheel/words/en.toml`."
        yield Finding(WARNING, "language", f"{len(found.unknown)} are unknown, such as `{found.unknown[0]}`", todo)
    if found.missing:
        words = f"{told}; {len(found.missing)} are missing, such as `{found.missing[0]}`, and are said in English"
        yield Finding(WARNING, "language", words, "Translate them in that file.")
    else:
        yield Finding(OK, "language", told)


def base(settings: Settings) -> Iterator[Finding]:
    """The base model's files are there and such as are loaded: configuration and safetensors."""
    if settings.engine != "local":
        yield Finding(OK, "base model", f"`{settings.base_model}` runs at {settings.openai_base_url}")
        return
    from trainers.adapter import base_shapes
    from trainers.base import parameters, resolve_base

    model = base_model(settings)
    size = parameters(base_shapes(resolve_base(model.location, model.revision)))
    yield Finding(OK, "base model", f"`{model.name}` is there, {size / 1e6:,.1f} million parameters")


def device(settings: Settings) -> Iterator[Finding]:
    """What training and answering run on, and whether a base can be read in 4 bits."""
    from trainers import environment, machine

    environment.silence()
    found = machine.examined()
    yield Finding(OK, "device", f"{found.device}, {found.cores} cores for Flywheel")
    if found.no_four_bit is None:
        yield Finding(OK, "4-bit", "QLoRA works here")
    else:
        todo = "Train with `--set quantization=none`, which is plain LoRA."
        yield Finding(WARNING, "4-bit", f"4-bit weights do not work here ({found.no_four_bit})", todo)


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the app could listen; asked only where none runs."""
    try:
        require_free_port(settings)
    except Unavailable as error:
        yield Finding(PROBLEM, "port", str(error))
    else:
        yield Finding(OK, "port", f"{settings.server_port} is free")


def hub(settings: Settings, online: bool) -> Iterator[Finding]:
    """The token for the Hub; what it may do is asked only when a person wants to go online."""
    if not settings.hub_token:
        yield Finding(OK, "hub", "HF_TOKEN is not set; only publishing, deploying and private models need it")
    elif not online:
        yield Finding(OK, "hub", "HF_TOKEN is set (`--online` asks the Hub whose it is)")
    else:
        from storage.hub import Hub

        account = Hub(settings.hub_endpoint, settings.hub_token).account()
        yield Finding(
            OK, "hub", f"HF_TOKEN is `{account.name}`'s and may {'write' if account.may_write else 'only read'}"
        )
