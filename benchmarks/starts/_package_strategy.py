"""The start strategies of the package under test, behind the contract of all ways.

Their names are those of the working tree, whatever commit is measured: asv's parameters must be the
same for all commits. What a commit lacks says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks import package
from benchmarks.starts import http_handler
from benchmarks.starts.base import MOMENTS, PHASES, PROGRAMS, Instance, Way

if TYPE_CHECKING:
    from aetherless_py.start.base import Strategy
    from aetherless_py.start.instance import Instance as Started

WARM_POOL = "warm_pool"
POOLED = "zygote"  # what fills the pool
# Of the moments of a fork, a restore and a hand-over some lie before the start, or are none.
_TELLS = {"zygote": ("created",), "criu": ("interpreter",), WARM_POOL: ()}
_PAUSE_S = 0.05  # in which strategies without `settle` have made up for what a start has used up


class PackageStrategy(Way):
    """A start strategy of the package; `strategies` has a class for each."""

    count = 5
    tracking = quick = True

    @classmethod
    def missing(cls) -> str | None:
        return package.lacks(lambda: cls._made(1)) or cls._made(1).missing()

    @classmethod
    def _made(cls, burst: int) -> Strategy:
        if cls.ahead:
            return package.warm_pool(package.strategy(POOLED), burst)
        return package.strategy(cls.name)

    def _prepare(self) -> None:
        self._own = self._made(self.burst)
        self.made.callback(self._own.close)
        function = self.function
        told: dict[str, Any] = {"handler": function.handler, "imports": function.imports}
        if getattr(self._own, "takes", "handler") == "command":
            told = {"command": tuple(http_handler.program(*function.arguments()))}
        self._own.prepare(
            package.function(
                path=(*function.path, PROGRAMS),
                environment=function.environment,
                ready_timeout_s=function.timeout_s,
                **told,
            )
        )
        if self.ahead:
            self.facts = {"source": POOLED}
        elif snapshot := getattr(self._own, "snapshot", None):  # how long it took, how large it is
            self.facts = {"dump_ns": snapshot.dump_ns, "snapshot_bytes": snapshot.size_bytes}

    def _start(self, phases: dict[str, int]) -> Instance:
        return _Started(self._own.start())

    def settle(self, timeout_s: float) -> None:
        for name in ("settle", "wait_full"):  # what a commit calls it
            if settle := getattr(self._own, name, None):
                settle(timeout_s)
                return
        time.sleep(_PAUSE_S)


class _Started(Instance):
    """An instance of the package's."""

    def __init__(self, own: Started) -> None:
        self._own = own
        self._note()

    def _note(self) -> None:
        self.pid, self.invocations = self._own.pid, self._own.invocations
        moments = {name: getattr(self._own.phases, f"{name}_ns") for name in MOMENTS}
        # What was before it was asked for is no part of the start.
        self.phases = {
            name: moment for name, moment in moments.items()
            if moment is not None and moment >= moments["asked"]
        }  # fmt: skip

    def invoke(self, payload: bytes, timeout_s: float = 60.0) -> bytes:
        answer = self._own.invoke(payload, timeout_s)
        self._note()
        return answer

    def stop(self) -> None:
        self._own.stop(grace_s=0)


def strategies() -> dict[str, type[Way]]:
    """A way for each strategy, by its name."""
    return {
        name: type(
            f"PackageStrategy_{name}",
            (PackageStrategy,),
            {"name": name, "tells": _TELLS.get(name, PHASES), "ahead": name == WARM_POOL},
        )
        for name in (*package.strategies(), WARM_POOL)
    }
