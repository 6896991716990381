"""The direction of imports in Cython sources, which the import linter does not read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for kind in ("pyx", "pxd") for path in (ROOT / "aetherless_py").rglob(f"*.{kind}")
)
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", re.MULTILINE)


def layers() -> list[str]:
    """The package's storeys, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [inside] = [one for one in contracts["contracts"] if one["name"].startswith("Inside")]
    return [name.strip("()") for name in inside["layers"]]


def storey(module: str) -> int | None:
    found = [i for i, name in enumerate(layers()) if f"{module}.".startswith(f"{name}.")]
    return found[0] if found else None


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
        assert other is None or other >= own, f"{module} imports {name}, which stands above it"
