"""Where the app can be reached: by commands on this machine, by people, and under which names a request may come.

Looks at this machine's own network address and port; sends nothing.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from flywheel.errors import Unavailable
from flywheel.settings import Settings

EVERYWHERE = ("0.0.0.0", "::", "")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(name: str) -> bool:
    """Whether this address can be reached from this machine only."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def local(settings: Settings) -> str:
    """How a program on this machine reaches the app."""
    name = settings.server_name.strip("[]")
    if name in EVERYWHERE:
        name = "127.0.0.1"
    return f"http://{f'[{name}]' if ':' in name else name}:{settings.server_port}"


def for_people(settings: Settings) -> list[str]:
    """The addresses to give to people, the best first: the one set, the Space's, or this machine's."""
    if settings.public_url:
        return [settings.public_url]
    found = [local(settings)]
    if settings.server_name.strip("[]") in EVERYWHERE and (address := of_network()):
        found.append(f"http://{address}:{settings.server_port}")
    return found


def public_hosts(settings: Settings) -> tuple[str, ...]:
    """Hosts, with their port where it is not the usual one, under which a proxy shows the app to the world."""
    return (*settings.space_hosts, *([urlsplit(settings.url).netloc] if settings.url else []))


def accepted_hosts(settings: Settings) -> frozenset[str] | None:
    """Names under which a browser may ask; None: any.

    An app on loopback is asked under a foreign name only by a page whose name was made to point here.
    """
    name = settings.server_name.strip("[]").lower()
    if settings.is_space or not is_loopback(name):
        return None
    own = urlsplit(settings.url).hostname if settings.url else None
    return LOOPBACK_NAMES | {name} | ({own} if own else set())


def sender(peer: str, passed_on: str, *, on_space: bool) -> str:
    """The network that a request came from, as one address (IPv6: its /64); empty where that tells nobody apart.

    `peer` holds the connection; `passed_on` is what X-Forwarded-For says. Anybody can send that header, so it counts on
    a Space alone, where every request comes through a proxy that adds to its end whom it saw. On this machine
    everybody has the same address.
    """
    seen = [_parsed(text) for text in passed_on.split(",")[::-1]] if on_space else [_parsed(peer)]
    known = [address for address in seen if address is not None and not address.is_loopback]
    # Further proxies of the Space's own stand in its private network.
    address = next((address for address in known if address.is_global), None if on_space else next(iter(known), None))
    if address is None:
        return ""
    return str(ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def require_free_port(settings: Settings) -> None:
    """Raise Unavailable when something already listens there. Cheap, so it is asked before anything is loaded."""
    family = socket.AF_INET6 if ":" in settings.server_name else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.server_name.strip("[]"), settings.server_port))
        except OSError as error:
            raise not_listening(settings, error) from error


def not_listening(settings: Settings, error: OSError) -> Unavailable:
    """Why nobody can listen there, in words."""
    return Unavailable(
        f"Flywheel cannot listen on `{settings.server_name}` port `{settings.server_port}`: {error.strerror or error}. "
        "Stop the program that uses it, or set GRADIO_SERVER_PORT to another port."
    )


def of_network() -> str | None:
    """This machine's address in its network, None where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Chooses a route and sends nothing.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_loopback(address) or address == "0.0.0.0" else address
