from collections.abc import Callable
from types import TracebackType
from typing import Self

from _typeshed import ReadableBuffer

from aetherless_py.shm.side import Wait

class Channel:
    name: str
    closed: bool
    @classmethod
    def create(
        cls,
        capacity_bytes: int = ...,
        name: str | None = None,
        checksum: bool = True,
        wait: Wait = "adaptive",
    ) -> Self: ...
    @classmethod
    def attach(cls, name: str, wait: Wait = "adaptive") -> Self: ...
    def call(self, payload: ReadableBuffer, timeout: float | None = None) -> bytes: ...
    def reserve(self, size_bytes: int, timeout: float | None = None) -> memoryview: ...
    def call_reserved(
        self, size_bytes: int | None = None, timeout: float | None = None
    ) -> memoryview: ...
    def abort(self) -> None: ...
    def release(self) -> None: ...
    def serve(
        self, handler: Callable[[bytes], ReadableBuffer], timeout: float | None = None
    ) -> int: ...
    def serve_views(
        self,
        handler: Callable[[memoryview, Callable[[int], memoryview]], int | None],
        timeout: float | None = None,
    ) -> int: ...
    def close(self) -> None: ...
    def unlink(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
