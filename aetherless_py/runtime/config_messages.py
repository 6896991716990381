"""What is wrong with a value, in simple sentences: pydantic's findings in the words of a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aetherless_py.runtime.config_nodes import Key, Node, Problem

_NUMBERS = {int: "an integer", float: "a number"}


def problems_of(
    error: ValidationError, model: type[BaseModel], node: Node, key: Key
) -> list[Problem]:
    """A problem for each of pydantic's findings.

    Args:
        error: has the findings.
        model: what the value should have become.
        node: the value.
        key: of the value in its document.
    """
    found = []
    for details in error.errors(include_url=False):
        loc = tuple(part for part in details["loc"] if part != "[key]")
        at = node.find(loc)
        if not at.wrong:
            found.append(Problem(at.place, (*key, *loc), _sentence(details, loc, model, at)))
    return found


def unknown(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that does not exist: which ones do."""
    names = sorted(filter(str.isprintable, known))  # what is not has a complaint of its own
    close = difflib.get_close_matches(name[:64], names, n=1)
    start = f"did you mean {close[0]}? There are" if close else "there are"
    return f"{start}: {', '.join(names) or 'none'}"


def _sentence(details: ErrorDetails, loc: Key, model: type[BaseModel], node: Node) -> str:
    kind = details["type"]
    if not loc:
        return f"{node.shown} is not a mapping of options"
    if kind == "extra_forbidden":
        return f"unknown; {unknown(str(loc[0]), model.model_fields)}"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    field = model.model_fields[str(loc[0])]
    if kind == "missing":
        return f"is missing: it must be {_allowed(field)}"
    if kind == "string_type" and not isinstance(node.value, dict | list):
        return f"{node.shown} is not text: put it in quotes"
    if kind in ("greater_than", "greater_than_equal", "less_than_equal"):
        return f"{node.shown} is not {_bounds(field)}"
    if kind == "string_type":
        return f"{node.shown} is not text"
    if kind == "finite_number" or kind == "literal_error" or kind.endswith("_type"):
        return f"{node.shown} is not {_allowed(field)}"
    return details["msg"]


def _allowed(field: FieldInfo) -> str:
    """What a field's value must be."""
    kind, _ = _parts(field)
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]} {_bounds(field)}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return field.description or "text"


def _bounds(field: FieldInfo) -> str:
    limits = {
        name: getattr(each, name)
        for each in _parts(field)[1]
        for name in ("ge", "gt", "le")
        if hasattr(each, name)
    }
    if "gt" in limits:
        return f"above {limits['gt']} and at most {limits['le']}"
    return f"within {limits['ge']} to {limits['le']}"


def _parts(field: FieldInfo) -> tuple[Any, list[Any]]:
    """A field's type without "or None", and what is said of its values."""
    kind: Any = field.annotation
    said = list(field.metadata)
    if get_origin(kind) in (Union, UnionType):
        [kind] = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        for each in more:
            said += each.metadata if isinstance(each, FieldInfo) else [each]
    return kind, said
