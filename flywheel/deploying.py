"""Putting this tree on a Hugging Face Space.

Knows which files of the tree are the product, and nothing of a home: it runs where the tree lies.
"""

from pathlib import Path
from typing import Any

from flywheel.errors import NotFound
from flywheel.spacefile import NAME, read_spacefile, with_front_matter
from storage.files import write_atomic

TREE = Path(__file__).parent.parent
README = "README.md"


def write_front_matter(spacefile: Path | None = None, tree: Path = TREE) -> dict[str, Any]:
    """Check the Spacefile and write README's front matter from it; says whether that changed anything."""
    space = read_spacefile(spacefile or tree / NAME)
    readme = tree / README
    try:
        before = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"`{readme}` cannot be read ({error.strerror}). Run this in Flywheel's own tree.") from error
    after = with_front_matter(before, space)
    if after != before:
        write_atomic(readme, after)
    return {"readme": str(readme), "changed": after != before}
