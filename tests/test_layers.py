"""Imports that the import linter does not see: in Cython, and of the package by the suites."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for kind in ("pyx", "pxd") for path in (ROOT / "aetherless_py").rglob(f"*.{kind}")
)
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", re.MULTILINE)


def layers() -> list[list[str]]:
    """The package's storeys, from the top; what stands side by side knows nothing of each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [inside] = [one for one in contracts["contracts"] if one["name"].startswith("Inside")]
    return [[each.strip(" ()") for each in layer.split("|")] for layer in inside["layers"]]


def storey(module: str) -> tuple[int, str] | None:
    """How far from the top a module stands, and in which part of that storey."""
    for depth, parts in enumerate(layers()):
        for part in parts:
            if f"{module}.".startswith(f"{part}."):
                return depth, part
    return None


def test_there_is_something_to_read() -> None:
    assert len(SOURCES) > 8
    assert storey("aetherless_py.shm.ring") is not None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_nothing_looks_up(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = storey(module)
    assert own is not None, f"{module} stands on no storey: name it in pyproject.toml"
    for found in _IMPORT.finditer(path.read_text()):
        name = found[1] or found[2]
        assert name.partition(".")[0] not in ("benchmarks", "tools", "tests"), name
        other = storey(name)
        below = other is None or other[0] > own[0] or other == own
        assert below, f"{module} imports {name}, which does not stand below it"


def test_the_suites_touch_the_package_by_its_face_alone() -> None:
    """But for what only a type checker imports."""
    users = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "benchmarks").rglob("*.py"))
        if path.name != "package.py"
        for node in _imports_at_run_time(ast.parse(path.read_text()))
        if any(name.partition(".")[0] == "aetherless_py" for name in _names(node))
    ]
    assert not users, f"benchmarks/package.py is the place for what the suites use: {users}"


def _imports_at_run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _imports_at_run_time(child)


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]
