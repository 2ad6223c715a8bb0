"""What an operation takes and yields: plain dictionaries, so that they travel over a line as they are."""

from collections.abc import Callable, Iterator
from typing import Any

from flywheel.roles import Principal
from flywheel.services import Services

Event = dict[str, Any]
"""`{"progress": words, "fraction"?: 0-1}` for people, `{"stream": text so far}`, `{"result": object}` for the output,
and at most one `{"exit": code}`."""
Arguments = dict[str, Any]
Operation = Callable[[Services, Principal, Arguments], Iterator[Event]]
