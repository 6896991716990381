"""A sitting: several things measured in turn, so that what the machine does hits them all.

In each round every one is measured once, in an order drawn from a recorded seed. What cannot be had
says why, what failed says how, and neither keeps the rest from being measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.harness.processes import ProcessError
from benchmarks.harness.progress import tell
from benchmarks.harness.statistics import Floats, ratio_interval, round_ratios

ROUNDS = 6  # the fewest that carry an interval of 95 %

_FIGURE = re.compile(r"(\d+(?:\.\d+)?)")

# By name: `parts`, a list of `sample_set`s of each, one a round; or `missing` or `failed`, why.
Measured = dict[str, dict[str, Any]]


def sit(
    possible: Mapping[str, Sequence[Any] | str],
    measure: Callable[[str, list[Any]], Mapping[str, dict[str, Any]]],
    rounds: int,
    seed: int,
    group_of: Callable[[str], str] = str,
) -> Measured:
    """Measures all that is possible, interleaved.

    Args:
        possible: for each name what of it is to be measured, or why it cannot be had.
        measure: called with a name and its parts in the order to be kept; gives a `sample_set` of
            each part, by its name. May raise NotImplementedError for what is missing after all.
        rounds: how often.
        seed: of the orders.
        group_of: a name's group; what is of one group is measured right after each other, in an
            order drawn anew. Each name is one by itself unless told.

    Returns:
        What was measured.
    """
    measured: Measured = {
        name: {"missing": parts} if isinstance(parts, str) else {"parts": {}}
        for name, parts in possible.items()
    }
    names = list(possible)
    draw = np.random.default_rng(seed)
    total = rounds * len(names)
    for done in range(rounds):
        for position, name in enumerate(_order(names, group_of, draw)):
            tell(done * len(names) + position, total, name)
            state, parts = measured[name], possible[name]
            if "parts" not in state or "failed" in state or isinstance(parts, str):
                continue
            order = [parts[index] for index in draw.permutation(len(parts))]
            try:
                found = measure(name, order)
            except NotImplementedError as missing:
                measured[name] = {"missing": str(missing)}
                continue
            except (ProcessError, RuntimeError, OSError) as error:
                state["failed"] = f"{name}: {error}"
                continue
            except Exception as error:  # of any kind: an hour of the others hangs on it
                state["failed"] = f"{name}: {type(error).__name__}: {error}"
                continue
            for part, one in found.items():
                state["parts"].setdefault(part, []).append(one)
    tell(total, total, "measured")
    return measured


def _order(
    names: Sequence[str], group_of: Callable[[str], str], draw: np.random.Generator
) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(group_of(name), []).append(name)
    members = list(groups.values())
    for at in draw.permutation(len(members)):
        group = members[at]
        yield from (group[index] for index in draw.permutation(len(group)))


def sets_of(measured: Measured, name: str, part: str) -> list[dict[str, Any]]:
    """The `sample_set`s of one part, one a round.

    Raises:
        NotImplementedError: it cannot be had here.
        RuntimeError: it failed.
    """
    state = measured[name]
    if "failed" in state:
        raise RuntimeError(state["failed"])
    if "missing" in state:
        raise NotImplementedError(state["missing"])
    if part not in state["parts"]:
        raise NotImplementedError(f"{name} is not measured at {part}")
    return list(state["parts"][part])


def blocks_of(sets: Sequence[Mapping[str, Any]]) -> list[Floats]:
    """The samples of each round."""
    return [np.array(one["samples_ns"]) for one in sets]


def doubts_of(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the rounds doubt, each once, a range where only figures differ; and how many rounds do.

    Args:
        sets: the `sample_set`s of one part, one a round.
    """
    said: dict[tuple[str, ...], list[tuple[int, list[str]]]] = {}
    for at, one in enumerate(sets):
        for doubt in one["doubts"]:
            pieces = _FIGURE.split(doubt)  # words and figures in turns
            said.setdefault(tuple(pieces[::2]), []).append((at, pieces))
    found = []
    for times in said.values():
        pieces = list(times[0][1])
        pieces[1::2] = map(_range, zip(*(each[1::2] for _, each in times), strict=True))
        doubt = "".join(pieces)
        rounds = len({at for at, _ in times})
        found.append(doubt if rounds == len(sets) else f"{doubt} ({rounds} of {len(sets)} rounds)")
    return found


def _range(figures: Sequence[str]) -> str:
    least, most = min(figures, key=float), max(figures, key=float)
    return least if least == most else f"{least} to {most}"


def ratio(measured: Measured, name: str, to: str, part: str, key: str) -> dict[str, Any]:
    """The ratio of two things of one sitting, for the metadata; nothing where one was not measured.

    Args:
        measured: what `sit` gave.
        name, to: the ratio is that of the first to the second.
        part: of both.
        key: the ratio's name; its interval of 95 %, if the rounds carry one, is beside it.
    """
    own = measured.get(name, {}).get("parts", {}).get(part)
    other = measured.get(to, {}).get("parts", {}).get(part)
    if not own or not other or len(own) != len(other) or name == to:
        return {}
    rounds = blocks_of(own), blocks_of(other)
    if len(own) < ROUNDS:
        return {key: float(np.median(round_ratios(*rounds)))}
    middle, low, high = ratio_interval(*rounds)
    return {key: middle, f"{key}_interval": [low, high]}
