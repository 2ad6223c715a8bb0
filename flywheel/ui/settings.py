"""The page `/settings`, for the owner: who can reach the app, who reviews, who asks how much, and every setting.

Formats and calls one service method a handler. Nothing is set here: settings are read at the start.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from flywheel.invitations import Invited
from flywheel.overview import Effective, Reach
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import on_load, wire
from flywheel.usage import Use
from flywheel.words.catalogue import say


class SettingsPage:
    """What holds, and inviting reviewers."""

    name, path, role = "settings", "/settings", Role.OWNER

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the page and wire it."""
        gr.Markdown(say("owner.reach"))
        reach = gr.HTML(elem_id="reach")
        gr.Markdown(say("owner.reviewers"))
        with gr.Row(elem_classes="fw-bottom"):
            name = gr.Textbox(label=say("owner.name"), info=say("owner.name_hint"),
                              max_length=40, elem_id="reviewer-name")  # fmt: skip
            invite = gr.Button(say("owner.make_link"), variant="primary", scale=0, min_width=130, elem_id="invite")
        link = gr.Textbox(
            label=say("owner.link"), visible=False, interactive=False, buttons=["copy"], elem_id="invitation"
        )
        reviewers = gr.HTML(elem_id="reviewers")
        with gr.Row(elem_classes="fw-bottom"):
            ended = gr.Dropdown(label=say("owner.end_access"), choices=[], value=None, elem_id="revoke-name")
            revoke = gr.Button(say("owner.end"), variant="stop", scale=0, min_width=130, elem_id="revoke")
        gr.Markdown(say("owner.use"))
        use = gr.HTML(elem_id="use")
        gr.Markdown(say("owner.settings"))
        table = gr.HTML(elem_id="settings")
        on_load(self.open, {}, [reach, reviewers, ended, use, table], "settings_open")
        wire(invite.click, self.invite, {"name": name}, [link, reviewers, ended], "settings_invite")
        wire(revoke.click, self.revoke, {"name": ended}, [reviewers, ended], "settings_revoke")

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """Everything of the page."""
        who, services = caller(request), self._services
        overview = services.overview
        return (
            reach_view(overview.reach(who)),
            *self._invited(request),
            use_view(services.usage.counts(who)),
            settings_view(overview.effective(who)),
        )

    def invite(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """A new link for a reviewer."""
        links = self._services.login_links(caller(request), "reviewer", str(name or "").strip())
        listing = self._services.invitations.listing(caller(request))
        words = say("owner.new_link", name=listing[0].name, day=_day(listing[0].expires))
        # The last is what other machines reach, where there is such an address.
        shown = gr.Textbox(value=links[-1], info=words, visible=True)
        return shown, *_invited(listing)

    def revoke(self, name: str | None, request: gr.Request) -> tuple[Any, ...]:
        """End a reviewer's links and sessions."""
        self._services.invitations.revoke(caller(request), str(name or ""))
        return self._invited(request)

    def _invited(self, request: gr.Request) -> tuple[Any, ...]:
        return _invited(self._services.invitations.listing(caller(request)))


def _invited(listing: Sequence[Invited]) -> tuple[Any, ...]:
    names = [one.name for one in listing if one.state in ("waiting", "accepted")]
    return reviewers_view(listing), gr.Dropdown(choices=names, value=None)


def reach_view(reach: Reach) -> str:
    """Addresses and what they open."""
    links = "".join(f"<li>{markup.cell(address)}</li>" for address in reach.addresses)
    return f"<ul>{links}</ul>{markup.notes(reach.words, 'warn' if reach.is_open else 'info')}"


def reviewers_view(listing: Sequence[Invited]) -> str:
    """Who was invited, newest first."""
    if not listing:
        return markup.empty(say("owner.nobody_invited"))
    rows = [[one.name, say(f"owner.invited.{one.state}"), _day(one.invited), _day(one.accepted)] for one in listing]
    return markup.table(_heads("name", "", "invited", "signed_in"), rows)


def use_view(counts: Sequence[Use]) -> str:
    """Who had how many answers."""
    if not counts:
        return markup.empty(say("owner.nobody_asked"))
    columns = _heads("who", "today", "answers", "read", "written", "last")
    rows = [
        [
            f"{one.person} ({one.name})" if one.name else one.person,
            one.today,
            one.answers,
            f"{one.prompt_tokens:,}",
            f"{one.completion_tokens:,}",
            f"{one.last:%Y-%m-%d %H:%M}",
        ]
        for one in counts
    ]
    return markup.table(columns, rows)


def settings_view(settings: Sequence[Effective]) -> str:
    """Every setting as it holds."""
    rows = [
        [one.variable, one.value or say("owner.empty"), one.source, one.meaning.replace("`", "")] for one in settings
    ]
    return markup.table(
        _heads("setting", "value", "from", "meaning"),
        rows,
        say("owner.read_once"),
        len(rows),
    )


def _heads(*names: str) -> list[str]:
    return [say(f"owner.column.{name}") if name else "" for name in names]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else ""
