"""Which ways of starting there are, and what they lack."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import package
from benchmarks.harness.processes import ROOT
from benchmarks.starts import way, ways
from benchmarks.starts.base import PROGRAMS, Function
from tests.ways.support import able, echo, prepared


@pytest.mark.parametrize(
    ("imports", "handler", "words"),
    [(("numpy",), "cold:echo", "nothing like numpy"), ((), "cool:echo", r"no cool\.js")],
)
def test_node_says_what_it_has_not(imports: tuple[str, ...], handler: str, words: str) -> None:
    function = Function(handler, imports, (PROGRAMS,))
    with (
        pytest.raises(NotImplementedError, match=words),
        prepared(able("node_spawn"), function),
    ):
        pass


def test_a_way_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for one in ("node_spawn", "functions_framework", "lambda_runtime"):
        assert "tools/" in (way(one).missing() or "")
        with pytest.raises(NotImplementedError, match=one), way(one)() as made:
            made.prepare(echo())


def test_only_what_is_simulated_says_so() -> None:
    assert [name for name, kind in ways().items() if kind.simulated] == ["lambda_simulated"]


def test_a_way_of_no_known_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no way of starting 'lambda': there are .*, node_spawn"):
        way("lambda")


def test_the_packages_strategies_are_among_them() -> None:
    assert {"spawn", "zygote", "criu", "executable", "warm_pool"} <= set(ways())


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


def test_a_file_put_in_is_a_way_and_is_measured(tmp_path: Path) -> None:
    (tmp_path / "again.py").write_text(
        "from benchmarks.starts import interpreter\n"
        'class Again(interpreter.Interpreter):\n    name = "again"\n'
    )
    code = (
        "import sys, benchmarks.starts as starts\n"
        "starts.__path__.append(sys.argv[1])\n"
        "from benchmarks import cold_start\n"
        "from benchmarks.harness.selection import Selection\n"
        "print(*(row.name for each in (cold_start.Ready, cold_start.Burst, cold_start.Imported)"
        " for row in each.rows(Selection.STUDY) if 'again' in row.name))\n"
    )
    names = _python(code, str(tmp_path)).split()
    assert "cold_start_again_http" in names
    assert "cold_start_last_ready_again_http_burst16" in names
    assert "cold_start_phase_imported_again_web" in names


# As asv imports the suites, and all that lies beside them, with the package of any commit.
DISCOVERY = """
import sys
sys.modules[sys.argv[1]] = None
import importlib, pkgutil, benchmarks.cold_start, benchmarks.starts
for found in pkgutil.iter_modules(benchmarks.starts.__path__, "benchmarks.starts."):
    importlib.import_module(found.name)
from benchmarks.cold_start import Ready
try:
    Ready().setup("spawn", "http")
except NotImplementedError as missing:
    print(missing)
print(Ready.params)
"""


@pytest.mark.parametrize("module", ["aetherless_py.start", "awslambdaric", "orjson"])
def test_what_is_missing_is_in_nobodys_way(module: str) -> None:
    lines = _python(DISCOVERY, module).splitlines()
    assert re.search(r"^\(\('criu', .*'spawn'", lines[-1])
    assert len(lines) == 1 or "spawn: this commit's package has no start strategies" in lines[0]
    assert (len(lines) == 1) == (module != "aetherless_py.start")


def test_an_older_commit_lacks_what_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "strategies", lambda: ["spawn", "later"])
    from benchmarks.starts._package_strategy import strategies

    assert "no start strategy 'later'" in (strategies()["later"].missing() or "")
