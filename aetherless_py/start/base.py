"""The contract of all start strategies, and what they have in common."""

from __future__ import annotations

import abc
import os
import re
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import ClassVar, Literal, Self, TypeAlias, get_args

from aetherless_py.errors import FunctionError, StrategyClosedError
from aetherless_py.start.instance import Instance
from aetherless_py.start.worker import FOLDER

_HANDLER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_MODULE = re.compile(r"[A-Za-z_][\w.]*")
Keeps: TypeAlias = Literal["nothing", "template", "image"]
KEPT: tuple[Keeps, ...] = get_args(Keeps)


@dataclass(frozen=True, slots=True)
class Function:
    """What instances are made of.

    Attributes:
        handler: "module:function", called with the request's bytes; gives the answer's. Or
            "module:Class", whose object has `serve_connection(connection, marks)`, which is called
            after READY with the socket to the runtime and what `worker.marks_of` gave: it speaks
            with whoever calls `Instance.take_connection`, until that is closed.
            A function has either that or a `command`.
        imports: more modules that an instance has imported when it says READY.
        path: folders in which modules are looked for first.
        folder: in which a handler's instances work, from before their imports; this process's own
            where it is empty.
        environment: variables beside those of this process.
        ready_timeout_s: how long a start may take until READY.
        command: a program and its arguments, which is asked over HTTP; see `start.executable`.

    Raises:
        FunctionError: a field has a value that can never work.
    """

    handler: str = ""
    imports: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_timeout_s: float = 10.0
    command: tuple[str, ...] = ()
    folder: str = ""

    def __post_init__(self) -> None:
        if self.command:
            if self.handler or self.imports or self.folder:
                raise FunctionError(
                    "a function has a handler, with its imports and its folder, or a command"
                )
            if not self.command[0] or "\0" in "".join(self.command):
                raise FunctionError(f"command is {self.command!r}: no program is called like that")
        elif not _HANDLER.fullmatch(self.handler):
            raise FunctionError(f"handler is {self.handler!r}: it must be 'module:function'")
        for module in self.imports:
            if not _MODULE.fullmatch(module):
                raise FunctionError(f"imports has {module!r}: that is no module's name")
        for folder in self.path:
            if not os.path.isdir(folder) or ":" in folder:
                raise FunctionError(f"path has {folder!r}: it must be a folder, without ':'")
        if self.folder and not os.path.isdir(self.folder):
            raise FunctionError(f"folder is {self.folder!r}: there is no such folder")
        if not self.ready_timeout_s > 0:
            raise FunctionError(f"ready_timeout_s is {self.ready_timeout_s}: it must be above 0")

    @property
    def name(self) -> str:
        """What it is called where people read it."""
        return self.handler or shlex.join(self.command)

    def arguments(self) -> list[str]:
        """What the programs in an instance's process are told of the function."""
        return [self.handler, ",".join(self.imports)]

    def full_environment(self, **more: str) -> dict[str, str]:
        """The variables of an instance's process."""
        # Always said: where this process is an instance itself, it must not say its own.
        found = {**os.environ, **self.environment, FOLDER: self.folder, **more}
        if self.folder:
            found["PWD"] = self.folder
        path = [*self.path, *filter(None, [found.get("PYTHONPATH")])]
        if path:
            found["PYTHONPATH"] = os.pathsep.join(path)
        return found


class Strategy(abc.ABC):
    """A way of starting instances: `prepare` once, `start` as often as wanted, `close` at the end.

    `start` may be called by several threads at the same time. What was started is the caller's to
    stop; `close` stops what is left.

    Attributes:
        takes: which kind of function it starts: such as have a "handler", or a "command".
        keeps: what `prepare` makes, which all its instances have in common. One that keeps an image
            is made with the folder in which that is kept, or None.
        lost_threads: names of those that the function's imports began and its instances lack.
        prepared_descriptors, instance_descriptors: what `prepare`, and each instance, take at most
            of this process's open files.
    """

    name: ClassVar[str]
    takes: str = "handler"
    keeps: ClassVar[Keeps] = "nothing"
    lost_threads: tuple[str, ...] = ()
    prepared_descriptors: ClassVar[int] = 64
    instance_descriptors: ClassVar[int] = 8

    def __init__(self) -> None:
        self._function: Function | None = None
        self._instances: set[Instance] = set()
        self._closed = False

    @classmethod
    def missing(cls) -> str | None:
        """Why this strategy cannot work on this machine, and what would help; None if it can."""
        return None

    def prepare(self, function: Function) -> None:
        """Does what is done once for all instances.

        Raises:
            StrategyClosedError: it was closed, or prepared before.
            FunctionError: the function is not of the kind that it starts.
            StrategyMissingError: this machine lacks something; see `missing`.
            StartError: the function cannot be made ready; its last words are in the message.
        """
        if self._closed or self._function is not None:
            state = "closed" if self._closed else f"prepared for {self._function.name}"  # type: ignore[union-attr]
            raise StrategyClosedError(f"{self.name}: this strategy is {state}; make another one")
        if not getattr(function, self.takes):
            raise FunctionError(f"{self.name}: {function.name} has no {self.takes}")
        self._function = function
        try:
            self._prepare(function)
        except BaseException:
            self.close()
            raise

    def start(self, timeout_s: float | None = None) -> Instance:
        """Starts an instance and returns when it has said READY.

        Args:
            timeout_s: how long it may take; as long as the function says when None.

        Raises:
            StrategyClosedError: not prepared, or closed.
            StartTimeoutError: no READY in time; the instance was killed.
            StartError: it ended, or broke the handshake; its last words are in the message.
        """
        if self._closed or self._function is None:
            state = "closed" if self._closed else "not prepared yet"
            raise StrategyClosedError(f"{self.name}: this strategy is {state}")
        asked_ns = time.monotonic_ns()
        function = self._function
        if timeout_s is not None:
            function = replace(function, ready_timeout_s=timeout_s)
        return self._begun(self._start(function, asked_ns))

    def _begun(self, instance: Instance) -> Instance:
        """Remembers it until its end: `close` stops what is left."""
        self._instances.add(instance)
        instance.at_end.append(self._instances.discard)
        return instance

    def replenish(self) -> None:  # noqa: B027 - most keep nothing at hand
        """Makes up for what starts have used up, where a strategy keeps such things at hand.

        Not done by `start`: it would compete with the new instance for the processors. A start that
        finds nothing at hand makes what it needs itself.
        """

    def settle(self, timeout_s: float) -> None:  # noqa: B027
        """Replenishes, and waits until it is all at hand again, where a strategy keeps such things.

        Raises:
            StartTimeoutError: it was not in time.
            StartError: it cannot be had.
        """

    def close(self) -> None:
        """Stops what is still running and removes all that `prepare` made. May be called again."""
        self._closed = True
        for instance in list(self._instances):
            instance.stop(grace_s=0)
        self._close()

    @abc.abstractmethod
    def _prepare(self, function: Function) -> None: ...

    @abc.abstractmethod
    def _start(self, function: Function, asked_ns: int) -> Instance: ...

    @abc.abstractmethod
    def _close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def new_id() -> str:
    """An instance's id: no two are the same."""
    return secrets.token_hex(8)


def deadline_of(function: Function, asked_ns: int | None = None) -> int:
    """When a start that was asked for then, or now, must be ready, on CLOCK_MONOTONIC in ns."""
    since_ns = time.monotonic_ns() if asked_ns is None else asked_ns
    return since_ns + int(function.ready_timeout_s * 1e9)
