"""What the runner has measured, in a store of asv's own form, by asv's own classes.

It has one value a round for each row, and `asv show` and `asv publish` show it as they show theirs.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.environment import ExistingEnvironment
from asv.machine import Machine, MachineCollection
from asv.repo import get_repo
from asv.results import Results, iter_results
from asv.runner import BenchmarkResult
from asv.util import ProcessError, UserError

from benchmarks.harness import run_log
from benchmarks.harness.row import Row
from benchmarks.harness.selection import VARIABLE, Selection
from tools import working_tree
from tools.command import Refused
from tools.measuring import Outcome
from tools.working_tree import ROOT


def add(outcome: Outcome, rows: Sequence[Row], selection: Selection, folder: Path) -> None:
    """Adds what was measured of these rows, and the results whole to the store's run log.

    All of the store is of that selection; other rows of the same commit stay.

    Raises:
        Refused: what was measured is not what the commit holds, or is not complete; or asv
            cannot find the benchmarks.
        OSError: a file cannot be written.
    """
    if outcome.interrupted is not None or not outcome.results:
        raise Refused("it is not complete")
    if warnings := working_tree.warnings():
        raise Refused(warnings[0])
    try:
        _store(outcome, rows, selection, folder.resolve())
    except (UserError, ProcessError) as error:
        raise Refused(str(error)) from None
    for result in outcome.results:
        run_log.append(result, folder / run_log.FOLDER)


def _store(outcome: Outcome, rows: Sequence[Row], selection: Selection, folder: Path) -> None:
    conf = Config.load(str(ROOT / "asv.conf.json"))
    conf.repo, conf.benchmark_dir, conf.results_dir = map(str, (ROOT, ROOT / "benchmarks", folder))
    run, repo = outcome.results[0].run, get_repo(conf)
    # Its axes are those of the selection where the benchmarks are told of that.
    told = {("nobuild", VARIABLE): selection.value}
    environment = ExistingEnvironment(conf, sys.executable, {}, told)
    found = Benchmarks.discover(conf, repo, [environment], [run.commit])
    machine = _machine()
    machine.save(str(folder))
    stored = Results(
        {**machine.__dict__, "python": environment.python}, {}, run.commit,
        repo.get_date(run.commit), environment.python, environment.name, {},
    )  # fmt: skip
    stored.load_data(str(folder))
    began = datetime.fromtimestamp(run.started_at_ms / 1000, UTC)
    for name, asked in itertools.groupby(rows, lambda row: row.benchmark):
        places = list(itertools.product(*found[name]["params"]))
        own = {places.index(tuple(map(repr, row.parameters.values()))): row for row in asked}
        measured = _measured(outcome, own, len(places))
        stored.add_result(found[name], measured, began, record_samples=True, selected_idx=set(own))
    stored.save(str(folder))
    kept = {key for each in iter_results(str(folder)) for key in each.get_all_result_keys()}
    # Those of which nothing was measured would stand on the pages as empty rows.
    Benchmarks(conf, [each for name, each in found.items() if name in kept]).save()


def _measured(outcome: Outcome, rows: dict[int, Row], places: int) -> BenchmarkResult:
    """As asv gives it: None where a row failed, NaN where it has no value."""
    samples_s = {
        each.name: [median_ns / 1e9 for median_ns in each.medians_ns]
        for each in outcome.results
        if each.invalid is None
    }
    names = [rows[at].name if at in rows else "" for at in range(places)]
    samples = [samples_s.get(name) for name in names]
    # Of samples asv computes the value itself.
    values = [None if name in outcome.failed else math.nan if each is None else 0.0
              for name, each in zip(names, samples, strict=True)]  # fmt: skip
    return BenchmarkResult(values, samples, [each and 1 for each in samples], 0, "", None)


def _machine() -> Machine:
    """What the user has told asv of this machine, else what asv finds out by itself."""
    machine = Machine()
    try:
        known = MachineCollection.load(Machine.get_unique_machine_name())
    except UserError:
        known = Machine.get_defaults()
    machine.__dict__.update({field: known[field] for field, _ in Machine.fields if field in known})
    return machine
