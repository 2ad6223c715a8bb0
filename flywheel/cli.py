"""The commands: parse, run the operation where it belongs, print. Exit codes are those of the README.

Heavy libraries are loaded only by the command that needs them: `--help` and `status` answer at once.
"""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from getpass import getpass
from pathlib import Path
from typing import Any

from flywheel import client, report
from flywheel.doctor.examine import examine
from flywheel.errors import PUBLIC, ConfigurationError, InvalidInput
from flywheel.hub_import import PREFIX, named
from flywheel.operations import care
from flywheel.operations.event import Event
from flywheel.parser import build_parser
from flywheel.settings import Settings, prepare_environment, read, values_of
from flywheel.texts import escaped

CANCELLED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code. Wrong use exits 2 through argparse."""
    prepare_environment()
    args = build_parser().parse_args(argv)
    if not all(_is_text(value) for value in vars(args).values()):
        print("An argument holds bytes that are no UTF-8 text. Type it again.", file=sys.stderr)
        return 2
    try:
        if args.command == "doctor":
            # It looks at wrong settings too, where any other command has to stop.
            return _show(examine(read, online=args.online), args)
        return _dispatch(read(), args)
    except ConfigurationError as error:
        print(escaped(str(error)), file=sys.stderr)
        return 2
    except PUBLIC as error:
        return _failed(str(error), getattr(error, "exit_code", 1), args.json)
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:
        # `… | head` has read enough. Not by the signal's default action: a child's broken pipe must not end us.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _is_text(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_text, value))
    return not isinstance(value, str) or value.isprintable() or value.encode("utf-8", "ignore").decode() == value


def _failed(message: str, code: int, as_json: bool) -> int:
    # A refusal repeats what was given, and that must not steer the terminal.
    print(json.dumps({"error": message}) if as_json else escaped(message), file=sys.stdout if as_json else sys.stderr)
    return code


def _dispatch(settings: Settings, args: Namespace) -> int:
    if args.command == "serve":
        return _serve(settings)
    if args.command == "demo":
        return _demo(settings, args)
    if args.command == "sql":
        return _sql(settings, args)
    if args.command == "deploy":
        return _deploy(settings, args)
    if args.command == "redact":
        return _redact(settings)
    if args.command == "spacefile":
        return _spacefile(args)
    if args.command == "restore":
        return _show(care.restore(settings, Path(args.file).absolute()), args)
    return _show(client.run(settings, args.command, _arguments(args)), args)


def _serve(settings: Settings) -> int:
    # The composition root is a program of its own: on a Space it is what runs.
    import app

    return int(app.main(settings))


def _demo(settings: Settings, args: Namespace) -> int:
    from flywheel.demo import run_demo

    terms = args.terms or (3 if args.corrections >= 100 else 1)
    progress = report.Progress(sys.stderr)
    result = run_demo(settings, args.corrections, terms, args.seed, args.keep, progress.line)
    print(json.dumps(result) if args.json else report.demo(result))
    return 0 if result["promoted"] else 3


def _sql(settings: Settings, args: Namespace) -> int:
    from flywheel.tasks import sql_commands
    from flywheel.tasks.build import database_of

    database = args.database or database_of(settings)
    tables = [name.strip() for name in args.tables.split(",") if name.strip()] if args.tables else None
    judge = sql_commands.check_lines if args.action == "check" else sql_commands.run_lines
    lines = (raw.decode("utf-8", "surrogateescape") for raw in sys.stdin.buffer)
    for verdict in judge(lines, database, tables):
        print(json.dumps(verdict), flush=True)
    return 0


def _deploy(settings: Settings, args: Namespace) -> int:
    from flywheel.deploying import Deployment, Options
    from storage.hub import Hub

    source = Path(args.spacefile) if args.spacefile else None
    options = Options(args.repo or "", source, args.dry_run, args.force, args.update_secrets)
    ask = (lambda name: getpass(f"{name}: ")) if sys.stdin.isatty() else None
    deployment = Deployment(Hub(settings.hub_endpoint, settings.hub_token), options, values_of, ask)
    return _show(deployment.run(), args)


def _redact(settings: Settings) -> int:
    from flywheel.redaction.lines import redact_lines
    from flywheel.redaction.presidio import look_for_names

    look_for_names(settings.presidio)
    lines = (raw.decode("utf-8", "surrogateescape") for raw in sys.stdin.buffer)
    for answer in redact_lines(lines):
        print(json.dumps(answer), flush=True)
    return 0


def _spacefile(args: Namespace) -> int:
    from flywheel import deploying

    result = deploying.write_front_matter(Path(args.spacefile) if args.spacefile else None)
    print(json.dumps(result) if args.json else report.result(args, result))
    return 0


def _show(events: Iterable[Event], args: Namespace) -> int:
    code, streamed, shown = 0, "", False
    progress = report.Progress(sys.stderr)
    for event in events:
        if "progress" in event:
            progress.line(event["progress"], event.get("fraction"))
        elif "aside" in event:
            print(escaped(event["aside"]), file=sys.stderr)
        elif "stream" in event and not args.json:
            print(event["stream"][len(streamed) :], end="", flush=True)
            streamed = event["stream"]
        elif "result" in event:
            progress.end()
            shown = True
            print(json.dumps(event["result"], default=str) if args.json else report.result(args, event["result"]))
        elif "exit" in event:
            code = int(event["exit"])
    progress.end()
    if not shown and not args.json and code == 0:
        print(report.nothing(args))
    return code


def _arguments(args: Namespace) -> dict[str, Any]:
    values = {k: v for k, v in vars(args).items() if k not in ("command", "json", "model_version") and v is not None}
    if getattr(args, "model_version", None):
        values["version"] = args.model_version
    if args.command == "train":
        values["set"] = dict(args.set)
    if args.command == "review" and args.action == "edit":
        values["completion"] = _text_of(args.completion)
    if args.command == "import":
        values["files"] = [_source(name) for name in args.files]
    if args.command == "synthesize":
        values["documents"] = [str(Path(name).absolute()) for name in args.documents]
        if args.prompt is not None:
            values["prompt"] = _text_of(args.prompt)
    if args.command in ("export", "merge", "backup"):
        values["out"] = str(Path(args.out).absolute())
    return values


def _source(name: str) -> str:
    """A dataset on the Hub by its whole name, a file by its whole path: the app may stand in another folder."""
    if named(name):
        return name if name.startswith(PREFIX) else PREFIX + name
    return str(Path(name).absolute())


def _text_of(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"`{name}` cannot be read ({error}). Name a UTF-8 text file, or - for standard input."
        ) from error
