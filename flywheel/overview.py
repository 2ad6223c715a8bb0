"""The settings as they hold now, where each comes from, and who can reach this app: for the owner to read.

Shows no secret, and no password in an address. Changes nothing: settings are read once, at the start.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flywheel import addresses
from flywheel.roles import Principal, Role, require
from flywheel.settings import Settings, variables
from flywheel.words.catalogue import say

LONGEST_VALUE = 300
SECRET_WORDS = {True: "set", False: "not set"}
PASSWORD = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True)
class Effective:
    """One setting as it holds."""

    variable: str
    value: str
    source: str
    """`default`, `environment` or `Space`."""
    meaning: str


@dataclass(frozen=True)
class Reach:
    """Who can open the app, and what that means."""

    addresses: list[str]
    """Where it is opened, the best first."""
    words: list[str]
    """Sentences for the owner."""
    is_open: bool
    """Whether others than this machine reach it."""


@dataclass(frozen=True)
class Overview:
    """What the settings came to."""

    settings: Settings

    def effective(self, who: Principal) -> list[Effective]:
        """Every setting, in the order of docs/settings.md. Only the owner reads them."""
        require(who, Role.OWNER)
        return [self._one(f.name, f.metadata, secret=not f.repr) for f in variables()]

    def reach(self, who: Principal) -> Reach:
        """Who can open the app now, and what to set for a phone in the same network. Only the owner is told."""
        require(who, Role.OWNER)
        settings = self.settings
        known = addresses.for_people(settings)
        if settings.is_space:
            return Reach(known, [say("reach.space"), self._guests()], True)
        if addresses.is_loopback(settings.server_name.strip("[]")):
            return Reach(known, self._for_a_phone(), False)
        return Reach(known, [say("reach.network"), self._guests(), say("reach.unencrypted")], True)

    def _for_a_phone(self) -> list[str]:
        if self.settings.url:
            return [say("reach.proxy", url=self.settings.url)]
        there = addresses.of_network()
        where = f"http://{there}:{self.settings.server_port}" if there else say("reach.printed")
        return [say("reach.alone"), say("reach.phone", where=where), say("reach.opens")]

    def _guests(self) -> str:
        settings = self.settings
        return say("reach.guests", limit=settings.guest_limit) if settings.guest_chat else say("reach.no_guests")

    def _one(self, name: str, meta: Any, *, secret: bool) -> Effective:
        value = getattr(self.settings, name)
        source = "default"
        if meta["variable"] in self.settings.given:
            source = "Space" if self.settings.is_space else "environment"
        elif name == "owners" and self.settings.hub_owners:
            value, source = self.settings.hub_owners, "Space"
        elif name == "server_name" and self.settings.is_space:
            source = "Space"
        shown = SECRET_WORDS[bool(value)] if secret else PASSWORD.sub("//…@", _text(value))
        cut = shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"
        return Effective(meta["variable"], cut, source, meta["meaning"])


def _text(value: Any) -> str:
    """A value as it would be set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
