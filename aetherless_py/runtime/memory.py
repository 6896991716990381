"""Memory limits: what an instance and all that it has started hold resident, looked at in turn.

A limit in the kernel would need a control group for each instance, which takes root, and to move a
process into one waits for an RCU grace period of 10 ms or more, ten times a start from a zygote. So
the resident memory is looked at every `EVERY_S`; between two looks the kernel stops what grows too
fast, by the limit of mapped memory that `maker` sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from aetherless_py.start import tree

EVERY_S = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """What the process has in memory, shared pages included; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """As `resident_bytes`, but what it shares with others, as a zygote's pages, in equal parts."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) << 10
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except OSError:  # it does not let itself be seen, which must not be a way around its limit
        pass
    return resident_bytes(pid)


def over_limit(limited: Iterable[tuple[str, int, int]]) -> Sequence[tuple[str, int]]:
    """Who holds more than its limit.

    Args:
        limited: (instance's id, its process id, its limit in bytes).

    Returns:
        (instance's id, what it holds in bytes) of each.
    """
    found = []
    for instance_id, pid, limit_bytes in limited:
        pids = [pid, *tree.descendants(pid)]
        # The first is cheap, and never less than the second.
        if sum(map(resident_bytes, pids)) > limit_bytes:
            held_bytes = sum(map(proportional_bytes, pids))
            if held_bytes > limit_bytes:
                found.append((instance_id, held_bytes))
    return found
