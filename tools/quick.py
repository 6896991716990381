"""The quick pass: the part of the suites that stands for the whole.

`python -m tools.quick` prints it.

The ring: every operation at every payload size, from recorded samples; asv's own `time_*` are left
out, since cut short enough to be quick they mostly show asv's own cost. The other suites shorten
themselves where `AETHERLESS_QUICK` is 1.
"""

from __future__ import annotations

from benchmarks.cold_start import QUICK

_COLD = "|".join(case.name for case in QUICK)
# A regular expression for `asv run --bench`, matched against "module.Class.method(parameters)".
PATTERNS = {
    "ring_buffer": r"^ring_buffer\..*\.track_.*",
    # One process of asv's a result: what the quick pass leaves out is not even asked for.
    "cold_start": rf"^cold_start\.(Ready|FirstResponse|LastReady)\..*\('({_COLD})'\)$",
    "ipc": r"^ipc\.(RoundTrip\..*, (64|1024|65536)\)|OneWay\..*, (64|65536)\))$",
}


def pattern(categories: list[str] | None = None) -> str:
    """The pattern of the named categories, of all when None."""
    return "|".join(PATTERNS[name] for name in categories or PATTERNS)


if __name__ == "__main__":
    print(pattern())
