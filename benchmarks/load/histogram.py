"""Latencies as an HDR histogram (Tene), with the failures beside it: merged, and kept small.

hdrhistogram 0.10.8, the port of HdrHistogram's own project: released this year, encodes the V2 form
that Java's and C's read; hdrpy, the other candidate, has had no release since 2018.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

LONGEST_NS = 4_000 * 1_000_000_000  # above the longest time-out
DIGITS = 3  # a value is kept to one part in a thousand


class Histogram:
    """Latencies of the requests that succeeded, and the number of those that did not.

    Args:
        failed: how many failed; their latency counts as infinite.
    """

    def __init__(self, failed: int = 0) -> None:
        # Here: the suites are looked through by asv where a library may be missing.
        from hdrh.histogram import HdrHistogram

        self.failed = failed
        self._values = HdrHistogram(1, LONGEST_NS, DIGITS)

    @classmethod
    def of(cls, latencies_ns: Iterable[float]) -> Self:
        """The histogram of a run.

        Args:
            latencies_ns: of each request, infinite where it failed.

        Raises:
            ValueError: one is negative, or longer than `LONGEST_NS`.
        """
        made = cls()
        for latency_ns in latencies_ns:
            if math.isinf(latency_ns):
                made.failed += 1
            elif latency_ns > LONGEST_NS or not made._values.record_value(int(latency_ns)):
                raise ValueError(f"a latency of {latency_ns} ns cannot be kept")
        return made

    @classmethod
    def decoded(cls, text: str, failed: int) -> Self:
        """The histogram that `encoded` and `failed` told of.

        Raises:
            ValueError: the text is none.
        """
        made = cls(failed)
        try:
            made._values.decode_and_add(text)
        except Exception as error:  # the library's own kinds, binascii's and zlib's
            raise ValueError(f"not an encoded histogram: {error}") from error
        return made

    def encoded(self) -> str:
        """The latencies in HdrHistogram's compressed V2 form, as base64."""
        return str(self._values.encode().decode())

    def add(self, other: Histogram) -> None:
        """Adds another run's requests to these."""
        self._values.add(other._values)
        self.failed += other.failed

    @property
    def count(self) -> int:
        """All requests, failed ones too."""
        return int(self._values.get_total_count()) + self.failed

    def percentile_ns(self, percent: float) -> float:
        """By nearest rank over all requests, up to one part in a thousand too high.

        Args:
            percent: above 0 and up to 100.

        Returns:
            Infinity where it falls on a failure.

        Raises:
            ValueError: no requests, or `percent` out of bounds.
        """
        if self.count == 0 or not 0 < percent <= 100:
            raise ValueError(f"percentile {percent} of {self.count} requests is not defined")
        rank = max(1, math.ceil(round(percent * self.count / 100, 9)))
        succeeded = self.count - self.failed
        if rank > succeeded:
            return math.inf
        # The library counts up to round(share of its own values): exact for a whole rank.
        return float(self._values.get_value_at_percentile(100 * rank / succeeded))
