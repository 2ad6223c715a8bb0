"""Records into what the pages show: inert text, Markdown messages, the strip of the wheel. Pure; no gradio.

Whatever a person, a model or a database wrote passes through `plain`, `prose` or `fence`, so that it is shown and
never acts as markup.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

from flywheel.chat import ThreadItem
from flywheel.reply import Update
from flywheel.tasks.heads import head
from flywheel.ui import marks, result_chart
from flywheel.wheel import WheelStatus
from flywheel.words.catalogue import say
from storage.conversations import Turn

ROWS_IN_BUBBLE = 20
CELL_LENGTH = 200
_INERT = {ord(sign): f"&#{ord(sign)};" for sign in string.punctuation}
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:.*\n)*? {0,3}\1[`~]*[ \t]*$", re.MULTILINE)
_THUMBS = {"up": "Like", "down": "Dislike"}


def plain(words: str) -> str:
    """Text as it was typed, line by line; no sign in it is Markdown or HTML."""
    lines = words.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_indented(line.translate(_INERT)) for line in lines)


def prose(markdown: str) -> str:
    """A model's Markdown with its formatting; HTML in it is shown as text, and an image as a link: none is fetched."""
    parts = _CODE.split(markdown)
    return "".join(p if i % 2 else p.replace("<", "&lt;").replace("![", "&#33;[") for i, p in enumerate(parts))


def fence(code: str, language: str = "") -> str:
    """A code block that nothing inside can close."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{code}\n{ticks}"


def badge(version: str | None) -> str:
    """The version that answered, as its own small element."""
    return f'<span class="fw-version">{escape(version)}</span>' if version else ""


def folded(summary: str, body: str) -> str:
    """Markdown behind a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary>\n\n{body}\n\n</details>"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], limit: int = ROWS_IN_BUBBLE) -> str:
    """A Markdown table of at most `limit` rows; columns that hold only numbers are set right."""
    rows = rows[:limit]
    numeric = [bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows) for i in range(len(columns))]
    heads = _line([plain(head(str(name))) for name in columns])
    rule = _line(["---:" if right else "---" for right in numeric])
    return "\n".join([heads, rule, *(_line([_cell(value) for value in row]) for row in rows)])


def visible(items: Sequence[ThreadItem]) -> list[ThreadItem]:
    """The turns that are shown, in order: the n-th is the n-th message of the page."""
    return [item for item in items if item.turn.role in ("user", "assistant")]


def messages(items: Sequence[ThreadItem]) -> list[Any]:
    """Chatbot messages, each with its turn's id."""
    shown = visible(items)
    return [_turn_message(item, last=item is shown[-1]) for item in shown]


def _turn_message(item: ThreadItem, *, last: bool) -> Any:
    if item.choice is not None:
        words = marks.choice(*item.choice, (_side(item.choice[0]), _side(item.choice[1])))
    elif item.turn.role == "user":
        words = "\n\n".join((plain(item.turn.content), marks.controls(item, last=last)))
    else:
        words = f"{answer(item)} {marks.controls(item, last=last)}".strip()
    return message(item.turn.role, words, item.turn.id)


def growing(update: Update, *, sql: bool) -> str:
    """What is being written: one answer, or two beside each other; `live.js` goes on with it in its place."""
    bodies = [_place(update, at, prose(whole(text))) for at, text in enumerate(live(update, sql=sql))]
    return marks.abreast((bodies[0], bodies[1])) if len(bodies) == 2 else bodies[0]


def live(update: Update, *, sql: bool) -> list[str]:
    """What is being written, one text or two, as Markdown that is not made safe: for a reader that makes no HTML."""
    return [_so_far(one, sql=sql) for one in (update, update.other) if one is not None]


def _place(update: Update, at: int, body: str) -> str:
    return f'<div class="fw-live" id="live-{update.turn_id}-{at}">\n\n{body}\n\n</div>'


def _so_far(update: Update, *, sql: bool) -> str:
    """Of thoughts only the fact is told. A statement's block is left open: it may go on."""
    words = update.text
    if not words.strip():
        return f"*{say('chat.reasoning')}*" if update.thinking else say("chat.writing") if sql else say("chat.thinking")
    return f"```sql\n{words.lstrip()}" if sql and words.lstrip().upper().startswith(("SELECT", "WITH")) else words


def whole(markdown: str) -> str:
    """With the end of a code block that has none yet: what comes after it is no part of it."""
    last = _FENCED.sub("", markdown)
    found = re.search(r"^ {0,3}(`{3,}|~{3,})", last, re.MULTILINE)
    return f"{markdown}\n{found[1]}" if found else markdown


def _side(turn: Turn) -> str:
    """One of two answers: as any other, without a name."""
    item = ThreadItem(replace(turn, version=None), None, None, None)
    return whole(answer(item))


def message(role: str, markdown: str, turn_id: str | None = None) -> Any:
    """One Chatbot message. As a part of type text it is kept byte for byte."""
    metadata = {"id": turn_id} if turn_id else {}
    return {"role": role, "content": {"type": "text", "text": markdown}, "metadata": metadata}


def thumbs(items: Sequence[ThreadItem]) -> list[str | None]:
    """The thumb of each shown answer, in order."""
    ratings = [item.rating for item in visible(items) if item.turn.role == "assistant"]
    return [_THUMBS.get(rating.rating or "") if rating else None for rating in ratings]


