"""Three small charts as inline SVG: the loss of a run, scores with their 95 % intervals, and counts.

Pure functions of numbers to markup. Drawn here because no plot component of the page library shows intervals or has a
text for screen readers. Colours come from CSS variables, so dark mode follows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from flywheel.words.catalogue import say

WIDTH, HEIGHT = 440, 180
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 14, 28
MOST_NAME = 24
"""Characters of a name beside a bar."""
SERIES = ("var(--fw-series-1)", "var(--fw-series-2)", "var(--fw-series-3)")


@dataclass(frozen=True)
class Line:
    """One curve: its name and its (step, value) points in order."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Interval:
    """One score from 0 to 1 with the bounds of its interval; `n` rows were judged."""

    name: str
    value: float
    low: float
    high: float
    n: int


def loss_chart(lines: Sequence[Line]) -> str:
    """Curves over training steps. What cannot be drawn (NaN, infinite, over 1e12) is left out; nothing left: ""."""
    kept = [Line(line.name, [p for p in line.points if all(map(_drawable, p))]) for line in lines]
    points = [p for line in kept for p in line.points]
    if not points:
        return ""
    x_end = max(1.0, *(x for x, _ in points)) if len(points) > 1 else max(1.0, points[0][0])
    top = max(y for _, y in points) * 1.05 or 1.0

    def at(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / x_end
        down = TOP + (HEIGHT - TOP - BOTTOM) * (1 - y / top)
        return f"{across:.1f},{down:.1f}"

    body = [_gridline(top * part, part) for part in (0.0, 0.5, 1.0)]
    body.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(say("train.step"))} {x_end:g}</text>'
    )
    for line, colour in zip(kept, SERIES, strict=False):
        path = " ".join(at(x, y) for x, y in line.points)
        dots = "".join(_dot(at(x, y), colour) for x, y in line.points) if len(line.points) < 12 else ""
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}')
    words = "; ".join(f"{line.name} {line.points[-1][1]:.3f}" for line in kept if line.points)
    return _svg(body, HEIGHT, say("chart.loss", values=words)) + _legend([line.name for line in kept])


def score_chart(title: str, scores: Sequence[Interval]) -> str:
    """One bar a version, its interval as a whisker, on a scale from 0 to 100 %."""
    if not scores:
        return ""
    row, label = 34, 88
    height = TOP + row * len(scores) + BOTTOM
    span = WIDTH - label - 96

    def across(value: float) -> float:
        return label + span * min(1.0, max(0.0, value))

    body = []
    for i, score in enumerate(scores):
        y, colour = TOP + row * i, SERIES[i % len(SERIES)]
        middle = y + 11
        body.append(f'<text x="{label - 8}" y="{middle + 4}" text-anchor="end">{escape(score.name)}</text>')
        bar = max(1.0, across(score.value) - label)
        body.append(f'<rect x="{label}" y="{y}" width="{bar:.1f}" height="22" rx="3" fill="{colour}" opacity=".55"/>')
        low, high = across(score.low), across(score.high)
        body.append(f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 5}v10M{high:.1f} {middle - 5}v10"/>')
        text = escape(say("chart.of", share=f"{score.value:.1%}", count=score.n))
        body.append(f'<text x="{WIDTH - 4}" y="{middle + 4}" text-anchor="end">{text}</text>')
    for part in (0, 0.5, 1):
        body.append(f'<text x="{across(part):.0f}" y="{height - 8}" text-anchor="middle">{part:.0%}</text>')
    words = "; ".join(
        say("chart.score", name=s.name, share=f"{s.value:.1%}", low=f"{s.low:.1%}", high=f"{s.high:.1%}")
        for s in scores
    )
    return f'<h4 class="fw-chart-title">{escape(title)}</h4>' + _svg(body, height, f"{title}: {words}")


def count_chart(title: str, counts: Sequence[tuple[str, int]]) -> str:
    """One bar a name with its number, longest name first cut to fit. Nothing to count: ""."""
    if not counts:
        return ""
    row, label = 22, 150
    height = TOP + row * len(counts)
    span, most = WIDTH - label - 60, max(count for _, count in counts) or 1
    body = []
    for place, (name, count) in enumerate(counts):
        y = TOP + row * place - 8
        shown = name if len(name) <= MOST_NAME else name[: MOST_NAME - 1] + "…"
        width = span * count / most
        body.append(f'<text x="{label - 8}" y="{y + 12}" text-anchor="end">{escape(shown)}</text>')
        body.append(
            f'<rect x="{label}" y="{y}" width="{width:.1f}" height="15" rx="3" fill="{SERIES[0]}" opacity=".55"/>'
        )
        body.append(f'<text x="{label + width + 6:.1f}" y="{y + 12}">{count:,}</text>')
    words = "; ".join(f"{name} {count:,}" for name, count in counts)
    return f'<h4 class="fw-chart-title">{escape(title)}</h4>' + _svg(body, height, f"{title}: {words}")


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < 1e12


def _gridline(value: float, part: float) -> str:
    y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - part)
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="fw-grid"/>'
    return f'{line}<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>'


def _dot(place: str, colour: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, SERIES, strict=False)
    )
    return f'<div class="fw-legend" aria-hidden="true">{items}</div>'


def _svg(body: Sequence[str], height: float, words: str) -> str:
    inner = "".join(body)
    return (
        f'<svg class="fw-chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(words)}" '
        f'xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    )
