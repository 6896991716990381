"""Latencies as an HDR histogram (Tene): small, and for others to be merged with theirs.

hdrhistogram 0.10.8, the port of HdrHistogram's own project: released this year, encodes the V2 form
that Java's and C's read; hdrpy, the other candidate, has had no release since 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

LONGEST_NS = 4_000 * 1_000_000_000  # above the longest time-out
DIGITS = 3  # a value is kept to one part in a thousand


def encoded(latencies_ns: Iterable[float]) -> str:
    """The histogram in HdrHistogram's compressed V2 form, as base64.

    Args:
        latencies_ns: of each request; those that failed, which are infinite, are left out.

    Raises:
        ValueError: one is negative, or longer than `LONGEST_NS`.
    """
    # Here: the suites are looked through by asv where a library may be missing.
    from hdrh.histogram import HdrHistogram

    values = HdrHistogram(1, LONGEST_NS, DIGITS)
    for latency_ns in itertools.filterfalse(math.isinf, latencies_ns):
        if latency_ns > LONGEST_NS or not values.record_value(int(latency_ns)):
            raise ValueError(f"a latency of {latency_ns} ns cannot be kept")
    return str(values.encode().decode())
