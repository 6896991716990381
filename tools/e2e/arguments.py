"""The arguments of the command, each by itself."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from benchmarks.load.arrivals import MOST_REQUESTS
from benchmarks.load.result import LAG_BOUND_NS
from benchmarks.load.run import LONGEST_TIMEOUT_S, MOST_CONNECTIONS
from benchmarks.workloads.registry import WORKLOADS
from tools.command import Parser
from tools.e2e.target import PORT

NONE = "none"
ANY_SIZE = ("noop", "echo")  # workloads that take a body of any
KINDS = {each.partition(":")[0]: each for each in
         ("constant", "poisson", "burst", "closed", "trace:FILE")}  # fmt: skip
RATE_PER_S = 100.0
DURATION_S = 10.0
CONNECTIONS = 1000
CLOSED_CONNECTIONS = 10
_LONGEST_S = 7 * 86_400
_LARGEST_BYTES = 64 << 20
_LARGEST_SEED = 2**53 - 1  # that every JSON parser reads
_MOST_RUNS = 100


def parser() -> Parser:
    """Reads them; says what is wrong with one in a line, and exits with 2."""
    made = Parser(
        prog="python -m tools.e2e",
        description="Put an HTTP endpoint under load, whoever runs it, and write the standard "
        "JSON. Nothing but the target is contacted; no redirect is followed, no proxy is used.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add(
        "--target",
        required=True,
        metavar="URL",
        help=f"http(s)://HOST[:PORT]/PATH; for the loopback :PORT/PATH, or /PATH at port {PORT}",
    )
    add(
        "--workload",
        metavar="NAME[:VARIANT]",
        help=f"which of benchmarks/workloads it serves ({', '.join(WORKLOADS)}), or {NONE}: only "
        f"the HTTP answer is looked at; default: noop, or {NONE} with --expect",
    )
    add(
        "--payload",
        type=_whole(0, _LARGEST_BYTES),
        metavar="BYTES",
        help=f"so many seeded bytes as the body, by POST; with {', '.join(ANY_SIZE)} or {NONE}",
    )
    add(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="sent with each request; only its name is written down; repeatable",
    )
    add(
        "--expect",
        action="append",
        default=[],
        metavar="KIND=VALUE",
        help="status=N, text=TEXT or regex=PATTERN in the body, sha256=HEX of the body; "
        "repeatable; default: a 2xx, and the answer of the workload",
    )
    add("--arrivals", metavar="KIND", help=f"{', '.join(KINDS.values())}; default: constant")
    add(
        "--rate",
        type=_above_0(1e6),
        metavar="R",
        help=f"requests a second, in the mean; default {RATE_PER_S:g}",
    )
    add(
        "--duration",
        type=_above_0(_LONGEST_S),
        metavar="S",
        help=f"seconds that each run sends; default {DURATION_S:g}",
    )
    add(
        "--burst",
        type=_whole(1, MOST_REQUESTS),
        metavar="SIZE",
        help="requests at the same time, every SIZE / R seconds",
    )
    add(
        "--connections",
        type=_whole(1, MOST_CONNECTIONS),
        metavar="N",
        help=f"the most at a time ({CONNECTIONS}); of a closed loop all ({CLOSED_CONNECTIONS})",
    )
    add(
        "--timeout",
        type=_above_0(LONGEST_TIMEOUT_S),
        default=10.0,
        metavar="S",
        help="seconds for a request, the connecting included; default 10",
    )
    add(
        "--seed",
        type=_whole(0, _LARGEST_SEED),
        metavar="N",
        help="of bodies and arrivals; drawn and written down unless given",
    )
    add(
        "--runs",
        type=_whole(1, _MOST_RUNS),
        default=1,
        metavar="N",
        help="fresh generator processes, one after the other; Poisson arrivals differ; default 1",
    )
    add(
        "--lag-bound",
        type=_above_0(1e6),
        default=LAG_BOUND_NS / 1e6,
        metavar="MS",
        help="a run is invalid where the p99 of the generator's lag is above; default 1",
    )
    add("--ca-file", metavar="FILE", help="certificates to trust in place of the system's")
    add("--output", type=Path, default=Path("data"), metavar="DIR", help="default: data")
    return made


def _above_0(most: float) -> Callable[[str], float]:
    def read(written: str) -> float:
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(
                f"{written!r}: give a number above 0 and up to {most:g}"
            )
        return value

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(written: str) -> int:
        if not (written.isascii() and written.isdecimal() and least <= int(written) <= most):
            raise argparse.ArgumentTypeError(
                f"{written!r}: give a whole number from {least} to {most}"
            )
        return int(written)

    return read
