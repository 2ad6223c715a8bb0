"""The command line as argparse sees it: names, arguments, help. Knows nothing of what the commands do."""

import argparse
from typing import TypeAlias

from flywheel.version import VERSION

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

# Of flywheel.formats, which the parser must not load; a test compares.
FORMATS = ("openai", "prompt-completion", "sharegpt", "alpaca", "guanaco", "csv", "parquet", "dpo", "kto")
WHAT = ("examples", "dataset", "preferences", "turns", "feedback")
# Of flywheel.inbox; a test compares.
STATES = ("pending", "skipped", "approved", "rejected", "quarantined", "withdrawn", "all")
READ_ONLY = ("open-webui", "question")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `python -m flywheel`."""
    parser = argparse.ArgumentParser(
        prog="python -m flywheel",
        description="A chat app whose model gets better because people use it.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused or undecided by the gate, 130 cancelled.",
    )
    parser.add_argument("--version", action="version", version=f"flywheel {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _daily(commands)
    _data(commands)
    _models(commands)
    _release(commands)
    _care(commands)
    _space(commands)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not 1 or more")
    return number


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"`{text}` has no `=`. Write it as `--set learning_rate=0.001`.")
    return key, value


def _command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON object, or one per line")
    return parser


def _daily(commands: Commands) -> None:
    _command(commands, "serve", "start the app, as `python app.py`")
    demo = _command(commands, "demo", "turn the wheel once on the starter, and print what it gained")
    demo.add_argument("--corrections", type=int, default=30, metavar="N", help="how many corrections (default 30)")
    demo.add_argument(
        "--terms", type=int, choices=(1, 2, 3), help="words taught (default: 1, from 100 corrections on 3)"
    )
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--keep", action="store_true", help="in FLYWHEEL_HOME instead of a scratch home")
    _command(commands, "status", "counts at each station of the wheel, and the next step")
    ask = _command(commands, "ask", "one answer, streamed")
    ask.add_argument("text")
    ask.add_argument("--version", dest="model_version", metavar="vN", help="the version that answers")


def _data(commands: Commands) -> None:
    take = _command(commands, "import", "examples from files")
    take.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a file, or a dataset on the Hub: `owner/name` or `owner/name@revision`",
    )
    take.add_argument("--format", choices=FORMATS + READ_ONLY, help="default: from the file's extension and first row")
    take.add_argument("--split", choices=("train", "validation", "test"), help="fixes the side of these rows")
    take.add_argument("--approved", action="store_true", help="no review needed")
    give = _command(commands, "export", "examples, a dataset version, turns or feedback into a file")
    give.add_argument("--what", choices=WHAT, default="examples")
    give.add_argument("--format", choices=FORMATS, help="default: what the file's name says, else openai")
    give.add_argument("--dataset", metavar="dN")
    give.add_argument("out", metavar="OUT")
    _review(commands)
    _pins(commands)
    make = _command(commands, "synthesize", "pairs from a teacher model, which wait for review")
    make.add_argument("--from", dest="source", choices=("rows", "documents", "schema"), default="rows")
    make.add_argument("--count", type=_positive, default=20, metavar="N", help="rows in all (default 20)")
    make.add_argument("--seed-rows", type=_positive, default=4, metavar="N", help="approved rows in each request")
    make.add_argument("--documents", nargs="+", default=[], metavar="FILE", help="text files; implies --from documents")
    make.add_argument("--calls", type=_positive, default=100, metavar="N", help="most requests (default 100)")
    make.add_argument("--tokens", type=_positive, default=200_000, metavar="N", help="most tokens (default 200000)")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--prompt", metavar="FILE", help="a prompt of your own, or - for standard input")
    make.add_argument("--show-prompt", action="store_true", help="print the prompt and do nothing else")
    freeze = _command(commands, "freeze", "a dataset version from what is approved now")
    freeze.add_argument("--name")
    freeze.add_argument("--note")
    datasets = _command(commands, "datasets", "dataset versions")
    actions = datasets.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "list", "newest first")
    _command(actions, "show", "one version").add_argument("ids", nargs=1, metavar="dN")
    _command(actions, "diff", "what changed between two").add_argument("ids", nargs=2, metavar="dN")
    push = _command(actions, "push", "send a version to the Hub as a dataset, tagged dN")
    push.add_argument("ids", nargs=1, metavar="dN")
    push.add_argument("--repo", metavar="R", help="default: FLYWHEEL_HUB_REPO")
    push.add_argument("--public", action="store_true", help="everyone may read it")
    report = _command(actions, "report", "what is in a version, or in what would be frozen now")
    report.add_argument("ids", nargs="?", metavar="dN")


def _review(commands: Commands) -> None:
    review = _command(commands, "review", "the inbox without a browser")
    actions = review.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _command(actions, "list", "what waits for a decision, the most useful first")
    listing.add_argument("--limit", type=_positive, default=50)
    listing.add_argument("--order", choices=("value", "newest", "oldest"), default="value")
    listing.add_argument("--state", choices=STATES, default="pending")
    for name, text in (("reason", "R"), ("tag", "T"), ("provenance", "P"), ("text", "WORDS")):
        listing.add_argument(f"--{name}", metavar=text)
    listing.add_argument("--rating", choices=("up", "down", "none"))
    listing.add_argument("--version", dest="model_version", metavar="vN", help="which version had answered")
    listing.add_argument("--since", metavar="DAY", help="a day such as 2026-01-31, UTC")
    listing.add_argument("--until", metavar="DAY")
    listing.add_argument("--mine", action="store_true", help="what you wrote or decided")
    _command(actions, "show", "one item").add_argument("ids", nargs=1, metavar="ID")
    approve = _command(actions, "approve", "approve as proposed")
    approve.add_argument("ids", nargs="+", metavar="ID")
    redact = _command(actions, "redact", "put typed tags in the place of personal data and secrets")
    redact.add_argument("ids", nargs="+", metavar="ID")
    reject = _command(actions, "reject", "reject with a reason")
    reject.add_argument("ids", nargs="+", metavar="ID")
    reject.add_argument("--reason", required=True, metavar="TEXT")
    edit = _command(actions, "edit", "approve with another completion")
    edit.add_argument("ids", nargs=1, metavar="ID")
    edit.add_argument("--completion", required=True, metavar="FILE", help="a file, or - for standard input")
    for name, text in (("skip", "put off"), ("reopen", "undo a decision: it waits again")):
        _command(actions, name, text).add_argument("ids", nargs="+", metavar="ID")
    tag = _command(actions, "tag", "put tags on, or take them off")
    tag.add_argument("ids", nargs="+", metavar="ID")
    for name in ("add", "remove"):
        tag.add_argument(f"--{name}", action="append", metavar="TAG")
    tags = _command(actions, "tags", "how many examples have each tag")
    tags.add_argument("--state", choices=STATES, default="all")
    _command(actions, "numbers", "what you decided, what waits, how far two reviewers agree, what learnt from it")
    words = "a draft of the answer by the teacher, or by what serves; nothing is decided"
    _command(actions, "suggest", words).add_argument("ids", nargs=1, metavar="ID")
    alike = _command(actions, "alike", "what waits and asks nearly the same, as clusters, the largest first")
    alike.add_argument("--limit", type=_positive, default=50)
    for action in (approve, reject):
        action.add_argument("--alike", action="store_true", help="also all that waits and asks nearly the same")
    for action in (approve, edit):
        action.add_argument("--pin", action="store_true", help="keep it as a test that is never trained on")
        action.add_argument("--keep", metavar="REASON", help="approve although it holds personal data or secrets")


def _pins(commands: Commands) -> None:
    pins = _command(commands, "pins", "approved examples that are kept as tests of every later version")
    actions = pins.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "list", "newest first")
    for name, text in (("add", "pin approved examples: they are never trained on"), ("remove", "take the pin away")):
        _command(actions, name, text).add_argument("ids", nargs="+", metavar="ID")


def _models(commands: Commands) -> None:
    train = _command(commands, "train", "start a training run")
    train.add_argument("--dataset", metavar="dN", help="default: the newest")
    train.add_argument("--method", choices=("sft",), default="sft")
    train.add_argument("--preset", choices=("quick", "standard", "careful"), default="standard")
    train.add_argument("--set", action="append", default=[], type=_pair, metavar="KEY=VALUE", help="override one value")
    train.add_argument("--wait", action="store_true", help="follow the run (always so without a running app)")
    runs = _command(commands, "runs", "training runs")
    actions = runs.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "list", "newest first")
    for name, text in (("show", "one run"), ("logs", "the end of its log"), ("cancel", "stop it"), ("resume", "go on")):
        action = _command(actions, name, text)
        action.add_argument("number", type=int, metavar="RUN")
        action.add_argument("--wait", action="store_true", help=argparse.SUPPRESS if name != "resume" else "follow it")
    evaluate = _command(commands, "evaluate", "the gate's verdict on a version, with reasons")
    evaluate.add_argument("model_version", metavar="vN")
    evaluate.add_argument("--against", metavar="vM", help="default: what is served")
    versions = _command(commands, "versions", "versions and their scores")
    actions = versions.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "list", "newest first")
    _command(actions, "show", "one version").add_argument("model_version", metavar="vN")
    promote = _command(commands, "promote", "serve a version that passed the gate")
    promote.add_argument("model_version", metavar="vN")
    promote.add_argument("--override", metavar="REASON", help="serve it although the gate did not pass it")
    rollback = _command(commands, "rollback", "serve the version before, or a named one")
    rollback.add_argument("model_version", nargs="?", metavar="vN")


def _release(commands: Commands) -> None:
    merge = _command(commands, "merge", "a version as one plain model, adapter and base in one")
    merge.add_argument("model_version", metavar="vN")
    merge.add_argument("out", metavar="OUT", help="a folder that does not exist yet, or is empty")

    publish = _command(
        commands, "publish", "a version on the Hub: merged model, adapter, card, scores, lineage; tagged"
    )
    publish.add_argument("model_version", metavar="vN")
    publish.add_argument("--repo", metavar="NAME/MODEL", help="default: FLYWHEEL_HUB_REPO")
    publish.add_argument("--public", action="store_true", help="everyone may read it (default: private)")


def _care(commands: Commands) -> None:
    sql = _command(commands, "sql", "the SQL guard: statements as JSON lines on standard input")
    actions = sql.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (("check", "the verdict, nothing is executed"), ("run", "the verdict, then the result")):
        action = _command(actions, name, text)
        action.add_argument("--database", metavar="FILE", help="default: FLYWHEEL_DATABASE, or the sample shop")
        action.add_argument("--tables", metavar="a,b", help="default: all base tables")
    words = "personal data and secrets in texts, as JSON lines on standard input, replaced by typed tags"
    redact = _command(commands, "redact", words)
    redact.epilog = (
        'One {"text"} in per line, one {"text", "spans": [[start, end, "TYPE"], ...]} out; offsets are code points of '
        "the input. Names of people and postal addresses have no form of their own and are NOT detected."
    )
    link = _command(commands, "login-link", "a link that signs its holder in")
    link.add_argument("--role", choices=("reviewer", "owner"), default="owner")
    link.add_argument("--name", help="how a reviewer is named in decisions")
    reviewers = _command(commands, "reviewers", "who reviews by an invitation")
    actions = reviewers.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "invite", "a link that works once, for a week").add_argument("name", metavar="NAME")
    _command(actions, "list", "who was invited, newest first")
    _command(actions, "revoke", "end their links and sessions, at once").add_argument("name", metavar="NAME")
    usage = _command(commands, "usage", "answers and tokens of each person and each key")
    usage.add_argument("--limit", type=_positive, default=200)
    keys = _command(commands, "keys", "keys for programs that use the REST interface")
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = _command(actions, "create", "a new key; it is shown once")
    create.add_argument("--role", choices=("guest", "reviewer", "owner"), required=True)
    create.add_argument("--name", help="what it is for")
    words = "whether what comes through it may be learnt from (default: yes)"
    create.add_argument("--learn", choices=("yes", "no"), default="yes", help=words)
    learn = _command(actions, "learn", "allow or forbid learning from what comes through a key, past and future")
    learn.add_argument("id", metavar="ID")
    learn.add_argument("allowed", choices=("yes", "no"))
    _command(actions, "list", "all keys, oldest first, without the keys themselves")
    _command(actions, "revoke", "end a key, at once").add_argument("id", metavar="ID")
    backup = _command(commands, "backup", "everything of the home in one file, while people go on")
    backup.add_argument("out", metavar="OUT", help="a new file, for example flywheel.tar.gz")
    backup.add_argument("--checkpoints", action="store_true", help="with the checkpoints of runs, to resume them")
    restore = _command(commands, "restore", "make a home of a backup; FLYWHEEL_HOME must be empty or missing")
    restore.add_argument("file", metavar="IN", help="a file that `backup` made")
    doctor = _command(commands, "doctor", "look the installation and the home over; exit 1 when something is wrong")
    doctor.add_argument("--online", action="store_true", help="also ask the Hub whose token HF_TOKEN is")
    forget = _command(commands, "forget", "erase what is stored of a person; frozen rows stay, marked as withdrawn")
    forget.add_argument("--user", required=True, metavar="U", help="guest:<id>, hf:<name> or key:<id>")
    forget.add_argument("--dry-run", action="store_true", help="print what would go, change nothing")
    audit = _command(commands, "audit", "who decided what, and whether the records are as they were written")
    actions = audit.add_subparsers(dest="action", metavar="ACTION", required=True)
    _command(actions, "verify", "check the ledger's chain, name the first broken row")
    listing = _command(actions, "list", "decisions, newest first, with the text before and after")
    listing.add_argument("--limit", type=_positive, default=50)
    export = _command(actions, "export", "all decisions as JSON lines")
    for action in (listing, export):
        action.add_argument("--kind", choices=("example", "dataset", "run", "version", "access"))
        action.add_argument("--by", metavar="ID", help="the beginning of the id of who decided")
        action.add_argument("--about", metavar="ID", help="an example's id, d3, v2, a run's number")
    export.add_argument("out", metavar="OUT")


def _space(commands: Commands) -> None:
    spacefile = _command(commands, "spacefile", "check the Spacefile and write README's front matter from it")
    spacefile.add_argument("--spacefile", metavar="FILE", help="default: the one of this tree")
    deploy = _command(commands, "deploy", "put this tree on a Hugging Face Space, as the Spacefile says")
    deploy.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    deploy.add_argument("--repo", metavar="USER/SPACE", help="default: flywheel, of the account of HF_TOKEN")
    deploy.add_argument("--spacefile", metavar="FILE", help="default: the one of this tree")
    deploy.add_argument("--update-secrets", action="store_true", help="send also the secrets that are there already")
    deploy.add_argument("--force", action="store_true", help="take over a Space that is not Flywheel's")
