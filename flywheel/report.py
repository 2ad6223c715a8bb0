"""Results of commands as text for a terminal. Pure formatting of plain dictionaries, and one progress line."""

import textwrap
from argparse import Namespace
from typing import Any, TextIO

from flywheel import report_wheel

Record = dict[str, Any]


class Progress:
    """One line on a terminal that is written over; plain lines elsewhere. Times and units are the caller's."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._open = False
        self._last = ""

    def line(self, words: str, fraction: float | None = None) -> None:
        """Say how far the work is; `fraction` from 0 to 1 draws a bar."""
        bar = "" if fraction is None else f" [{'#' * round(20 * fraction):<20}] {fraction:4.0%}"
        if self._out.isatty():
            self._out.write(f"\r\x1b[K{words}{bar}")
            self._open = True
        elif words != self._last:
            self._out.write(f"{words}\n")
        self._last = words
        self._out.flush()

    def end(self) -> None:
        """Leave the line, so that what follows starts on its own."""
        if self._open:
            self._out.write("\n")
            self._open = False


def result(args: Namespace, record: Record) -> str:
    """One result of a command as text."""
    formatter = FORMATTERS.get(args.command)
    return formatter(record) if formatter else pairs(record)


def nothing(args: Namespace) -> str:
    """What a list without entries says."""
    return report_wheel.NOTHING.get(args.command, "Nothing there yet.")


def pairs(record: Record) -> str:
    """`name: value` lines, long texts wrapped, nested values short."""
    lines = []
    for name, value in record.items():
        text = _short(value)
        lines.append(textwrap.indent(f"{name}: {text}", "  ")[2:])
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return f"{len(value)} entries" if len(value) > 5 else ", ".join(_short(v) for v in value) or "none"
    return "none" if value is None else str(value)


def _ask(record: Record) -> str:
    lines = [""]
    if record.get("error"):
        lines.append(str(record["error"]))
    if record.get("sentence"):
        lines.append(str(record["sentence"]))
    if record.get("columns"):
        lines.append(table(record["columns"], record.get("rows") or []))
    lines.append(f"({record['version']}, {record['seconds']:.1f} s)")
    return "\n".join(lines)


def table(columns: list[str], rows: list[list[Any]], limit: int = 20) -> str:
    """A plain text table of at most `limit` rows; says how many more there are."""
    cells = [columns, *[["" if v is None else str(v) for v in row] for row in rows[:limit]]]
    widths = [min(40, max(len(str(row[i])) for row in cells)) for i in range(len(columns))]
    lines = ["  ".join(str(v)[:40].ljust(w) for v, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    if len(rows) > limit:
        lines.append(f"... and {len(rows) - limit} more rows")
    return "\n".join(lines)


def _import(record: Record) -> str:
    lines = [
        f"{record['file']}: {record['added']} added, {record['duplicates']} known already, {len(record['bad'])} bad"
    ]
    lines += [f"  line {line}: {reason}" for line, reason in record["bad"][:50]]
    if len(record["bad"]) > 50:
        lines.append(f"  ... and {len(record['bad']) - 50} more bad rows")
    return "\n".join(lines)


def _status(record: Record) -> str:
    more = f"; {record['more']}" if record["more"] else ""
    run = "none yet" if record["run"] is None else f"{record['run']}, {record['run_state']}"
    if record["run_progress"] is not None:
        run += f", {record['run_progress']:.0%}"
    candidate = f"{record['candidate']}, {record['candidate_state']}" if record["candidate"] else "none"
    step, app = record["next_step"], record["url"]
    return "\n".join(
        [
            f"app        {app or 'not running'}",
            f"waiting    {record['waiting']} for a decision",
            f"approved   {record['approved']}, of which {record['fresh']} are in no dataset{more}",
            f"dataset    {record['dataset'] or 'none yet'}",
            f"run        {run}",
            f"candidate  {candidate}",
            f"serving    {record['served']}",
            f"Next: {step['words']}" + (f" ({app}{step['link']})" if app else ""),
        ]
    )


def _evaluate(record: Record) -> str:
    return "\n".join([f"{record['version']}: {record['state']}", *(f"- {reason}" for reason in record["reasons"])])


def _keys(record: Record) -> str:
    if "key" in record:
        learning = "" if record.get("learning", True) else ", nothing is learnt from it"
        return f"{record['key']}\n({record['id']}, {record['role']}{learning}. Keep it: it is not shown again.)"
    name = f" {record['name']}" if record["name"] else ""
    used = f"last used {record['last_used']}" if record["last_used"] else "never used"
    ended = f", revoked {record['revoked']}" if record["revoked"] else ""
    learning = "" if record["learning"] else ", nothing is learnt from it"
    return f"{record['id']}  {record['role']}{name}, created {record['created']}, {used}{learning}{ended}"


def _merge(record: Record) -> str:
    how = "" if record["made_now"] else " It was there already."
    share = f"{record['first']} of {record['tokens']} tokens first ({record['share']:.2%}, {record['prompts']} prompts)"
    size = f"{record['bytes'] / 1e6:,.1f} MB, {record['dtype']}"
    lines = [f"{record['version']} is merged in `{record['folder']}` ({size}).{how}"]
    lines.append(f"Parity: {share}, largest logit difference {record['largest_difference']:.3g}")
    return "\n".join([*lines, *([record["note"]] if record.get("note") else [])])


def _backup(record: Record) -> str:
    size = f"{record['bytes'] / 1e6:,.1f} MB" if record["bytes"] >= 1e5 else f"{record['bytes'] / 1e3:,.0f} kB"
    lines = [f"{record['file']}: {size}, {record['records']:,} records, {record['files']} files"]
    lines += [f"  left out: {name} (a link or an odd name)" for name in record["left_out"]]
    return "\n".join([*lines, record["note"]])


def _restore(record: Record) -> str:
    made = f"{record['home']} is restored: {record['records']} records, {record['files']} files"
    created = ascii(str(record["facts"].get("created", "an unknown time"))[:40])[1:-1]
    return "\n".join([f"{made}, from {created}.", *record["notes"]])


def _forget(record: Record) -> str:
    lines = [f"{'Of' if record['dry_run'] else 'Erased, of'} {record['user']}:"]
    lines += [
        f"  {len(ids)} {table.replace('_', ' ')}" + "".join(f"\n    {id}" for id in ids)
        for table, ids in record["ids"].items()
        if ids
    ]
    lines += [f"{dataset} holds {rows} rows of theirs, withdrawn now" for dataset, rows in record["datasets"].items()]
    if record["versions"]:
        lines.append(f"Trained on them: {', '.join(record['versions'])}. The next freeze leaves them out.")
    if record["copies"]:
        names = ", ".join(f"`{name}`" for name in record["copies"])
        lines.append(f"These copies of an earlier state still hold it; remove them when they are not needed: {names}.")
    lines.append("Nothing was changed." if record["dry_run"] else "Backups made before still hold it.")
    return "\n".join(lines)


def _login_link(record: Record) -> str:
    return "\n".join(record["links"])


def _review(record: Record) -> str:
    if "median_seconds" in record:
        return _numbers(record)
    if "diff" in record and "by" in record:
        problem = f"\n(As it stands it could not be approved: {record['problem']}.)" if record["problem"] else ""
        return f"{record['text']}\n({record['by']}; nothing is decided.){problem}"
    if "pairs" not in record:
        return pairs(record)
    lines = [f"{record['count']} wait that ask nearly the same:"]
    for pair in record["pairs"]:
        copies = f" ({pair['copies']} copies)" if pair["copies"] > 1 else ""
        lines.append(f"  {pair['id']}  {_line(pair['question'])} → {_line(pair['completion'])}{copies}")
    return "\n".join(lines)


def _numbers(record: Record) -> str:
    share = "" if record["approved"] is None else f", {record['approved']:.0%} approved"
    took = "" if record["median_seconds"] is None else f", {record['median_seconds']:.0f} s a decision"
    lines = [f"{record['waiting']} waiting, {record['today']} decided today{share}{took}"]
    if (two := record["agreement"])["pairs"]:
        kappa = "not defined" if two["kappa"] is None else f"{two['kappa']:.2f}"
        lines.append(f"{two['pairs']} judged by two, {two['agreed']} alike, Cohen's kappa {kappa}")
    for one in record["learned"]:
        versions = ", ".join(one["versions"]) or "no version yet"
        lines.append(f"{one['dataset']} holds {one['rows']} rows that you approved; learnt by {versions}")
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())[:80]


def _reviewers(record: Record) -> str:
    if "links" in record:
        return _login_link(record) + "\nIt works once, for a week."
    if "revoked" in record:
        return f"{record['revoked']} may not review any more: their links and sessions are ended."
    until = f", its link is good until {record['expires'][:10]}" if record["state"] == "waiting" else ""
    return f"{record['name']}  {record['state']}, invited {record['invited'][:10]}{until}"


def _usage(record: Record) -> str:
    name = f" ({record['name']})" if record["name"] else ""
    tokens = f"{record['prompt_tokens']} tokens read, {record['completion_tokens']} written"
    return f"{record['person']}{name}: {record['today']} answers in 24 hours, {record['answers']} in all, {tokens}"


def _deploy(record: Record) -> str:
    verb = {"create": "is to be created", "update": "is to be updated", "nothing": "is as this tree says"}
    did = {"create": "was created", "update": "was updated", "nothing": "is as this tree says: nothing was changed"}
    lines = [f"{record['repo']} {(verb if record['dry_run'] else did)[record['action']]} ({record['visibility']})"]
    lines.append(record["url"])
    for mark, kind in (("+", "added"), ("~", "changed"), ("-", "deleted")):
        files = record[kind]
        if files:
            lines.append(f"files {kind}: {len(files)}, {sum(files.values()):,} bytes")
        shown = files.items() if record["dry_run"] or len(files) <= 10 else ()
        lines += [f"  {mark} {name}  {size:,}" for name, size in shown]
    lines.append(f"files unchanged: {record['unchanged']}")
    lines += [f"left alone: {name}" for name in record["left_alone"]]
    lines += [f"variable {name} = {value}" for name, value in record["variables"].items()]
    lines += [f"variable {name} removed" for name in record["variables_removed"]]
    lines += [f"secret {secret['name']}: {secret['source']}" for secret in record["secrets"]]
    if record["hardware"]:
        lines.append(f"hardware {record['hardware']} (now {record['hardware_now'] or 'none'})")
    for volume in record["volumes"] or ():
        lines.append(f"volume {volume['mount_path']}: {volume['kind']} {volume['source']}")
    lines += [f"note: {warning}" for warning in record["warnings"]]
    return "\n".join(lines)


def _doctor(record: Record) -> str:
    todo = f". {record['todo']}" if record["todo"] else ""
    return f"{record['level']:<8} {record['check']}: {record['words'].rstrip('.')}{todo}"


def _publish(record: Record) -> str:
    done = record["publication"]
    load = f'AutoModelForCausalLM.from_pretrained("{done["repo"]}", revision="{done["tag"]}")'
    return f"{record['words']}\n{done['visibility'].capitalize()}. Load it: {load}"


FORMATTERS = report_wheel.FORMATTERS | {
    "doctor": _doctor,
    "login-link": _login_link,
    "deploy": _deploy,
    "backup": _backup,
    "forget": _forget,
    "restore": _restore,
    "ask": _ask,
    "import": _import,
    "status": _status,
    "evaluate": _evaluate,
    "keys": _keys,
    "review": _review,
    "reviewers": _reviewers,
    "usage": _usage,
    "merge": _merge,
    "publish": _publish,
}


def demo(record: Record) -> str:
    """What the wheel gained, for a person."""
    lines = [""]
    for suite, score in record["suites"].items():
        before, after = _percent(score["before"], score["before_ci"]), _percent(score["after"], score["after_ci"])
        lines.append(f"{suite:<10} {before} before, {after} after  (n = {score['n']})")
    seconds = record["seconds"]
    lines.append("seconds    " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))
    lines.append(f"{record['version']} was {'promoted' if record['promoted'] else 'not promoted'}")
    return "\n".join(lines)


def _percent(value: float, interval: list[float]) -> str:
    return f"{value:.1%} [{interval[0]:.0%} to {interval[1]:.0%}]"
