"""Whether what a function names is there: found as the interpreter would, and never run."""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder
from typing import Any

from aetherless_py.runtime.config import kind_of
from aetherless_py.runtime.config_yaml import Key

_FIRST_LINE_BYTES = 256  # of a script: the kernel reads no more


def search_path(environment: Mapping[str, str], folder: str) -> list[str]:
    """Where a function's modules are looked for first: in the file's folder, and PYTHONPATH's."""
    more = environment.get("PYTHONPATH", "").split(":")
    return [folder, *(os.path.normpath(os.path.join(folder, each)) for each in more if each)]


def missing(said: Mapping[str, Any], folder: str) -> Iterator[tuple[Key, str]]:
    """What a function's options name and is not there: the option's key, and why.

    Args:
        said: its options, those left out that are wrong by themselves.
        folder: where a relative path begins.
    """
    handler, imports = said.get("handler_path"), said.get("imports") or ()
    if handler is None:
        return
    if kind_of(handler) == "executable":
        why = _missing_executable(os.path.normpath(os.path.join(folder, handler)))
        if why:
            if re.fullmatch(r"\w+(\.\w+)*", handler):  # as AWS has it, or a module's name
                why += "; a Python function is named 'module:function'"
            yield ("handler_path",), why
        if said.get("start") not in (None, "spawn"):
            yield ("start",), f"{said['start']} cannot start an executable: only spawn can"
        if imports:
            yield ("imports",), "an executable imports nothing"
        for option in ("event_format", "routes"):
            if said.get(option):
                yield (option,), "an executable is given requests, no events"
        return
    folders = search_path(said.get("environment", {}), folder)
    absent = [each for each in folders[1:] if not os.path.isdir(each)]
    for each in absent:
        yield ("environment", "PYTHONPATH"), f"{each!r} is no folder"
    if ":" in folder:
        why = f"modules cannot be found in {folder!r}: the folder has a ':' in its name"
        yield ("handler_path",), why
    elif not absent:
        why = _missing_function(handler, folders)
        if why:
            yield ("handler_path",), why
        for index, module in enumerate(imports):
            if not _find(module, folders):
                yield ("imports", index), _not_found(module, folders)


def task_root(handler: str, folders: Sequence[str]) -> str:
    """The folder that a handler's code lies in: the one of these in which its module is found.

    Args:
        handler: "module:function".
        folders: as `missing` has them; the first is meant where the module is in none of them.
    """
    spec = _find(handler.partition(":")[0].partition(".")[0], folders)
    where = [*(spec.submodule_search_locations or ()), spec.origin] if spec else [None]
    found = os.path.dirname(where[0] or "")
    return found if found in folders else folders[0]


def _missing_function(handler: str, folders: Sequence[str]) -> str | None:
    """Why "module:function" cannot be had; None if it can, or if only running it would tell."""
    module, _, name = handler.partition(":")
    spec = _find(module, folders)
    if spec is None:
        return _not_found(module, folders)
    path = spec.origin
    if not (spec.has_location and path and path.endswith(".py")):
        return None
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the function's source
            bound = dict(_bindings(ast.parse(file.read())))
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except SyntaxError as error:
        return f"{path}:{error.lineno or 1} is no Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError):  # beyond the parser; the interpreter will say
        return None
    match bound.get(name):
        case ast.AsyncFunctionDef(lineno=line, decorator_list=[]):  # else it is the decorator's
            return f"{path}:{line}: {name} is an 'async def': it must be a plain function"
        case None if not {"*", "__getattr__"} & set(bound):  # whose names only running would tell
            return f"{path} defines no {name!r}"
    return None


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a module's own statements bind, in the order of its source."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, node
        case ast.Lambda():
            pass  # it has names of its own, as those have
        case ast.alias():
            yield node.asname or node.name.partition(".")[0], node
        case ast.Name(ctx=ast.Store()):
            yield node.id, node
        case _:
            for inner in ast.iter_child_nodes(node):
                yield from _bindings(inner)


def _missing_executable(path: str) -> str | None:
    if not os.path.exists(path):
        return f"{path!r} does not exist"
    if not os.path.isfile(path):
        return f"{path!r} is no file"
    if not os.access(path, os.X_OK):
        return f"{path!r} may not be executed: chmod +x would allow it"
    with contextlib.suppress(OSError), open(path, "rb") as file:  # it may be executed, not read
        named = re.match(rb"#![ \t]*([^ \t\n]+)", file.read(_FIRST_LINE_BYTES))
        if named and not os.path.exists(named[1]):
            return f"{path!r} begins with '#!', and {os.fsdecode(named[1])!r} does not exist"
    return None


def _find(module: str, folders: Sequence[str]) -> ModuleSpec | None:
    importlib.invalidate_caches()  # a folder may have changed within its clock's tick
    top = module.partition(".")[0]
    spec = BuiltinImporter.find_spec(module)
    where: list[str] = [*folders, *sys.path]
    for part in () if spec else module.split("."):
        # By its own name only: a finder would want the packages around it imported.
        spec = PathFinder.find_spec(part, where)
        if spec is None:
            break
        where = list(spec.submodule_search_locations or ())
    if spec is None and module in sys.modules and top in sys.stdlib_module_names:
        return sys.modules[module].__spec__  # os.path is no file of a package
    return spec


def _not_found(module: str, folders: Sequence[str]) -> str:
    places = ", ".join(map(repr, folders))
    return f"there is no module {module!r} in {places} or on this interpreter's path"
