"""The sentences that storage and trainers raise, read out of their source: each f-string as a template with names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
IN_A_TERMINAL = re.compile(r"storage/(archive|backup|chain|home|lock|migrations|opening|restore)\.py")
"""What is said before a page is there, or by commands alone."""
ERROR = re.compile(r"\w*Error|Busy|BadValue|Cancelled|D\w+Damaged|DiskFull|Hub[A-Z]\w+|Missing|Stale|Un\w+")
METHODS = ("join", "get", "split", "format")


def sentences() -> dict[str, str]:
    """Template → where it is raised first."""
    found: dict[str, str] = {}
    for layer in ("storage", "trainers"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not IN_A_TERMINAL.fullmatch(name):
                for template, line in _raised(ast.parse(path.read_text())):
                    found.setdefault(template, f"{name}:{line}")
    return found


def _raised(tree: ast.Module) -> Iterator[tuple[str, int]]:
    said: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            said.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "explain":
            yield from _explained(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if not ERROR.fullmatch(node.func.id):
                continue
            first = node.args[0]
            # Words that were put together before they are raised.
            for value in said.get(first.id, []) if isinstance(first, ast.Name) else [first]:
                if isinstance(value, ast.JoinedStr | ast.Constant) and (template := template_of(value)).count(" ") > 1:
                    yield template, node.lineno


def _explained(function: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """What a program says of an error that is not its own."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.JoinedStr | ast.Constant):
            yield template_of(node.value), node.lineno


def template_of(node: ast.JoinedStr | ast.Constant) -> str:
    """The sentence with a name in braces for each value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    names: dict[str, str] = {}
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = ast.unparse(part.value)
            name = _name(part.value)
            while names.setdefault(name, value) != value:
                name += "_too"
            parts.append(f"{{{name}}}")
        else:
            assert isinstance(part, ast.Constant)
            parts.append(str(part.value))
    return "".join(parts)


def _name(node: ast.expr) -> str:
    """What a translator may make of a value: its last name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case (
            ast.Subscript(value=value) | ast.BinOp(right=value) | ast.IfExp(body=value) | ast.BoolOp(values=[value, *_])
        ):
            return _name(value)
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args):
            return _name(args[0]) if attr in METHODS and args else _name(value)
        case ast.Call(args=[value, *_]):
            return _name(value)
        case ast.JoinedStr(values=values):
            return next((_name(part.value) for part in values if isinstance(part, ast.FormattedValue)), "value")
    return "value"
