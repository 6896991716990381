"""Which baselines there are, and what they lack."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aetherless_py import errors
from aetherless_py.start.base import Function
from benchmarks.starts import BASELINES, baseline
from benchmarks.starts.child import FUNCTIONS
from tests.suites.starts.support import able, echo, prepared


@pytest.mark.parametrize(
    ("imports", "handler", "words"),
    [(("numpy",), "cold:echo", "nothing like numpy"), ((), "cool:echo", r"no cool\.js")],
)
def test_node_says_what_it_has_not(imports: tuple[str, ...], handler: str, words: str) -> None:
    function = Function(handler, imports, (FUNCTIONS,))
    with (
        pytest.raises(errors.StrategyMissingError, match=words),
        prepared(able("node_spawn"), function),
    ):
        pass


def test_a_baseline_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for one in ("node_spawn", "functions_framework", "lambda_runtime"):
        made = baseline(one)
        assert "tools/" in (made.missing() or "")
        with pytest.raises(errors.StrategyMissingError, match=one), made:
            made.prepare(echo())


def test_only_what_is_simulated_says_so() -> None:
    assert [one for one in BASELINES if getattr(baseline(one), "simulated", False)] == [
        "lambda_simulated"
    ]


def test_a_baseline_of_no_known_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no baseline 'lambda': there are node_spawn"):
        baseline("lambda")


def test_a_commit_without_strategies_can_still_be_measured(tmp_path: Path) -> None:
    """asv imports every module of the benchmarks, whatever commit's package is there."""
    package = tmp_path / "aetherless_py"
    package.mkdir()
    (package / "__init__.py").touch()
    code = (
        "import pkgutil, aetherless_py, benchmarks.starts as starts\n"
        "assert not hasattr(aetherless_py, 'start')\n"
        "print([name for _, name, _ in pkgutil.iter_modules(starts.__path__)])\n"
    )
    project = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{project}"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
