"""One try to start an instance: if it fails, nothing of it stays, and its last words are told."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, TypeVar

from aetherless_py.errors import StartError
from aetherless_py.start.base import Function
from aetherless_py.start.instance import Process
from aetherless_py.start.output import Output


class Closable(Protocol):
    def close(self) -> None: ...


Thing = TypeVar("Thing", bound=Closable)


class Attempt:
    """What a start has made so far.

    Attributes:
        output: of the instance.
        process: of the instance, as soon as there is one.
    """

    def __init__(self, strategy: str, function: Function, output: Output | None = None) -> None:
        self._strategy, self._function = strategy, function
        self.output = Output() if output is None else output
        self.process: Process | None = None
        self._at_end: list[Closable] = []
        self._at_failure: list[Closable] = []

    def holds(self, thing: Thing) -> Thing:
        """Closes it when the attempt is over, one way or the other."""
        self._at_end.append(thing)
        return thing

    def keeps(self, thing: Thing) -> Thing:
        """Closes it when the attempt fails; after a success it is the instance's."""
        self._at_failure.append(thing)
        return thing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for thing in self._at_end:
            thing.close()
        if error is None:
            return
        status = self.process.end() if self.process else None
        for thing in self._at_failure:
            thing.close()
        self.output.close()
        if isinstance(error, StartError | OSError):
            words = self.output.tail()[-4000:]
            raised = type(error) if isinstance(error, StartError) else StartError
            raise raised(
                f"{self._strategy}: {self._function.name}: {error}"
                f" (exit status {'unknown' if status is None else status})"
                + (f"; it printed last:\n{words}" if words else "")
            ) from None
