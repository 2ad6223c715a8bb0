"""The page `/train`: start a run, watch it, stop it. What it shows is read from the store and the run's files, so a
reload, a second viewer and a restart of the app show the same.
"""

from html import escape
from typing import Any

import gradio as gr

from flywheel.errors import InvalidInput
from flywheel.roles import Role
from flywheel.runview import RunView
from flywheel.services import Services
from flywheel.ui import markup
from flywheel.ui.charts import Line, loss_chart
from flywheel.ui.shell import caller, elsewhere, strip
from flywheel.ui.wiring import on_load, wire
from flywheel.words.below import told
from flywheel.words.catalogue import say
from storage.runs import Run

PRESETS = ("quick", "standard", "careful")
COLUMNS = ("run", "dataset", "method", "preset", "state", "made", "started", "reason")
OPEN = ("queued", "running", "evaluating")
RESUMABLE = ("failed", "cancelled", "interrupted")
KINDS = {"finished": "good", "failed": "bad", "cancelled": "warn", "interrupted": "warn"}


class TrainPage:
    """Runs."""

    name, path, role = "train", "/train", Role.OWNER

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> None:
        """Lay out the page and wire it."""
        strip(self._services)
        if self._services.settings.is_remote:
            on_load(self.record, {}, [gr.HTML(elem_id="elsewhere"), gr.HTML(elem_id="runs")], "train_open")
            return
        with gr.Row():
            dataset = gr.Dropdown(label=say("train.dataset"), choices=[], elem_id="train-dataset")
            preset = gr.Radio(
                label=say("train.preset"),
                choices=[(say(f"train.presets.{p}"), p) for p in PRESETS],
                value="standard",
                elem_id="preset",
            )
        with gr.Accordion(say("train.settings"), open=False):
            overrides = gr.Textbox(
                label=say("train.overrides"),
                placeholder=say("train.overrides_hint"),
                lines=3,
                elem_id="overrides",
            )
        with gr.Row():
            start = gr.Button(say("train.start"), variant="primary", elem_id="start")
            cancel = gr.Button(say("train.cancel"), variant="stop", interactive=False, elem_id="cancel")
            resume = gr.Button(say("train.resume"), interactive=False, elem_id="resume")
        run = gr.Dropdown(label=say("train.one_run"), choices=[], elem_id="run")
        status = gr.HTML(elem_id="run-status")
        chart = gr.HTML(elem_id="run-chart")
        with gr.Accordion(say("train.log"), open=False):
            log = gr.Textbox(label=say("train.log_end"), lines=14, max_lines=14, interactive=False, elem_id="run-log")
        runs = gr.HTML(elem_id="runs")
        timer, slow_timer = gr.Timer(1.0), gr.Timer(4.0)
        which, view = {"run": run}, [status, chart, log, cancel, resume]
        on_load(self.refresh, {}, [dataset, run, runs], "train_open")
        made = [run, runs]
        wire(
            start.click, self.start, {"dataset": dataset, "preset": preset, "overrides": overrides}, made, "train_start"
        )
        wire(cancel.click, self.cancel, which, made, "train_cancel")
        wire(resume.click, self.resume, which, made, "train_resume")
        wire(run.change, self.watch, which, view, "train_watch", quiet=True)
        wire(timer.tick, self.watch, which, view, "train_tick", quiet=True)
        wire(slow_timer.tick, self.table, {}, [runs], "train_table", quiet=True)

    def record(self, request: gr.Request) -> tuple[str, str]:
        """Why nothing can be started, and the runs of before."""
        return elsewhere(self._services, say("train.elsewhere")), self.table(request)

    def refresh(self, request: gr.Request) -> tuple[Any, Any, str]:
        """Datasets and runs to choose from; the newest of each is chosen."""
        who = caller(request)
        datasets = [version.id for version in self._services.datasets.listing(who)]
        choice = gr.Dropdown(choices=datasets, value=datasets[0] if datasets else None)
        return choice, *self._runs(request)

    def start(self, dataset: str | None, preset: str, overrides: str, request: gr.Request) -> tuple[Any, str]:
        """Start a run."""
        self._services.training.start(
            caller(request), dataset=dataset, preset=preset, overrides=parse_overrides(overrides)
        )
        return self._runs(request)

    def cancel(self, run: int | None, request: gr.Request) -> tuple[Any, str]:
        """Ask the chosen run to stop."""
        self._services.training.cancel(caller(request), chosen(run))
        return self._runs(request, run)

    def resume(self, run: int | None, request: gr.Request) -> tuple[Any, str]:
        """Go on with the chosen run."""
        self._services.training.resume(caller(request), chosen(run))
        return self._runs(request, run)

    def watch(self, run: int | None, request: gr.Request) -> tuple[str, str, str, Any, Any]:
        """The chosen run as it stands now."""
        if run is None:
            return markup.empty(say("train.none"), (say("links.data"), "/data")), "", "", *buttons(None)
        view = self._services.training.view(caller(request), run)
        return status_view(view), loss_view(view), view.log_tail, *buttons(view.run.state)

    def table(self, request: gr.Request) -> str:
        """All runs as they stand now."""
        return runs_view(self._services.training.listing(caller(request)))

    def _runs(self, request: gr.Request, keep: int | None = None) -> tuple[Any, str]:
        listing = self._services.training.listing(caller(request))
        choices = [(say("train.choice", run=r.number, dataset=r.dataset, preset=r.preset), r.number) for r in listing]
        newest = listing[0].number if listing else None
        return gr.Dropdown(choices=choices, value=keep if keep is not None else newest), runs_view(listing)


