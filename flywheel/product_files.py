"""Which files of this tree are the product that a Space runs, and how the Hub names their content.

By an allow-list: what is not named here stays at home, so tests, databases, keys, logs and editors' files never leave.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from flywheel.errors import InvalidInput
from flywheel.spacefile import TOKEN

FILES = (
    "app.py",
    "requirements.txt",
    "README.md",
    "Spacefile",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
FOLDERS = ("flywheel", "storage", "trainers", "starter", "docs")
SUFFIXES = (".py", ".css", ".js", ".md", ".txt", ".json", ".jsonl", ".jinja", ".safetensors", ".png", ".svg", ".toml")
BINARY = (".safetensors", ".png")
SHORTEST_SECRET = 8
"""A shorter value is a word that may stand anywhere."""
Content = Path | bytes


def is_product(path: str) -> bool:
    """Whether a file of this name belongs to the product, here or on a Space."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith((".", "__pycache__")) for part in parts)
    inside = len(parts) > 1 and parts[0] in FOLDERS and path.endswith(SUFFIXES)
    return path in FILES or (inside and not hidden)


def product_files(tree: Path) -> dict[str, Content]:
    """Path on the Space → file here. Raises InvalidInput for a link, and where this is no whole tree."""
    found: dict[str, Content] = {}
    names = (tree / name for name in FILES)
    for path in sorted([*names, *(path for folder in FOLDERS for path in (tree / folder).rglob("*"))]):
        name = path.relative_to(tree).as_posix()
        if is_product(name) and path.is_symlink():
            raise InvalidInput(f"`{path}` is a link. Put the file itself there: a link may lead out of this tree.")
        if is_product(name) and path.is_file():
            found[name] = path
    missing = [name for name in ("app.py", "requirements.txt", "README.md", "Spacefile") if name not in found]
    if missing:
        raise InvalidInput(f"`{tree}` is not Flywheel's whole tree: `{missing[0]}` is missing. Deploy from a checkout.")
    return found


def read(content: Content) -> bytes:
    """The bytes of a file."""
    return content if isinstance(content, bytes) else content.read_bytes()


def is_same(data: bytes, digest: str, is_large: bool) -> bool:
    """Whether these bytes are what the Hub keeps: by the sha256 of a large file, the git name of any other."""
    if is_large:
        return hashlib.sha256(data).hexdigest() == digest
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == digest


def refuse_secrets(files: Mapping[str, Content], values: Iterable[str]) -> None:
    """Raise InvalidInput for a file that holds a secret's value or what looks like a token; the value is not told."""
    secrets = [value.encode() for value in values if len(value) >= SHORTEST_SECRET]
    for name, content in files.items():
        data = read(content)
        if any(secret in data for secret in secrets):
            raise InvalidInput(f"`{name}` holds the value of a secret. Nothing was sent; remove it from the file.")
        if not name.endswith(BINARY) and TOKEN.search(data.decode("utf-8", "replace")):
            raise InvalidInput(f"`{name}` holds what looks like a token. Nothing was sent; remove and revoke it.")
