"""A session: trials measured in interleaved rounds, so that what the machine does hits them all.

In each round every trial is measured once, in fresh processes. The order of a round is drawn from a
recorded seed, and the next round takes it backwards: of any two trials each comes first equally
often. What this machine lacks says why, what failed says how, and neither keeps the rest from being
measured. A session that is interrupted keeps what it has measured.
"""

from __future__ import annotations

import abc
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

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
        group: trials of one group are measured in a row, so that what the machine
            does from minute to minute hits all that is compared with each other.
        turn_s: what a turn takes, in s, where nobody has measured that yet.
    """

    name: str
    group: str | None = None
    turn_s: float = 1.0

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


@dataclass(slots=True)
class Measured:
    """What a session has measured of one trial.

    Attributes:
        rounds: the samples of each part, a mapping a round.
        turns: the place of each of these rounds in the session, counted from 0.
        seconds: what each of them took.
        missing: why it cannot be measured here.
        failed: how it failed; rounds before that are kept, but make no result.
    """

    rounds: list[Mapping[str, Samples]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    missing: str | None = None
    failed: str | None = None


class Session:
    """Measures trials in interleaved rounds.

    Args:
        trials: what to measure; those of the same name are measured once.
        rounds: how often.
        seed: of the orders; None to draw one.
        iterations, quick: as in `Turn`.
        tell: hears how far it is.

    Attributes:
        seed: of the orders.
        measured: what there is by now, by the trials' names; also when `run` was interrupted.
        interrupted: whether `run` ended early.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        rounds: int = ROUNDS,
        seed: int | None = None,
        iterations: int | None = None,
        quick: bool = False,
        tell: Tell = lambda done, total, name: None,
    ) -> None:
        self.rounds = rounds
        self.seed = secrets.randbits(32) if seed is None else seed
        self.measured = {trial.name: Measured() for trial in trials}
        self.interrupted = False
        self._trials = {trial.name: trial for trial in trials}
        self._iterations, self._quick, self._tell = iterations, quick, tell

    def run(self) -> None:
        """Measures all rounds. Whatever ends it early leaves `measured` usable."""
        for name, trial in self._trials.items():
            try:
                self.measured[name].missing = trial.missing()
            except Exception as error:  # of any kind: an hour of the others depends on it
                self.measured[name].failed = f"{name}: {type(error).__name__}: {error}"
        draw = np.random.default_rng(self.seed)
        total = self.rounds * len(self._trials)
        done = 0
        order: list[Trial] = []
        self.interrupted = True
        for number in range(self.rounds):
            order = order[::-1] if number % 2 else list(self._order(draw))
            for trial in order:
                self._tell(done, total, trial.name)
                self._take(trial, number, done)
                done += 1
        self.interrupted = False
        self._tell(done, total, "measured")

    def _take(self, trial: Trial, number: int, place: int) -> None:
        measured = self.measured[trial.name]
        if measured.missing is not None or measured.failed is not None:
            return
        began_s = time.monotonic()
        try:
            found = trial.run(Turn(TURN_SEED + number, self._iterations, self._quick))
        except NotImplementedError as missing:
            measured.missing = str(missing)
        except (ProcessError, RuntimeError, OSError) as error:
            measured.failed = f"{trial.name}: {error}"
        except Exception as error:  # as above
            measured.failed = f"{trial.name}: {type(error).__name__}: {error}"
        else:
            measured.rounds.append(found)
            measured.turns.append(place)
            measured.seconds.append(time.monotonic() - began_s)

    def _order(self, draw: np.random.Generator) -> Iterator[Trial]:
        groups: dict[str, list[Trial]] = {}
        for trial in self._trials.values():
            groups.setdefault(trial.group or trial.name, []).append(trial)
        members = list(groups.values())
        for at in draw.permutation(len(members)):
            yield from (members[at][index] for index in draw.permutation(len(members[at])))
