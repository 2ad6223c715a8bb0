"""Whether a result suits a chart, and that chart: bars over names, a line over time. Pure: values in, markup out.

A chart is drawn of two columns that speak for themselves, or not at all: nothing missing, nothing infinite, nothing
cut, few enough names to read, and no number that is only a name (an id, a year). The table beside it says the same
to who cannot see it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Literal

from flywheel.tasks.heads import head
from flywheel.words.catalogue import say

FEWEST, MOST_BARS, MOST_POINTS = 2, 25, 400
FEWEST_POINTS = 3
BIGGEST = 1e15
WIDTH, LABELS, ROW, PLOT = 300, 100, 24, 120
DIGIT = 7
"""Pixels that one sign of a number takes."""
MOST_LABEL = 15
TIME = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[ T][\d:.+Z-]*)?)?|-?Q([1-4]))?$")
NAMES_TIME = re.compile(r"year|month|date|day|week|quarter", re.IGNORECASE)
ONLY_A_NAME = re.compile(r"(?:^|_)(?:id|ids|code|zip|phone|number|no|year|month|day|week|quarter)$", re.IGNORECASE)


@dataclass(frozen=True)
class Chart:
    """What is drawn: `points` are (label, place on the axis of time or 0, value), in the order they are drawn."""

    kind: Literal["bars", "line"]
    label: str
    value: str
    """The names of the two columns."""
    points: list[tuple[str, float, float]]


def chart_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: bool) -> Chart | None:
    """The chart that suits these rows, if any. `whole`: they are all of the result."""
    if not whole or len(columns) != 2 or not FEWEST <= len(rows) <= MOST_POINTS:
        return None
    for label, value in ((0, 1), (1, 0)):
        chart = _over(columns[label], columns[value], [(row[label], row[value]) for row in rows])
        if chart is not None:
            return chart
    return None


def _over(label: str, value: str, pairs: Sequence[tuple[Any, Any]]) -> Chart | None:
    numbers = [number for _, number in pairs]
    if ONLY_A_NAME.search(value) or not all(map(_is_number, numbers)) or not any(numbers):
        return None
    names = [name if isinstance(name, str) else str(name) for name, _ in pairs]
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        return None
    places = [_place(label, name) for name, _ in pairs]
    known = [place for place in places if place is not None]
    if len(known) == len(pairs) >= FEWEST_POINTS and len(set(known)) == len(known):
        points = sorted(zip(names, known, map(float, numbers), strict=True), key=lambda point: point[1])
        return Chart("line", label, value, points)
    # Names that are numbers are ids or measures; bars over them would mean nothing.
    if len(pairs) > MOST_BARS or not all(isinstance(name, str) for name, _ in pairs):
        return None
    return Chart(
        "bars", label, value, [(name, 0.0, float(number)) for name, number in zip(names, numbers, strict=True)]
    )


def _place(column: str, name: Any) -> float | None:
    """Where a point of time stands, in days; None for what is none."""
    if isinstance(name, int) and not isinstance(name, bool):
        is_year = "year" in column.lower() and 1000 <= name <= 3000
        is_month = "month" in column.lower() and 1 <= name <= 12
        return name * 365.25 if is_year else float(name) if is_month else None
    found = TIME.match(name) if isinstance(name, str) else None
    if found is None or not (found[2] or found[4] or NAMES_TIME.search(column)):
        return None
    month = int(found[2]) if found[2] else 3 * int(found[4]) - 2 if found[4] else 1
    try:
        return float(date(int(found[1]), month, int(found[3] or 1)).toordinal())
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    # Neither "not a number" nor infinity is below anything big.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < BIGGEST


def drawn(chart: Chart) -> str:
    """The chart as one line of HTML with an inline SVG; its text for screen readers names both ends."""
    body, height = _bars(chart) if chart.kind == "bars" else _line(chart)
    least, most = min(chart.points, key=lambda p: p[2]), max(chart.points, key=lambda p: p[2])
    ends = {"most": most[0], "highest": _said(most[2]), "least": least[0], "lowest": _said(least[2])}
    words = say(f"chart.{chart.kind}", value=head(chart.value), label=head(chart.label), **ends)
    # The page's sanitizer takes a viewBox away, so the size is fixed: what a phone has room for.
    svg = f'<svg width="{WIDTH}" height="{height:.0f}">{"".join(body)}</svg>'
    return f'<div class="fw-plot" role="img" title="{_text(words)}">{svg}</div>'


def _bars(chart: Chart) -> tuple[list[str], float]:
    values = [value for _, _, value in chart.points]
    low, high = min(0.0, *values), max(0.0, *values)
    span = WIDTH - LABELS - 8 - _room(values)

    def across(value: float) -> float:
        # Divided first: the difference of two large numbers must not overflow.
        return LABELS + span * (value - low) / (high - low)

    body = []
    for i, (name, _, value) in enumerate(chart.points):
        y, start, end = ROW * i + 4, min(across(0), across(value)), max(across(0), across(value))
        body.append(
            f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end">{_text(_short(name))}</text>'
            f'<rect x="{start:.1f}" y="{y}" width="{max(1.0, end - start):.1f}" height="16" rx="2" '
            f'fill="var(--fw-series-2)"></rect>'
            f'<text x="{max(across(0), end) + 5:.1f}" y="{y + 12}">{_said(value)}</text>'
        )
    return body, ROW * len(chart.points) + 6


def _line(chart: Chart) -> tuple[list[str], float]:
    values, places = [p[2] for p in chart.points], [p[1] for p in chart.points]
    low, high = min(0.0, *values), max(0.0, *values)
    left, right, top = 10 + _room((low, high)), WIDTH - 12, 10

    def at(place: float, value: float) -> str:
        x = left + (right - left) * (place - places[0]) / (places[-1] - places[0])
        return f"{x:.1f},{top + PLOT * (high - value) / (high - low):.1f}"

    body = []
    for value in dict.fromkeys((low, 0.0, high)):
        y = float(at(places[0], value).split(",")[1])
        body.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="fw-grid"></line>')
        body.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_said(value)}</text>')
    points = [at(place, value) for _, place, value in chart.points]
    body.append(
        f'<polyline points="{" ".join(points)}" fill="none" stroke="var(--fw-series-2)" stroke-width="2"></polyline>'
    )
    if len(points) <= MOST_BARS:
        body += [
            '<circle cx="{}" cy="{}" r="3" fill="var(--fw-series-2)"></circle>'.format(*p.split(",")) for p in points
        ]
    base = top + PLOT + 18
    body.append(f'<text x="{left}" y="{base}">{_text(chart.points[0][0][:10])}</text>')
    body.append(f'<text x="{right}" y="{base}" text-anchor="end">{_text(chart.points[-1][0][:10])}</text>')
    return body, base + 6


def _room(values: Sequence[float]) -> int:
    """Pixels for the longest of these numbers."""
    return DIGIT * max(len(_said(value)) for value in values)


def _said(value: float) -> str:
    """A number short enough to stand beside a bar: all digits up to a million, then with its power of thousand."""
    value += 0.0  # Zero has no sign here.
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g} {sign}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}" if abs(value) >= 0.01 else f"{value:.2g}"


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= MOST_LABEL else name[: MOST_LABEL - 1] + "…"


def _text(words: str) -> str:
    """Text inside markup inside Markdown: on one line, and no sign of either acts."""
    return escape(" ".join(words.split())).translate({ord(sign): f"&#{ord(sign)};" for sign in "`*_[]\\~|!$:"})