def answer(item: ThreadItem) -> str:
    """A whole answer: thoughts folded, its words or its result, how it ended, the version, the correction."""
    turn, sql = item.turn, item.turn.details.get("sql")
    body = _sql_answer(sql, turn.id) if sql else prose(turn.content)
    if (turn.details.get("words") or {}).get("agreed") is False:
        body += f'\n\n<span class="fw-standing">{escape(say("chat.own_sentence"))}</span>'
    thoughts = turn.details.get("thinking")
    shown = folded(say("chat.thoughts"), plain(str(thoughts))) if thoughts else ""
    parts = [shown, body if body.strip() else "", _ending(turn)]
    parts = [part for part in parts if part]
    if parts in ([], [shown]):
        parts.append(say("chat.no_answer"))
    return "\n\n".join([*parts, f"{badge(turn.version)} {_correction(item)}".strip()])


def more_rows(item: ThreadItem | None) -> int:
    """Rows of an answer that its bubble does not show; 0 when it shows all."""
    sql = item.turn.details.get("sql") if item and item.choice is None else None
    count = int(sql.get("row_count") or 0) if sql else 0
    return count if count > ROWS_IN_BUBBLE else 0


def tried(outcome: Any) -> str:
    """What a statement that a person tried returns."""
    fields = ("sentence", "reason", "error", "accepted", "columns", "rows", "truncated")
    told = {name: getattr(outcome, name) for name in fields} | {"row_count": len(outcome.rows or ())}
    return _result(told)


def _sql_answer(sql: dict[str, Any], turn_id: str) -> str:
    statement, columns, rows = sql.get("sql"), sql.get("columns") or [], sql.get("rows") or []
    whole = not (sql.get("truncated") or sql.get("rows_cut"))
    chart = result_chart.chart_of(columns, rows, whole=whole)
    parts = [
        _result(sql),
        result_chart.drawn(chart) if chart else "",
        f"[{say('chat.download_csv')}](/answers/{turn_id}/rows.csv)" if columns and rows else "",
        folded("SQL", fence(str(statement), "sql")) if statement else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _result(sql: dict[str, Any]) -> str:
    parts = [plain(str(sql.get("sentence") or sql.get("error") or sql.get("reason") or ""))]
    columns, rows = sql.get("columns") or [], sql.get("rows") or []
    if columns and rows:
        parts += [table(columns, rows), _cut(int(sql.get("row_count") or len(rows)), bool(sql.get("truncated")))]
    return "\n\n".join(part for part in parts if part)


def _cut(count: int, truncated: bool) -> str:
    if count <= ROWS_IN_BUBBLE:
        return ""
    told = {"shown": ROWS_IN_BUBBLE, "count": count}
    return f"*{say('chat.rows_of_first', **told) if truncated else say('chat.rows_of', **told)}*"


def _ending(turn: Turn) -> str:
    """How it ended, where that is not plain to see."""
    details, reason = turn.details, turn.details.get("finish_reason")
    if turn.state == "failed":
        return f"**{plain(str(details.get('error') or say('chat.failed')))}**"
    words = {"length": say("chat.cut"), "deadline": say("chat.overdue")}.get(str(reason), "")
    words = words or {"stopped": say("chat.stopped"), "aborted": say("chat.aborted")}.get(turn.state, "")
    if details.get("left_out"):
        words = f"{words} {say('chat.left_out', count=details['left_out'])}".strip()
    return f"*{words}*" if words else ""


def _correction(item: ThreadItem) -> str:
    if item.turn.details.get("corrects"):
        return f'<span class="fw-standing">{escape(say("chat.stands_in"))}</span>'
    if item.correction is None:
        return ""
    standing = say(f"chat.standing.{item.example_state or 'pending'}")
    return f'<span class="fw-standing">{escape(standing)}</span>'


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        # Four decimals, but of a small number the digits that it has: it must not be shown as another one.
        value = f"{value:.4f}".rstrip("0").rstrip(".") if 0.01 <= abs(value) < 1e15 or not value else f"{value:.6g}"
    words = " ".join(str(value).split())
    return plain(words if len(words) <= CELL_LENGTH else words[: CELL_LENGTH - 1] + "…")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _indented(line: str) -> str:
    bare = line.lstrip(" \t")
    return "&nbsp;" * len(line[: len(line) - len(bare)].expandtabs(4)) + bare


def wheel_strip(status: WheelStatus) -> str:
    """The stations of the wheel as links, the place of the next step marked, and that step in words below."""
    step = status.next_step
    stations = "".join(
        f'<li><a href="{link}"{" class=fw-next" if key == step.key else ""}>{escape(words)}</a></li>'
        for key, words, link in _stations(status)
    )
    words = say("wheel.next", step=f'<a href="{escape(step.link)}">{escape(step.words)}</a>')
    more = f" {escape(status.more)}." if status.more else ""
    strip = f'<ol class="fw-strip" aria-label="{escape(say("wheel.title"))}">{stations}</ol>'
    return f'{strip}<p class="fw-next-words">{words}{more}</p>'


def _stations(status: WheelStatus) -> list[tuple[str, str, str]]:
    """(step that is done there, words, link) of each station."""
    run = say("wheel.no_run")
    if status.run_progress is not None:
        run = say("wheel.run_at", run=status.run, progress=f"{status.run_progress:.0%}")
    elif status.run is not None:
        run = say("wheel.run", run=status.run, state=say(f"train.state.{status.run_state}"))
    candidate = status.candidate or say("wheel.no_candidate")
    if status.candidate and status.candidate_state:
        candidate = say(f"wheel.candidate.{status.candidate_state}", version=status.candidate)
    frozen = status.dataset or say("wheel.nothing_frozen")
    learning = [("train", frozen, "/data"), ("wait", run, "/train"), ("promote", candidate, "/versions")]
    return [
        ("review", say("wheel.waiting", count=status.waiting), "/review"),
        ("freeze", say("wheel.approved", count=status.approved), "/data"),
        *(learning if status.learns_here else [("export", frozen, "/data")]),
        ("chat", say("wheel.serving", version=status.served), "/"),
    ]
