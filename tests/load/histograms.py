"""Histograms as others read them who have the library: merged, and with failures beside them."""

from __future__ import annotations

import math

from hdrh.histogram import HdrHistogram

from benchmarks.load.histogram import DIGITS, LONGEST_NS


class Decoded:
    """What `histogram.encoded` told, and how many failed, whose latency counts as infinite.

    Raises:
        Exception: the text is none; the library's own kinds, binascii's and zlib's.
    """

    def __init__(self, *texts: str, failed: int = 0) -> None:
        self.failed = failed
        self._values = HdrHistogram(1, LONGEST_NS, DIGITS)
        for text in texts:
            self._values.decode_and_add(text)

    def encoded(self) -> str:
        return str(self._values.encode().decode())

    @property
    def count(self) -> int:
        return int(self._values.get_total_count()) + self.failed

    def percentile_ns(self, percent: float) -> float:
        """By nearest rank over all requests, up to one part in a thousand too high."""
        rank = max(1, math.ceil(round(percent * self.count / 100, 9)))
        succeeded = self.count - self.failed
        if rank > succeeded:
            return math.inf
        # The library counts up to round(share of its own values): exact for a whole rank.
        return float(self._values.get_value_at_percentile(100 * rank / succeeded))
