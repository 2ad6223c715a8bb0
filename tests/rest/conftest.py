"""Programs at the door: a key of each role, the real client, and plain HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import openai
import pytest

from flywheel.roles import Principal, Role
from tests.support.app import App

OWNER = Principal("local:owner", Role.OWNER)


@dataclass(frozen=True)
class Program:
    """One key, with which a program calls."""

    id: str
    key: str
    client: openai.OpenAI
    http: httpx.Client

    @property
    def owner(self) -> str:
        """Whose conversations its own are."""
        return f"key:{self.id}"


@pytest.fixture
def program(app: App) -> Iterator[Callable[..., Program]]:
    """Makes a program with a key of its own."""
    made: list[Program] = []

    def make(role: str = "guest") -> Program:
        issued = app.services.keys.create(OWNER, role)
        client = openai.OpenAI(base_url=f"{app.url}/v1", api_key=issued.key, max_retries=0, timeout=60)
        http = httpx.Client(base_url=app.url, headers={"Authorization": f"Bearer {issued.key}"}, timeout=60)
        made.append(Program(issued.id, issued.key, client, http))
        return made[-1]

    yield make
    for one in made:
        one.client.close()
        one.http.close()


@pytest.fixture
def guest(program: Callable[..., Program]) -> Program:
    return program()
