"""Reads a configuration: the file, then the environment's variables, then the command line's words.

Nothing of a function is imported or run. All problems are found at once.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aetherless_py.errors import ConfigError
from aetherless_py.runtime.config import (
    Config,
    FileOptions,
    FunctionConfig,
    FunctionOptions,
    OrchestratorConfig,
)
from aetherless_py.runtime.config_handlers import missing, search_path
from aetherless_py.runtime.config_yaml import WRONG, Document, Key

FILE_LIMIT_BYTES = 1 << 20
PREFIX = "AETHERLESS_"
_OVERRIDE = re.compile(
    r"(?:orchestrator\.)?(?P<option>[^.=]+)="
    r"|functions\.(?P<id>[^.=]+)\.(?P<own>(?:environment\.)?[^.=]+)="
)
_FORMS = "it must be OPTION=VALUE, orchestrator.OPTION=VALUE or functions.ID.OPTION=VALUE"

_Model = TypeVar("_Model", bound=BaseModel)


def load(
    path: str | os.PathLike[str],
    environment: Mapping[str, str] = os.environ,
    overrides: Sequence[str] = (),
) -> Config:
    """Reads a configuration.

    Relative paths in it, wherever they come from, begin at the file's folder.

    Args:
        path: of the file.
        environment: where AETHERLESS_PORT, say, stands for `orchestrator.port`, before the file.
        overrides: stand before both, a later one before an earlier one: "warm_pool_size=2" or
            "orchestrator.warm_pool_size=2", "functions.ID.timeout_ms=500",
            "functions.ID.environment.NAME=text". Values of both are YAML.

    Raises:
        ConfigError: it cannot be used; `problems` has all that is wrong with it.
    """
    document = Document(os.fspath(path), _text(os.fspath(path)))
    if isinstance(document.root, dict):
        for option in OrchestratorConfig.model_fields:
            if (name := PREFIX + option.upper()) in environment:
                document.replace(("orchestrator", option), name, environment[name])
        for text in overrides:
            _override(document, text)
    place = Path(os.path.abspath(path))
    folder = str(place.parent)
    _, sections = _checked(document, (), FileOptions, document.root, folder)
    section = sections.get("orchestrator") or {}
    orchestrator, said = _checked(document, ("orchestrator",), OrchestratorConfig, section, folder)
    port = orchestrator.port if orchestrator else said.get("port")
    taken = {("trigger_port", port): "the gateway, by orchestrator.port"}
    functions = []
    for index, each in enumerate(sections.get("functions", [])):
        key: Key = ("functions", index)
        options, said = _checked(document, key, FunctionOptions, each, folder)
        for option in ("id", "trigger_port"):
            value, own = said.get(option), f"functions[{index}]"
            if value is not None and (by := taken.setdefault((option, value), own)) != own:
                document.complain((*key, option), f"{value!r} is taken by {by}")
        for loc, what in missing(said, folder):
            document.complain((*key, *loc), what)
        if options and orchestrator:
            functions.append(_decided(options, orchestrator, folder))
    if document.problems or not orchestrator:
        raise ConfigError(document.problems)
    return Config(orchestrator=orchestrator, functions=tuple(functions), path=place)


def _text(path: str) -> str:
    what = "is not a regular file"
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # others may never end, or never begin
            with open(path, "rb") as file:
                data = file.read(FILE_LIMIT_BYTES + 1)
            if len(data) <= FILE_LIMIT_BYTES:
                return data.decode(errors="surrogateescape")  # what is no UTF-8 is no YAML, either
            what = f"has more than {FILE_LIMIT_BYTES} bytes"
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
    raise ConfigError((f"{path if path.isprintable() else repr(path)}: {what}",))


def _override(document: Document, text: str) -> None:
    name = f"option {text}"
    found = _OVERRIDE.match(text)
    if found is None:
        document.refuse(name, _FORMS)
        return
    key: Key = ("orchestrator", found["option"])
    if found["id"] is not None:
        listed = document.root.get("functions")
        ids = [
            each.get("id") if isinstance(each, dict) else None
            for each in (listed if isinstance(listed, list) else [])
        ]
        if found["id"] not in ids:
            known = _unknown(found["id"], [each for each in ids if isinstance(each, str)])
            document.refuse(name, f"there is no function {found['id']!r}; {known}")
            return
        key = ("functions", ids.index(found["id"]), *found["own"].split("."))
    document.replace(key, name, text[found.end() :])


def _checked(
    document: Document, key: Key, model: type[_Model], values: Any, folder: str
) -> tuple[_Model | None, dict[str, Any]]:
    """What a model makes of values, and those of them that are right by themselves.

    The latter are looked at further, whatever else is wrong.
    """
    try:
        return model.model_validate(values, context=folder), values
    except ValidationError as error:
        wrong = set()
        for each in error.errors(include_url=False):
            loc = each["loc"][:2]  # that of a variable's name has a third part
            wrong.add(loc[:1])
            if each["input"] is not WRONG:
                sentence = _sentence(each, loc, model, document.shown((*key, *loc)))
                document.complain((*key, *loc), sentence)
    given = values.items() if isinstance(values, dict) else ()
    return None, {name: value for name, value in given if (name,) not in wrong}


def _sentence(details: ErrorDetails, loc: Key, model: type[BaseModel], shown: str) -> str:
    """What pydantic says of a value, or something better."""
    kind = details["type"]
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind == "model_type":
        return f"{shown} is not a mapping of options: {', '.join(model.model_fields)}"
    if kind == "extra_forbidden":
        return f"unknown; {_unknown(str(loc[0]), model.model_fields)}"
    if kind == "string_type" and not isinstance(details["input"], dict | list):
        return f"{shown} is not text: put it in quotes"
    allowed = _allowed(model, loc[0])
    if kind == "missing":
        return f"is missing: it must be {allowed}"
    if allowed and len(loc) == 1:
        return f"{shown} is not {allowed}"
    return details["msg"].replace("Input", shown)


@functools.cache
def _allowed(model: type[BaseModel], option: str | int) -> str | None:
    """What an option must be, where pydantic's sentence has not all of it."""
    schema: dict[str, Any] = model.model_json_schema()["properties"][option]
    schema |= schema.get("anyOf", [{}])[0]  # it may also be null
    number = "an integer" if schema.get("type") == "integer" else "a number"
    if schema.keys() >= {"minimum", "maximum"}:
        return f"{number} within {schema['minimum']} to {schema['maximum']}"
    if schema.keys() >= {"exclusiveMinimum", "maximum"}:
        return f"{number} above {schema['exclusiveMinimum']} and at most {schema['maximum']}"
    return schema.get("description")


def _unknown(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that does not exist: which ones do."""
    names = sorted(known)
    close = difflib.get_close_matches(name[:64], names, n=1)
    start = f"did you mean {close[0]}? There are" if close else "there are"
    return f"{start}: {', '.join(names) or 'none'}"


def _decided(
    options: FunctionOptions, orchestrator: OrchestratorConfig, folder: str
) -> FunctionConfig:
    folders = search_path(options.environment, folder)
    decided: dict[str, Any] = {
        # What both have is the orchestrator's unless the function says something else.
        **orchestrator.model_dump(include=set(FunctionOptions.model_fields)),
        **options.model_dump(exclude_none=True),
        "search_path": tuple(folders),
    }
    if folders[1:]:
        decided["environment"]["PYTHONPATH"] = ":".join(folders[1:])
    if options.kind == "executable":
        path = os.path.normpath(os.path.join(folder, options.handler_path))
        decided |= {"handler_path": path, "start": "spawn"}
    return FunctionConfig(**decided)
