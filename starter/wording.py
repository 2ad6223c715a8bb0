"""Reads the wording files: what people say, kept as text so that it can be read and extended without Python.

    # a comment
    <name> = text that replaces <name> from here on
    [section]  and further words on the same line
    lines of the section

Knows nothing of what the lines mean.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from starter.paths import STARTER_DIR

FOLDER = STARTER_DIR / "wordings"
PART = re.compile(r"<([a-z_]+)> = (.*)")
SECTION = re.compile(r"\[([a-z0-9_]+)\](.*)")


@dataclass
class Section:
    """One section: its name, the other words of its header, its lines with parts put in."""

    name: str
    options: list[str]
    lines: list[str] = field(default_factory=list)


def read(name: str) -> list[Section]:
    """The sections of `wordings/<name>.txt`, in their order; parts of `common.txt` are known everywhere."""
    parts: dict[str, str] = {}
    sections: list[Section] = []
    for file in (FOLDER / "common.txt", FOLDER / f"{name}.txt"):
        sections = _parse(file, parts)
    return sections


def meaning(name: str) -> str:
    """The first comment of `wordings/<name>.txt`."""
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _parse(file: Path, parts: dict[str, str]) -> list[Section]:
    sections: list[Section] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        line = _with_parts(line, parts, f"{file.name} line {number}")
        if part := PART.fullmatch(line):
            parts[part[1]] = part[2]
        elif " => " not in line and (header := SECTION.fullmatch(line)):
            sections.append(Section(header[1], header[2].split()))
        else:
            sections[-1].lines.append(line)
    return sections


def _with_parts(line: str, parts: dict[str, str], where: str) -> str:
    for name in re.findall(r"<([a-z_]+)>(?! = )", line):
        if name not in parts:
            raise ValueError(f"{where}: `<{name}>` is not known. Write `<{name}> = …` above it.")
        line = line.replace(f"<{name}>", parts[name])
    return line
