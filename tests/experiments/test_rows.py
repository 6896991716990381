"""The rows of the category: their names, what they say, and where asv finds them."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from aetherless_py.start.criu import Criu
from benchmarks import package, suites
from benchmarks.experiments import load_curve
from benchmarks.experiments.base import _Experiment
from benchmarks.harness import registry
from benchmarks.harness.selection import Selection
from benchmarks.servers import SERVERS
from benchmarks.workloads.registry import WORKLOADS
from tests.experiments.support import STUDY

EARLIER = Path(__file__).with_name("result_names_e2e.txt").read_text().split()
ARRIVALS = {"sequential", "closed", "constant", "poisson", "burst"}
MODULES = registry.modules("benchmarks.experiments")


def names(selection: Selection) -> list[str]:
    return [row.name for row in suites.rows(selection, ["e2e"])]


def test_results_keep_their_names() -> None:
    assert [name for name in EARLIER if name not in STUDY] == []


@pytest.mark.parametrize("selection", list(Selection))
def test_names_are_unique_and_fit(selection: Selection) -> None:
    found = names(selection)
    assert [name for name, count in Counter(found).items() if count > 1] == []
    assert [name for name in found if not re.fullmatch(r"e2e_[A-Za-z0-9_.+-]+", name)] == []
    assert set(found) <= set(STUDY)


def test_what_is_tracked_needs_nothing_but_the_package() -> None:
    for row in suites.rows(Selection.TRACKING, ["e2e"]):
        platforms = {getattr(trial, "platform", None) for trial in row.trials()}
        # The server in C is the harness's own.
        assert platforms <= {"aetherless", "aetherless_proxied", "noop_server"}, row.name


def test_rows_say_what_there_is() -> None:
    for row in STUDY.values():
        facts = row.facts
        assert facts["workload"] in WORKLOADS, row.name
        assert facts["platform"] in (*SERVERS, "noop_server"), row.name
        assert facts["arrivals"] in ARRIVALS, row.name
        scheduled = facts["arrivals"] not in ("sequential", "closed")
        share = (
            "percent_of_capacity" in row.parameters
        )  # a rate that is known only when it is measured
        assert (facts["rate"] is not None) == (scheduled and not share), row.name
        json.dumps([dict(facts), dict(row.parameters)], allow_nan=False)


def test_a_point_by_itself_measures_no_other() -> None:
    rows = suites.rows(Selection.TRACKING, ["e2e"], "rate800")
    assert [getattr(row.trial, "points", None) for row in rows] == [("rate800",)]
    of_study = STUDY["e2e_load_curve_noop_empty_load50_uvicorn"]
    both = [load_curve.POINTS] * 2
    assert [getattr(trial, "points", None) for trial in of_study.trials()] == both


@pytest.mark.parametrize("name", MODULES)
def test_each_file_is_an_experiment_that_asv_finds_once(name: str) -> None:
    module = MODULES[name]
    assert isinstance(module, ModuleType), module
    own = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and each.__module__ == module.__name__
    ]
    found = [each for each in own if issubclass(each, _Experiment)]
    classes = {each.__name__ for each in found if hasattr(each, "param_names")}
    assert classes
    assert all(each.startswith("_") for each in classes)
    shown = {each.__name__: each for each in suites.classes("e2e")}
    for each in classes:
        mine = shown[each.removeprefix("_")]
        assert mine.benchmark() == f"e2e_latency.{each[1:]}.track_time"
        assert mine.__doc__


def test_a_way_of_starting_that_the_machine_lacks_is_not_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Criu, "missing", lambda *_: "criu is not there: install it")
    assert STUDY["e2e_cold_noop_criu"].trial.missing() == "criu is not there: install it"
    assert STUDY["e2e_cold_noop_zygote"].trial.missing() is None


def test_a_commit_that_serves_nothing_yet_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> None:
        raise NotImplementedError("this commit's package has no command that serves functions")

    monkeypatch.setattr(package, "command", lacking)
    assert "no command" in (STUDY["e2e_protocol_noop_aetherless"].trial.missing() or "")
    assert STUDY["e2e_protocol_noop_uvicorn"].trial.missing() is None
