"""The routes beside the pages: alive, ready, signing in, and the door for commands on a home an app holds.

Knows HTTP and the services; the REST interface for programs is elsewhere.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from html import escape
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from flywheel.addresses import is_loopback
from flywheel.differences import differing, told
from flywheel.errors import PUBLIC, FlywheelError, Forbidden, NotFound
from flywheel.identity import OWNER_ID
from flywheel.invitations import PREFIX as INVITATION
from flywheel.live import Growing
from flywheel.operations.table import perform
from flywheel.rest.room import Room
from flywheel.rest.routes import rest_routes
from flywheel.results import Results
from flywheel.roles import SYSTEM, Principal, Role
from flywheel.services import Services
from flywheel.words.below import words_of
from flywheel.words.catalogue import say

WRONG_TOKEN_DELAY_S = 0.5
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")
"""Headers that a proxy adds."""
COMMAND_OWNER = Principal(OWNER_ID, Role.OWNER)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Flywheel</title><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;
padding:0 1rem;color-scheme:light dark}}</style><p>{words}</p><p><a href="/">To the chat</a></p></html>"""
CONFIRM = """{words}</p><form method="post" action="/enter"><input type="hidden" name="token" value="{token}">
<button style="font:inherit;padding:.5rem 1rem">{enter}</button></form><p>"""

log = logging.getLogger(__name__)


def routes(services: Services) -> list[Route]:
    """All routes of our own."""
    room = Room()
    edge = _Edge(services, room)
    return [
        Route("/healthz", edge.healthz),
        Route("/readyz", edge.readyz),
        Route("/metrics", edge.metrics),
        Route("/enter", edge.enter, methods=["GET", "POST"]),
        Route("/answers/{turn_id}/rows.csv", edge.rows),
        Route("/answers/{turn_id}/live", edge.live),
        Route("/my-data", edge.my_data),
        Route("/flywheel/command", edge.command, methods=["POST"]),
        *rest_routes(services, room),
    ]


