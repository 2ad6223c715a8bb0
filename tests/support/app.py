"""The app in this process for the tests: real services on a scratch home, served on a free port."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flywheel.services import Services, build_services
from flywheel.settings import Settings, read
from flywheel.ui.server import Server


@dataclass(frozen=True)
class App:
    """A served app: its address, its services, the page's object."""

    url: str
    services: Services
    server: Server

    @property
    def owner_link(self) -> str:
        return f"{self.url}/enter?token={self.services.home.owner_token()}"


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(home: Path, **changes: object) -> Settings:
    """The defaults of a fresh machine, on a scratch home and a free port. One reviewer decides alone: the tests that
    share an app leave several of them behind."""
    environment = {"FLYWHEEL_HOME": str(home), "FLYWHEEL_SECOND_REVIEW": "0"}
    return replace(read(environment), server_port=free_port(), **changes)  # type: ignore[arg-type]


@contextmanager
def serving(settings: Settings) -> Iterator[App]:
    """Build, serve, wait until the model answers; take down afterwards."""
    services = build_services(settings)
    server = Server(services)
    try:
        url = server.start()
        services.wait_until_ready()
        yield App(url, services, server)
    finally:
        server.stop()
        services.close()
