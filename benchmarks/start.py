"""The app from nothing on an empty home: seconds until it is ready, first and next answers, memory.

    .venv/bin/python benchmarks/start.py

Starts `app.py` as a person would, on a free port, and asks through the commands, which go through the app. The physical
limit shown beside it is what importing the libraries alone takes on this machine.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ("How many orders were placed in 2024?", "How many customers do we have?", "List the five stores.")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"FLYWHEEL_HOME": f"{folder}/home", "GRADIO_SERVER_PORT": str(free_port())}
        imports = timed([sys.executable, "-c", "import gradio, torch, transformers, peft"], environment)
        started = time.monotonic()
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            report(app, environment, started, imports)
        finally:
            app.terminate()
            app.wait(20)
    return 0


def report(app: "subprocess.Popen[str]", environment: dict[str, str], started: float, imports: float) -> None:
    assert app.stdout is not None
    url = next(m[1] for line in app.stdout if (m := re.match(r"Flywheel: (\S+)", line)))
    page = time.monotonic() - started
    ready = None
    while ready is None:
        try:
            ready = time.monotonic() - started if urllib.request.urlopen(f"{url}/readyz").status == 200 else None
        except OSError:
            time.sleep(0.05)
    print(f"imports alone        {imports:6.1f} s   (the limit)")
    print(f"page answers         {page:6.1f} s")
    print(f"/readyz answers 200  {ready:6.1f} s   = {ready / imports:.2f} x the imports")
    for i, question in enumerate(QUESTIONS):
        answer = ask(question, environment)
        print(f"{'first' if i == 0 else 'next'} answer         {answer['seconds']:6.2f} s   {answer['text'][:60]!r}")
    process = psutil.Process(app.pid)
    family = [process, *process.children(recursive=True)]
    print(f"memory of the app    {sum(p.memory_info().rss for p in family) / 2**30:6.2f} GiB (children included)")


def ask(question: str, environment: dict[str, str]) -> dict[str, object]:
    command = [sys.executable, "-m", "flywheel", "ask", question, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True)
    return time.monotonic() - started


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
