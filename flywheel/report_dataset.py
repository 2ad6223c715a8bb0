"""What a report on a dataset looks like on a terminal. Pure formatting of a plain dictionary; `--json` has it."""

from typing import Any

Record = dict[str, Any]
PART = 20
"""Width of a bar in signs."""


def report(record: Record) -> str:
    """The report, a block for each matter; the tokens that are trained stand in [brackets]."""
    rows = record["rows"]
    sides = ", ".join(f"{rows[side]} {side}" for side in ("train", "validation", "test"))
    lines = [f"{record['dataset'] or 'A freeze now'}: {rows['all']} rows ({sides})"]
    for name in ("provenance", "tags", "reviewers", "languages"):
        lines += _counts(name, record[name])
    lines += _lengths(record["lengths"])
    found = record["duplicates"]
    lines.append(
        f"duplicates: {found['same_pair']} the same pair, left out; {found['rows_in_groups']} rows in "
        f"{found['groups']} groups of near ones, the largest of {found['largest_group']}"
    )
    lines += _counts("left out", record["left_out"])
    answers, labels = record["answers"], record["labels"]
    lines.append(
        f"answers: {answers['statements']} statements, {answers['words']} in words, {answers['refusals']} refusals"
    )
    lines.append(f"labels: {labels['right']} right answers, {labels['wrong']} with the wrong one beside")
    lines += [_gain(gain) for gain in record["learnt"]] or ["learnt so far: no version was scored yet"]
    for sample in record.get("samples", ()):
        lines += [f"row {sample['example_id']}, {sample['trained']} tokens trained:", f"  {_marked(sample['tokens'])}"]
    return "\n".join(lines)


def synthesis(record: Record) -> str:
    """What a teacher made, and why pairs are no rows; or the prompt, to be looked at."""
    if "prompt" in record:
        return str(record["prompt"]).rstrip()
    told = f"{record['added']} rows wait for review ({record['before']} were made before)"
    paid = f"{record['calls']} requests, {record['tokens']:,} tokens to {record['teacher']}"
    again = f", {record['replayed']} answers of an earlier run" if record["replayed"] else ""
    lines = [f"{told}: {paid}{again}."]
    lines += [f"  left out {count}: {reason}" for reason, count in record["left_out"].items()]
    return "\n".join([*lines, *([f"It ended early: {record['stopped'].rstrip('.')}."] if record["stopped"] else [])])


def pins(record: Record) -> str:
    """A pinned test, or how many were pinned or are not any more."""
    if "asked" in record:
        done = "pinned" if "pinned" in record else "removed"
        before = record["asked"] - record[done]
        return f"{record[done]} {'pinned' if done == 'pinned' else 'not pinned any more'}" + (
            f", {before} were so before." if before else "."
        )
    question, answer = (" ".join(record[name].split())[:80] for name in ("question", "completion"))
    waits = "" if record["in_force"] else " (not asked: it is not approved now)"
    when = f"{record['pinned']}"[:10]
    return f"{record['id']}  {question} → {answer}; by {record['by']}, {when}{waits}"


def _counts(name: str, counts: dict[str, int]) -> list[str]:
    if not counts:
        return []
    most = max(counts.values())
    listed = [
        f"  {count:>7}  {'#' * max(1, round(PART * count / most)):<{PART}}  {one}" for one, count in counts.items()
    ]
    return [f"{name}:", *listed]


def _lengths(told: Record) -> list[str]:
    if not told["measured"]:
        return [f"tokens: not counted, {told.get('why_not', 'there are no rows')}"]
    part = "" if told["measured"] == told["of"] else f" (of {told['measured']:,} rows taken by chance)"
    line = (
        f"tokens: {told['shortest']} to {told['longest']}, half below {told['median']}, 95 % below {told['p95']}{part}"
        f"; the base reads {told['limit']}, {told['too_long']} rows exceed it and are left out"
    )
    return [line, *_counts("tokens up to", {str(most): count for most, count in told["histogram"]})[1:]]


def _gain(gain: Record) -> str:
    return (
        f"learnt so far: {gain['version']} from {gain['train_rows']} rows of {gain['dataset']}: {gain['before']:.1%} "
        f"({gain['against']}) to {gain['after']:.1%} of {gain['test_rows']}, {gain['points_per_10_rows']:+.2f} points "
        "per 10 rows"
    )


def _marked(tokens: list[list[Any]]) -> str:
    text, open_now = "", False
    for piece, trained in tokens:
        text += ("[" if trained and not open_now else "]" if open_now and not trained else "") + piece
        open_now = bool(trained)
    return (text + ("]" if open_now else "")).replace("\n", "\n  ")
