"""One call to the Hub: with a time-out, tried again while that can help, ending in words.

Knows no repositories. The token is held here and never shown.
"""

import itertools
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from storage.errors import HubBusy, HubDenied, HubError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PUBLIC_HUB = "https://huggingface.co"
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
T = TypeVar("T")


def strange(endpoint: str) -> HubError:
    """What stands at the endpoint is no Hub: a page to sign in to the network, another service."""
    return HubError(
        f"What {endpoint} answers is no answer of a Hub. Check HF_ENDPOINT if it is set, and whether a proxy or a page "
        "to sign in to the network answers in its place."
    )


@dataclass(frozen=True)
class Patience:
    """How long to wait for the Hub, in seconds."""

    timeout_s: float = 30.0
    """Without a byte, for each request."""
    read_s: float = 20.0
    """In which a failed read may be tried again: one that hung is not."""
    write_s: float = 180.0
    first_s: float = 1.0
    """The first pause; each next one doubles, up to `most_s`, plus jitter."""
    most_s: float = 30.0


class Calls:
    """An account's calls. The client is loaded with the first."""

    def __init__(self, endpoint: str | None, token: str | None, patience: Patience | None = None) -> None:
        """`endpoint` None is the public Hub; `token` None reads what is public."""
        self.endpoint = (endpoint or PUBLIC_HUB).rstrip("/")
        self._token = token or None
        self._patience = patience or Patience()
        self._client: HfApi | None = None

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r}, {'with a token' if self._token else 'without a token'})"

    @property
    def has_token(self) -> bool:
        return self._token is not None

    @property
    def _api(self) -> "HfApi":
        if self._client is None:
            from storage.hub_client import make_api

            self._client = make_api(self.endpoint, self._token, self._patience.timeout_s)
        return self._client

    def _read(self, what: str, repo: str, action: Callable[[], T]) -> T:
        return self._tried(what, repo, action, self._patience.read_s, (HubBusy,))

    def _write(self, what: str, repo: str, action: Callable[[], T], again: tuple[type[HubError], ...] = ()) -> T:
        """As `_read`, with more patience; `again` are further errors after which to try once more."""
        if self._token is None:
            raise HubDenied(f"To {what} `{repo}` takes a token. Set HF_TOKEN: {self.endpoint}/settings/tokens", 401)
        return self._tried(what, repo, action, self._patience.write_s, (HubBusy, *again))

    def _tried(
        self, what: str, repo: str, action: Callable[[], T], budget_s: float, again: tuple[type[HubError], ...]
    ) -> T:
        """Run the action until it works, its error cannot pass, or the budget is spent."""
        if repo and not REPO_ID.fullmatch(repo):
            raise HubError(f"`{repo}` is no name of a repository on the Hub. Give one such as `name/model`.", 400)
        give_up = time.monotonic() + budget_s
        for attempt in itertools.count():
            try:
                return action()
            except Exception as error:
                told = self._explained(error, what, repo)
                pause = min(self._patience.most_s, self._patience.first_s * 2**attempt) * random.uniform(1, 1.5)
                pause = max(pause, told.retry_after_s or 0)
                if not isinstance(told, again) or time.monotonic() + pause > give_up:
                    raise told from error
            time.sleep(pause)
        raise AssertionError

    def _explained(self, error: Exception, what: str, repo: str) -> HubError:
        """The error in words; raises it again when it is none of the Hub's."""
        from storage.hub_client import explained

        told = explained(error, what, repo, self.endpoint, self._token)
        if told is None:
            raise error
        if self._token and self._token in str(told):
            return type(told)(str(told).replace(self._token, "…"), told.status, told.retry_after_s)
        return told
