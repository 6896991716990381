"""The history of a selection: a store as asv makes it, which asv shows."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from asv.results import Results, iter_results

from benchmarks import suites
from benchmarks.harness import run_log
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from tests.harness import made_up
from tools import history, working_tree
from tools.command import Refused
from tools.history import add
from tools.measuring import Outcome
from tools.working_tree import ROOT

NAME = "ring_buffer.Latency.track_time"


@pytest.fixture(autouse=True)
def clean_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where nothing was changed since the commit."""
    monkeypatch.setattr(working_tree, "warnings", list)


def _rows(pattern: str = "") -> list[Row]:
    return suites.rows(Selection.QUICK, ["ring_buffer"], pattern)


def _outcome(rows: Sequence[Row], durations_ns: float = 100.0, **changes: object) -> Outcome:
    run = made_up.run(commit=working_tree.commit(), selection="quick")
    rounds = [Samples(durations_ns=[durations_ns + at]) for at in range(3)]
    results = [
        made_up.result(row.name, rounds, benchmark=row.benchmark, parameters=row.parameters,
                       run=run, **changes)
        for row in rows
    ]  # fmt: skip
    return Outcome(results, {}, {})


def _values(store: Path) -> dict[str, float | None]:
    [stored] = iter_results(str(store))
    assert isinstance(stored, Results)
    values = stored.get_result_value(NAME, stored.get_result_params(NAME))
    return dict(zip((row.name for row in _rows()), values, strict=True))


def test_asv_shows_what_was_added(tmp_path: Path) -> None:
    rows, store = _rows(), tmp_path / "quick"
    outcome = _outcome(rows[4:])
    missing, failed, invalid, *_ = rows
    outcome.missing[missing.name], outcome.failed[failed.name] = "not here", "it broke"
    outcome.results.extend(_outcome([invalid], invalid="the generator was late").results)
    add(outcome, rows, Selection.QUICK, store)

    values = _values(store)
    assert values[failed.name] is None
    assert all(math.isnan(values[row.name] or 0) for row in (missing, invalid))
    assert values[rows[4].name] == pytest.approx(101e-9)
    [stored] = iter_results(str(store))
    assert stored.get_result_samples(NAME, stored.get_result_params(NAME))[-1] == pytest.approx(
        [100e-9, 101e-9, 102e-9]
    )
    # Nothing stands there that was not measured: no `time_*`, no other suite.
    assert set(json.loads((store / "benchmarks.json").read_text())) == {NAME, "version"}
    [log] = (store / run_log.FOLDER).iterdir()
    assert [getattr(each, "name", each) for each in run_log.read(log)] == [
        each.name for each in outcome.results
    ]

    config = tmp_path / "asv.conf.json"
    config.write_text(json.dumps({
        "version": 1, "project": "a", "repo": str(ROOT), "branches": ["HEAD"],
        "results_dir": str(store), "html_dir": str(tmp_path / "html"),
    }))  # fmt: skip
    for arguments, words in ((["show", "HEAD"], "101"), (["publish"], "Writing index")):
        done = subprocess.run(
            [sys.executable, "-m", "asv", "--config", str(config), *arguments],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0 and words in done.stdout, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "html/graphs").is_dir()


def test_what_was_not_asked_for_this_time_stays(tmp_path: Path) -> None:
    add(_outcome(_rows("_write_")), _rows("_write_"), Selection.QUICK, tmp_path)
    before = _values(tmp_path)
    assert not math.isnan(before["ring_buffer_write_64"] or 0)
    assert math.isnan(before["ring_buffer_read_64"] or 0)
    add(_outcome(_rows("_64$"), 500.0), _rows("_64$"), Selection.QUICK, tmp_path)
    after = _values(tmp_path)
    assert after["ring_buffer_write_4096"] == before["ring_buffer_write_4096"]
    for name in ("ring_buffer_write_64", "ring_buffer_read_64"):
        assert after[name] == pytest.approx(501e-9)


@pytest.mark.parametrize("why", ["warning", "interrupted", "nothing", "asv"])
def test_what_is_not_of_the_commit_or_not_complete_is_not_added(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = _outcome(_rows("_write_64$"))
    if why == "warning":
        monkeypatch.setattr(working_tree, "warnings", lambda: ["the working tree differs"])
    elif why == "interrupted":
        outcome = Outcome(outcome.results, {}, {}, 2)
    elif why == "nothing":
        outcome = Outcome([], {}, {})
    else:
        monkeypatch.setattr(history, "ROOT", tmp_path)  # where there is no configuration
    with pytest.raises(Refused):
        add(outcome, _rows("_write_64$"), Selection.QUICK, tmp_path / "store")
    assert not (tmp_path / "store").exists()
