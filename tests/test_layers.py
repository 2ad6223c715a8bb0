"""Imports point one way, and each third party has its one place. Read from the syntax tree, nothing is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flywheel", "storage", "trainers", "starter")
FILES = sorted([ROOT / "app.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))])

# Prefixes of files that may import the library, by its top-level name.
PLACES = {
    "gradio": ("app.py", "flywheel/ui/"),
    "duckdb": ("storage/", "starter/", "flywheel/tasks/sql_"),
    "huggingface_hub": ("storage/hub", "trainers/"),
    "httpx2": ("storage/hub",),
    "torch": ("trainers/", "starter/", "flywheel/serving/local"),
    "transformers": ("trainers/", "starter/", "flywheel/serving/local"),
    "peft": ("trainers/", "flywheel/serving/local"),
    "trl": ("trainers/",),
    "datasets": ("trainers/",),
    "bitsandbytes": ("trainers/",),
    "accelerate": ("trainers/",),
    "pyarrow": ("flywheel/parquet.py",),
    "openai": ("flywheel/serving/remote", "flywheel/teacher.py"),
    "presidio_analyzer": ("flywheel/redaction/presidio.py",),
    "spacy": ("flywheel/redaction/presidio.py",),
    "subprocess": ("flywheel/programs.py", "flywheel/tasks/sql_process.py"),
}
HEAVY = ("torch", "transformers", "peft")
# The layer of a module is that of the longest prefix; a module may import its own layer and lower ones.
LAYERS = {
    "storage": 0,
    "trainers": 0,
    "flywheel.errors": 1,
    "flywheel.roles": 1,
    "flywheel.words": 1,
    "flywheel.settings": 1,
    "flywheel.setting_values": 1,
    "flywheel.tasks": 2,
    "starter": 3,
    "flywheel.serving": 3,
    "flywheel": 4,
    "flywheel.services": 5,
    "flywheel.demo": 6,
    "flywheel.identity": 5,
    "flywheel.invitations": 5,
    "flywheel.eventgate": 6,
    "flywheel.routes": 6,
    "flywheel.rest": 6,
    "flywheel.ui": 7,
    "flywheel.operations": 6,
    "flywheel.client": 7,
    "flywheel.doctor.examine": 8,
    "flywheel.cli": 9,
    "flywheel.__main__": 10,
    "app": 9,
}


def module_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")


def layer_of(module: str) -> int:
    prefix = max((p for p in LAYERS if module == p or module.startswith(p + ".")), key=len)
    return LAYERS[prefix]


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module of a file, and whether it is imported at its top level."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        for name in names:
            yield name, id(node) in top


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    package = module.split(".")[0]
    for name, _ in imports_of(path):
        target = name.split(".")[0]
        if target not in (*PACKAGES, "app"):
            continue
        if package in ("storage", "trainers"):
            assert target == package, f"{module} imports {name}: `{package}` imports nothing of ours but itself"
        lazily_starter = package == "flywheel" and target == "starter"
        assert lazily_starter or layer_of(name) <= layer_of(module), f"{module} imports {name}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_each_library_has_its_place(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    for name, top_level in imports_of(path):
        library = name.split(".")[0]
        if library in PLACES:
            assert relative.startswith(PLACES[library]), f"{relative} imports {library}; its place is {PLACES[library]}"
        if library in HEAVY and relative.startswith("flywheel/"):
            assert not top_level, f"{relative} imports {library} at the top: the app must start before it is loaded"


def test_environment_is_read_in_two_places() -> None:
    readers = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv"):
                readers.add(path.relative_to(ROOT).as_posix())
    trainers = {reader for reader in readers if reader.startswith("trainers/")}
    assert len(trainers) <= 1
    assert readers - trainers - {"starter/train.py", "starter/evaluate.py"} <= {"flywheel/settings.py"}


def test_package_markers_are_empty() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            assert path.read_text() == "", f"{path} is not empty"
