"""The public face of the package under test: all of it that the suites touch, in one place.

asv measures old commits with the suites of today. What stands here therefore keeps its name when
the package's insides are renamed, and nothing else of it is imported by the suites
(`tests/test_layers.py` sees to that). Each function raises NotImplementedError, with the reason,
where a commit lacks the thing itself.

- `aetherless_py.shm`: `RingBuffer.create`, `attach`, `producer`, `consumer`, and their methods;
  `aetherless_py.shm.checksum.crc32`.
- `aetherless_py.channel.Channel`: `create`, `attach`, `call`, `serve` and their zero-copy forms.
- `aetherless_py.errors`: `RingTimeoutError`, `PeerClosedError`, `PeerDiedError`; `ChainError` and
  `UpstreamError`, which came with what raises them.
- `aetherless_py.start`: `strategy(name)`; a strategy's `prepare`, `start`, `settle`, `close`,
  `missing`, `takes`, and `snapshot.dump_ns` and `.size_bytes` where it has an image; an instance's
  `invoke`, `stop`, `phases`, `pid`, `invocations`; `base.Function`; `pool.WarmPool`.
- The command line, `python -m aetherless_py.cli up -c FILE`, and the HTTP that it serves:
  `/function/ID`, `/readyz`, `/metrics`, and the headers `x-aether-start`, `x-aether-instance`,
  `x-aether-next`, `server-timing`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from aetherless_py.channel import Channel
    from aetherless_py.shm import Consumer, RingBuffer
    from aetherless_py.shm.side import Wait
    from aetherless_py.start.base import Function, Strategy

_NO_STRATEGIES = "no start strategies"
COMMAND = (sys.executable, "-P", "-m", "aetherless_py.cli")


def ring() -> type[RingBuffer]:
    """The ring."""
    return cast("type[RingBuffer]", _found("shm", "RingBuffer", "no ring"))


def consumer(ring: RingBuffer, wait: Wait) -> Consumer:
    """The reader's side of a ring, which waits in that way."""
    try:
        return ring.consumer(wait)
    except (TypeError, ValueError) as error:
        raise NotImplementedError(f"this commit's ring cannot wait so: {error}") from None


def crc32() -> Callable[[bytes], int]:
    """The ring's checksum."""
    return cast("Callable[[bytes], int]", _found("shm.checksum", "crc32", "no checksum"))


def channel() -> type[Channel]:
    """The channel."""
    return cast("type[Channel]", _found("channel", "Channel", "no channel"))


def strategies() -> list[str]:
    """The names of the start strategies in the working tree, whatever commit is measured.

    A module of theirs says its own name: see `aetherless_py.start`.
    """
    folder = Path(__file__).resolve().parents[1] / "aetherless_py" / "start"
    return [
        path.stem
        for path in sorted(folder.glob("*.py"))
        if f'\n    name = "{path.stem}"\n' in path.read_text()
    ]


def warm_pool(source: Strategy, size: int) -> Strategy:
    """A pool of so many instances by that strategy, however long each takes."""
    pool = _found("start.pool", "WarmPool", "no warm pool")
    return cast("Strategy", pool(source, size=size, restore_timeout_ms=None))


def function(**fields: Any) -> Function:
    """What instances are made of."""
    return cast("Function", _found("start.base", "Function", _NO_STRATEGIES)(**fields))


def errors() -> Any:
    """The module of errors."""
    return _found("errors", None, "no errors of its own")


def strategy(name: str) -> Strategy:
    """The start strategy of that name, not yet prepared."""
    try:
        return cast("Strategy", _found("start", "strategy", _NO_STRATEGIES)(name))
    except ValueError as error:
        raise NotImplementedError(f"this commit's package has {error}") from None


def command() -> Any:
    """The module of the command line that serves functions, which `COMMAND` runs."""
    return _found("cli", None, "no command that serves functions")


def tail_calls() -> type[Exception]:
    """What comes of a chain of functions (`x-aether-next`) that cannot be gone on with."""
    return cast("type[Exception]", _found("errors", "ChainError", "no tail calls"))


def executables() -> type[Exception]:
    """What comes of an executable behind the gateway that does not answer."""
    return cast(
        "type[Exception]", _found("errors", "UpstreamError", "no executables behind its gateway")
    )


def lacks(find: Callable[[], object]) -> str | None:
    """Why a commit's package has not what one of these functions finds; None where it has."""
    try:
        find()
    except NotImplementedError as missing:
        return str(missing)
    return None


def _found(module: str, name: str | None, without: str) -> Any:
    """A module of the package, or what has that name in it."""
    try:
        found = importlib.import_module(f"aetherless_py.{module}")
    except ImportError as error:
        raise NotImplementedError(f"this commit's package has {without}: {error}") from None
    if name and not hasattr(found, name):
        raise NotImplementedError(f"this commit's package has {without}")
    return getattr(found, name) if name else found
