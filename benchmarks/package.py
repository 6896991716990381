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
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aetherless_py.channel import Channel
    from aetherless_py.shm import Consumer, RingBuffer
    from aetherless_py.shm.side import Wait
    from aetherless_py.start.base import Function, Strategy

COMMAND = (sys.executable, "-P", "-m", "aetherless_py.cli")


def ring() -> type[RingBuffer]:
    """The ring."""
    found: type[RingBuffer] = _imported("aetherless_py.shm", "no ring").RingBuffer
    return found


def consumer(ring: RingBuffer, wait: Wait) -> Consumer:
    """The reader's side of a ring, which waits in that way."""
    try:
        return ring.consumer(wait)
    except (TypeError, ValueError) as error:
        raise NotImplementedError(f"this commit's ring cannot wait so: {error}") from None


def crc32() -> Callable[[bytes], int]:
    """The ring's checksum."""
    found: Callable[[bytes], int] = _imported("aetherless_py.shm.checksum", "no checksum").crc32
    return found


def channel() -> type[Channel]:
    """The channel."""
    found: type[Channel] = _imported("aetherless_py.channel", "no channel").Channel
    return found


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
    pool = _imported("aetherless_py.start.pool", "no warm pool").WarmPool
    made: Strategy = pool(source, size=size, restore_timeout_ms=None)
    return made


def function(**fields: Any) -> Function:
    """What instances are made of."""
    kind = _imported("aetherless_py.start.base", "no start strategies").Function
    made: Function = kind(**fields)
    return made


def errors() -> Any:
    """The module of errors."""
    return _imported("aetherless_py.errors", "no errors of its own")


def strategy(name: str) -> Strategy:
    """The start strategy of that name, not yet prepared."""
    try:
        found: Strategy = _imported("aetherless_py.start", "no start strategies").strategy(name)
    except ValueError as error:
        raise NotImplementedError(f"this commit's package has {error}") from None
    return found


def command() -> Any:
    """The module of the command line that serves functions, which `COMMAND` runs."""
    return _imported("aetherless_py.cli", "no command that serves functions")


def tail_calls() -> type[Exception]:
    """What comes of a chain of functions (`x-aether-next`) that cannot be gone on with."""
    return _error("ChainError", "no tail calls")


def executables() -> type[Exception]:
    """What comes of an executable behind the gateway that does not answer."""
    return _error("UpstreamError", "no executables behind its gateway")


def lacks(find: Callable[[], object]) -> str | None:
    """Why a commit's package has not what one of these functions finds; None where it has."""
    try:
        find()
    except NotImplementedError as missing:
        return str(missing)
    return None


def _imported(module: str, without: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise NotImplementedError(f"this commit's package has {without}: {error}") from None


def _error(name: str, without: str) -> type[Exception]:
    found: type[Exception] | None = getattr(errors(), name, None)
    if found is None:
        raise NotImplementedError(f"this commit's package has {without}")
    return found
