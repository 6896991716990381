from types import TracebackType
from typing import Literal, Self, TypeAlias

Wait: TypeAlias = Literal["spin", "adaptive", "yield", "park"]

WAITS: dict[Wait, tuple[int, int]]

class Side:
    def close(self) -> None: ...
    def end_views(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
