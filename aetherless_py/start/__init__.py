"""Start strategies: ways from nothing to an instance of a function that has said READY.

One contract (`base`), one file a strategy. The names are those of the benchmarks' results. Nothing
is imported before it is asked for: the processes that are started import from this package, too.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` says, without the 4 ms of its import in each fresh instance
if TYPE_CHECKING:
    from aetherless_py.start.base import Strategy

STRATEGIES = {
    "spawn": "aetherless_py.start.spawn:Spawn",
    "zygote": "aetherless_py.start.zygote:Zygote",
    "criu": "aetherless_py.start.criu:Criu",
    "executable": "aetherless_py.start.executable:Executable",
}


def strategy(name: str) -> Strategy:
    """A strategy by its name, not yet prepared.

    Raises:
        ValueError: there is none of that name.
    """
    import importlib

    if name not in STRATEGIES:
        raise ValueError(f"no start strategy {name!r}: there are {', '.join(STRATEGIES)}")
    module, _, kind = STRATEGIES[name].partition(":")
    made: Strategy = getattr(importlib.import_module(module), kind)()
    return made
