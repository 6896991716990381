"""Values of YAML texts, and where each stands.

YAML 1.1 as PyYAML's SafeLoader has it, but for timestamps (they are text). Nothing but text,
numbers, true, false, null, lists and mappings is made, whatever a tag says.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

import yaml

_LIMIT = 100_000  # keys and values; aliases that stand for more are an attack or a mistake
_CORE = "tag:yaml.org,2002:"
_MERGE = _CORE + "merge"
_SCALARS = ("str", "int", "float", "bool", "null")
_MAKER = yaml.constructor.SafeConstructor()

WRONG = object()  # stands for a value whose problem is known

Key = tuple[str | int, ...]


class Document:
    """The values of a file's text, some of them replaced by those of variables and options.

    All texts have names; only of the file is it said in which line something stands.

    Attributes:
        root: text, a number, True, False, None, WRONG, or a list or dict of such.
    """

    def __init__(self, name: str, text: str) -> None:
        self._names = [name]
        self._marks: dict[Key, yaml.Mark] = {}  # of a value's name, or of itself in a list
        self._shown: dict[Key, str] = {}
        self._problems: list[tuple[int, int, str]] = []
        self._count = 0
        self.root = self._read(text, ())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the file, in the order of its lines, then with each other text."""
        found = sorted(self._problems, key=lambda each: each[:2])
        return tuple(dict.fromkeys(said for *_, said in found))

    def replace(self, key: Key, name: str, text: str) -> None:
        """Puts the value of another text where the key says."""
        self._names.append(name)
        value = self._read(text, key)
        inside: Any = self.root
        for part in key[:-1]:
            if isinstance(inside, dict) and inside.get(part) is None:
                inside[part] = {}
            inside = inside[part]
        if isinstance(inside, dict):  # what is wrong otherwise is said later
            inside[key[-1]] = value

    def refuse(self, name: str, what: str) -> None:
        """Says what is wrong with another text as a whole."""
        self._names.append(name)
        self._wrong((), what, _mark(name))

    def complain(self, key: Key, what: str) -> None:
        """Says what is wrong with a value; where it is missing, at what it should be in."""
        around = key
        while around not in self._marks:
            around = around[:-1]
        self._wrong(key, what, self._marks[around])

    def shown(self, key: Key) -> str:
        """What messages call a value: a text or a number is shown as it is written."""
        return self._shown.get(key, "nothing")

    def _wrong(self, key: Key, what: str, mark: yaml.Mark) -> Any:
        order = self._names.index(mark.name)
        line = 0 if order else mark.line + 1
        place = f"{mark.name}:{line}" if line else mark.name
        named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
        said = ": ".join(filter(None, [place, named.removeprefix("."), what]))
        self._problems.append((order, line, said if said.isprintable() else repr(said)[1:-1]))
        return WRONG

    def _read(self, text: str, key: Key) -> Any:
        name = self._names[-1]
        self._marks[key], self._shown[key] = _mark(name), "nothing"
        self._at: yaml.Mark | None = None
        try:
            loader = _Loader(text)
            loader.name = name  # which all its marks have
            node = loader.get_single_node()
            return self._value(node, key) if node else None
        except yaml.reader.ReaderError as error:
            mark = _mark(name, text.count("\n", 0, error.position))
            what = f"{chr(error.character)!r} is no character of YAML in UTF-8"
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or loader.get_mark()
            said = ", ".join(filter(None, [error.context, error.problem]))
            what = f"column {mark.column + 1}: {' '.join(said.split())}"
        except (RecursionError, ValueError, OverflowError) as error:
            mark = self._at or loader.get_mark()
            deep = isinstance(error, RecursionError)
            what = "too many values in each other" if deep else f"it is no YAML: {error}"
        return self._wrong(key, what, mark)

    def _value(self, node: yaml.Node, key: Key, mark: yaml.Mark | None = None) -> Any:
        self._check(node)
        mark = mark or node.start_mark
        self._marks[key], self._shown[key] = mark, _shown(node)
        kind = node.tag.removeprefix(_CORE)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._value(each, (*key, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            with contextlib.suppress(ValueError, LookupError, OverflowError):
                value = getattr(_MAKER, f"construct_yaml_{kind}")(node)
                str(value)  # fails for a number that is too long to be shown
                return value
            return self._wrong(key, f"{_shown(node)} cannot be read as {kind}", mark)
        tag = node.tag.replace(_CORE, "!!")
        return self._wrong(key, f"the tag {tag[:60]!r} is not supported; leave it out", mark)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        own: dict[str, yaml.Mark] = {}
        # What is merged comes first, for the mapping's own values to replace.
        for name_node, value in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            self._check(name_node)
            mark, name = name_node.start_mark, name_node.value
            if name_node.tag == _MERGE:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for each in reversed(merged):
                    if isinstance(each, yaml.MappingNode):
                        values |= self._mapping(each, key)
                    else:
                        self._wrong(key, "'<<' takes a mapping, or a list of mappings", mark)
            elif not isinstance(name_node, yaml.ScalarNode):
                self._wrong(key, "a list or a mapping cannot be a key", mark)
            elif name in own:
                first = own[name].line + 1
                self._wrong((*key, name), f"given twice, first in line {first}", mark)
            else:
                own[name] = mark
                values[name] = self._value(value, (*key, name), mark)
        return values

    def _check(self, node: yaml.Node) -> None:
        self._count += 1
        self._at = node.start_mark
        what = ""
        if self._count > _LIMIT:
            what = f"more than {_LIMIT} keys and values, with what aliases stand for"
        elif isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
            what = f"{node.value[:60]!r}: no text may have a NUL, or half of a surrogate pair"
        if what:
            raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [each for each in found if each[0] != _CORE + "timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list" if node.value else "an empty list"
    text = node.value[:60]
    return repr(text) if node.tag == _CORE + "str" else text or "nothing"


def _mark(name: str, line: int = 0) -> yaml.Mark:
    return yaml.Mark(name, 0, line, 0, None, 0)
