"""What one publication consists of: its files, by an allow-list, and what they tell of where the version came from.

Pure but for reading the files that are published. Nothing goes out that is not named here: no rows, no names of people,
no optimizer states, no logs, no path of this machine. The same version always gives the same bytes.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.base_model import BaseModel
from flywheel.card import card
from flywheel.errors import Damaged
from flywheel.licence import Licence
from flywheel.merging import Merged
from flywheel.standing import Measure, VersionView
from flywheel.version import VERSION
from flywheel.words.catalogue import say
from storage.datasets import SIDES, DatasetRow, DatasetVersion
from trainers.files import read_json
from trainers.job import ADAPTER_FILES
from trainers.mergejob import as_facts, model_files

LINEAGE, SCORES, CARD = "lineage.json", "scores.json", "README.md"
SETTINGS = (
    "method",
    "quantization",
    "seed",
    "epochs",
    "max_steps",
    "learning_rate",
    "rank",
    "alpha",
    "batch_size",
    "accumulation",
    "max_length",
)
"""Of a run's settings those that are published; the others name files."""
LIBRARIES = ("python", "torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers")
WORDLISTS = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "tekken.json")
"""Text files in which anything may stand by chance; they are not searched for paths."""
EMPTY_SYSTEM = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""sha256 of no system message at all."""


@dataclass(frozen=True)
class Origin:
    """Everything known of a version that a publication tells, or draws on."""

    view: VersionView
    base: BaseModel
    dataset: DatasetVersion | None
    rows: Sequence[DatasetRow]
    preset: str
    settings: Mapping[str, Any]
    libraries: Mapping[str, str]
    licence: Licence


def files_of(
    repo: str, origin: Origin, merged: Merged, adapter: Path, secrets: Sequence[str]
) -> dict[str, Path | bytes]:
    """Path in the repository → content. Raises Damaged when one of `secrets` (paths of this machine) stands in one."""
    scores = scores_of(origin.view)
    lineage = lineage_of(origin, merged)
    files: dict[str, Path | bytes] = {name: merged.folder / name for name in model_files(merged.folder)}
    files |= {f"adapter/{ADAPTER_FILES[1]}": adapter / ADAPTER_FILES[1]}
    files |= {f"adapter/{ADAPTER_FILES[0]}": _adapter_config(adapter / ADAPTER_FILES[0], origin.base)}
    files |= origin.licence.files
    lineage["files"] = sorted([*files, LINEAGE, SCORES, CARD])
    files |= {LINEAGE: _json(lineage), SCORES: _json({"suites": scores})}
    files |= {CARD: card(repo, lineage, scores, origin.licence).encode()}
    _refuse_leaks(files, secrets)
    return files


def lineage_of(origin: Origin, merged: Merged) -> dict[str, Any]:
    """lineage.json."""
    version, view, record = origin.view.version, origin.view, merged.record
    promotion = view.promotion
    return {
        "version": version.id,
        "adapter_sha256": version.adapter_sha256,
        "base": _base(origin.base, version.revision),
        "base_form": version.base_form,
        "dataset": _dataset(origin),
        "run": version.run,
        "training": _training(origin),
        "gate": {
            "state": promotion.verdict.get("state", view.verdict.state) if promotion else view.verdict.state,
            "overridden": bool(promotion and promotion.override),
        },
        "previous": view.against,
        "parity": as_facts(record.parity),
        "libraries": {name: origin.libraries[name] for name in LIBRARIES if name in origin.libraries},
        "flywheel": VERSION,
    }


def scores_of(view: VersionView) -> list[dict[str, Any]]:
    """The suites of scores.json."""
    return [
        {
            "suite": suite.suite,
            "n": suite.candidate.n if suite.candidate else 0,
            "version": _measure(suite.candidate),
            "base": _measure(suite.base),
            "previous": _measure(suite.current),
        }
        for suite in view.scores
    ]


def _base(base: BaseModel, fingerprint: str | None) -> dict[str, str | None]:
    kind = "starter" if base.is_starter else "hub" if base.is_on_hub else "folder"
    name = base.location if base.is_on_hub else Path(base.name).name
    return {"kind": kind, "name": name, "revision": base.revision, "fingerprint": fingerprint}


def _dataset(origin: Origin) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {}
    for row in origin.rows:
        counts.setdefault(row.provenance, Counter())[row.side] += 1
    dataset = origin.dataset
    return {
        "id": dataset.id if dataset else None,
        "sha256": dataset.content_hash if dataset else None,
        "rows": {side: sum(row.side == side for row in origin.rows) for side in SIDES},
        "provenance": {name: dict(sorted(counts[name].items())) for name in sorted(counts)},
        "system_message": bool(dataset and dataset.system_hash not in ("", EMPTY_SYSTEM)),
    }


def _training(origin: Origin) -> dict[str, Any]:
    told = {name: origin.settings[name] for name in SETTINGS if origin.settings.get(name) is not None}
    replay = origin.settings.get("replay")
    return {"preset": origin.preset, **told, **({"replay_share": replay["share"]} if replay else {})}


def _measure(measure: Measure | None) -> dict[str, Any] | None:
    if measure is None:
        return None
    return {
        "version": measure.version,
        "n": measure.n,
        "right": measure.right,
        "value": round(measure.value, 6),
        "lo": round(measure.lo, 6),
        "hi": round(measure.hi, 6),
    }


def _adapter_config(path: Path, base: BaseModel) -> bytes:
    """The adapter's settings; what it stood on by its name on the Hub, or by none."""
    place = {"base_model_name_or_path": base.location, "revision": base.revision}
    return _json(read_json(path) | (place if base.is_on_hub else dict.fromkeys(place)))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _refuse_leaks(files: Mapping[str, Path | bytes], secrets: Sequence[str]) -> None:
    for name, content in files.items():
        if name.endswith(".safetensors") or name in WORDLISTS:
            continue
        data = content if isinstance(content, bytes) else content.read_bytes()
        if any(secret.encode() in data for secret in secrets if secret):
            raise Damaged(say("error.publish.names_a_place", name=name))
