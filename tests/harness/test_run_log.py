"""The run log: where it lies, and what is said of broken lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from tests.harness.made_up import result, run


def _read(folder: Path) -> list[Result | str]:
    return [each for path in sorted(folder.glob("*.jsonl")) for each in run_log.read(path)]


def test_nowhere_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(run_log.FOLDER_VARIABLE, raising=False)
    assert run_log.folder() is None


def test_append_and_read(tmp_path: Path) -> None:
    target = tmp_path / "log"
    made = result(run=run(environment={"asv_environment": "virtualenv-py3.11"}))
    for _ in range(2):
        run_log.append(made, target)
    [path] = target.iterdir()
    assert path.name == "here-cccccccc-virtualenv-py3.11.jsonl"
    first, second = _read(target)
    assert isinstance(first, Result) and isinstance(second, Result)
    assert first.as_standard() == second.as_standard() == made.as_standard()
    assert target.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_the_plugin_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(run_log.FOLDER_VARIABLE, "/elsewhere")
    assert run_log.folder() == Path("/elsewhere")


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    made = result(run=run(environment={"asv_environment": "existing-_usr/../../out"}))
    run_log.append(made, tmp_path / "in")
    assert len(list((tmp_path / "in").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_figures_that_are_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        run_log.append(result(facts={"spread": float("nan")}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_line_that_a_crash_cut_short_costs_only_itself(tmp_path: Path) -> None:
    run_log.append(result(), tmp_path)
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    run_log.append(result(), tmp_path)
    broken, sound = _read(tmp_path)
    assert isinstance(broken, str) and f"{path}:2: no result" in broken
    assert isinstance(sound, Result)


@pytest.mark.parametrize("line", ["[]", "7", '{"name": "x"}', '{"run": {}}', "[" * 100_000])
def test_a_line_that_is_no_result_says_so(line: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line + "\n")
    [told] = run_log.read(path)
    assert isinstance(told, str) and told.startswith(f"{path}:1: no result")
