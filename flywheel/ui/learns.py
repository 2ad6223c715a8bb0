"""The page that tells how this learns: seven steps in plain words, each with what this app counts there now."""

from html import escape

import gradio as gr

from flywheel.loop import Loop, LoopFacts
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui.shell import caller, elsewhere
from flywheel.ui.wiring import on_load
from flywheel.words.catalogue import say, say_count

PATH = "/how-it-learns"
STEPS = ("ask", "correct", "review", "freeze", "train", "test", "serve")


class LearnsPage:
    """Named last in the navigation, and linked from the chat."""

    name, path, role = "learns", PATH, Role.GUEST

    def __init__(self, services: Services) -> None:
        self._services = services
        self._loop = Loop(services.database, services.versions.served)

    def build(self) -> None:
        """Lay out the page and wire it."""
        on_load(self.open, {}, [gr.HTML(elem_id="learns")], "learns_open")

    def open(self, request: gr.Request) -> str:
        """The steps with the counts of now."""
        note = elsewhere(self._services, say("learns.elsewhere"))
        return note + learns_view(self._loop.facts(caller(request)))


def link() -> str:
    """What leads to this page, as HTML."""
    return f'<a class="fw-download" href="{PATH}">{escape(say("learns.link"))}</a>'


def learns_view(facts: LoopFacts) -> str:
    """The steps as a numbered list."""
    steps = "".join(_step(step, counted(step, facts)) for step in STEPS)
    last = f'<p>{escape(say("learns.yours"))} <a href="/corrections">{escape(say("lessons.title"))}</a></p>'
    back = f'<p><a href="/">{escape(say("links.chat"))}</a></p>'
    return f'<p>{escape(say("learns.intro"))}</p><ol class="fw-steps">{steps}</ol>{last}{back}'


def counted(step: str, facts: LoopFacts) -> str:
    """What this app counts at a step; empty where there is nothing to count."""
    told = {
        "ask": lambda: say_count("learns.answers", facts.answers),
        "correct": lambda: say_count("learns.corrections", facts.corrections),
        "review": lambda: _reviewed(facts),
        "freeze": lambda: say("learns.newest", dataset=facts.dataset) if facts.dataset else say("learns.no_dataset"),
        "train": lambda: say_count("learns.versions", facts.versions),
        "serve": lambda: say("learns.served", version=facts.served),
    }
    return told[step]() if step in told else ""


def _reviewed(facts: LoopFacts) -> str:
    waiting, approved = say_count("learns.waiting", facts.waiting), say_count("learns.approved", facts.approved)
    return say("learns.reviewed", waiting=waiting, approved=approved)


def _step(step: str, count: str) -> str:
    counts = f'<span class="fw-when">{escape(count)}</span>' if count else ""
    title, words = escape(say(f"learns.title.{step}")), escape(say(f"learns.step.{step}"))
    return f"<li><h2>{title}</h2><p>{words}</p>{counts}</li>"
