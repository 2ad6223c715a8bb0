"""The engine that answers, and what others take from it: the limits of its base, and its warm-up.

Chooses between a model in this process and one at a server. Imports, itself, no model library.
"""

from collections.abc import Callable
from functools import partial

from flywheel.base_fetch import BaseFetch
from flywheel.base_model import BaseModel
from flywheel.serving.engine import Engine
from flywheel.serving.local import LocalEngine
from flywheel.serving.local_tools import CallingEngine
from flywheel.settings import Settings
from flywheel.tasks.build import Task
from flywheel.tasks.sql import SqlTask
from flywheel.tasks.tools import sql_tool
from flywheel.validity import Rules
from flywheel.versions import Versions
from storage.hub import Hub, Patience


def build_engine(settings: Settings, base: BaseModel, versions: Versions, load: bool, task: Task) -> Engine:
    """The engine these settings ask for; a local one loads in the background, or, unless `load`, on first use."""
    tool = sql_tool(task) if settings.tools and isinstance(task, SqlTask) else None
    if not base.is_remote:
        # The fetch has a patience of its own, which ends when the process does.
        fetch = BaseFetch(base, Hub(settings.hub_endpoint, settings.hub_token, Patience(read_s=3)))
        build = partial(CallingEngine, tool=tool) if tool else LocalEngine
        return build(
            base.location,
            base.revision,
            versions.adapter,
            name=base.name,
            first=versions.served(),
            prepare=fetch.prepare,
            load=load,
        )
    # Not at the top: its client library is of no use to anybody else, and takes its time to load.
    from flywheel.serving.remote import RemoteEngine

    return RemoteEngine(settings.openai_base_url, base.name, settings.openai_api_key, tool=tool)


def rules_of(engine: Engine, settings: Settings) -> Callable[[], Rules]:
    """The limits of the base, asked when they are needed: it may still load."""

    def rules() -> Rules:
        if settings.is_remote:
            # Its tokenizer is elsewhere, and an estimate is no reason to refuse anything: whoever trains on it here
            # freezes for a base of this machine first.
            return Rules(engine.control_tokens())

        def count(prompt: list[dict[str, str]], completion: str) -> int:
            # As the trainer will render the row, with all that the template puts around and behind the answer.
            return engine.count_tokens([*prompt, {"role": "assistant", "content": completion}])

        return Rules(engine.control_tokens(), engine.context_length, count, engine.texts())

    return rules


def warmer(engine: Engine) -> Callable[[str], None]:
    """Loads a promoted version at once, so that the next question does not wait for it."""

    def warm(version: str) -> None:
        if engine.ready()[0]:
            engine.warm(version)

    return warm
