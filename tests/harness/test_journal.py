"""Run records: where they go, and what is said of broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness import journal

VARIABLES = ("AETHERLESS_JOURNAL_DIR", "ASV_CONF_DIR", "ASV_COMMIT", "ASV_ENV_NAME")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_nowhere_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal.append("a.B.track_c", [], {})
    assert list(tmp_path.rglob("*")) == []


def test_append_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "records"
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(target))
    monkeypatch.setenv("ASV_COMMIT", "0123456789abcdef")
    monkeypatch.setenv("ASV_ENV_NAME", "virtualenv-py3.11")
    for number in range(2):
        journal.append("a.B.track_c", ["64", "'x'"], {"number": number})
    found = list(journal.read(target))
    assert [(path.name, line) for path, line, _ in found] == [
        ("01234567-virtualenv-py3.11.jsonl", 1),
        ("01234567-virtualenv-py3.11.jsonl", 2),
    ]
    record = found[1][2]
    assert isinstance(record, dict)
    assert record["parameters"] == ["64", "'x'"]
    assert record["commit"] == "0123456789abcdef"
    assert record["number"] == 1
    assert isinstance(record["recorded_at_ms"], int)
    assert target.stat().st_mode & 0o777 == 0o700
    assert found[0][0].stat().st_mode & 0o777 == 0o600


def test_in_the_store_of_asv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asv.conf.json").write_text(
        '{\n  // a comment\n  "results_dir": "kept",\n  "show": "https://example.org/"\n}\n'
    )
    monkeypatch.setenv("ASV_CONF_DIR", str(tmp_path))
    journal.append("a.B.track_c", [], {})
    assert [path.name for path in (tmp_path / "kept/journal").iterdir()] == [
        "worktree-present.jsonl"
    ]


def test_a_name_cannot_leave_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path / "in"))
    monkeypatch.setenv("ASV_ENV_NAME", "existing-_usr/../../out")
    journal.append("a.B.track_c", [], {})
    assert len(list((tmp_path / "in").iterdir())) == 1


def test_figures_that_are_no_json_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    with pytest.raises(ValueError):
        journal.append("a.B.track_c", [], {"spread": float("nan")})
    assert list(journal.read(tmp_path)) == []


def test_broken_lines_do_not_hide_good_ones(tmp_path: Path) -> None:
    good = json.dumps({"benchmark": "a"}).encode()
    (tmp_path / "x.jsonl").write_bytes(b"{half\n" + good + b"\n[1]\n\xff\n" + good + b"\n")
    kinds = [type(content) for _, _, content in journal.read(tmp_path)]
    assert kinds == [str, dict, str, str, dict]
