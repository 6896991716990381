"""How many descriptors (open files) a configuration can need, and what gives way to how many.

Each connection, instance and template takes some of this process. Where the system allows fewer
than all together can need, connections and instances are bounded, so that neither finds none: a
connection without one is reset, and an instance is not started.
"""

from __future__ import annotations

import functools
import math
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass

from aetherless_py.errors import StartError
from aetherless_py.runtime.config import FunctionConfig
from aetherless_py.start import kind
from aetherless_py.start.base import Strategy

LEAST_CONNECTIONS = 64
_CHANNEL = 4  # two rings, and a part in each
_LOG = 1
# Event loop, listeners, guard, control socket, connections that are being refused, and what starts
# take for a moment.
_GATEWAY = 64


@dataclass(slots=True)
class Allowance:
    """What instances may take beyond the first one of each function, which is always allowed.

    Attributes:
        most: descriptors that all of them may take together.
        used: those that they have taken.
    """

    most: float = math.inf
    used: int = 0

    def has(self, descriptors: int) -> bool:
        """Whether so many are left."""
        return self.used + descriptors <= self.most


@dataclass(frozen=True, slots=True)
class Plan:
    """What there may be.

    Attributes:
        connections: of clients, at a time.
        more: descriptors of instances beyond the first of each function.
        warning: what is less than configured, and what would help; "" where nothing is.
    """

    connections: int
    more: float
    warning: str


def of_instance(function: FunctionConfig) -> int:
    """What an instance takes."""
    own = _kind(function).instance_descriptors + _LOG
    return own + (function.concurrency if function.kind == "executable" else _CHANNEL)


def kept_by(function: FunctionConfig) -> int:
    """What a function takes as long as it is served: what it starts from, its pool, an instance."""
    pool = min(function.warm_pool_size, function.max_instances)
    prepared = _kind(function).prepared_descriptors
    return prepared + (pool + 1) * of_instance(function) + (function.trigger_port is not None)


def plan(functions: Sequence[FunctionConfig], wanted: int, limit: float, held: int) -> Plan:
    """How many of each there may be.

    Args:
        functions: that are to be served.
        wanted: connections that there shall be.
        limit: of this process's descriptors.
        held: those that it has, beside what this file counts.

    Raises:
        StartError: too few even for the least.
    """
    kept = held + _GATEWAY + sum(map(kept_by, functions))
    more = sum((each.max_instances - 1) * of_instance(each) for each in functions)
    least = min(wanted, LEAST_CONNECTIONS)
    remedy = f"raise the limit, as by 'ulimit -n {-(-(kept + more + wanted) // 100) * 100}'"
    if kept + least > limit:
        count = "1 function" if len(functions) == 1 else f"{len(functions)} functions"
        raise StartError(
            f"open files: {count} and {least} connections need {kept + least}, and there may be"
            f" {limit}: {remedy}, or lower warm_pool_size"
        )
    room = limit - kept
    if room >= more + wanted:
        return Plan(wanted, math.inf, "")
    connections = int(max(least, min(wanted, room - more)))
    told = f"{connections} connections at a time in place of {wanted}"
    if room - connections < more:
        told += ", and fewer instances than max_instances allows"
    warning = f"open files: there may be {limit}: {told}; {remedy}"
    return Plan(connections, room - connections, warning)


def limit() -> float:
    """How many there may be: the soft limit, which is raised to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (ValueError, OSError):  # where the system has no such number
        pass
    return math.inf if soft == resource.RLIM_INFINITY else soft


def held() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # without the one that looks


def _kind(function: FunctionConfig) -> type[Strategy]:
    return _kind_of("executable" if function.kind == "executable" else function.start)


_kind_of = functools.cache(kind)  # which looks for it in the folder of strategies
