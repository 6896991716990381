"""Run records: where they go, and what is said of broken ones."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.harness import journal
from benchmarks.harness.asv_config import ConfigError
from tests.harness.journals import records_in

VARIABLES = ("AETHERLESS_JOURNAL_DIR", "ASV_CONF_DIR", "ASV_COMMIT", "ASV_ENV_NAME")


@pytest.fixture(autouse=True)
def nothing_leads_to_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # Other tests import asv, and the journal takes that for a run of it.
    monkeypatch.delitem(sys.modules, "asv_runner", raising=False)
    monkeypatch.setattr(journal, "ROOT", tmp_path)


def test_nowhere_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal.append("a.B.track_c", [], [1.0], {})
    assert list(tmp_path.rglob("*")) == []


def test_append_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "records"
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(target))
    monkeypatch.setenv("ASV_COMMIT", "0123456789abcdef")
    monkeypatch.setenv("ASV_ENV_NAME", "virtualenv-py3.11")
    for number in range(2):
        journal.append("a.B.track_c", ["64", "'x'"], [0.5, 1.5, 2.5], {"number": number})
    [path] = target.iterdir()
    assert path.name == f"{platform.node()}-01234567-virtualenv-py3.11.jsonl"
    record = records_in(target)[1]
    assert record["samples"] == [3, 0.5, 1.5, 2.5]
    assert record["parameters"] == ["64", "'x'"]
    assert record["commit"] == "0123456789abcdef"
    assert record["number"] == 1
    assert isinstance(record["recorded_at_ms"], int)
    assert target.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_in_the_store_of_asv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asv.conf.json").write_text(
        '{\n  // a comment\n  "results_dir": "kept",\n  "show": "https://example.org/"\n}\n'
    )
    monkeypatch.setenv("ASV_CONF_DIR", str(tmp_path))
    journal.append("a.B.track_c", [], [1.0], {})
    assert [path.name for path in (tmp_path / "kept/journal").iterdir()] == [
        f"{platform.node()}-worktree-present.jsonl"
    ]


def test_a_name_cannot_leave_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path / "in"))
    monkeypatch.setenv("ASV_ENV_NAME", "existing-_usr/../../out")
    journal.append("a.B.track_c", [], [1.0], {})
    assert len(list((tmp_path / "in").iterdir())) == 1


def test_figures_that_are_no_json_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    with pytest.raises(ValueError):
        journal.append("a.B.track_c", [], [1.0], {"spread": float("nan")})
    assert records_in(tmp_path) == []


def test_a_line_that_a_crash_cut_short_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    journal.append("a.B.track_c", [], [1.0], {})
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    journal.append("a.B.track_c", [], [2.0], {})
    lines = [line for line in path.read_bytes().split(b"\n") if line]
    assert json.loads(lines[-1])["samples"] == [1, 2.0, 2.0, 2.0]


def test_asv_without_its_variables_still_leads_to_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in an existing environment, for which asv sets nothing.
    monkeypatch.setattr(journal, "ROOT", tmp_path)
    monkeypatch.setitem(sys.modules, "asv_runner", ModuleType("asv_runner"))
    with pytest.raises(ConfigError, match=r"asv\.conf\.json: cannot be read"):
        journal.append("a.B.track_c", [], [1.0], {})
    (tmp_path / "asv.conf.json").write_text('{"results_dir": "r", /* with */ "a": [1, ], } // this')
    journal.append("a.B.track_c", [], [1.0], {})
    assert len(records_in(tmp_path / "r/journal")) == 1
