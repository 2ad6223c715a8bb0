"""A dataset version on the Hub: its rows by side, a card and where it came from, in one commit, tagged `dN`.

Nothing goes out that was withdrawn; personal data that a reviewer kept for a reason are redacted on the way. Each try
finds out what an earlier one left on the Hub and goes on from there. The same version always gives the same bytes.
"""

import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from flywheel.datasets import Datasets
from flywheel.errors import PUBLIC, InvalidInput, Refused
from flywheel.formats import as_row
from flywheel.redaction.pairs import redacted_prompt
from flywheel.redaction.redact import redact
from flywheel.release_state import going_on, record_at, refuse_other_visibility, same_files
from flywheel.roles import Principal, Role, require
from flywheel.rows import line
from flywheel.splitting import SIDES
from flywheel.steps import Step
from flywheel.version import VERSION
from flywheel.words.below import words_of
from flywheel.words.catalogue import say
from storage.datasets import DatasetRow, DatasetVersion
from storage.hub import Hub
from storage.publications import Publication, PublicationStore

RECORD, CARD = "flywheel.json", "README.md"
KIND = "dataset"


@dataclass(frozen=True)
class Pushed:
    """What became of a push."""

    dataset: str
    repo: str
    state: str
    """`published`, or `unchanged` where it was there already."""
    words: str
    publication: Publication


class DatasetPush:
    """Sends versions of one home."""

    def __init__(
        self, publications: PublicationStore, datasets: Datasets, hub: Callable[[], Hub], repo: str = ""
    ) -> None:
        """`repo` is where versions go unless another is named; empty when none is configured."""
        self._publications, self._datasets, self._hub, self.default_repo = publications, datasets, hub, repo

    def history(self, who: Principal) -> list[Publication]:
        """Every attempt on a dataset, newest first. One that has not ended is at hand or was interrupted."""
        require(who, Role.OWNER)
        return [one for one in self._publications.list() if one.is_dataset]

    def push(
        self, who: Principal, dataset: str, repo: str | None = None, *, public: bool = False
    ) -> Generator[Step, None, Pushed]:
        """Send a version; yields what is being done. Again: nothing is changed.

        Raises NotFound, Damaged, InvalidInput; Refused where the tag, the repository or its visibility is another one;
        the Hub's errors in words.
        """
        require(who, Role.OWNER)
        where = (repo or self.default_repo).strip()
        if not where:
            raise InvalidInput(say("error.hub.no_repository"))
        self._datasets.verify(who, dataset)
        shown = self._datasets.show(who, dataset, limit=None)
        yield say("push.looking", dataset=dataset, where=where), 0.0
        hub = self._hub()
        hub.may_write(where, KIND)
        there = hub.exists(where, KIND)
        if there:
            refuse_other_visibility(hub, where, dataset, public=public, kind=KIND)
            if (sha := hub.refs(where, KIND).tags.get(dataset)) is not None:
                return self._unchanged(who, hub, shown.version, where, sha, public)
            _refuse_foreign(hub, where)
        visibility = "public" if public else "private"
        attempt = self._publications.start(version=dataset, repo=where, visibility=visibility, by=who.id)
        try:
            sha = yield from self._sent(hub, shown.version, shown.rows, where, there, public)
        except Exception as error:
            told = going_on(error, where)
            words = words_of(told) if isinstance(told, PUBLIC) else type(told).__name__
            self._publications.end(attempt.id, "failed", reason=words, by=who.id)
            raise told from error
        done = self._publications.end(attempt.id, "published", commit=sha, tag=dataset, by=who.id)
        words = say("push.published", dataset=dataset, where=where, sha=sha[:12])
        return Pushed(dataset, where, "published", words, done)

    def _sent(
        self, hub: Hub, version: DatasetVersion, rows: Sequence[DatasetRow], repo: str, there: bool, public: bool
    ) -> Generator[Step, None, str]:
        yield say("push.checking", version=version.id, count=f"{len(rows):,}"), 0.1
        files = files_of(repo, version, rows)
        if not there:
            hub.create(repo, KIND, private=not public)
        head = hub.resolve(repo, kind=KIND)
        remote = hub.files(repo, head, KIND)
        if not same_files(files, remote):
            earlier = (record_at(hub, repo, head, RECORD, KIND) or {}).get("files", [])
            stale = [path for path in earlier if isinstance(path, str) and path in remote and path not in files]
            yield say("push.sending", version=version.id, repo=repo), 0.4
            head = hub.commit(repo, files, f"{version.id} of the flywheel", kind=KIND, delete=stale)
        yield say("push.tagging", version=version.id), 0.9
        hub.tag(repo, version.id, head, kind=KIND)
        return head

    def _unchanged(
        self, who: Principal, hub: Hub, version: DatasetVersion, repo: str, sha: str, public: bool
    ) -> Pushed:
        record = record_at(hub, repo, sha, RECORD, KIND)
        if record is None or record.get("content_hash") != version.content_hash:
            raise Refused(say("error.hub.tag_taken", repo=repo, tag=version.id, sha=sha[:12]))
        known = self._publications.published().get(version.id)
        if known is None or (known.repo, known.commit) != (repo, sha):
            # Done on the Hub by a try that could not write it down any more.
            visibility = "public" if public else "private"
            attempt = self._publications.start(version=version.id, repo=repo, visibility=visibility, by=who.id)
            known = self._publications.end(attempt.id, "published", commit=sha, tag=version.id, by=who.id)
        words = say("push.published_before", version=version.id, repo=repo, sha=sha[:12])
        withdrawn = sum(row.withdrawn for row in self._datasets.rows(who, version.id)) - int(record.get("withdrawn", 0))
        if withdrawn > 0:
            words += f" {say('push.withdrawn_since', count=withdrawn)}"
        return Pushed(version.id, repo, "unchanged", words, known)


