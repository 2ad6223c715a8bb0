"""The interface for programs: which path does what, and every failure under /v1 in OpenAI's words.

Knows HTTP and the services; what an answer looks like is `answers`' to say.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from flywheel.errors import NotFound
from flywheel.problem import Problem, problem_of
from flywheel.rest.completions import SERVED, Completions
from flywheel.rest.door import caller_of
from flywheel.rest.room import Room
from flywheel.rest.shapes import FeedbackBody, parsed
from flywheel.services import Services

Handler = Callable[[Request], Awaitable[Response]]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def rest_routes(services: Services, room: Room) -> list[Route]:
    """All routes under /v1. The last takes what the others leave: unknown paths and wrong methods."""
    desk = _Desk(services, room)
    known = {
        "/v1/chat/completions": ("POST", Completions(services, room).post),
        "/v1/feedback": ("POST", desk.feedback),
        "/v1/models": ("GET", desk.models),
        "/v1/models/{model}": ("GET", desk.model),
    }
    routes = [Route(path, told(handler), methods=[method]) for path, (method, handler) in known.items()]
    other = partial(_other, {path: method for path, (method, _) in known.items()})
    return [*routes, Route("/v1/{path:path}", told(other), methods=list(METHODS))]


def told(handler: Handler) -> Handler:
    """The handler with every failure told as a program expects it."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            # Nobody reads it; and where the body was too large, the layer outside answers instead.
            return Response(status_code=400)
        except Exception as error:
            problem = problem_of(error)
            return Response(problem.body(), problem.status, dict(problem.headers()), "application/json")

    return endpoint


async def _other(known: dict[str, str], request: Request) -> Response:
    path = request.url.path
    method = known.get(path) or (known["/v1/models/{model}"] if path.startswith("/v1/models/") else None)
    if method in (None, request.method):
        words = f"There is nothing at `{path[:100]}`. The addresses are: {', '.join(known)}."
        raise Problem(404, words, code="unknown_url")
    raise Problem(405, f"`{request.method}` does nothing at `{path[:100]}`. Use {method}.", allow=method)


class _Desk:
    """The short requests."""

    def __init__(self, services: Services, room: Room) -> None:
        self._services, self._room = services, room

    async def models(self, request: Request) -> Response:
        """What can be asked: `flywheel`, which is whatever serves, and every version."""
        caller_of(request, self._services.keys)
        names = await self._room.short(self._models)
        return _json({"object": "list", "data": list(names.values())})

    async def model(self, request: Request) -> Response:
        """One of them."""
        caller_of(request, self._services.keys)
        name = request.path_params["model"]
        found = (await self._room.short(self._models)).get(name)
        if found is None:
            words = f"There is no model `{name[:60]}`. GET /v1/models names those there are."
            raise Problem(404, words, param="model", code="model_not_found")
        return _json(found)

    async def feedback(self, request: Request) -> Response:
        """A thumb, reasons, a comment, a correction on an answer of the caller's own."""
        caller = caller_of(request, self._services.keys)
        body = parsed(FeedbackBody, await request.body())
        given = {name: value for name, value in body.model_dump(exclude_unset=True).items() if name != "turn_id"}
        keep = partial(self._services.remarks.keep, caller.who, body.turn_id, given)
        try:
            stored = await self._room.short(keep)
        except NotFound as error:
            words = (
                "There is no such answer of this key's. Give the `id` of an answer that POST /v1/chat/completions gave."
            )
            raise Problem(404, words, param="turn_id", code="turn_not_found") from error
        return _json({"turn_id": body.turn_id, "rating": stored.rating, "correction_id": stored.correction_id})

    def _models(self) -> dict[str, dict[str, Any]]:
        made = self._services.versions.names()
        newest = max((int(at.timestamp()) for _, at in made if at is not None), default=0)
        dates = {SERVED: newest} | {name: int(at.timestamp()) if at else 0 for name, at in made}
        return {
            name: {"id": name, "object": "model", "created": created, "owned_by": "flywheel", **self._length()}
            for name, created in dates.items()
        }

    def _length(self) -> dict[str, int]:
        """Tokens of prompt and answer together, by the name other servers give it; nothing until it is known."""
        engine = self._services.engine
        length = engine.context_length if engine.ready()[0] else None
        return {} if length is None else {"max_model_len": length}


def _json(record: dict[str, Any]) -> Response:
    return Response(json.dumps(record), media_type="application/json")
