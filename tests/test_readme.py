"""The README says what is true: commands exist, links lead somewhere, the Space's front matter is the Spacefile."""

import re
from pathlib import Path

import yaml

from flywheel.parser import build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_front_matter_equals_the_spacefile() -> None:
    front = README.split("---\n")[1]
    assert yaml.safe_load(front) == yaml.safe_load((ROOT / "Spacefile").read_text())


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_named_commands_exist() -> None:
    choices = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert choices is not None
    table = README.split("## Commands")[1].split("## Your own")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    first = [re.findall(r"`([a-z-]+)", cell)[0] for cell in cells]
    assert first and set(first) <= set(choices)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.M)):
        assert re.search(rf"^{target}:", makefile, re.M), target
