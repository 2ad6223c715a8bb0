"""The file contract of a merge: what is asked for, what is left, and how either is read. Standard library alone.

    merge.json  prompts.jsonl               written by whoever asks
    process.json  progress.json             while it runs
    model/                                  a plain transformers model with its own MANIFEST.json and merged.json
    outcome.json                            the end
    cancel                                  an empty file: please stop

`model/` is there only when it is whole and its parity was found good enough.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainers.files import MANIFEST, JobError, read_json, verify_manifest, write_json
from trainers.job import BASE_FORMS

MERGE, PROMPTS, MODEL, RECORD = "merge.json", "prompts.jsonl", "model", "merged.json"
LEAST_SHARE = 0.99
"""Of the tokens that the un-merged form generates greedily, how many the merged form must rank first."""
LEAST_PROMPTS = 50
UNLIKE = "The merged model does not answer as the version does"
"""How the reason begins when parity was not good enough."""
MOST_NEW_TOKENS = 64
TOKENIZER_FILE = re.compile(
    r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt"
    r"|tokenizer\.model|spiece\.model|sentencepiece\.bpe\.model|tekken\.json|chat_template\.(jinja|json)"
)
MODEL_FILE = re.compile(
    r"config\.json|generation_config\.json|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|"
    + TOKENIZER_FILE.pattern
)
"""The files a merged model consists of, by name. What else lies beside it is no part of it."""


@dataclass(frozen=True)
class MergeJob:
    """What is to be merged. Checked on construction; JobError names the field and its value."""

    base: str
    base_form: str
    adapter: str
    """Its folder; a relative path counts from the folder of merge.json."""
    revision: str | None = None
    max_new_tokens: int = MOST_NEW_TOKENS
    of: Mapping[str, str | None] = field(default_factory=dict)
    """What the caller knows of the version, carried into the record as it is. Nothing private: it is published."""

    def __post_init__(self) -> None:
        if self.base_form not in BASE_FORMS:
            raise JobError(f"`base_form` is `{self.base_form}`. Give one of {', '.join(BASE_FORMS)}.")
        if not self.base or not self.adapter:
            raise JobError(f"`base` is `{self.base}` and `adapter` is `{self.adapter}`. Give a model and a folder.")
        if not 1 <= self.max_new_tokens <= 2**20:
            raise JobError(f"`max_new_tokens` is `{self.max_new_tokens}`. Give a whole number from 1 to 1048576.")


@dataclass(frozen=True)
class Parity:
    """How like the merged form is to the one it was made of."""

    dtype: str
    """How the weights are written: `bfloat16` or `float32`."""
    prompts: int
    tokens: int
    """What the un-merged form generated greedily to these prompts, end tokens included."""
    first: int
    """How many of them the merged form, read back from the disk, ranks first given the same prefix."""
    largest_difference: float
    """Of any logit at any of these places."""

    @property
    def share(self) -> float:
        """`first` of `tokens`, 0 to 1."""
        return self.first / self.tokens if self.tokens else 0.0

    @property
    def good(self) -> bool:
        """Enough to be taken for the same model."""
        return self.tokens > 0 and self.share >= LEAST_SHARE

    def words(self) -> str:
        """The figures in a sentence."""
        return (
            f"In {self.dtype} the merged form ranks {self.first} of {self.tokens} tokens first ({self.share:.2%}; "
            f"{self.prompts} prompts; largest logit difference {self.largest_difference:.3g})."
        )


@dataclass(frozen=True)
class Record:
    """merged.json: what a merged model was made of, and how like it is to that."""

    of: Mapping[str, str | None]
    base_form: str
    parity: Parity
    tried: list[Parity]
    """All that was tried, the one kept last."""
    versions: Mapping[str, str]


def write_merge(folder: Path, job: MergeJob) -> None:
    """Write merge.json."""
    write_json(folder / MERGE, asdict(job))


def read_merge(folder: Path) -> MergeJob:
    """Read merge.json; JobError when it is missing, or has a wrong or unknown field."""
    given = read_json(folder / MERGE)
    if unknown := sorted(set(given) - {f.name for f in fields(MergeJob)}):
        raise JobError(f"{folder / MERGE}: unknown field `{unknown[0]}`. A newer release may have written it.")
    try:
        return MergeJob(**given)
    except TypeError as error:
        raise JobError(f"{folder / MERGE} is no request to merge ({error}). Write it again.") from error


def write_record(folder: Path, record: Record) -> None:
    """Write merged.json."""
    write_json(folder / RECORD, asdict(record))


def read_record(folder: Path) -> Record:
    """Read merged.json; JobError when it is missing or no such record."""
    given = read_json(folder / RECORD)
    try:
        parity, tried = Parity(**given.pop("parity")), [Parity(**one) for one in given.pop("tried")]
        return Record(parity=parity, tried=tried, **given)
    except (KeyError, TypeError) as error:
        raise JobError(f"{folder / RECORD} is no record of a merge ({error}). Merge again.") from error


def merged_of(folder: Path) -> Mapping[str, str | None] | None:
    """What the whole, undamaged merged model in this folder was made of; None when there is none."""
    if not (folder / MANIFEST).is_file() or verify_manifest(folder):
        return None
    try:
        return read_record(folder).of
    except JobError:
        return None


def model_files(folder: Path) -> list[str]:
    """The names of the files that the merged model consists of."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and MODEL_FILE.fullmatch(path.name))


def as_facts(parity: Parity) -> dict[str, Any]:
    """The figures and their share, for a record that others read."""
    return {**asdict(parity), "share": round(parity.share, 6)}
