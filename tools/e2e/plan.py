"""What the user asks for: the plan that the arguments make together."""

from __future__ import annotations

import argparse
import math
import resource
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias, TypeVar

from benchmarks.load.arrivals import (
    MOST_REQUESTS,
    Schedule,
    burst,
    constant,
    poisson,
    replayed,
)
from benchmarks.load.engine import SPARE_FILES
from benchmarks.load.request import Request
from benchmarks.load.run import Closed, Load
from benchmarks.workloads.registry import WORKLOADS, workload
from tools.command import can_be_written
from tools.e2e.answers import CHECK, Expected, sized
from tools.e2e.arguments import (
    ANY_SIZE,
    CLOSED_CONNECTIONS,
    CONNECTIONS,
    DURATION_S,
    KINDS,
    NONE,
    RATE_PER_S,
    parser,
)
from tools.e2e.target import Target

Arrivals: TypeAlias = Schedule | Closed

_CLOSED_PER_S = 100_000  # beyond what a generator can do; the room that a closed loop's run needs
_NOT_WITH = {"closed": ("rate",), "trace": ("rate", "duration")}


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a measurement needs.

    Attributes:
        target: what is asked.
        workload, variant: whose request it is; `NONE` where only the HTTP answer is looked at.
        chosen: whether the user said what to expect.
        expected: of answers, in words.
        kind: of the arrivals.
        loads: one for each run.
        seed: of the request's body, and of the first run's arrivals.
        headers: names of those that the user gave.
        output: the folder.
    """

    target: Target
    workload: str
    variant: str
    chosen: bool
    expected: str
    kind: str
    loads: tuple[Load, ...]
    seed: int
    headers: tuple[str, ...]
    output: Path

    @property
    def request(self) -> Request:
        """That all runs send."""
        return self.loads[0].request

    @property
    def run_s(self) -> float:
        """How long each run sends."""
        duration_s = self.loads[0].arrivals.duration_s
        assert duration_s is not None
        return duration_s


def planned(arguments: Sequence[str] | None) -> Plan:
    """Reads the arguments; what is wrong with them is said in one line, and the status is 2."""
    reading = parser()
    options = reading.parse_args(arguments)
    try:
        return _plan(options)
    except ValueError as error:
        reading.error(str(error))


def _plan(options: argparse.Namespace) -> Plan:
    if not can_be_written(options.output):
        raise ValueError(f"--output {options.output}: cannot be made or written to; name another")
    target = _told("--target", lambda: Target.parsed(options.target))
    expected = _told("--expect", lambda: Expected.parsed(options.expect))
    seed = secrets.randbits(32) if options.seed is None else options.seed
    chosen = options.workload is not None or bool(options.expect)
    name, variant, size = _workload(options)
    if name != NONE and expected.status not in (None, 200):
        raise ValueError(f"--expect status={expected.status}: answers of workloads have 200; "
                         f"--workload {NONE} leaves that open")  # fmt: skip
    own = list(map(_header, options.header))
    request = _request(options, target, (name, variant, size), seed, own)
    kind, arrivals = _arrivals(options, seed)
    most = options.connections or (CLOSED_CONNECTIONS if kind == "closed" else CONNECTIONS)
    _enough_files(most)
    loads = tuple(
        Load(
            request=request,
            arrivals=each,
            check=CHECK,
            check_arguments={
                "workload": None if name == NONE else [name, variant, size, seed],
                "expected": asdict(expected),
            },
            timeout_s=options.timeout,
            most_connections=most,
            lag_bound_ns=max(1, round(options.lag_bound * 1e6)),
        )
        for each in arrivals
    )
    words = str(expected)
    if name != NONE:
        words = f"the answer of {name}, {variant}" + (f", {words}" if options.expect else "")
    headers = tuple(name for name, _ in own)
    return Plan(target, name, variant, chosen, words, kind, loads, seed, headers, options.output)


def _workload(options: argparse.Namespace) -> tuple[str, str, int]:
    """Name, variant and size."""
    # Who says what is to come has another function than noop in mind.
    written = options.workload or (NONE if options.expect else "noop")
    name, colon, variant = written.partition(":")
    size: int | None = options.payload
    if name == NONE:
        if colon:
            raise ValueError(f"--workload {written}: {NONE} has no variants; --payload sets a size")
        return NONE, "empty" if size is None else f"bytes={size}", size or 0
    if name not in WORKLOADS:
        raise ValueError(f"--workload {name}: there is none; give {', '.join(WORKLOADS)} or {NONE}")
    found = workload(name)
    if (reason := found.missing()) is not None:
        raise ValueError(f"--workload {name}: {reason}")
    if size is not None:
        if name not in ANY_SIZE or colon:
            raise ValueError(
                f"--payload: the body is that of the workload {written}; it goes with "
                f"{', '.join(ANY_SIZE)} (without a variant) and {NONE}"
            )
        return name, f"bytes={size}", size
    if colon and variant not in found.variants:
        raise ValueError(f"--workload {written}: the variants are {', '.join(found.variants)}")
    variant = variant or next(iter(found.variants))
    return name, variant, found.variants[variant]


def _request(
    options: argparse.Namespace,
    target: Target,
    served: tuple[str, str, int],
    seed: int,
    own: Sequence[tuple[str, str]],
) -> Request:
    name, variant, size = served
    path, headers, body = "/", dict[str, str](), b""
    method = "GET"
    if name != NONE:
        method, path, headers, body = sized(name, variant, size).request(variant, seed)
    if options.payload is not None and name != "echo":
        method, headers = "POST", {"content-type": "application/octet-stream"}
        body = Random(seed).randbytes(size)
    theirs = {name.lower() for name, _ in own}
    if options.ca_file is not None and not target.tls:
        raise ValueError("--ca-file: the target is not HTTPS")
    request = Request(
        target.host,
        target.port,
        target.path if path == "/" else target.path.rstrip("/") + path,
        method,
        [*((name, value) for name, value in headers.items() if name not in theirs), *own],
        body,
        target.tls,
        options.ca_file,
    )
    try:
        request.context()
    except OSError as error:
        raise ValueError(f"--ca-file {options.ca_file}: cannot be used: {error}") from error
    return request


def _arrivals(options: argparse.Namespace, seed: int) -> tuple[str, list[Arrivals]]:
    """Their kind, and those of each run."""
    asked = options.arrivals or ("constant" if options.burst is None else "burst")
    kind, _, file = asked.partition(":")
    if kind not in KINDS or (kind == "trace") != bool(file):
        raise ValueError(f"--arrivals {asked}: give {', '.join(KINDS.values())}")
    if (kind == "burst") != (options.burst is not None):
        raise ValueError(f"--arrivals {kind}: --burst SIZE goes with burst, and with nothing else")
    for name in _NOT_WITH.get(kind, ()):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name}: {kind} arrivals have none of their own to set")
    rate_per_s = options.rate or RATE_PER_S
    duration_s = options.duration or DURATION_S
    if kind == "poisson":
        runs = range(options.runs)
        return kind, [poisson(rate_per_s, duration_s, seed + each) for each in runs]
    made: Arrivals
    if kind == "constant":
        made = constant(rate_per_s, duration_s)
    elif kind == "burst":
        made = burst(options.burst, options.burst / rate_per_s, duration_s)
    elif kind == "trace":
        made = replayed(Path(file))
    else:
        connections = options.connections or CLOSED_CONNECTIONS
        room = connections + math.ceil(duration_s * _CLOSED_PER_S)
        made = Closed(connections, min(MOST_REQUESTS, room), duration_s)
    return kind, [made] * options.runs


def _header(written: str) -> tuple[str, str]:
    name, colon, value = written.partition(":")
    if not colon:
        raise ValueError("--header: give 'Name: value'")
    return name.strip(), value.strip()


def _enough_files(connections: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and connections + SPARE_FILES > most:
        raise ValueError(
            f"--connections {connections}: this process may have {most} files open, "
            f"and {SPARE_FILES} are needed beside them; give less, or raise ulimit -n"
        )


Made = TypeVar("Made")


def _told(option: str, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error
