"""A folder is a registry: whatever is put into it is found, and nothing is listed a second time."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import ModuleType


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


def classes(package: str, kind: type) -> dict[str, type]:
    """The classes of a registry by their attribute `name`, each from the module that defines it.

    Args:
        package: the registry's full name.
        kind: what they are subclasses of.

    Raises:
        ValueError: two have the same name.
    """
    found: dict[str, type] = {}
    for module in modules(package).values():
        for value in vars(module).values() if isinstance(module, ModuleType) else ():
            own = isinstance(value, type) and value.__module__ == getattr(module, "__name__", "")
            if (
                not own
                or not issubclass(value, kind)
                or not isinstance(name := vars(value).get("name"), str)
            ):
                continue
            if name in found:
                raise ValueError(f"{found[name]} and {value} are both called {name}")
            found[name] = value
    return found
