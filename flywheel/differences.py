"""Which of the settings of a command's shell the app that runs it does not use, told without any value.

Both sides reduce each setting to a mark, keyed with the home's own token; marks are compared and values never sent.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping

from flywheel.settings import Settings, variables

OF_THE_PROCESS = ("home", "server_name", "server_port", "space_id", "space_host", "space_system", "oauth_client_secret")
"""Settings that mean nothing for a command: where the app listens and what it runs on."""


def marks(settings: Settings, token: str, names: Collection[str]) -> dict[str, str]:
    """Variable → its mark, for those of `names` that can differ."""
    wanted = [f for f in variables() if f.name not in OF_THE_PROCESS and f.metadata["variable"] in names]
    values = {f.metadata["variable"]: getattr(settings, f.name) for f in wanted}
    return {name: _mark(f"{name}={value!r}", token) for name, value in values.items()}


def differing(theirs: Mapping[str, str], settings: Settings, token: str) -> list[str]:
    """The variables whose marks are not those of `settings`."""
    own = marks(settings, token, theirs)
    return [name for name, mark in own.items() if not hmac.compare_digest(mark, str(theirs[name]))]


def told(names: Iterable[str]) -> str:
    """One line for whoever gave the command."""
    return (
        f"The running app was started with other settings, and these of your shell are not used: {', '.join(names)}. "
        "Stop it and start it with them, if that is what you want."
    )


def _mark(text: str, token: str) -> str:
    return hmac.new(token.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
