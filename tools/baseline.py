"""What the baseline scripts have in common: some rows of the study, measured by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.harness.row import Row
from tools.measuring import hand_over, measure, must_be_writable, parser


@dataclass(frozen=True, slots=True)
class Script:
    """One of the scripts.

    Attributes:
        name: of its module in this folder.
        description: for --help.
        prefix: of the file that it writes.
        iterations: the standard number of samples of each round.
        rows: what it measures.
    """

    name: str
    description: str
    prefix: str
    iterations: int
    rows: Callable[[], list[Row]]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Runs it; gives the exit status.

        Raises:
            Refused: the package is not built, or nothing can be written there.
        """
        options = parser(self.name, self.description, self.iterations).parse_args(arguments)
        must_be_writable("--output", options.output)
        outcome = measure(_alone(self.rows()), None, options.rounds, options.iterations)
        return hand_over(self.name, outcome, options.output, self.prefix)


def _alone(rows: Sequence[Row]) -> list[Row]:
    """The rows with those ratios only that need nothing else to be measured."""
    measured = {row.trial.name for row in rows}
    return [
        replace(row, beside={
            key: partner for key, partner in row.beside.items() if partner[0].name in measured
        })
        for row in rows
    ]  # fmt: skip
