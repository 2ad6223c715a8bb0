"""What the app tells of itself in the text format of Prometheus: the wheel's stations, the answers, the process.

Counted from the store at each request, so the figures outlive a restart. The format is a few lines, so no library is
needed for it. Knows no HTTP.
"""

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flywheel.chat import Chat
from flywheel.roles import Principal, Role, require
from flywheel.serving.engine import Engine
from flywheel.version import VERSION
from flywheel.versions import Versions
from storage.database import Database
from storage.examples import ExampleStore
from storage.feedback import RATINGS, FeedbackStore
from storage.figures import Figures, figures

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: the classes of an answer's time."""
STARTED = time.time()

Samples = Mapping[str, float]
"""Labels as they are written (`{state="pending"}`, or nothing) → value."""


@dataclass(frozen=True)
class Metrics:
    """The figures of one app."""

    database: Database
    chat: Chat
    engine: Engine
    versions: Versions
    examples: ExampleStore
    feedback: FeedbackStore

    def text(self, who: Principal, waiting: int = 0) -> str:
        """All figures. Only the owner reads them. `waiting`: requests of programs that are under way or in line."""
        require(who, Role.OWNER)
        found, said = figures(self.database, BOUNDS), self.feedback.counts()
        thumbs = {rating: said.get(rating, 0) for rating in RATINGS}
        ready, _ = self.engine.ready()
        served = self.versions.served()
        info = _labels(version=served, base=self.engine.base, app=VERSION)
        blocks = [
            _block("answers_total", "counter", "Answers kept, by version, state and source.", _turns(found)),
            _block("answers_open", "gauge", "Answers being written now.", {"": self.chat.open}),
            _block("rest_requests_open", "gauge", "Completions under way or in line.", {"": waiting}),
            _block("model_ready", "gauge", "1 while the model answers.", {"": int(ready)}),
            _block("served_info", "gauge", "What serves now.", {info: 1}),
            _block("prompt_tokens_total", "counter", "Tokens that were read.", {"": found.prompt_tokens}),
            _block("completion_tokens_total", "counter", "Tokens that were written.", {"": found.completion_tokens}),
            _times(found),
            _block("feedback", "gauge", "Thumbs that stand.", _by("rating", thumbs)),
            _block("corrections_total", "counter", "Corrections given.", {"": said.get("corrections", 0)}),
            _block("examples", "gauge", "Examples, by state.", _by("state", self.examples.counts())),
            _block("runs", "gauge", "Training runs, by state.", _by("state", found.runs)),
            _block("uptime_seconds", "gauge", "Since the process started.", {"": round(time.time() - STARTED, 1)}),
            _block("resident_memory_bytes", "gauge", "Memory of this process.", {"": _memory()}),
        ]
        return "".join(blocks)


def _turns(found: Figures) -> Samples:
    return {_labels(version=v, state=state, source=source): n for (v, state, source), n in found.turns.items()}


def _times(found: Figures) -> str:
    name = "answer_seconds"
    samples: dict[str, float] = {f'_bucket{{le="{bound:g}"}}': n for bound, n in zip(BOUNDS, found.within, strict=True)}
    samples |= {'_bucket{le="+Inf"}': found.timed, "_sum": found.seconds, "_count": found.timed}
    first = {"_sum": found.first_token_seconds, "_count": found.first_token_timed}
    return _block(name, "histogram", "From question to whole answer.", samples) + _block(
        "first_token_seconds", "summary", "From question to the first token.", first
    )


def _by(label: str, counts: Mapping[str, int]) -> Samples:
    return {_labels(**{label: value}): n for value, n in counts.items()}


def _labels(**labels: str) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _block(name: str, kind: str, words: str, samples: Samples) -> str:
    name = f"flywheel_{name}"
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *(f"{name}{at} {n}" for at, n in samples.items())]
    return "\n".join(lines) + "\n"


def _memory() -> int:
    """Bytes in use now; where a system does not tell, the most that ever were."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
