"""What datasets, runs and versions look like on a terminal: a line or a few for each record, never the record itself.

Pure formatting of plain dictionaries; `--json` has every field.
"""

from typing import Any

from flywheel.report_dataset import pins, report, synthesis

Record = dict[str, Any]
NOTHING = {
    "datasets": "No dataset is frozen yet. Approve corrections, then `python -m flywheel freeze`.",
    "pins": "Nothing is pinned. `python -m flywheel pins add ID` keeps an approved example as a test.",
    "review": "Nothing waits for a decision.",
    "runs": "Nothing was trained yet. `python -m flywheel train` starts a run on the newest dataset.",
    "versions": "Nothing was trained yet: the base itself serves, as `v0`.",
}
"""What a list without entries says, by command."""
SHOWN = 10
"""Rows of a list that a person reads; the rest is counted."""


def dataset(record: Record) -> str:
    """A dataset version, frozen now or before."""
    if "old" in record:
        return _difference(record)
    if "publication" in record:
        load = f'load_dataset("{record["repo"]}", revision="{record["dataset"]}")'
        return f"{record['words']}\n{record['publication']['visibility'].capitalize()}. Load it: {load}"
    if "duplicates" in record:
        return report(record)
    if "rows" in record:
        return _with_rows(record)
    counts = ", ".join(f"{rows} {side}" for side, rows in record["counts"].items())
    name = "" if record["name"] == record["id"] else f" “{record['name']}”"
    same = "" if record.get("created_now", True) else " Nothing was approved since, so it is the same version."
    when, digest = f"{record['created']}"[:16], record["content_hash"][:12]
    lines = [f"{record['id']}{name}: {counts} rows, sha256 {digest}, {when} UTC.{same}"]
    lines += [f"  noticed: {words}" for words in record["policy"].get("reported", [])]
    held = record["policy"].get("held_back")
    lines += [f"  held back by limits for guests: {_counted(held)}"] if held else []
    lines += _some([f"  left out {item['example_id']}: {item['reason']}" for item in record["refused"]])
    return "\n".join(lines)


def run(record: Record) -> str:
    """A training run; its view also tells how far it is."""
    if "log" in record:
        return str(record["log"]).rstrip() or f"Run {record['number']} has written nothing yet."
    seen, shown = record.get("run", record), "run" in record
    made = f", made {seen['version']}" if seen["version"] else ""
    line = (
        f"run {seen['number']}: {seen['method']} on {seen['dataset']}, preset {seen['preset']}, {seen['state']}{made}"
    )
    lines = [f"{line}. {seen['reason']}" if seen["reason"] else line]
    if shown:
        lines += [] if record["phase"] == seen["state"] else [f"{record['phase']}, {record['progress']:.0%}"]
        lines += [_step(record["metrics"][-1])] if record["metrics"] else []
    return "\n".join(lines)


def version(record: Record) -> str:
    """A version with its scores beside the base's and those of what it was compared with, and the gate's word."""
    about, lines = record["version"], []
    lines.append(f"{about['id']}: {about['state']}, from {about['dataset']}, run {about['run']}, on {about['base']}")
    for suite in record["scores"]:
        measures = {m["version"]: m for m in (suite["base"], suite["current"], suite["candidate"]) if m}
        lines.append(f"  {suite['suite']:<10} " + ", ".join(map(_measure, measures.values())))
    verdict = record["verdict"]
    lines.append(f"  gate: {verdict['state']}, compared with {record['against']}")
    lines += [f"    - {reason}" for reason in verdict["reasons"]]
    if record["publication"]:
        lines.append(f"  published in {record['publication']['repo']} as {record['publication']['tag']}")
    return "\n".join(lines)


def promotion(record: Record) -> str:
    """What serves now, and what served before."""
    why = f", although the gate had not passed it: {record['override']}" if record["override"] else ""
    return f"{record['version']} serves now; before, {record['previous']} did{why}."


def audit(record: Record) -> str:
    """Whether the ledger holds, in the words of the check; or one decision."""
    if "message" in record:
        return str(record["message"])
    if "file" in record:
        return f"{record['file']}: {record['rows']} decisions"
    why = f": {record['reason']}" if record["reason"] else ""
    line = f"{record['at']}"[:19] + f"  {record['by']}  {record['action']} {record['kind']} {record['subject']}{why}"
    texts = [record["before"], record["after"]]
    changed = [f"    {mark} {' '.join(text.split())[:100]}" for mark, text in zip("-+", texts, strict=True) if text]
    return "\n".join([line, *(changed if texts[0] != texts[1] else [])])


def spacefile(record: Record) -> str:
    """Whether README's front matter had to be written anew."""
    return "README.md says what the Spacefile says" + (" now." if record["changed"] else " already.")


def _with_rows(record: Record) -> str:
    about = record["version"]
    lines = [dataset(about), *([f"  note: {about['note']}"] if about["note"] else []), f"  {about['policy']['words']}"]
    return "\n".join(lines + _some([f"  {_row(row)} → {row['completion'][:80]}" for row in record["rows"]]))


def _row(row: Record) -> str:
    return f"{row['side']}: {row['prompt'][-1]['content'][:80]}"


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())


def _difference(record: Record) -> str:
    counts = ", ".join(f"{len(record[kind])} {kind}" for kind in ("added", "removed", "changed", "moved"))
    lines = [f"{record['old']} → {record['new']}: {counts}"]
    lines += _some(
        [
            f"  ~ {_row(change['new'])}: {change['old']['completion'][:60]} → {change['new']['completion'][:60]}"
            for change in record["changed"]
        ]
    )
    for mark, kind in (("+", "added"), ("-", "removed"), ("!", "moved")):
        lines += _some([f"  {mark} {_row(row)}" for row in record[kind]])
    return "\n".join(lines)


def _some(lines: list[str]) -> list[str]:
    more = [f"  ... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _measure(measure: Record) -> str:
    return f"{measure['version']} {measure['value']:.1%} of {measure['n']} [{measure['lo']:.0%} to {measure['hi']:.0%}]"


def _step(row: Record) -> str:
    held_out = f", validation loss {row['eval_loss']:.4f}" if row.get("eval_loss") is not None else ""
    return f"step {row['step']}, loss {row['loss']:.4f}{held_out}"


FORMATTERS = {
    "audit": audit,
    "datasets": dataset,
    "freeze": dataset,
    "pins": pins,
    "promote": promotion,
    "rollback": promotion,
    "runs": run,
    "spacefile": spacefile,
    "synthesize": synthesis,
    "train": run,
    "versions": version,
}