class _Edge:
    def __init__(self, services: Services, room: Room) -> None:
        self._services, self._room = services, room
        self._results = Results(services.chat)

    async def healthz(self, request: Request) -> Response:
        """200 while the process answers."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        """200 when the model answers, else 503 with the reason."""
        ready, words = self._services.engine.ready()
        return JSONResponse({"status": "ready" if ready else "not ready", "reason": words}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Figures for Prometheus, to a program on this machine and to the owner."""
        who = SYSTEM if _is_from_here(request) else request.state.who
        if who.role < Role.OWNER:
            key = request.headers.get("authorization", "").partition(" ")[2].strip()
            who = self._services.keys.holder(key) or who
        if who.role < Role.OWNER:
            return PlainTextResponse("Only this machine and the owner read the figures. Send the owner's key.", 403)
        text = await self._room.short(lambda: self._services.metrics.text(who, self._room.taken))
        return Response(text, media_type="text/plain; version=0.0.4")

    async def enter(self, request: Request) -> Response:
        """Sign in by a link: the cookie is set and the token leaves the address bar.

        An invitation works once, and programs that show a preview of a link open it: so a person confirms it first.
        """
        token, invitations = request.query_params.get("token", ""), self._services.invitations
        try:
            if request.method == "POST":
                token = _token_in(await request.body())
                who = await self._room.short(lambda: invitations.accept(token))
            elif token.startswith(INVITATION):
                made = await self._room.short(lambda: invitations.invited(token))
                told = {key: escape(say(f"invitation.{key}", name=made.name)) for key in ("confirm", "enter")}
                page = CONFIRM.format(words=told["confirm"], enter=told["enter"], token=escape(token))
                return HTMLResponse(PAGE.format(words=page), headers={"Cache-Control": "no-store"})
            else:
                who = self._services.identity.enter(token)
        except Forbidden as error:
            await asyncio.sleep(WRONG_TOKEN_DELAY_S)
            return HTMLResponse(PAGE.format(words=escape(words_of(error))), 401)
        headers = {"Set-Cookie": self._services.identity.cookie(who), "Cache-Control": "no-store"}
        return RedirectResponse("/", 303, headers)

    async def rows(self, request: Request) -> Response:
        """The table of one's own answer as a CSV file. 404 for anybody else's."""
        turn_id, who = request.path_params["turn_id"], request.state.who
        try:
            csv = await self._room.short(lambda: self._results.csv(who, turn_id))
        except NotFound as error:
            return PlainTextResponse(words_of(error), 404)
        headers = {"Content-Disposition": f'attachment; filename="{turn_id}.csv"', "Cache-Control": "no-store"}
        # Spreadsheets take a file for UTF-8 only by this mark.
        return Response(f"\ufeff{csv}", headers=headers, media_type="text/csv")

    async def live(self, request: Request) -> Response:
        """One's own answer while it is written, as server-sent events: a JSON list, one change for each text.

        Of any other there is only the end: it is over (a short one may be, before it is asked for), or not one's own.
        """
        try:
            growing = self._services.live.growing(request.state.who, request.path_params["turn_id"])
        except NotFound:
            growing = None
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(growing), media_type="text/event-stream", headers=headers)

    async def my_data(self, request: Request) -> Response:
        """Everything stored of the sender, as a file."""
        data = await self._room.short(lambda: self._services.privacy.own_data(request.state.who))
        text = json.dumps(data, default=str, ensure_ascii=False, indent=1)
        headers = {"Content-Disposition": 'attachment; filename="flywheel-my-data.json"', "Cache-Control": "no-store"}
        return Response(text, media_type="application/json", headers=headers)

    async def command(self, request: Request) -> Response:
        """Run one operation for the owner's key; answers one JSON object per line as it goes."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._services.identity.is_owner_token(key.strip()):
            await asyncio.sleep(WRONG_TOKEN_DELAY_S)
            return JSONResponse({"error": "This needs the owner's key.", "exit": 1}, 401)
        try:
            body = await request.json()
            name, args = str(body["name"]), dict(body["args"])
            unused = differing(dict(body.get("settings") or {}), self._services.settings, key.strip())
        except (ValueError, TypeError, KeyError):
            words = "The command is not understood. Send a JSON object with `name` and `args`."
            return JSONResponse({"error": words, "exit": 2}, 400)
        return StreamingResponse(_lines(self._services, name, args, unused), media_type="application/x-ndjson")


def _token_in(body: bytes) -> str:
    """The field of a form; empty where there is none."""
    try:
        return parse_qs(body.decode(errors="replace"), max_num_fields=2).get("token", [""])[0]
    except ValueError:
        return ""


def _is_from_here(request: Request) -> bool:
    """Whether the sender is on this machine. What a proxy passes on comes from it too, and from anywhere."""
    passed_on = any(name in request.headers for name in FORWARDED)
    return request.client is not None and is_loopback(request.client.host) and not passed_on


async def _events(growing: Growing | None) -> AsyncIterator[str]:
    if growing is not None:
        async with aclosing(growing.changes()) as changes:
            async for change in changes:
                yield f"data: {json.dumps(change, ensure_ascii=False)}\n\n"
    yield "event: end\ndata:\n\n"


def _lines(services: Services, name: str, args: dict[str, Any], unused: list[str]) -> Iterator[str]:
    try:
        if unused:
            yield json.dumps({"aside": told(unused)}) + "\n"
        for event in perform(services, COMMAND_OWNER, name, args):
            yield json.dumps(event, default=str) + "\n"
        # Told apart from an app that died: without this line the command did not end well.
        yield json.dumps({"done": True}) + "\n"
    except PUBLIC as error:
        exit_code = error.exit_code if isinstance(error, FlywheelError) else 1
        yield json.dumps({"error": str(error), "exit": exit_code}) + "\n"
    except Exception:
        log.exception("command %s failed", name)
        yield json.dumps({"error": "The command failed in the app; its log says why.", "exit": 1}) + "\n"
