"""The figures: in Prometheus' format, true, and read by this machine and the owner alone."""

import re
from collections.abc import Callable

import httpx
import pytest

from flywheel.roles import Principal, Role
from tests.rest.conftest import Program
from tests.support.app import App

LINE = re.compile(r'(# (HELP|TYPE) \w+ .+|flywheel_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[\d.e+-]+)')


def figures(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_figures_follow_what_happens(app: App, guest: Program) -> None:
    before = figures(httpx.get(f"{app.url}/metrics").text)
    asked = [{"role": "user", "content": "how many customers"}]
    answer = guest.client.chat.completions.create(model="flywheel", messages=asked)  # type: ignore[call-overload]
    guest.http.post("/v1/feedback", json={"turn_id": answer.id, "correction": "SELECT 1"})
    response = httpx.get(f"{app.url}/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert all(LINE.fullmatch(line) for line in response.text.splitlines())
    after = figures(response.text)
    rest = 'flywheel_answers_total{version="v0",state="complete",source="rest"}'
    for name, more in (
        (rest, 1),
        ("flywheel_corrections_total", 1),
        ('flywheel_feedback{rating="down"}', 1),
        ('flywheel_examples{state="pending"}', 1),
        ("flywheel_completion_tokens_total", answer.usage.completion_tokens),
        ("flywheel_answer_seconds_count", 1),
        ('flywheel_answer_seconds_bucket{le="+Inf"}', 1),
    ):
        assert after[name] - before.get(name, 0) == more, name
    assert after["flywheel_model_ready"] == 1 and after["flywheel_answers_open"] == 0
    assert any(name.startswith('flywheel_served_info{version="v0"') for name in after)
    assert after["flywheel_resident_memory_bytes"] > 50_000_000


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_a_proxy_passes_on_is_not_this_machine(app: App, header: str) -> None:
    assert httpx.get(f"{app.url}/metrics", headers={header: "127.0.0.1"}).status_code == 403


def test_from_elsewhere_only_the_owner_reads(app: App, program: Callable[..., Program]) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    for role, status in (("guest", 403), ("reviewer", 403), ("owner", 200)):
        assert program(role).http.get("/metrics", headers=elsewhere).status_code == status
        who = Principal(f"local:{role}", Role[role.upper()])
        cookie = {"Cookie": app.services.identity.cookie(who).split(";")[0]}
        assert httpx.get(f"{app.url}/metrics", headers=elsewhere | cookie).status_code == status