def buttons(state: str | None) -> tuple[Any, Any]:
    """Cancel and Resume, alive only where they would do something."""
    return gr.Button(interactive=state in OPEN), gr.Button(interactive=state in RESUMABLE)


def chosen(run: int | None) -> int:
    """The number of the chosen run. Raises InvalidInput when there is none."""
    if run is None:
        raise InvalidInput(say("train.none_chosen"))
    return int(run)


def parse_overrides(text: str) -> dict[str, str]:
    """`key=value` lines. Raises InvalidInput naming a line without `=`."""
    pairs: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in (text or "").splitlines())):
        key, equals, value = line.partition("=")
        if not equals:
            raise InvalidInput(say("train.no_equals", line=line))
        pairs[key.strip()] = value.strip()
    return pairs


def status_view(view: RunView) -> str:
    """How far the run is, or how it ended and what to do next."""
    run = view.run
    if run.state in OPEN:
        words = say("train.progress", run=run.number, phase=view.phase)
        if view.eta_s is not None:
            words = say("train.left", progress=words, time=minutes(view.eta_s))
        return markup.progress_bar(view.progress, words)
    words = say(f"train.ended.{run.state}", run=run.number, version=run.version)
    reason = f" {told(run.reason)}" if run.reason and run.state != "finished" else ""
    link = f' <a href="/versions">{escape(say("links.versions"))}</a>' if run.state == "finished" else ""
    return markup.note(words + reason, KINDS.get(run.state, "info")) + link


def minutes(seconds: float) -> str:
    """Seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def loss_view(view: RunView) -> str:
    """Train and validation loss by step, and the last figures in words."""
    train = [(m["step"], m["loss"]) for m in view.metrics if m.get("loss") is not None]
    validation = [(m["step"], m["eval_loss"]) for m in view.metrics if m.get("eval_loss") is not None]
    chart = loss_chart([Line(say("train.loss"), train), Line(say("train.validation_loss"), validation)])
    if not chart:
        return ""
    last = view.metrics[-1]
    told: list[tuple[str, object]] = [
        (say("train.step"), last["step"]),
        (say("train.loss"), f"{train[-1][1]:.4f}" if train else "–"),
    ]
    if validation:
        told.append((say("train.validation_loss"), f"{validation[-1][1]:.4f}"))
    if last.get("tokens_per_second"):
        told.append((say("train.speed"), f"{last['tokens_per_second']:,.0f}"))
    if last.get("tokens"):
        told.append((say("train.tokens"), f"{last['tokens']:,.0f}"))
    return chart + markup.facts(told)


def runs_view(listing: list[Run]) -> str:
    """All runs, newest first."""
    if not listing:
        return ""
    columns = [say(f"train.column.{name}") for name in COLUMNS]
    rows = [
        [
            r.number,
            r.dataset,
            r.method,
            r.preset,
            say(f"train.state.{r.state}"),
            r.version or "",
            f"{r.created:%Y-%m-%d %H:%M}",
            told(r.reason or ""),
        ]
        for r in listing
    ]
    return markup.table(columns, rows, say("train.runs"))
