"""A language for tests: English with each sentence in brackets, so that words from elsewhere are seen."""

import json
from pathlib import Path

from flywheel.words import catalogue

OPENS, CLOSES = "⟦", "⟧"


def english() -> dict[str, str]:
    """Every key with its English sentence."""
    return dict(catalogue.catalogue("en").sentences)


def pseudo_file(folder: Path) -> Path:
    """A file of words, whole, for `FLYWHEEL_LANGUAGE`."""
    lines = []
    for key, sentence in english().items():
        bracketed = "\n".join(_bracketed(line) for line in sentence.split("\n"))
        dotted = ".".join(json.dumps(part) for part in key.split("."))
        lines.append(f"{dotted} = {json.dumps(bracketed, ensure_ascii=False)}")
    path = folder / "pseudo.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _bracketed(line: str) -> str:
    """The brackets stand inside of a heading's line."""
    marks = line[: len(line) - len(line.lstrip("# "))]
    return f"{marks}{OPENS}{line[len(marks) :]}{CLOSES}" if line.strip() else line
