"""Start strategies: ways from nothing to an instance of a function that has said READY.

One contract (`base`), one file a strategy: each module of this folder that says
`name = "<its own name>"` is one, and its class is called like it. The names are those of the
benchmarks' results. Nothing is imported before it is asked for: the processes that are started
import from this package, too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # what `typing` says, without the 4 ms of its import in each fresh instance
if TYPE_CHECKING:
    from aetherless_py.start.base import Strategy


def names() -> list[str]:
    """The names of the strategies; nothing is imported for them."""
    return [name for name, path in _modules().items() if _says(path, name)]


def kind(name: str) -> type[Strategy]:
    """The strategy of that name.

    Raises:
        ValueError: there is none.
    """
    import importlib

    if name not in names():
        raise ValueError(f"no start strategy {name!r}: there are {', '.join(kinds())}")
    found: type[Strategy] = getattr(importlib.import_module(f"{__name__}.{name}"), name.title())
    return found


def kinds() -> dict[str, type[Strategy]]:
    """All strategies by their names: those of handlers first, and those that keep least."""
    from aetherless_py.start.base import KEPT

    found = [kind(name) for name in names()]
    found.sort(key=lambda each: (each.takes != "handler", KEPT.index(each.keeps)))
    return {each.name: each for each in found}


def strategy(name: str) -> Strategy:
    """A strategy by its name, not yet prepared.

    Raises:
        ValueError: there is none of that name.
    """
    return kind(name)()


def _modules() -> dict[str, str]:
    return {
        file.removesuffix(".py"): os.path.join(folder, file)
        for folder in __path__
        for file in sorted(os.listdir(folder))
        if file.endswith(".py")
    }


def _says(path: str, name: str) -> bool:
    with open(path) as file:
        return f'\n    name = "{name}"\n' in file.read()
