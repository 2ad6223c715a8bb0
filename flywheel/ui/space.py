"""On a Hugging Face Space: signing in with a Hub account, who is signed in, and what a Space forgets.

Nothing of it is there anywhere else. The session is Gradio's, signed with the Space's own OAuth secret; what a name may
do is decided in `flywheel/identity.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

import gradio as gr
from fastapi import FastAPI
from gradio.oauth import attach_oauth
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from flywheel.errors import ConfigurationError
from flywheel.roles import ANONYMOUS, Principal, Role
from flywheel.settings import Settings
from flywheel.ui.shell import caller, on_open, quietly, role_words
from flywheel.words.catalogue import say

SIGN_IN, SIGN_OUT = "/login/huggingface", "/logout"


@dataclass(frozen=True)
class SignIn:
    """What the server takes up for signing in: three routes and the session's layer, or nothing."""

    routes: Sequence[BaseRoute] = field(default_factory=tuple)
    middleware: Sequence[Middleware] = field(default_factory=tuple)


def sign_in(settings: Settings) -> SignIn:
    """Gradio's routes of signing in, where a session can be trusted. Raises ConfigurationError for half a Space.

    Gradio adds them by itself for its own button only; that one stays in the frame, where browsers block the cookies.
    """
    if not settings.trusts_oauth:
        return SignIn()
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    try:
        attach_oauth(made)
    except ValueError as error:
        raise ConfigurationError(
            f"{error} This Space's OAUTH_CLIENT_SECRET is set, so the others must be too."
        ) from error
    return SignIn(made.routes, made.user_middleware)


class SpaceBar:
    """One line above a page: sign in, or who is signed in; for who works here also that the disk is emptied."""

    def __init__(self, settings: Settings, page: str) -> None:
        self._settings, self._page = settings, page

    def build(self) -> None:
        """Lay out the line; what it says comes when the page is opened."""
        bar = gr.HTML(elem_id="space-bar")
        on_open(self.open, outputs=[bar], api_name="space_open")

    @quietly
    def open(self, request: gr.Request) -> str:
        """Tells a person who they are, and nothing of others."""
        who = caller(request)
        parts = [self._who(who)] if self._settings.trusts_oauth else []
        if who.role >= Role.REVIEWER:
            parts.append(
                f"<details><summary>{say('space.forgets_title')}</summary>{escape(say('space.forgets'))}</details>"
            )
        return " ".join(parts)

    def _who(self, who: Principal) -> str:
        kind, _, name = who.id.partition(":")
        role = role_words(who.role)
        if kind == "hf":
            link = f'<a href="{SIGN_OUT}?_target_url={quote(self._page)}">{say("space.sign_out")}</a>'
            told = say("space.signed_in", name=f"<b>{escape(name)}</b>", role=role)
            return f"<span>{told} · {link}</span>"
        link = _in_a_tab(f"{SIGN_IN}?_target_url={quote(self._page)}", say("space.sign_in"))
        if who is ANONYMOUS and self._settings.public_url:
            return f"<span>{link} · {_in_a_tab(f'{self._settings.public_url}/', say('space.own_tab'))}</span>"
        return (
            f"<span>{link}</span>"
            if who.role <= Role.GUEST
            else f"<span>{say('space.here_as', role=role)} · {link}</span>"
        )


def _in_a_tab(address: str, words: str) -> str:
    """Inside huggingface.co's frame some browsers keep no cookies; in a tab of its own the page does."""
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{words}</a>'
