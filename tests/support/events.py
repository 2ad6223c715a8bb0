"""Events of the pages as a program would send them: straight to the queue, with whatever it likes."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from flywheel.roles import Principal
from tests.support.app import App


@dataclass(frozen=True)
class Answered:
    """How an event ended: `error` in the words a person would read, or the last outputs."""

    ok: bool
    error: str
    data: list[Any]


class Caller:
    """One person's program: their cookie, one tab."""

    def __init__(self, app: App, who: Principal | None) -> None:
        self._app = app
        cookie = {"Cookie": app.services.identity.cookie(who).split(";")[0]} if who else {}
        self.client = httpx.Client(base_url=app.url, headers=cookie, timeout=30)
        self.tab = uuid4().hex[:10]

    def send(self, event: str, data: list[Any], event_data: Any = None) -> Answered:
        """Send one event and wait for its end."""
        number = next(n for n, fn in self._app.server.events.items() if fn.api_name == event)
        body = {"fn_index": number, "data": data, "event_data": event_data, "session_hash": self.tab}
        headers = {"Content-Type": "application/json"}
        joined = self.client.post("/gradio_api/queue/join", content=json.dumps(body), headers=headers)
        if joined.status_code != 200:
            return Answered(False, joined.text, [])
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.tab}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    output = message["output"] or {}
                    return Answered(message["success"], str(output.get("error") or ""), output.get("data") or [])
        raise AssertionError(f"{event} did not end")
