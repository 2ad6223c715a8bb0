"""What a check finds: one line, and what to do about it. A check that fails by itself is a finding too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flywheel.errors import PUBLIC

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    level: str
    """`ok`, `warning` (it works, but look at it) or `problem` (something does not work)."""
    check: str
    words: str
    todo: str = ""
    """What to do, empty when nothing is."""


Check = Callable[[], Iterator[Finding]]


def looked(name: str, check: Check) -> Iterator[Finding]:
    """The findings of a check, whatever happens in it: the thing looked at may be broken in any way."""
    try:
        yield from check()
    except PUBLIC as error:
        yield Finding(PROBLEM, name, str(error))
    except Exception as error:
        said = (str(error).splitlines() or [""])[0][:200]
        yield Finding(PROBLEM, name, f"could not be looked at ({type(error).__name__}: {said})")
