"""Reads a configuration: the file, then the environment's variables, then the command line's words.

Nothing of a function is imported or run. All problems are found at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aetherless_py.errors import ConfigError
from aetherless_py.runtime.config import (
    Config,
    FunctionConfig,
    FunctionOptions,
    OrchestratorConfig,
)
from aetherless_py.runtime.config_handlers import missing
from aetherless_py.runtime.config_messages import problems_of, unknown
from aetherless_py.runtime.config_nodes import (
    Key,
    Node,
    Problem,
    Source,
    UnreadableError,
    read,
    show,
)

FILE_LIMIT_BYTES = 1 << 20
PREFIX = "AETHERLESS_"
_INHERITED = ("start", "warm_pool_size", "keep_alive_s", "max_instances")
_SECTIONS = ("orchestrator", "functions")
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
        environment: where AETHERLESS_PORT, say, stands for `orchestrator.port`, before the file;
            each option of the orchestrator has such a variable. Other variables are no concern of
            this one, whatever they begin with.
        overrides: stand before both, a later one before an earlier one: "warm_pool_size=2" or
            "orchestrator.warm_pool_size=2", "functions.ID.timeout_ms=500",
            "functions.ID.environment.NAME=text". Values of both are YAML.

    Raises:
        ConfigError: it cannot be used; `problems` has all that is wrong with it.
    """
    loading = _Loading(os.fspath(path))
    try:
        root = loading.root()
    except UnreadableError as error:
        raise ConfigError((str(error.problem),)) from None
    loading.override_by_variables(root, environment)
    loading.override_by_options(root, overrides)
    config = loading.config(root)
    if config is None:
        problems = sorted(loading.problems, key=lambda each: each.place.order)
        raise ConfigError(tuple(dict.fromkeys(map(str, problems))))
    return config


