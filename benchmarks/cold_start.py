"""Cold starts: from asking for an instance to its READY and to its first answer.

Every sample is a fresh instance, proven cold by the kernel's word on its process. The clock starts
when an instance (or a burst of them) is asked for; it stops when READY is heard, and when the first
answer, which is checked, is heard: all in the process that asks, on any processor. Preparing (an
image, a template, a pool), stopping, and making up for what starts have used up are outside.

A round is a fresh process that prepares, starts, and ends. Ratios are to the package's own `spawn`
under the same circumstances. `warm_pool` hands over what zygote has made ahead. What is simulated
enters no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from benchmarks.harness.processes import run_fresh
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Trial, Turn
from benchmarks.harness.suite import Axes, _Suite
from benchmarks.starts import way, ways
from benchmarks.starts._package_strategy import PackageStrategy

WAYS = tuple(ways())
# What a commit can change, and nothing else.
OWN = tuple(name for name, kind in ways().items() if issubclass(kind, PackageStrategy))
REAL = tuple(name for name, kind in ways().items() if not kind.simulated)
TRACKED = tuple(name for name, kind in ways().items() if kind.tracking)
QUICK = tuple(name for name, kind in ways().items() if kind.quick)
DEFAULT = "zygote"  # by which the runtime starts instances where nobody says otherwise
SPAWN = "spawn"
IMPORTS = ("bare", "http", "numpy", "web")
STEMS = {
    "ready": "cold_start",
    "first_response": "cold_start_first_response",
    "last_ready": "cold_start_last_ready",
}
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Starts(Trial):
    """Starts by one way under some circumstances, which `_sampling.starts` explains."""

    strategy: str
    imports: str = "http"
    burst: int = 1
    ballast_mb: int = 0
    page_cache: str = "hot"

    @property
    def case(self) -> str:
        """In results' names, where usual circumstances go without saying."""
        return f"{self.strategy}_{self.group}"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"cold_start_{self.case}"

    @property
    def group(self) -> str:  # type: ignore[override]
        """As `Trial.group`: the circumstances."""
        parts = [self.imports]
        if self.burst != 1:
            parts.append(f"burst{self.burst}")
        if self.ballast_mb:
            parts.append(f"ballast{self.ballast_mb}")
        if self.page_cache != "hot":
            parts.append(self.page_cache)
        return "_".join(parts)

    def missing(self) -> str | None:
        why = way(self.strategy).missing()
        return why and f"{self.strategy}: {why}"

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        arguments = {**asdict(self), "count": turn.count(way(self.strategy).count, quick=2)}
        # Not pinned: who asks and what is started share the machine as they would.
        found = run_fresh("benchmarks.starts._sampling:starts", arguments, TIMEOUT_S)
        return {part: Samples(**samples) for part, samples in found.items()}


def _row(trial: Starts, until: str) -> Row:
    """The row of a trial that ends at that moment."""
    simulated = way(trial.strategy).simulated
    # An image in memory cannot be dropped: no two of the others are alike. Nobody else dumps.
    alone = simulated or trial.strategy == SPAWN or trial.page_cache != "hot" or until == "dump"
    stem = "cold_start_dump" if until == "dump" else f"cold_start_phase_{until}"
    return Row(
        name=f"{STEMS.get(until, stem)}_{trial.case}",
        trial=trial,
        part=until,
        beside={} if alone else {SPAWN: (replace(trial, strategy=SPAWN), until)},
        facts={**asdict(trial), "until": until, **({"simulated": True} if simulated else {})},
        told=lambda rounds: _joined([each.facts for each in rounds]),
    )


def _joined(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of each figure over the rounds; of words those of the first."""
    found: dict[str, Any] = {}
    for key, value in facts[0].items():
        values = [each[key] for each in facts if key in each]
        if isinstance(value, Mapping):
            found[key] = _joined(values)
        else:
            found[key] = value if isinstance(value, str) else float(median(values))
    return found


class _Starts(_Suite):
    category = "cold_start"

    @classmethod
    def rows(cls, selection: Selection) -> Iterator[Row]:
        """As `_Suite.rows`, without imports that a way has nothing for."""
        for each in super().rows(selection):
            assert isinstance(each.trial, Starts)
            imports = way(each.trial.strategy).imports
            if imports is None or each.trial.imports in imports:
                yield each


class _Until(_Starts):
    param_names = ("strategy", "imports")
    until: str

    def row(self, strategy: str, imports: str) -> Row:
        return _row(Starts(strategy, imports), self.until)


class Ready(_Until):
    """How long until READY is heard?"""

    until = "ready"
    tracking = (TRACKED, ("http",))
    study = (WAYS, IMPORTS)
    quick = (QUICK, ("http",))


class FirstResponse(_Until):
    """How long until the first answer is heard?"""

    until = "first_response"
    tracking = (OWN, ("http",))
    study = (WAYS, IMPORTS)
    quick = (QUICK, ("http",))


class Burst(_Starts):
    """What of several that are asked for at the same time?

    Until each is ready, until each has answered, or until the last one is ready, which is one
    sample a burst; the function has the http stack.
    """

    param_names = ("strategy", "burst", "until")
    tracking = ((DEFAULT,), (16,), ("last_ready",))
    study = (REAL, (4, 16), tuple(STEMS))

    def row(self, strategy: str, burst: int, until: str) -> Row:
        return _row(Starts(strategy, burst=burst), until)


class Ballast(_Starts):
    """What does a function's own memory cost, in MB beside its modules (the http stack)?

    With a dropped page cache as `Dropped` says.
    """

    param_names = ("strategy", "ballast_mb", "page_cache", "until")
    study = (OWN, (64, 256), ("hot", "dropped"), ("ready", "first_response"))

    def row(self, strategy: str, ballast_mb: int, page_cache: str, until: str) -> Row:
        trial = Starts(strategy, ballast_mb=ballast_mb, page_cache=page_cache)
        return _row(trial, until)


class Dropped(_Starts):
    """How long where nothing is in the page cache that nobody maps (the http stack)?

    What the measuring process shares with an instance stays, and so do images, which lie in memory:
    no ratios are given.
    """

    param_names = ("strategy", "until")
    study = (REAL, ("ready", "first_response"))

    def row(self, strategy: str, until: str) -> Row:
        return _row(Starts(strategy, page_cache="dropped"), until)


def _telling(phase: str) -> Axes:
    return tuple(name for name, kind in ways().items() if phase in kind.tells), IMPORTS


class Created(_Until):
    """How long until the instance's process exists?"""

    until = "created"
    study = _telling(until)


class Interpreter(_Until):
    """How long until the first line of the language runs in it?"""

    until = "interpreter"
    study = _telling(until)


class Imported(_Until):
    """How long until its imports are done?"""

    until = "imported"
    study = _telling(until)


class Dump(_Starts):
    """How long does the image that is restored take: from the order to CRIU to its answer?"""

    param_names = ("imports",)
    tracking = (("http",),)
    study = (IMPORTS,)

    def row(self, imports: str) -> Row:
        return _row(Starts("criu", imports), "dump")
