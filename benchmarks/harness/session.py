"""A session: trials measured in interleaved rounds, so that what the machine does hits them all.

In each round every trial is measured, in fresh processes, right beside what its ratios are to. The
order of a round is drawn from a recorded seed, and the next round takes it backwards: of two
neighbours each comes first equally often. What this machine lacks says why, what failed says how,
and neither keeps the rest from being measured. A session that is interrupted keeps what it has.
"""

from __future__ import annotations

import abc
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.harness.processes import ProcessError
from benchmarks.harness.samples import Samples

ROUNDS = 8  # enough for an interval of 99 % around the median round
# Of the turns: whatever is random in a trial is the same in each session, so that commits see the
# same requests and arrivals.
TURN_SEED = 20261130

# Called with the number of turns that are over, of how many, and the trial that comes next.
Tell: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a trial is told when its turn comes.

    Attributes:
        seed: of whatever is random in it.
        iterations: samples that each row wants, where the user has said so.
        quick: whether less will do.
    """

    seed: int
    iterations: int | None = None
    quick: bool = False

    def count(self, standard: int, quick: int | None = None) -> int:
        """How many samples to take.

        Args:
            standard: as a rule.
            quick: where less will do; None for as many as otherwise.
        """
        return self.iterations or (quick if self.quick and quick else standard)


class Trial(abc.ABC):
    """What is measured in one turn, in fresh processes of its own; it gives one or several parts.

    Attributes:
        name: its own among all trials; two of the same name measure the same.
        group: trials of one group are measured one after the other, so that what the machine
            does from minute to minute hits all that is compared with each other.
    """

    name: str
    group: str | None = None

    def missing(self) -> str | None:
        """Why this machine, or the package under test, cannot measure it; None where they can."""
        return None

    @abc.abstractmethod
    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """Measures one round.

        Returns:
            The samples of each part.

        Raises:
            NotImplementedError: something is missing after all; the message says what.
            ProcessError, RuntimeError, OSError: there is no result.
        """


@dataclass(frozen=True, slots=True)
class Take:
    """What one turn gave of one part.

    Attributes:
        part: of those that the trial gives.
        number: of the round, from 0.
        place: of the turn in the session, from 0.
        seconds: that the turn took.
    """

    samples: Samples
    part: str
    number: int
    place: int
    seconds: float = 0.0

    @property
    def is_valid(self) -> bool:
        """Whether anything can be concluded from it."""
        return self.samples.invalid is None


@dataclass(slots=True)
class Measured:
    """What a session has measured of one trial.

    Attributes:
        takes: of all turns; of several in a round where the ratios of others need it beside them.
        missing: why it cannot be measured here.
        failures: how it failed, by the number of the round.
    """

    takes: list[Take] = field(default_factory=list)
    missing: str | None = None
    failures: dict[int, str] = field(default_factory=dict)

    def of(self, part: str) -> list[Take]:
        """The takes of one part."""
        return [take for take in self.takes if take.part == part]

    @property
    def lost(self) -> list[str]:
        """How those rounds failed of which there is no take."""
        taken = {take.number for take in self.takes}
        return [why for number, why in self.failures.items() if number not in taken]

    @property
    def failed(self) -> str | None:
        """How it failed, where less than half of its rounds are left; else None."""
        lost = self.lost
        return lost[0] if len(lost) > len({take.number for take in self.takes}) else None


class Session:
    """Measures trials in interleaved rounds.

    Args:
        trials: what to measure; those of the same name are the same.
        rounds: how often.
        seed: of the orders; None to draw one.
        iterations, quick: as in `Turn`.
        tell: hears how far it is.
        pairs: trials that are measured one directly after the other. One that has more than two
            partners is measured between two of them, drawn anew for every second round.

    Attributes:
        seed: of the orders.
        turns: the number of the round and the trial, in order; not of what is known to be missing.
        measured: what there is by now, by the trials' names; also when `run` was interrupted.
        interrupted: whether `run` ended early.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        rounds: int = ROUNDS,
        seed: int | None = None,
        iterations: int | None = None,
        quick: bool = False,
        tell: Tell = lambda done, total, name: None,
        pairs: Iterable[tuple[Trial, Trial]] = (),
    ) -> None:
        self.rounds = rounds
        self.seed = secrets.randbits(32) if seed is None else seed
        self.measured: dict[str, Measured] = {}
        self.interrupted = False
        self._iterations, self._quick, self._tell = iterations, quick, tell
        self._trials = {trial.name: trial for trial in trials}
        for name, trial in self._trials.items():
            self.measured[name] = measured = Measured()
            try:
                measured.missing = trial.missing()
            except Exception as error:  # of any kind: an hour of the others depends on it
                measured.failures[0] = f"{name}: {type(error).__name__}: {error}"
        self._partners: dict[str, list[str]] = {
            name: []
            for name, each in self.measured.items()
            if each.missing is None and not each.failures
        }
        for one, other in dict.fromkeys((one.name, other.name) for one, other in pairs):
            if {one, other} <= self._partners.keys():
                self._partners[one].append(other)
        draw = random.Random(self.seed)
        self.turns: list[tuple[int, Trial]] = []
        order: list[str] = []
        for number in range(rounds):
            order = order[::-1] if number % 2 else self._order(draw)
            self.turns += [(number, self._trials[name]) for name in order]

    def run(self) -> None:
        """Measures all rounds. Whatever ends it early leaves `measured` usable."""
        self.interrupted = True
        for place, (number, trial) in enumerate(self.turns):
            self._tell(place, len(self.turns), trial.name)
            self._take(trial, number, place)
        self.interrupted = False
        self._tell(len(self.turns), len(self.turns), "measured")

    def _take(self, trial: Trial, number: int, place: int) -> None:
        measured = self.measured[trial.name]
        # One of which less than half would be left is given up.
        if measured.missing is not None or 2 * len(measured.lost) > self.rounds:
            return
        began_s = time.monotonic()
        try:
            parts = trial.run(Turn(TURN_SEED + number, self._iterations, self._quick))
        except NotImplementedError as missing:
            measured.missing = str(missing)
        except (ProcessError, RuntimeError, OSError) as error:
            measured.failures[number] = f"{trial.name}: {error}"
        except Exception as error:  # as above
            measured.failures[number] = f"{trial.name}: {type(error).__name__}: {error}"
        else:
            took_s = time.monotonic() - began_s
            measured.takes += [
                Take(samples, part, number, place, took_s) for part, samples in parts.items()
            ]

    def _order(self, draw: random.Random) -> list[str]:
        """Of one round: a group after the other, and in it each trial beside its partners."""
        groups: dict[str, list[str]] = {}
        for name in draw.sample([*self._partners], len(self._partners)):
            groups.setdefault(self._trials[name].group or name, []).append(name)
        hubs = {each for beside in self._partners.values() for each in beside}
        order: list[str] = []
        for members in groups.values():
            # First who has partners: two of them share one more often where nobody stands between.
            for name in sorted(members, key=lambda name: not self._partners[name]):
                beside = draw.sample(self._partners[name], len(self._partners[name]))
                if not beside and name in hubs:
                    continue  # it stands beside others
                beside.sort(key=lambda each: order[-1:] != [each])
                block = [*beside[1:2], name, *beside[:1]]
                if order[-1:] == block[-1:]:
                    block.reverse()
                order += block[1:] if order[-1:] == block[:1] else block
        return order + [name for name in self._partners if name not in order]