class _Loading:
    """One reading of a file; `problems` fills on the way."""

    def __init__(self, path: str) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._source = Source(_one_line(path), 0, has_lines=True)
        self._absolute = Path(os.path.abspath(path))
        self._folder = str(self._absolute.parent)

    def root(self) -> Node:
        """The file's own tree.

        Raises:
            UnreadableError: there is none that is a mapping.
        """
        root = read(self._text(), self._source, self.problems)
        if root is None:
            raise self._unreadable(
                "is empty: it must have 'functions', and may have 'orchestrator'"
            )
        if not isinstance(root.value, dict):
            what = "a mapping with 'functions', and 'orchestrator' if wanted"
            raise UnreadableError(Problem(root.place, (), f"{root.shown} is not {what}"))
        return root

    def override_by_variables(self, root: Node, environment: Mapping[str, str]) -> None:
        """Puts the environment's values in the place of the file's."""
        for order, option in enumerate(OrchestratorConfig.model_fields, 1):
            name = PREFIX + option.upper()
            if name in environment:
                self._set(root, (_SECTIONS[0], option), environment[name], Source(name, order))

    def override_by_options(self, root: Node, overrides: Sequence[str]) -> None:
        """Puts the command line's values in the place of what was there."""
        for order, text in enumerate(overrides, 1 + len(OrchestratorConfig.model_fields)):
            source = Source(f"option {_one_line(text)}", order)
            name, equals, value = text.partition("=")
            key: list[str | int] = list(name.split("."))
            if len(key) == 1:
                key.insert(0, _SECTIONS[0])
            deep = 3 if key[0] == _SECTIONS[1] else 2
            is_variable = len(key) == 4 and key[2] == "environment"
            if not (equals and all(key) and key[0] in _SECTIONS) or (
                len(key) != deep and not (deep == 3 and is_variable)
            ):
                self._add(source, (), _FORMS)
                continue
            if deep == 3:
                ids = [each.find(("id",)).value for each in self._functions(root)]
                if key[1] not in ids:
                    known = [each for each in ids if isinstance(each, str)]
                    what = (
                        f"there is no function {show(str(key[1]))}; {unknown(str(key[1]), known)}"
                    )
                    self._add(source, (), what)
                    continue
                key[1] = ids.index(key[1])
            self._set(root, tuple(key), value, source)

    def config(self, root: Node) -> Config | None:
        """What the tree says; None if there are problems."""
        for name, node in root.value.items():
            if name not in _SECTIONS:
                self.problems.append(
                    Problem(node.place, (name,), f"unknown; {unknown(name, _SECTIONS)}")
                )
        section = root.value.get(_SECTIONS[0])
        if section is None or (section.value is None and not section.wrong):
            section = Node({}, root.place, "a mapping")
        orchestrator = self._model(OrchestratorConfig, section, (_SECTIONS[0],))
        listed = root.value.get(_SECTIONS[1])
        if listed is None:
            what = "is missing: it must be a list of functions"
            self.problems.append(Problem(root.place, (_SECTIONS[1],), what))
        elif not (listed.wrong or (isinstance(listed.value, list) and listed.value)):
            what = "an empty list" if listed.value == [] else listed.shown
            what += " is not a list of at least one function"
            self.problems.append(Problem(listed.place, (_SECTIONS[1],), what))
        nodes = self._functions(root)
        self._check_taken(nodes, orchestrator)
        functions = [self._function(node, index, orchestrator) for index, node in enumerate(nodes)]
        if self.problems or orchestrator is None:
            return None
        folders = {
            name: self._join(value)
            for name in ("snapshot_dir", "log_dir")
            if (value := getattr(orchestrator, name)) is not None
        }
        return Config(
            orchestrator=orchestrator.model_copy(update=folders),
            functions=tuple(filter(None, functions)),
            path=self._absolute,
        )

    def _function(
        self, node: Node, index: int, orchestrator: OrchestratorConfig | None
    ) -> FunctionConfig | None:
        key: Key = (_SECTIONS[1], index)
        before = len(self.problems)
        options = self._model(FunctionOptions, node, key)
        wrong = {each.key[2] for each in self.problems[before:] if len(each.key) > 2}
        if not isinstance(node.value, dict):
            return None
        said = {name: value for name, value in node.plain().items() if name not in wrong}
        variables = dict(said.get("environment") or {})
        folders = self._python_path(variables)
        for loc, what in missing(said, folders):
            self._find(node, key, loc, what)
        if len(self.problems) > before or options is None or orchestrator is None:
            return None
        decided: dict[str, Any] = {
            **options.model_dump(),
            "environment": variables,
            "search_path": tuple(folders),
        }
        for name in _INHERITED:
            if decided[name] is None:
                decided[name] = getattr(orchestrator, name)
        if options.kind == "executable":
            decided |= {"handler_path": self._join(options.handler_path), "start": "spawn"}
        return FunctionConfig(**decided)

    def _python_path(self, variables: dict[str, str]) -> list[str]:
        """The folders in which a function's modules are; those of PYTHONPATH become absolute."""
        more = [self._join(each) for each in variables.get("PYTHONPATH", "").split(":") if each]
        if more:
            variables["PYTHONPATH"] = ":".join(more)
        return [self._folder, *more]

    def _find(self, node: Node, key: Key, loc: Key, what: str) -> None:
        self.problems.append(Problem(node.find(loc).place, (*key, *loc), what))

    def _check_taken(self, nodes: list[Node], orchestrator: OrchestratorConfig | None) -> None:
        """Looks for ids and ports that are used twice."""
        for option in ("id", "trigger_port"):
            taken: dict[Any, str] = {}
            if option == "trigger_port" and orchestrator and orchestrator.port:
                taken[orchestrator.port] = "the gateway, by orchestrator.port"
            for index, node in enumerate(nodes):
                found = node.value.get(option) if isinstance(node.value, dict) else None
                if found is None or type(found.value) is not (str if option == "id" else int):
                    continue
                if found.value in taken:
                    what = f"{found.shown} is taken by {taken[found.value]}"
                    self._find(node, (_SECTIONS[1], index), (option,), what)
                taken.setdefault(found.value, f"functions[{index}]")

    def _model(self, model: type[_Model], node: Node, key: Key) -> _Model | None:
        try:
            return model.model_validate(node.plain())
        except ValidationError as error:
            self.problems += problems_of(error, model, node, key)
            return None

    def _set(self, root: Node, key: Key, text: str, source: Source) -> None:
        try:
            value = read(text, source, self.problems, key)
        except UnreadableError as error:
            self.problems.append(error.problem)
            return
        inside = root
        for part in key[:-1]:
            if isinstance(inside.value, dict) and inside.value.get(part, _NOTHING).value is None:
                inside.value[part] = Node({}, source.place(), "a mapping")
            inside = inside.find((part,))
        if isinstance(inside.value, dict):  # what is wrong otherwise is said later
            inside.value[key[-1]] = value or Node(None, source.place(), "nothing")

    def _functions(self, root: Node) -> list[Node]:
        listed = root.value.get(_SECTIONS[1], _NOTHING).value
        return listed if isinstance(listed, list) else []

    def _join(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._folder, path))

    def _text(self) -> str:
        try:
            status = os.stat(self._path)
            if stat.S_ISDIR(status.st_mode):
                raise self._unreadable("is a folder, not a file")
            if not stat.S_ISREG(status.st_mode):
                raise self._unreadable("is not a regular file")
            with open(self._path, "rb") as file:
                data = file.read(FILE_LIMIT_BYTES + 1)
        except FileNotFoundError:
            raise self._unreadable("does not exist") from None
        except OSError as error:
            raise self._unreadable(f"cannot be read: {error.strerror}") from None
        if len(data) > FILE_LIMIT_BYTES:
            raise self._unreadable(f"has more than {FILE_LIMIT_BYTES} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            what = f"is not UTF-8: byte 0x{data[error.start]:02x}"
            raise self._unreadable(what, line) from None

    def _unreadable(self, what: str, line: int = 0) -> UnreadableError:
        return UnreadableError(Problem(self._source.place(line), (), what))

    def _add(self, source: Source, key: Key, what: str) -> None:
        self.problems.append(Problem(source.place(), key, what))


_NOTHING = Node(None, Source("", 0).place(), "nothing")


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)
