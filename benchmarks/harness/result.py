"""A result: the one form in which what was measured is kept, told and written.

Suites, the runner, the baseline scripts, the load tool and the performance goals make it; the run
log keeps it; the export, tables and goals read it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from benchmarks.harness.metrics import LatencyMetrics
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.statistics import Floats, median, middle
from benchmarks.harness.warnings import shared_out, warnings_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SUITE = "aetherless-benchmarks"
VERSION = "0.1.0"
Document: TypeAlias = dict[str, Any]  # the standard JSON


class MergeError(ValueError):
    """Results do not belong together; the message says in what they differ."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured of one row.

    Attributes:
        name: what the standard JSON calls it.
        category: of the suite.
        benchmark: asv's full name of what measured it, or the tool's.
        parameters: of the benchmark, by their names.
        rounds: samples in ns, a `Samples` a round; those that are not valid are left out unless
            the result is invalid.
        run: that it belongs to.
        turns: the place of each round in the session.
        processes: fresh processes that the samples come from; None where nobody noted it.
        facts: more for the metadata.
        message_bytes: of a message, where a rate of messages means something.
        invalid: why nothing can be concluded from it; None where something can.
    """

    name: str
    category: str
    benchmark: str
    parameters: Mapping[str, Any]
    rounds: tuple[Samples, ...]
    run: Run
    turns: tuple[int, ...] = ()
    processes: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    message_bytes: int | None = None
    invalid: str | None = None

    def __post_init__(self) -> None:
        kinds = {each.sampling for each in self.rounds}
        if len(kinds) != 1:
            raise ValueError(f"{self.name}: rounds sampled in different ways: {sorted(kinds)}")

    @functools.cached_property
    def medians_ns(self) -> list[float]:
        """The median of each round: what comparisons take for independent."""
        if len(self.rounds) == 1:
            return [middle(self._ordered_ns)]
        return [median(each.durations_ns) for each in self.rounds]

    @property
    def number(self) -> int | None:
        """Operations a sample; None where rounds differ in it."""
        numbers = {each.number for each in self.rounds}
        return numbers.pop() if len(numbers) == 1 else None

    @property
    def operations(self) -> int:
        """In all samples together."""
        return sum(len(each.durations_ns) * each.number for each in self.rounds)

    @property
    def metrics(self) -> LatencyMetrics:
        """Of all samples together."""
        return LatencyMetrics.from_ordered(self._ordered_ns, tails=self.number == 1)

    @property
    def warnings(self) -> list[str]:
        """What makes it doubtful."""
        return warnings_of(self.rounds, self.medians_ns, self._ordered_ns)

    @property
    def throughput(self) -> dict[str, float] | None:
        """Messages and bytes a second in the standard JSON's form, where that means something."""
        if self.message_bytes is None:
            return None
        duration_ns = sum(sum(each.durations_ns) * each.number for each in self.rounds)
        if not duration_ns:
            return None
        messages, seconds = self.operations, duration_ns / 1e9
        return {
            "messages_per_sec": messages / seconds,
            "bytes_per_sec": messages * self.message_bytes / seconds,
            "total_messages": messages,
            "total_bytes": messages * self.message_bytes,
            "duration_ns": duration_ns,
        }

    def joined(self, other: Self) -> Self:
        """This result with another one's rounds behind its own.

        Raises:
            MergeError: they are of different rows, machines, commits or selections.
        """
        for what in ("name", "benchmark", "parameters", "number", "invalid"):
            _must_agree(what, getattr(self, what), getattr(other, what))
        for what in ("machine", "commit", "selection"):
            _must_agree(what, getattr(self.run, what), getattr(other.run, what))
        both = None not in (self.processes, other.processes)
        # What was computed of one side's rounds is not true of both.
        same = {key: value for key, value in self.facts.items() if other.facts.get(key) == value}
        return replace(
            self,
            facts=same,
            rounds=self.rounds + other.rounds,
            turns=self.turns + other.turns,
            processes=(self.processes or 0) + (other.processes or 0) if both else None,
        )

    def as_standard(self, warnings: Sequence[str] | None = None) -> dict[str, Any]:
        """In the standard JSON's form.

        Args:
            warnings: what is left to be said of this result alone; None for all.
        """
        counts = [len(each.durations_ns) for each in self.rounds]
        # Where they have equally many, and a round is a process.
        is_told = self.processes == len(counts) and len({*counts}) == 1
        costs = [each.clock_cost_ns for each in self.rounds if each.clock_cost_ns is not None]
        own = {
            "benchmark": self.benchmark,
            "commit": self.run.commit,
            "selection": self.run.selection,
            "sampling": self.rounds[0].sampling,
            "samples": sum(counts),
            "number": self.number,
            "processes": self.processes,
            "samples_per_process": counts[0] if is_told else None,
            "round_medians_ns": self.medians_ns,
            "turns": list(self.turns),
            "clock_cost_ns": median(costs) if costs else None,
            "environment": dict(self.run.environment),
            "invalid": self.invalid,
            "warnings": self.warnings if warnings is None else warnings,
        }
        # Others' parameters may be called as what stands here.
        parameters = {
            f"param_{key}" if key in own else key: value for key, value in self.parameters.items()
        }
        standard = {
            "name": self.name,
            "category": self.category,
            "iterations": self.operations,
            "metrics": self.metrics.as_dict(),
            "metadata": {**parameters, **self.facts, **own},
        }
        if throughput := self.throughput:
            standard["throughput"] = throughput
        return standard

    @staticmethod
    def of(found: Mapping[str, Any]) -> Result:
        """From what `asdict` gave, by way of JSON: a line of the run log.

        Raises:
            ValueError: it is something else.
        """
        from pydantic import ValidationError  # here: where asv measures there may be none

        try:
            return _reader().validate_python(found)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "all of it"
            raise ValueError(f"{where}: {first['msg']}") from None

    @functools.cached_property
    def _ordered_ns(self) -> Floats:
        blocks = [np.asarray(each.durations_ns, np.float64) for each in self.rounds]
        found = np.concatenate(blocks)
        found.sort()
        return found


