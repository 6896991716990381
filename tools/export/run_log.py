"""The run log in a store: every result whole, whatever asv itself has kept of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from tools.export.asv_files import Notes, StoreError


class RunLog:
    """The log of a store, in which asv knows these machines, and one is wanted, or all.

    `files` are its own, and `machines` also those of what was read by now.
    """

    def __init__(self, store: Path, machines: Set[str], wanted: str | None, notes: Notes) -> None:
        self.machines, self._wanted, self._notes = {*machines}, wanted, notes
        self._only = next(iter(machines)) if len(machines) == 1 else None
        self._rows: set[tuple[object, ...]] = set()
        folder = store / run_log.FOLDER
        found: list[Path] = []
        try:
            if os.path.lexists(folder):  # which a link to nowhere does
                found = sorted(folder.iterdir())
        except OSError as error:
            notes.problem(folder, f"cannot be read: {error.strerror}")
        self.files = [path for path in found if path.suffix == ".jsonl"]
        self._unfinished = {path.stem for path in found if path.suffix == run_log.UNFINISHED}

    def measured(self, path: Path) -> dict[str, int]:
        """As `Store.measured`."""
        last_ms: dict[str, int] = {}
        for each in self.results(path):
            last_ms[each.run.commit] = max(each.run.started_at_ms, last_ms.get(each.run.commit, 0))
        return last_ms

    def results(self, path: Path) -> Iterator[Result]:
        """As `Store.results`; those of a run that did not come to its end say so."""
        if not path.is_file():
            raise StoreError("not a regular file")
        try:
            for each in run_log.read(path):
                if isinstance(each, str):
                    self._notes.problem(*each.split(": ", 1))
                elif self._note(each):
                    if each.run.id in self._unfinished:
                        each = replace(each, run=replace(each.run, interrupted=True))
                    yield each
        except OSError as error:
            raise StoreError(f"cannot be read: {error.strerror or error}") from error

    def has(self, row: tuple[str, str, str, str, tuple[str, ...]]) -> bool:
        """Whether what was read holds that: environment, machine, commit, benchmark, parameters."""
        return row in self._rows or (None, *row[1:]) in self._rows

    def _note(self, result: Result) -> bool:
        """Notes the row, and gives whether it is of the machine that is wanted."""
        run = result.run
        machine = run.machine.hostname
        if machine not in self.machines and self._only is not None:
            machine = self._only  # asv was told another name for it
        self.machines.add(machine)
        environment = run.environment.get("asv_environment")  # None where asv started nothing
        parameters = tuple(map(repr, result.parameters.values()))
        row = machine, run.commit, result.benchmark, parameters
        self._rows.add((environment and str(environment), *row))
        return machine == (self._wanted or machine)
