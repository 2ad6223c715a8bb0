import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.errors import HomeLocked
from storage.home import Home
from storage.lock import HomeLock, holder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from storage.home import Home
from storage.lock import HomeLock
lock = HomeLock.acquire(Home(Path(sys.argv[1])), "http://127.0.0.1:7999")
print("held", flush=True)
time.sleep(60)
"""


def hold(home: Home) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_app_is_told_where_the_first_is(home: Home) -> None:
    first = hold(home)
    try:
        with pytest.raises(HomeLocked) as refused:
            HomeLock.acquire(home, "http://127.0.0.1:8000")
        words = f"Flywheel is already running here (pid {first.pid}, http://127.0.0.1:7999)"
        assert words in str(refused.value)
        found = holder(home)
        assert found is not None and (found.pid, found.url) == (first.pid, "http://127.0.0.1:7999")
    finally:
        first.kill()
        first.communicate()


def test_a_killed_holder_leaves_no_lock(home: Home) -> None:
    first = hold(home)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    began = time.monotonic()
    HomeLock.acquire(home, "http://127.0.0.1:8000").release()
    assert time.monotonic() - began < 1


def test_the_address_can_be_told_later(home: Home) -> None:
    lock = HomeLock.acquire(home, "http://127.0.0.1:7860/a-long-path")
    lock.set_url("http://x")
    with pytest.raises(HomeLocked, match=rf"\(pid {os.getpid()}, http://x\)"):
        HomeLock.acquire(home, "")
    lock.release()


def test_nobody_holds_a_released_home(home: Home) -> None:
    assert holder(home) is None
    lock = HomeLock.acquire(home, "http://x")
    lock.release()
    lock.release()
    assert holder(home) is None


def test_asking_does_not_get_in_the_way(home: Home) -> None:
    HomeLock.acquire(home, "").release()
    for _ in range(50):
        assert holder(home) is None
        HomeLock.acquire(home, "").release()


def test_a_holder_without_a_name_is_still_a_holder(home: Home) -> None:
    lock = HomeLock.acquire(home, "http://x")
    home.lock.write_text("")
    with pytest.raises(HomeLocked, match=r"already running here\. Use that one"):
        HomeLock.acquire(home, "")
    lock.release()
