"""A folder is a registry: what is put in is found, and a broken one costs itself alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.harness.registry import classes, modules
from benchmarks.harness.session import Trial


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    made = tmp_path / f"registry_{abs(hash(request.node.name))}"
    made.mkdir()
    (made / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return made


KIND = "from benchmarks.harness.session import Trial\nclass A(Trial):\n    name = 'a'\n"


def test_what_lies_in_the_folder_is_found(folder: Path) -> None:
    (folder / "one.py").write_text(KIND)
    (folder / "_helper.py").write_text("raise AssertionError('nobody imports this')")
    (folder / "base.py").write_text("raise AssertionError('nor this')")
    (folder / "two.py").write_text(
        f"from {folder.name}.one import A\nclass B(A):\n    name = 'b'\nclass C(A):\n    pass\n"
    )
    assert list(modules(folder.name)) == ["one", "two"]
    found = classes(folder.name, Trial)
    assert list(found) == ["a", "b"]  # not C, which has no name of its own
    assert found["b"] is vars(sys.modules[f"{folder.name}.two"])["B"]


def test_one_that_cannot_be_imported_says_why(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_peer")
    (folder / "sound.py").write_text(KIND)
    assert modules(folder.name)["broken"] == (
        "broken: ModuleNotFoundError: No module named 'no_such_peer'"
    )
    assert list(classes(folder.name, Trial)) == ["a"]


def test_two_of_one_name_are_refused(folder: Path) -> None:
    (folder / "one.py").write_text(KIND)
    (folder / "two.py").write_text(KIND)
    with pytest.raises(ValueError, match="both called a"):
        classes(folder.name, Trial)
