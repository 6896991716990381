"""The run log in a store: every result whole, whatever asv itself has kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from tools.export.asv_files import Notes, StoreError


class RunLog:
    """The log of a store.

    Args:
        store: its folder.
        machines: that asv knows there.
        wanted: the machine whose results are; None for all.
        notes: hears what cannot be read.

    Attributes:
        files: of the log.
        machines: also those of what was read by now.
    """

    def __init__(self, store: Path, machines: Set[str], wanted: str | None, notes: Notes) -> None:
        self.machines, self._wanted, self._notes = {*machines}, wanted, notes
        self._only = next(iter(machines)) if len(machines) == 1 else None
        self._rows: set[tuple[object, ...]] = set()
        self.files: list[Path] = []
        folder = store / run_log.FOLDER
        try:
            self.files = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
        except FileNotFoundError:
            if folder.is_symlink():
                notes.problem(folder, "a link to nowhere")
        except OSError as error:
            notes.problem(folder, f"cannot be read: {error.strerror}")

    def measured(self, path: Path) -> dict[str, int]:
        """The commits in one of its files, and when each was measured last, in ms.

        Raises:
            StoreError: the file cannot be read.
        """
        last_ms: dict[str, int] = {}
        for each in self.results(path):
            last_ms[each.run.commit] = max(each.run.started_at_ms, last_ms.get(each.run.commit, 0))
        return last_ms

    def results(self, path: Path) -> Iterator[Result]:
        """The results of one of its files.

        Raises:
            StoreError: the file cannot be read.
        """
        if not path.is_file():
            raise StoreError("not a regular file")
        try:
            for each in run_log.read(path):
                if isinstance(each, str):
                    self._notes.problem(*each.split(": ", 1))
                elif self._note(each):
                    yield each
        except OSError as error:
            raise StoreError(f"cannot be read: {error.strerror or error}") from error

    def has(
        self,
        machine: str,
        environment: str,
        commit: str,
        benchmark: str,
        parameters: tuple[str, ...],
    ) -> bool:
        """Whether what was read by now holds a row of asv's store, which is told in asv's words."""
        row = machine, commit, benchmark, parameters
        return (environment, *row) in self._rows or (None, *row) in self._rows

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
