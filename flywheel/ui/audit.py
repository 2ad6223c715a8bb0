"""The page `/audit`: who decided what, when, before and after; as a file; and whether the ledger holds.

Formats and calls one service method a handler; who may read what is the services' matter.
"""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr

from flywheel.audit import PAGE, kinds_for
from flywheel.items import pseudonym
from flywheel.roles import Role
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.shell import caller
from flywheel.ui.wiring import on_load, wire
from flywheel.words.catalogue import say
from storage.audit import KINDS, Entry, Filters

ALL = ""


class AuditPage:
    """Decisions, filtered and in pages."""

    name, path, role = "audit", "/audit", Role.REVIEWER

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the page and wire it."""
        gr.Markdown(say("audit.heading"))
        oldest = gr.State(None)
        with gr.Row(elem_classes="fw-bottom"):
            kind = gr.Dropdown(label=say("audit.kind"), choices=_kinds(KINDS), value=ALL, elem_id="audit-kind")
            by = gr.Textbox(label=say("audit.by"), placeholder="local:reviewer:", elem_id="audit-by")
            subject = gr.Textbox(label=say("audit.subject"), placeholder="d3, v2", elem_id="audit-subject")
            show = gr.Button(say("audit.show"), scale=0, min_width=110, elem_id="audit-show")
        table = gr.HTML(elem_id="audit")
        with gr.Row():
            older = gr.Button(say("audit.older"), elem_id="audit-older")
            export = gr.Button(say("audit.export"), elem_id="audit-export")
            check = gr.Button(say("audit.verify"), visible="hidden", elem_id="audit-verify")
        verdict = gr.HTML(elem_id="audit-verdict")
        file = gr.File(label=say("audit.file"), interactive=False, visible=False)
        given = {"kind": kind, "by": by, "subject": subject}
        page = [table, oldest, older]
        on_load(self.open, {}, [kind, check, *page], "audit_open")
        wire(show.click, self.show, given, page, "audit_show")
        wire(by.submit, self.show, given, page, "audit_by")
        wire(subject.submit, self.show, given, page, "audit_subject")
        wire(older.click, self.show, {**given, "before": oldest}, page, "audit_older")
        wire(export.click, self.export, given, [file], "audit_export")
        wire(check.click, self.verify, {}, [verdict], "audit_verify")

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """The newest decisions, and what this person may do here."""
        who = caller(request)
        owner = gr.Button(visible=True if who.role >= Role.OWNER else "hidden")
        return gr.Dropdown(choices=_kinds(kinds_for(who))), owner, *self.show(ALL, "", "", request)

    def show(
        self, kind: str, by: str, subject: str, request: gr.Request, before: str | None = None
    ) -> tuple[str, str | None, Any]:
        """A page of decisions."""
        entries = self._services.audit.page(caller(request), wanted(kind, by, subject), before)
        last = entries[-1].place if len(entries) == PAGE else None
        return entries_view(entries, first=before is None), last, gr.Button(interactive=last is not None)

    def export(self, kind: str, by: str, subject: str, request: gr.Request) -> Any:
        """All decisions that fit as JSON lines."""
        out = Path(mkdtemp(prefix="flywheel-export-")) / "audit.jsonl"
        self._services.audit.export(caller(request), out, wanted(kind, by, subject))
        return gr.File(value=str(out), visible=True)

    def verify(self, request: gr.Request) -> str:
        """Whether every record is as it was written."""
        report = self._services.verify_ledger(caller(request))
        return markup.note(report.message, "good" if report.ok else "bad")


def wanted(kind: str, by: str, subject: str) -> Filters:
    """The filters as they stand on the page."""
    return Filters((kind,) if kind else KINDS, (by or "").strip() or None, None, (subject or "").strip() or None)


def entries_view(entries: list[Entry], *, first: bool) -> str:
    """A page of decisions as a table."""
    if not entries:
        return markup.empty(say("audit.nothing") if first else say("audit.no_older"))
    columns = [say(f"audit.column.{name}") for name in ("when", "who", "what", "about", "before", "after", "reason")]
    rows = [
        [
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            pseudonym(entry.by),
            entry.action,
            f"{say(f'audit.one.{entry.kind}')} {entry.subject}",
            _cut(entry.before),
            say("audit.same") if entry.after is not None and entry.after == entry.before else _cut(entry.after),
            entry.reason or "",
        ]
        for entry in entries
    ]
    return markup.table(columns, rows)


def _cut(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= 300 else f"{text[:299]}…"


def _kinds(kinds: Any) -> list[tuple[str, str]]:
    return [(say("audit.all"), ALL), *((say(f"audit.kinds.{kind}"), kind) for kind in kinds)]
