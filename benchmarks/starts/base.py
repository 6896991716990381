"""The contract of all ways of starting an instance."""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

PROGRAMS = str(Path(__file__).with_name("programs"))
# The moments of a start in the order of time, as a way may tell them.
PHASES = ("created", "interpreter", "imported")
MOMENTS = ("asked", *PHASES, "ready", "first_response")


def not_installed(*modules: str) -> str | None:
    """Which of these modules is not installed, and what would help; None if all are."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed; python tools/install_peers.py brings it"
    return None


class StartError(RuntimeError):
    """An instance did not start, or did not answer; its last words are in the message."""


@dataclass(frozen=True, slots=True)
class Function:
    """What instances are made of.

    Attributes:
        handler: "module:function", called with the request's bytes; gives the answer's.
        imports: more modules that an instance has imported when it is ready.
        path: folders in which modules are looked for first.
        environment: variables beside those of this process.
        timeout_s: how long a start may take.
    """

    handler: str
    imports: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0

    def arguments(self) -> list[str]:
        """What the programs in instances are told of it."""
        return [self.handler, ",".join(self.imports)]

    def search_path(self) -> list[str]:
        """The folders in which an instance's process looks for modules first."""
        more = {**os.environ, **self.environment}.get("PYTHONPATH", "")
        return [*self.path, PROGRAMS, *filter(None, more.split(os.pathsep))]

    def full_environment(self, **more: str) -> dict[str, str]:
        """The variables of an instance's process."""
        return {
            **os.environ,
            **self.environment,
            **more,
            "AETHER_HANDLER": self.handler,
            "AETHER_IMPORTS": ",".join(self.imports),
            "PYTHONPATH": os.pathsep.join(self.search_path()),
        }


class Instance(abc.ABC):
    """An instance that is ready.

    Attributes:
        pid: of the process in which the function runs, or of the one that leads it.
        phases: the moments of its start, as far as they are known, on CLOCK_MONOTONIC in ns.
        invocations: how many times it was asked.
    """

    pid: int
    phases: dict[str, int]
    invocations: int = 0

    @abc.abstractmethod
    def invoke(self, payload: bytes, timeout_s: float = 60.0) -> bytes:
        """The function's answer.

        Raises:
            StartError: there is none, and the instance was killed.
        """

    @abc.abstractmethod
    def stop(self) -> None:
        """Kills it with all that it has started. May be called again."""


class Way(contextlib.AbstractContextManager["Way"], abc.ABC):
    """A way of starting instances: `prepare` once, `start` as often as wanted, leave at the end.

    `start` may be called by several threads at the same time.

    Args:
        burst: how many will be asked for at the same time.

    Attributes:
        tells: which of `PHASES` it tells.
        count: starts of a round.
        tracking, quick: whether it is part of these selections, too.
        simulated: whether it measures nothing real.
        imports: which of the suite's it has something for; None for all.
        ahead: whether instances are made before they are asked for.
        facts: what is to be known of what was prepared.
        made: removes it at the end.
    """

    name: ClassVar[str]
    tells: ClassVar[tuple[str, ...]] = PHASES
    count: ClassVar[int] = 2
    tracking: ClassVar[bool] = False
    quick: ClassVar[bool] = False
    simulated: ClassVar[bool] = False
    imports: ClassVar[tuple[str, ...] | None] = None
    ahead: ClassVar[bool] = False
    facts: dict[str, Any]

    def __init__(self, burst: int = 1) -> None:
        self.burst = burst
        self.facts = {}
        self.made = contextlib.ExitStack()

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot work here, and what would help; None if it can."""
        return None

    def prepare(self, function: Function) -> None:
        """Does what is done once for all instances.

        Raises:
            NotImplementedError: something is missing; the message says what.
            StartError: the function cannot be made ready.
        """
        if why := self.missing():
            raise NotImplementedError(f"{self.name}: {why}")
        self.function = function
        self._prepare()

    def start(self) -> Instance:
        """An instance that is ready.

        Raises:
            StartError: there is none; nothing of it is left.
        """
        instance = self._start({"asked": time.monotonic_ns()})
        self.made.callback(instance.stop)
        return instance

    def settle(self, timeout_s: float) -> None:
        """Waits until what starts have used up is at hand again."""

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Makes what is made once."""

    @abc.abstractmethod
    def _start(self, phases: dict[str, int]) -> Instance:
        """Starts an instance and notes the moments."""

    def __exit__(self, *_: object) -> None:
        """Stops what is still running and removes all that was made."""
        self.made.close()
