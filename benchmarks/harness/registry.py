"""A folder is a registry: whatever is put into it is found, and nothing is listed a second time."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any


@functools.cache
def modules(package: str) -> dict[str, ModuleType | str]:
    """The modules of a package, by their names, in alphabetical order.

    Those whose names begin with an underscore, and `base`, are no members of a registry.

    Args:
        package: its full name.

    Returns:
        For each the module, or why it cannot be imported: one less must not cost the others.
    """
    found: dict[str, ModuleType | str] = {}
    for each in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if each.name.startswith("_") or each.name == "base":
            continue
        try:
            found[each.name] = importlib.import_module(f"{package}.{each.name}")
        except (ImportError, OSError) as error:
            found[each.name] = f"{each.name}: {type(error).__name__}: {error}"
    return found


def defined(package: str, kind: type) -> Iterator[type[Any]]:
    """The classes of that kind that a registry's modules define."""
    for module in modules(package).values():
        for value in vars(module).values() if isinstance(module, ModuleType) else ():
            own = isinstance(value, type) and value.__module__ == getattr(module, "__name__", "")
            if own and issubclass(value, kind):
                yield value


def classes(package: str, kind: type) -> dict[str, type[Any]]:
    """The classes of a registry by their attribute `name`, which each has of its own.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, type[Any]] = {}
    for value in defined(package, kind):
        name = vars(value).get("name")
        if name in found:
            raise ValueError(f"{found[name]} and {value} are both called {name}")
        if isinstance(name, str):
            found[name] = value
    return found