def document(results: Sequence[Result]) -> Document:
    """The standard JSON of one category of one run.

    Raises:
        MergeError: they are of different runs or machines, or two have the same name.
        ValueError: there are none.
    """
    if not results:
        raise ValueError("no results: there is nothing to write")
    run = results[0].run
    for each in results[1:]:
        _must_agree("run", run.id, each.run.id)
        _must_agree("machine", run.machine, each.run.machine)
    by_name = {each.name: each.warnings for each in results}
    if len(by_name) < len(results):
        names = [each.name for each in results]
        raise MergeError(f"two results are called {next(n for n in names if names.count(n) > 1)}")
    shared, left = shared_out(by_name)
    of_runs = dict.fromkeys(text for each in results for text in each.run.warnings)
    return {
        "benchmark_suite": SUITE,
        "version": VERSION,
        "timestamp": timestamp_of(min(each.run.started_at_ms for each in results)),
        "system_info": asdict(run.machine),
        "run": {
            **{key: getattr(run, key) for key in ("id", "commit", "selection", "seed", "rounds")},
            "interrupted": any(each.run.interrupted for each in results),
        },
        "warnings": [*of_runs, *shared],
        "results": [each.as_standard(left[each.name]) for each in results],
    }


def timestamp_of(milliseconds: int) -> str:
    """RFC 3339 in UTC, with Z; milliseconds only where there are any."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"


def _must_agree(what: str, first: object, second: object) -> None:
    if first != second:
        raise MergeError(f"results of different {what} are not merged: {first!r}, {second!r}")


@functools.cache
def _reader() -> TypeAdapter[Result]:
    from pydantic import TypeAdapter

    return TypeAdapter(Result)
