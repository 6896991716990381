"""What the suites' classes have in common: parameters, their rows, and what asv is given of them.

A class of a suite asks one question. Its parameters are asv's, so that asv's pages draw them as
axes and legends; `row` says for each combination what is measured, and what the result is called.
asv calls `track_time` for one row, which is measured by itself; the runner measures all rows of a
selection in one session.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from benchmarks.harness.row import Row
from benchmarks.harness.run import OpenRun
from benchmarks.harness.selection import Selection, selected
from benchmarks.harness.session import Session

# Where one value of each parameter is given for each of them, in asv's form.
Axes: TypeAlias = tuple[Sequence[Any], ...]


class _Suite:
    """Base of the suites' classes.

    Attributes:
        category: of the results.
        param_names: as asv has them.
        tracking, study, quick: the axes in each selection; None where the class has no rows there.
    """

    category: ClassVar[str]
    param_names: ClassVar[tuple[str, ...]]
    tracking: ClassVar[Axes | None] = None
    study: ClassVar[Axes | None] = None
    quick: ClassVar[Axes | None] = None

    # What asv reads. The harness gives seconds, which asv shows in human units only when told so.
    params: ClassVar[Axes]
    type = "time"
    unit = "seconds"
    version = "3"
    timeout = 900

    def __init_subclass__(cls) -> None:
        axes = cls.axes(selected())
        cls.params = axes or ()
        # Not of a base, from which classes with rows may inherit it.
        if axes is None and not cls.__name__.startswith("_"):
            cls.track_time = None  # type: ignore[assignment] # asv lists methods only

    @classmethod
    def axes(cls, selection: Selection) -> Axes | None:
        """The axes in a selection; None where the class has no rows there."""
        found: Axes | None = getattr(cls, selection.value)
        return found

    @classmethod
    def benchmark(cls) -> str:
        """asv's full name."""
        return f"{cls.__module__.partition('.')[2] or cls.__module__}.{cls.__name__}.track_time"

    @classmethod
    def rows(cls, selection: Selection) -> Iterator[Row]:
        """All rows of a selection."""
        axes = cls.axes(selection)
        for parameters in itertools.product(*axes) if axes else ():
            yield cls.row_of(*parameters)

    @classmethod
    def row_of(cls, *parameters: Any) -> Row:
        """The row of these parameters."""
        return replace(
            cls().row(*parameters),
            category=cls.category,
            benchmark=cls.benchmark(),
            parameters=dict(zip(cls.param_names, parameters, strict=True)),
        )

    def row(self, *parameters: Any) -> Row:
        """What is measured for these parameters; each class says it."""
        raise NotImplementedError

    def setup(self, *parameters: Any) -> None:
        """As asv calls it."""
        if why := self.row_of(*parameters).trial.missing():
            raise NotImplementedError(why)

    def track_time(self, *parameters: Any) -> dict[str, Any] | float:
        """Measures one row; the value of each round, in s, NaN where nothing can be concluded."""
        row = self.row_of(*parameters)
        try:
            result = measured_alone(row)
        except NotImplementedError as missing:  # which asv takes for a failure here
            print(f"asv: skipped: {missing}", file=sys.stderr)
            return math.nan
        if (folder := run_log.folder()) is not None:
            run_log.append(result, folder)
        if result.invalid is not None:
            print(f"INVALID {row.name}: {result.invalid}", file=sys.stderr)
            return math.nan
        return {"samples": [each / 1e9 for each in result.medians_ns], "number": 1}


def measured_alone(row: Row) -> Result:
    """Measures one row, with those that its ratios need, in a session of its own.

    Raises:
        As `Row.result`.
    """
    selection = selected()
    session = Session(row.trials(), quick=selection is Selection.QUICK, pairs=row.pairs())
    runs = OpenRun(
        os.environ.get("ASV_COMMIT", "worktree"),
        selection,
        session.seed,
        asv_environment=os.environ.get("ASV_ENV_NAME"),
    )
    session.run()
    return row.result(session.measured, runs.ended())
