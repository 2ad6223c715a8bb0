"""The site: its pages in one list, theme, head, navigation, and who is let onto a page.

Knows every page and none of their content.
"""

from pathlib import Path
from typing import Any, Protocol

import gradio as gr
from gradio.components.navbar import Navbar

from flywheel import census
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import review_keys
from flywheel.ui.chat import ChatPage
from flywheel.ui.corrections import CorrectionsPage
from flywheel.ui.data import DataPage
from flywheel.ui.review import ReviewPage
from flywheel.ui.settings import SettingsPage
from flywheel.ui.shell import caller, guarded, on_open, role_words
from flywheel.ui.space import SpaceBar
from flywheel.ui.train import TrainPage
from flywheel.ui.versions import VersionsPage
from flywheel.words.catalogue import say

HERE = Path(__file__).parent
# The framework labels each message with its Markdown source; a screen reader should read the message itself.
UNLABEL = """<script>
new MutationObserver(() => document.querySelectorAll('#chat :is([data-testid=user], [data-testid=bot])[aria-label]')
  .forEach((message) => message.removeAttribute('aria-label')))
  .observe(document.documentElement, {subtree: true, childList: true, attributeFilter: ['aria-label']});
</script>"""
FRAME, STYLES = HERE / "frame.css", [HERE / "style.css", HERE / "working.css"]


class Page(Protocol):
    """A page: `title` stands in the navigation, `role` is the least that may read it."""

    title: str
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
        SettingsPage(services),
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
        with site.route(page.title, page.path):
            _top(services, first, page)
            _Admission(page, hub=services.settings.trusts_oauth).build()
    _guard(site)
    return site


def _top(services: Services, first: Page, page: Page) -> None:
    """What stands above each page: the navigation and, on a Space, signing in."""
    Navbar(main_page_name=first.title)
    if services.settings.is_space:
        SpaceBar(services.settings, page.path).build()


def _guard(site: gr.Blocks) -> None:
    """Put each handler of ours behind the role that `census` declares for its event. Undeclared: no start."""
    for event in site.fns.values():
        if event.fn is not None and event.fn.__module__.startswith("flywheel."):
            event.fn = guarded(event.fn, census.least_role_of_event(str(event.api_name)))


def look() -> dict[str, Any]:
    """Theme, style and head, as arguments of `launch`."""
    mono = ["ui-monospace", "Consolas", "monospace"]
    theme = gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=mono,
    ).set(
        # White on these reads at 6 : 1 and better.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        color_accent="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
    return {
        "theme": theme,
        "css_paths": STYLES,
        "head": f"<style>{FRAME.read_text()}</style>{UNLABEL}{review_keys.SCRIPT}",
    }


class _Admission:
    """Shows a page's body to those with the role for it, and to the others a sentence how to get it."""

    def __init__(self, page: Page, *, hub: bool) -> None:
        self._page, self._hub = page, hub

    def build(self) -> None:
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
