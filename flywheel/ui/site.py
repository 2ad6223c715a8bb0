"""The site: its pages in one list, navigation, and who is let onto a page.

Knows every page and none of their content.
"""

from typing import Any, Protocol

import gradio as gr
from gradio.components.navbar import Navbar

from flywheel import census
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui.audit import AuditPage
from flywheel.ui.chat import ChatPage
from flywheel.ui.corrections import CorrectionsPage
from flywheel.ui.data import DataPage
from flywheel.ui.learns import LearnsPage
from flywheel.ui.review import ReviewPage
from flywheel.ui.settings import SettingsPage
from flywheel.ui.shell import caller, guarded, on_open, role_words
from flywheel.ui.space import SpaceBar
from flywheel.ui.train import TrainPage
from flywheel.ui.versions import VersionsPage
from flywheel.words.catalogue import say


class Page(Protocol):
    """A page: `pages.<name>` in the catalogue is its title, `role` is the least that may read it."""

    name: str
    path: str
    role: Role

    def build(self) -> None:
        """Lay out the page and wire it; components are locals."""


def pages(services: Services) -> list[Page]:
    """All pages, the chat first."""
    return [
        ChatPage(services),
        CorrectionsPage(services),
        ReviewPage(services),
        DataPage(services),
        TrainPage(services),
        VersionsPage(services),
        AuditPage(services),
        SettingsPage(services),
        LearnsPage(services),
    ]


def build_site(services: Services) -> gr.Blocks:
    """Every page, ready to launch."""
    first, *others = pages(services)
    site: gr.Blocks
    with gr.Blocks(
        title=say("app.title"), fill_height=True, analytics_enabled=False, delete_cache=(3600, 3600)
    ) as site:
        _top(services, first, first)
        first.build()
    for page in others:
        with site.route(title(page), page.path):
            _top(services, first, page)
            _Admission(page, hub=services.settings.trusts_oauth).build()
    _guard(site)
    return site


def title(page: Page) -> str:
    """What a page is called, in the navigation and above its content."""
    return say(f"pages.{page.name}")


def _top(services: Services, first: Page, page: Page) -> None:
    """What stands above each page: the navigation and, on a Space, signing in."""
    Navbar(main_page_name=title(first))
    if services.settings.is_space:
        SpaceBar(services.settings, page.path).build()


def _guard(site: gr.Blocks) -> None:
    """Put each handler of ours behind the role that `census` declares for its event. Undeclared: no start."""
    for event in site.fns.values():
        if event.fn is not None and event.fn.__module__.startswith("flywheel."):
            event.fn = guarded(event.fn, census.least_role_of_event(str(event.api_name)))


class _Admission:
    """Shows a page's body to those with the role for it, and to the others a sentence how to get it."""

    def __init__(self, page: Page, *, hub: bool) -> None:
        self._page, self._hub = page, hub

    def build(self) -> None:
        gr.Markdown(f"# {title(self._page)}", elem_classes="fw-title")
        notice = gr.Markdown(elem_classes="fw-gate")
        with gr.Column(visible="hidden") as body:
            self._page.build()
        on_open(self.admit, outputs=[notice, body], api_name="page_admit")

    def admit(self, request: gr.Request) -> tuple[str, Any]:
        """Tells nothing but whether the role suffices."""
        who = caller(request)
        if who.role >= self._page.role:
            return "", gr.Column(visible=True)
        told = {"role": role_words(self._page.role), "yours": role_words(who.role)}
        words = say("app.sign_in_hub", **told) if self._hub else say("app.sign_in", **told)
        return words, gr.Column(visible="hidden")
