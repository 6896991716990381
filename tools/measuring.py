"""The one way in which the tools measure rows, and in which they hand over what came of it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from benchmarks.harness.row import Row
from benchmarks.harness.run import OpenRun
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS, Session
from tools import command, working_tree
from tools.command import Refused
from tools.export.standard import FormError, write
from tools.progress import Durations, SessionProgress, counted, in_words
from tools.table import print_table


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of measuring.

    Attributes:
        results: of the rows that could be measured; marked where it was interrupted.
        missing, failed: why others cannot be measured here, and how others failed, by their names.
        interrupted: the number of the signal that ended it early; None where none did.
    """

    results: list[Result]
    missing: dict[str, str]
    failed: dict[str, str]
    interrupted: int | None = None


def measure(
    rows: Sequence[Row], selection: Selection | None, rounds: int = ROUNDS,
    iterations: int | None = None,
) -> Outcome:  # fmt: skip
    """Measures rows in one session, with all that their ratios need.

    It says beforehand on standard error how long that takes, and then how far it is. A signal that
    asks to end makes it give what it has by then. Raises `Refused` where the package is not built.
    """
    if working_tree.measured_package() is None:
        raise Refused(working_tree.NOT_BUILT)
    durations = Durations(selection, iterations)
    turn_s = durations.turns_s(rows)

    def tell(done: int, total: int, name: str) -> None:
        check()
        progress(done, total, name)

    session = Session(
        (trial for row in rows for trial in row.trials()), rounds, iterations=iterations,
        quick=selection is Selection.QUICK, tell=tell,
        pairs=(pair for row in rows for pair in row.pairs()),
    )  # fmt: skip
    total_s = sum(turn_s[trial.name] for _, trial in session.turns)
    print(
        f"{counted(len(rows), 'row')}, {counted(rounds, 'round')}: about {in_words(total_s)}",
        file=sys.stderr,
    )
    progress = SessionProgress(turn_s.__getitem__, total_s)
    runs = OpenRun(working_tree.commit(), selection, session.seed, rounds, working_tree.warnings())
    found = Outcome([], {}, {})
    try:
        with command.stopped_by_signals() as check, progress:
            session.run()
    except command.Stopped as stopped:
        found = Outcome([], {}, {}, stopped.number)
    durations.note(session.measured)
    run = runs.ended(session.interrupted)
    for row in rows:
        try:
            found.results.append(row.result(session.measured, run))
        except NotImplementedError as why:
            found.missing[row.name] = str(why)
        except Exception as why:  # of any kind: an hour of the others depends on it
            own = session.measured[row.trial.name]
            if own.failed is not None or not session.interrupted:  # else its turn never came
                found.failed[row.name] = str(why)
    return found


def parser(name: str, description: str, rounds: int = ROUNDS) -> command.Parser:
    """For the arguments of a command that measures: its name, what --help says, its rounds."""
    made = command.Parser(
        prog=f"python -m tools.{name}", description=description, allow_abbrev=False
    )
    made.add_argument(
        "--rounds", type=command.count_to(command.MOST_ROUNDS), default=rounds, metavar="N",
        help=f"fresh processes for each row, one after the other; default {rounds}",
    )  # fmt: skip
    made.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
    )
    return made


def add_iterations(made: command.Parser, standard: int | None = None) -> None:
    """Adds the number of samples; None as the standard for what each row takes."""
    made.add_argument(
        "--iterations", type=command.count_to(command.MOST_ITERATIONS), default=standard,
        metavar="N", help=f"samples of each round; default {standard or 'what suits each row'}",
    )  # fmt: skip


def must_be_writable(option: str, folder: Path) -> None:
    """Raises `Refused` where nothing can be written to the folder that an option names."""
    # What has to be made to try it is removed again.
    made = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Refused(f"{option} {folder}: cannot be made or written to; name another") from error
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()


def hand_over(name: str, outcome: Outcome, output: Path, prefix: str | None = None) -> int:
    """Writes the standard JSON, and prints its table and what else there is to say.

    Of what was interrupted a single line is printed. Gives the exit status: 1 where something
    failed or there is nothing, 128 and the signal's number where it was interrupted. Raises
    OSError, which says where the results are kept, where nothing could be written.
    """
    try:
        written = write(output, outcome.results, prefix) if outcome.results else []
    except (OSError, FormError) as error:
        raise OSError(f"{error}; {_kept(outcome.results)}") from error
    if outcome.interrupted is not None:
        kept = counted(len(written), "file") + f" in {output}, marked" if written else "nothing"
        print(f"{name}: interrupted; kept: {kept}", file=sys.stderr)
        return 128 + outcome.interrupted
    for path, state in written:
        print(f"{state}: {path}")
    if written:
        print_table(path for path, _ in written)
    for line in _by_reason(outcome.missing):
        print(f"n/a: {line}")
    for line in _by_reason(outcome.failed):
        print(f"{name}: failed: {line}", file=sys.stderr)
    return 1 if outcome.failed or not outcome.results else 0


def _kept(results: Sequence[Result]) -> str:
    folder = working_tree.ROOT / ".asv" / f"kept-{results[0].run.id}"
    for result in results:
        run_log.append(result, folder / run_log.FOLDER)
    (folder / "benchmarks.json").write_text('{"version": 2}')  # by which asv knows a store
    return f"the results are kept: python -m tools.export --store '{folder}' --output DIR"


def _by_reason(reasons: Mapping[str, str]) -> list[str]:
    """Each reason once, with the first whom it concerns and how many more there are."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [
        f"{first}{f' and {len(others)} more' if others else ''}: {reason}"
        for reason, (first, *others) in names.items()
    ]


def script(
    name: str, description: str, prefix: str, iterations: int, rows: Callable[[], Sequence[Row]],
    arguments: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """Runs a baseline script, which measures some rows of the study; gives its exit status."""
    made = parser(name, description)
    add_iterations(made, iterations)
    options = made.parse_args(arguments)
    must_be_writable("--output", options.output)
    outcome = measure(_alone(rows()), None, options.rounds, options.iterations)
    return hand_over(name, outcome, options.output, prefix)


def _alone(rows: Sequence[Row]) -> list[Row]:
    """The rows with those ratios only that need nothing else to be measured."""
    measured = {row.trial.name for row in rows}
    return [
        replace(row, beside={
            key: partner for key, partner in row.beside.items() if partner[0].name in measured
        })
        for row in rows
    ]  # fmt: skip
