"""Find a Chromium for the browser tests, or get one: PATH, Playwright's own, Debian's package; else say the remedy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Path of a Chromium that can be started, or None."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        own = p.chromium.executable_path
    return own if Path(own).exists() else None


def main() -> int:
    """Exit 0 when a browser is there at the end."""
    if found := chromium():
        print(f"Browser for the tests: {found}")
        return 0
    print("No Chromium on this machine. Trying Playwright's own download ...", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False, timeout=600)
    if chromium() is None and shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing Debian's chromium ...", flush=True)
        quiet = {
            "check": False,
            "stdout": subprocess.DEVNULL,
            "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        }
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], **quiet)
    if found := chromium():
        print(f"Browser for the tests: {found}")
        return 0
    print(
        "The browser tests need Chromium and none could be had. Install it (Debian: `apt-get install chromium`; "
        "elsewhere: `.venv/bin/python -m playwright install chromium`), then run `make test` again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
