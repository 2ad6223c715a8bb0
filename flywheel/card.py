"""The model card of a published version: what it is, what it was made of, what it can do and what not.

Pure: from what goes into lineage.json and scores.json to a text. It repeats no word that a person wrote.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flywheel.licence import UNKNOWN, Licence

Facts = Mapping[str, Any]

SUITES = {
    "corrected": "held-out corrections (test rows)",
    "general": "what the base could do before",
    "pinned": "tests kept for good",
}
STARTER_LIMITS = (
    "The base is a toy of 3 million parameters, tied to one sample database of a bike shop. It has never seen another "
    "table, speaks English alone and answers each question on its own."
)
QUESTIONS = {"starter": "How many customers are there?"}


def card(repo: str, lineage: Facts, scores: Sequence[Facts], licence: Licence) -> str:
    """README.md with its front matter."""
    parts = [
        _front_matter(lineage, licence),
        f"# {repo.split('/')[-1]} {lineage['version']}",
        _what(lineage),
        "## How to load it",
        _load(repo, lineage),
        "## Scores",
        _scores(lineage, scores),
        "## Data",
        _data(lineage),
        "## Method",
        _method(lineage),
        "## Limits",
        _limits(lineage, scores),
        "## Lineage",
        _lineage(lineage),
        "## Licence",
        _licence(lineage, licence),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(lineage: Facts, licence: Licence) -> str:
    base = lineage["base"]
    fields: dict[str, Any] = {
        **licence.front_matter,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["flywheel", "sft", "lora"],
    }
    if base["kind"] == "hub":
        fields = {"base_model": base["name"], "base_model_relation": "finetune", **fields}
    # JSON is YAML, and quotes whatever a base's card may have said.
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def base_words(base: Facts) -> str:
    """The base as a card names it."""
    if base["kind"] == "starter":
        return "the starter model that is bundled with Flywheel, under Apache-2.0 and not on the Hub by itself"
    if base["kind"] == "hub":
        at = f" at revision `{base['revision']}`" if base["revision"] else ""
        return f"[{base['name']}](https://huggingface.co/{base['name']}){at}"
    return f"a model of the publisher's own, `{base['name']}`"


def _what(lineage: Facts) -> str:
    form = {"full": "", "nf4-dequantised": " (its weights as 4-bit NF4 holds them, written out again)"}
    return (
        f"Version {lineage['version']} of a model that gets better because people use it: reviewed corrections of its "
        f"answers were learnt on top of {base_words(lineage['base'])}{form[lineage['base_form']]}. The files at the "
        "root are the merged model; `adapter/` is the LoRA adapter by itself. Made with Flywheel."
    )


def _load(repo: str, lineage: Facts) -> str:
    question = QUESTIONS.get(lineage["base"]["kind"], "Hello")
    told = f"""```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{repo}", revision="{lineage["version"]}")
model = AutoModelForCausalLM.from_pretrained("{repo}", revision="{lineage["version"]}")
messages = [{{"role": "user", "content": "{question}"}}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
output = model.generate(**inputs, do_sample=False, max_new_tokens=128)
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```"""
    if lineage["dataset"]["system_message"]:
        told += (
            "\n\nIn training a system message stood before each question. It is the publisher's and not part of this "
            "repository; without it the answers may differ."
        )
    return told


def _scores(lineage: Facts, scores: Sequence[Facts]) -> str:
    if not scores:
        return "This version was not scored."
    previous = lineage["previous"]
    shown = [
        ("base", "base (v0)"),
        *([("previous", previous)] if previous != "v0" else []),
        ("version", "this version"),
    ]
    head = ["suite", "rows", *(title for _, title in shown)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for score in scores:
        cells = [SUITES.get(score["suite"], score["suite"]), score["n"], *(_share(score[key]) for key, _ in shown)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines.append("\nShares of right answers with their 95 % Wilson intervals; all answered the same rows.")
    if lineage["gate"]["overridden"]:
        lines.append(f"\nThe gate did not pass this version ({lineage['gate']['state']}); its owner overrode it.")
    return "\n".join(lines)


def _share(score: Facts | None) -> str:
    if score is None:
        return "not scored"
    return f"{score['value']:.1%} ({score['lo']:.1%} to {score['hi']:.1%})"


def _data(lineage: Facts) -> str:
    dataset = lineage["dataset"]
    sides = ", ".join(f"{count} {side}" for side, count in dataset["rows"].items())
    lines = [f"Dataset {dataset['id']}, frozen: {sides} rows. It is not published. Where the rows came from:\n"]
    lines += ["| provenance | " + " | ".join(dataset["rows"]) + " |", "|---|" + "---|" * len(dataset["rows"])]
    for provenance, counts in dataset["provenance"].items():
        lines.append(f"| {provenance} | " + " | ".join(str(counts.get(side, 0)) for side in dataset["rows"]) + " |")
    return "\n".join(lines)


def _method(lineage: Facts) -> str:
    run = lineage["training"]
    quantised = "QLoRA (4-bit NF4 base)" if run.get("quantization") == "nf4" else "LoRA"
    settings = ", ".join(f"{key} {value}" for key, value in run.items() if key not in ("method", "quantization"))
    parity = lineage["parity"]
    return (
        f"Supervised fine-tuning with TRL, {quantised}, loss on the answers alone: {settings}. The adapter was merged "
        f"in 32 bits and saved in {parity['dtype']}. Of {parity['tokens']} tokens that the un-merged model generates "
        f"greedily to {parity['prompts']} prompts, the merged one ranks {parity['share']:.2%} first; largest logit "
        f"difference {parity['largest_difference']:.3g}."
    )


def _limits(lineage: Facts, scores: Sequence[Facts]) -> str:
    limits = [] if lineage["base"]["kind"] != "starter" else [STARTER_LIMITS]
    limits.append("What it learnt are the corrections of the people of one installation; they may be wrong elsewhere.")
    suites = {score["suite"] for score in scores}
    if "general" not in suites:
        limits.append("No suite measures what it may have forgotten of what the base could do.")
    if any(score["n"] < 100 for score in scores):
        limits.append("Some suites are small: look at the intervals, not at the shares alone.")
    if lineage["parity"]["prompts"] < 50:
        limits.append(f"Merging was compared on {lineage['parity']['prompts']} prompts only.")
    return "\n".join(f"- {limit}" for limit in limits)


def _lineage(lineage: Facts) -> str:
    base = lineage["base"]
    lines = [
        f"- base: {base_words(base)}, form `{lineage['base_form']}`, fingerprint `{base['fingerprint']}`",
        f"- dataset: {lineage['dataset']['id']}, `{lineage['dataset']['sha256']}`",
        f"- run: {lineage['run']}; adapter sha256 `{lineage['adapter_sha256']}`",
        f"- previous version: {lineage['previous']}",
        "- the whole of it: `lineage.json`, `scores.json`",
    ]
    return "\n".join(lines)


def _licence(lineage: Facts, licence: Licence) -> str:
    files = ", ".join(f"`{name}`" for name in licence.files)
    beside = f" The texts that go with it are beside this card: {files}." if files else ""
    if licence.id == UNKNOWN:
        told = "The licence of the base is not stated in its files. Ask whoever published it before you use this model."
        return told + beside
    name = f"{licence.id} ({licence.name})" if licence.name else licence.id
    return f"The base is under {name}, and this model, made of it, under the same terms.{beside}"
