"""Ways of serving a workload over HTTP, one file each behind one contract (`base`).

The folder tells what there is: `SERVERS` has the names of all. It is read when somebody asks, since
a server's file may be the program that it runs, too, which is to import no other server.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.harness.registry import classes

if TYPE_CHECKING:
    from benchmarks.servers.base import Server


@functools.cache
def _found() -> dict[str, type[Server]]:
    from benchmarks.servers.base import Server

    return classes(__name__, Server)


def __getattr__(name: str) -> tuple[str, ...]:
    if name == "SERVERS":
        return tuple(_found())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def server(name: str) -> type[Server]:
    """The server of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in _found():
        raise ValueError(f"there is no server {name!r}: {', '.join(_found())}")
    return _found()[name]