def files_of(repo: str, version: DatasetVersion, rows: Sequence[DatasetRow]) -> dict[str, bytes]:
    """Path in the repository → content."""
    kept = [row for row in rows if not row.withdrawn]
    sides: dict[str, list[str]] = {side: [] for side in SIDES}
    redacted = 0
    for row in kept:
        prompt, completion = redacted_prompt(row.prompt), redact(row.completion).text
        redacted += (prompt, completion) != (row.prompt, row.completion)
        sides[row.side].append(line(as_row(prompt, completion, "prompt-completion")))
    files = {f"data/{side}.jsonl": "".join(lines).encode() for side, lines in sides.items() if lines}
    record = {
        "dataset": version.id,
        "content_hash": version.content_hash,
        "task": version.task,
        "rows": {side: len(lines) for side, lines in sides.items()},
        "provenance": dict(sorted(Counter(row.provenance for row in kept).items())),
        "withdrawn": len(rows) - len(kept),
        "redacted": redacted,
        "flywheel": VERSION,
        "files": sorted([*files, RECORD, CARD]),
    }
    told = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
    return {**files, RECORD: told, CARD: _card(repo, version, record).encode()}


def _card(repo: str, version: DatasetVersion, record: dict[str, object]) -> str:
    rows, provenance = record["rows"], record["provenance"]
    assert isinstance(rows, dict) and isinstance(provenance, dict)
    files = [f"  - split: {side}\n    path: data/{side}.jsonl" for side, count in rows.items() if count]
    where = "\n".join(f"| {name} | {count} |" for name, count in provenance.items())
    sides = ", ".join(f"{count} {side}" for side, count in rows.items())
    listed = "\n".join(files)
    return f"""---
task_categories: ["text-generation"]
tags: ["flywheel", "prompt-completion", "conversational"]
configs:
- config_name: default
  data_files:
{listed}
---

# {repo.split("/")[-1]} {version.id}

Reviewed examples of one installation of Flywheel, task `{version.task}`: {sides} rows. Each is a `prompt` (messages, as
the model is sent them, its system message included) and a `completion` (one message), as TRL reads them.

```python
from datasets import load_dataset

rows = load_dataset("{repo}", revision="{version.id}")
```

## Where the rows came from

| provenance | rows |
|---|---|
{where}

## How they were split

{version.policy["words"]}

## Personal data

E-mail addresses, phone numbers, cards, accounts, IP addresses and keys are replaced by typed tags
({record["redacted"]} rows were changed for this). Names and postal addresses are not detected.
{record["withdrawn"]} rows were withdrawn by their authors and are not here. No licence is given: whoever
publishes this adds one.

Content hash of the frozen version: `{version.content_hash}`.
"""


def _refuse_foreign(hub: Hub, repo: str) -> None:
    files = hub.files(repo, kind=KIND)
    if RECORD not in files and any(path.endswith((".jsonl", ".json", ".csv", ".parquet", ".arrow")) for path in files):
        raise Refused(say("error.hub.foreign_dataset", repo=repo))
