"""The run log: where it lies, and what is said of broken lines."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.harness import run_log
from benchmarks.harness.asv_config import ConfigError
from benchmarks.harness.result import Result
from tests.harness.made_up import result, run

VARIABLES = (run_log.FOLDER_VARIABLE, "ASV_CONF_DIR", "ASV_COMMIT", "ASV_ENV_NAME")


@pytest.fixture(autouse=True)
def nothing_leads_to_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # Other tests import asv, and the log takes that for a run of it.
    monkeypatch.delitem(sys.modules, "asv_runner", raising=False)
    monkeypatch.setattr(run_log, "ROOT", tmp_path)


def _read(folder: Path) -> list[Result | str]:
    return [each for path in sorted(folder.glob("*.jsonl")) for each in run_log.read(path)]


def test_nowhere_unless_told_or_run_by_asv() -> None:
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


def test_in_the_store_of_asv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asv.conf.json").write_text(
        '{\n  // a comment\n  "results_dir": "kept",\n  "show": "https://example.org/",\n}\n'
    )
    monkeypatch.setenv("ASV_CONF_DIR", str(tmp_path))
    assert run_log.folder() == tmp_path / "kept" / "run_log"
    monkeypatch.setenv(run_log.FOLDER_VARIABLE, "/elsewhere")
    assert run_log.folder() == Path("/elsewhere")


def test_asv_without_its_variables_still_leads_to_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an existing environment, for which asv sets nothing.
    monkeypatch.setitem(sys.modules, "asv_runner", ModuleType("asv_runner"))
    with pytest.raises(ConfigError, match=r"there is no asv\.conf\.json and no asv\.conf\.jsonc"):
        run_log.folder()
    (tmp_path / "asv.conf.jsonc").write_text('{results_dir: "r", /* with */ a: [1, ], } // this')
    assert run_log.folder() == tmp_path / "r" / "run_log"


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "not valid JSON5"), ("[]", "not a JSON object"), ('{"results_dir": 3}', "not a text")],
)
def test_a_configuration_that_makes_no_sense(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asv.conf.json").write_text(text)
    monkeypatch.setenv("ASV_CONF_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=words):
        run_log.folder()


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
