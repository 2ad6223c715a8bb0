"""`python app.py` as a person starts it: what it prints, what it says when it cannot start, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.app import free_port

ROOT = Path(__file__).parent.parent
READY_S = 60.0
TRACEBACK = "Traceback"


def command(home: Path, port: int, **more: str) -> tuple[list[str], dict[str, str]]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {"FLYWHEEL_HOME": str(home), "GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [sys.executable, str(ROOT / "app.py")], environment | settings | more


def fails(home: Path, port: int, **more: str) -> str:
    """Start it where it cannot start; the one line that says why."""
    argv, environment = command(home, port, **more)
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=READY_S)
    assert ended.returncode != 0 and TRACEBACK not in ended.stderr, ended.stderr
    assert ended.stderr.strip().count("\n") == 0, ended.stderr
    return ended.stderr


@contextmanager
def started(home: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    argv, environment = command(home, port)
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_starts_tells_its_addresses_and_ends_cleanly(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with started(home, port) as app:
        assert app.stdout is not None
        url, owner = app.stdout.readline().strip(), app.stdout.readline().strip()
        assert url == f"Flywheel: http://127.0.0.1:{port}"
        assert re.fullmatch(rf"Owner: http://127\.0\.0\.1:{port}/enter\?token=[\w-]{{20,}}", owner)
        address = url.removeprefix("Flywheel: ")
        assert httpx.get(f"{address}/healthz").json() == {"status": "alive"}
        assert httpx.get(owner.removeprefix("Owner: ")).status_code == 303
        assert "already running" in fails(home, free_port())
        assert f"`{port}`" in fails(tmp_path / "other", port) and "GRADIO_SERVER_PORT" in fails(
            tmp_path / "other", port
        )
        app.send_signal(signal.SIGTERM)
        _, errors = app.communicate(timeout=20)
        assert app.returncode == 0 and TRACEBACK not in errors


@pytest.mark.slow
def test_owner_token_survives_a_restart(tmp_path: Path) -> None:
    def token() -> str:
        with started(tmp_path / "home", free_port()) as app:
            assert app.stdout is not None
            app.stdout.readline()
            return app.stdout.readline().partition("token=")[2]

    assert token() == token() != ""


def test_taken_port_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        words = fails(tmp_path / "home", port)
    assert f"port `{port}`" in words and "GRADIO_SERVER_PORT" in words
    assert not (tmp_path / "home").exists()


def test_unwritable_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in fails(tmp_path / "file" / "home", free_port())


def test_unknown_base_is_named(tmp_path: Path) -> None:
    assert "FLYWHEEL_BASE_MODEL is `no model`" in fails(tmp_path / "home", free_port(), FLYWHEEL_BASE_MODEL="no model")
