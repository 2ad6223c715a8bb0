"""The file of one's own data, over HTTP."""

import httpx

from flywheel.roles import Principal, Role
from tests.support.app import App

CAT, DAN = (Principal(f"guest:{name * 32}", Role.GUEST) for name in "cd")


def test_the_cookie_says_whose_data_they_are(app: App) -> None:
    for who in (CAT, DAN):
        list(app.services.chat.reply(who, None, "how many customers"))
    cookies = dict([app.services.identity.cookie(CAT).split(";")[0].split("=", 1)])
    answer = httpx.get(f"{app.url}/my-data", cookies=cookies)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.json()["person"] == CAT.id and len(answer.json()["turns"]) == 2
    assert DAN.id not in answer.text


def test_a_stranger_gets_nothing(app: App) -> None:
    answer = httpx.get(f"{app.url}/my-data")
    assert answer.status_code == 403 and "turns" not in answer.text
