"""Starts Flywheel: settings, services, page. `python app.py` is what a Space runs."""

import logging
import sys

from flywheel.settings import Settings, prepare_environment, read

prepare_environment()

from flywheel.addresses import for_people, require_free_port  # noqa: E402
from flywheel.errors import PUBLIC  # noqa: E402
from flywheel.services import build_services  # noqa: E402
from flywheel.ui.server import Server  # noqa: E402


def main(settings: Settings | None = None) -> int:
    """Serve until a signal. 1 when it cannot start, with one line that says why."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # How far a download is belongs into the terminal, whoever else is silent.
    logging.getLogger("flywheel.base_fetch").setLevel(logging.INFO)
    try:
        settings = settings or read()
        require_free_port(settings)
        services = build_services(settings)
    except PUBLIC as error:
        print(f"Flywheel did not start: {error}", file=sys.stderr)
        return 1
    server = Server(services)
    try:
        server.start()
        url, *others = for_people(settings)
        print(f"Flywheel: {url}", flush=True)
        if settings.trusts_oauth:
            # A token that signs in belongs in no hosted log; here people have names.
            print(f"Owner: sign in with Hugging Face as {' or '.join(settings.hub_owners)}", flush=True)
        else:
            print(f"Owner: {url}/enter?token={services.home.owner_token()}", flush=True)
        for other in others:
            print(f"From other machines: {other}", flush=True)
        server.wait()
    except PUBLIC as error:
        print(f"Flywheel did not start: {error}", file=sys.stderr)
        return 1
    finally:
        server.stop()
        services.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
