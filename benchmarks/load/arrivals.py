"""Arrival processes: when each request of a run is to start, decided before the run.

Constant rate, a Poisson process (independent exponential gaps), bursts, and replayed traces.
"""

from __future__ import annotations

import math
import re
import secrets
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Nanoseconds: TypeAlias = NDArray[np.int64]

# Of a schedule. Each takes some 90 bytes in the generator while it sends, and 240 when it hands
# over what it has measured.
MOST_REQUESTS = 10_000_000
_LONGEST_S = 7 * 86_400.0
_LONGEST_LINE_BYTES = 1000  # of a trace, with its comment
_NUMBER = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class TraceError(ValueError):
    """A trace cannot be used; the message names file and line."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Intended starts, and how they came about.

    Attributes:
        kind: "constant", "poisson", "burst" or "trace".
        parameters: what it was made from.
        seed: of the random numbers, None where there are none.
        duration_s: the time over which the arrivals are spread.
        intended_ns: from the run's start, ascending.
    """

    kind: str
    parameters: dict[str, Any]
    seed: int | None
    duration_s: float
    intended_ns: Nanoseconds

    @property
    def offered_per_s(self) -> float:
        """Requests a second."""
        return len(self.intended_ns) / self.duration_s


def constant(rate_per_s: float, duration_s: float) -> Schedule:
    """One request every 1 / `rate_per_s` seconds, the first one at the start.

    Raises:
        ValueError: an argument is not a positive number, or they make no or too many requests.
    """
    count = _count(rate_per_s, duration_s)
    intended_ns = np.rint(np.arange(count) * 1e9 / rate_per_s).astype(np.int64)
    parameters = {"rate_per_s": rate_per_s, "duration_s": duration_s}
    return Schedule("constant", parameters, None, duration_s, intended_ns)


def poisson(rate_per_s: float, duration_s: float, seed: int | None = None) -> Schedule:
    """A Poisson process: gaps are independent and exponential with mean 1 / `rate_per_s`.

    Args:
        rate_per_s: the mean rate.
        duration_s: the arrivals before this are taken; their number is random, too.
        seed: of numpy's PCG64; None draws one, which the schedule holds.

    Raises:
        ValueError: as `constant`; the seed is negative; or no arrival fell into the time.
    """
    mean = _count(rate_per_s, duration_s)
    if seed is None:
        seed = secrets.randbits(63)
    random = _random(seed)
    starts_s = np.zeros(1)
    while starts_s[-1] < duration_s:
        more = math.ceil(mean / 4) + 16
        gaps_s = random.exponential(1 / rate_per_s, more)
        starts_s = np.concatenate([starts_s, starts_s[-1] + np.cumsum(gaps_s)])
    starts_s = starts_s[1:][starts_s[1:] < duration_s]
    if len(starts_s) == 0:
        raise ValueError(f"seed {seed}: no arrival in {duration_s} s at {rate_per_s} a second")
    parameters = {"rate_per_s": rate_per_s, "duration_s": duration_s}
    intended_ns = (starts_s * 1e9).astype(np.int64)
    return Schedule("poisson", parameters, seed, duration_s, intended_ns)


def poisson_of(rate_per_s: float, count: int, seed: int) -> Schedule:
    """The first `count` arrivals of a Poisson process; the last one ends the time.

    Where runs must have equally many requests. With the same seed, schedules of different rates are
    the same one, stretched.

    Args:
        rate_per_s: the mean rate.
        count: how many arrivals.
        seed: of numpy's PCG64.

    Raises:
        ValueError: as `constant`; or the seed is negative.
    """
    _positive(rate=rate_per_s)
    if count < 1:
        raise ValueError(f"{count} arrivals: give 1 or more")
    _not_too_many(count)
    starts_s = np.cumsum(_random(seed).exponential(size=count)) / rate_per_s
    if starts_s[-1] > _LONGEST_S:
        raise ValueError(f"{count} at {rate_per_s} a second: at most {_LONGEST_S:.0f} s")
    parameters = {"rate_per_s": rate_per_s, "count": count}
    intended_ns = (starts_s * 1e9).astype(np.int64)
    return Schedule("poisson", parameters, seed, float(starts_s[-1]), intended_ns)


def burst(size: int, period_s: float, duration_s: float) -> Schedule:
    """`size` requests at the same time at the start and every `period_s` after it.

    Raises:
        ValueError: as `constant`.
    """
    if size < 1:
        raise ValueError(f"burst of {size}: give a size of 1 or more")
    _positive(period=period_s, duration=duration_s)
    bursts = math.ceil(round(duration_s / period_s, 9))  # 0.3 / 0.1 is a little below 3 in binary
    _not_too_many(bursts * size)
    starts_ns = np.rint(np.arange(bursts) * period_s * 1e9).astype(np.int64)
    parameters = {"size": size, "period_s": period_s, "duration_s": duration_s}
    return Schedule("burst", parameters, None, duration_s, np.repeat(starts_ns, size))


def replayed(path: Path) -> Schedule:
    """A trace: inter-arrival times in seconds, one a line; the first one runs from the start.

    Empty lines, and what follows a "#", are comments.

    Raises:
        TraceError: it cannot be read, a line is not such a time, or the whole makes no schedule.
    """
    gaps_s = array("d")
    elapsed_s, number = 0.0, 0

    def wrong(what: str) -> TraceError:
        return TraceError(f"{path}:{number}: {what}")

    try:
        with path.open("rb") as file:
            # One line after the other: the file may be no trace, and of any size.
            while line := file.readline(_LONGEST_LINE_BYTES + 1):
                number += 1
                if len(line) > _LONGEST_LINE_BYTES:
                    raise wrong(f"longer than {_LONGEST_LINE_BYTES} bytes")
                written = line.decode().partition("#")[0].strip()
                if not written:
                    continue
                # float also reads "nan", "1_0" and other scripts' digits.
                if not _NUMBER.fullmatch(written):
                    raise wrong(f"{written[:40]!r} is no time in seconds, 0 or more")
                gaps_s.append(float(written))
                elapsed_s += gaps_s[-1]
                if elapsed_s > _LONGEST_S:
                    raise wrong(f"the trace runs longer than {_LONGEST_S:.0f} s")
                if len(gaps_s) > MOST_REQUESTS:
                    raise wrong(f"more than {MOST_REQUESTS} requests")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise wrong("not UTF-8 text") from error
    intended_ns = np.rint(np.cumsum(gaps_s) * 1e9).astype(np.int64)
    if not intended_ns.any():
        raise TraceError(f"{path}: {len(gaps_s)} requests in no time are no schedule")
    return Schedule("trace", {"path": str(path)}, None, elapsed_s, intended_ns)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} {value}: give a number above 0")


def _random(seed: int) -> np.random.Generator:
    if seed < 0:
        raise ValueError(f"seed {seed}: give a whole number of 0 or more")
    return np.random.default_rng(seed)


def _count(rate_per_s: float, duration_s: float) -> int:
    _positive(rate=rate_per_s, duration=duration_s)
    count = round(rate_per_s * duration_s)
    if count < 1:
        raise ValueError(f"{rate_per_s} a second for {duration_s} s: that is no request")
    _not_too_many(count)
    if duration_s > _LONGEST_S:
        raise ValueError(f"duration {duration_s}: give at most {_LONGEST_S:.0f} s")
    return count


def _not_too_many(count: int) -> None:
    if count > MOST_REQUESTS:
        raise ValueError(f"{count} requests: at most {MOST_REQUESTS} fit into a run")
