"""YAML as a tree that knows where each value stands, and what is wrong with a document.

YAML 1.1 as PyYAML's SafeLoader has it, but for timestamps (they are text). Nothing but text,
numbers, true, false, null, lists and mappings is made, whatever a tag says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

# What nobody needs; aliases that stand for more than it are an attack or a mistake.
_VALUES = 100_000
_DEPTH = 20

_CORE = "tag:yaml.org,2002:"
_SCALARS = {_CORE + name: name for name in ("str", "int", "float", "bool", "null")}
_KINDS = {"int": "an integer", "float": "a number", "bool": "true or false"}
_MERGE = _CORE + "merge"

Key = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something stands: its order among all places, and its name."""

    order: tuple[int, int]
    name: str


class Problem(NamedTuple):
    """What is wrong with the value of a key; the key is empty for a whole document."""

    place: Place
    key: Key
    text: str

    def __str__(self) -> str:
        key = named(self.key)
        return (
            f"{self.place.name}: {key}: {self.text}" if key else f"{self.place.name}: {self.text}"
        )


class UnreadableError(Exception):
    """Nothing can be made of the document at all."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Source:
    """Where a document comes from.

    Args:
        name: what messages begin with.
        order: among all sources.
        has_lines: whether the name is a file's, which a line's number is said with.
    """

    def __init__(self, name: str, order: int, has_lines: bool = False) -> None:
        self._name, self._order, self._has_lines = name, order, has_lines

    def place(self, line: int = 0, column: int = 0) -> Place:
        """A place in it; lines and columns begin with 1, and 0 says nothing."""
        parts = [self._name]
        if self._has_lines:
            parts += [str(number) for number in (line, column) if number]
        return Place((self._order, line if self._has_lines else 0), ":".join(parts))


@dataclass(slots=True)
class Node:
    """A value.

    Attributes:
        value: text, a number, True, False, None, or a dict or list of nodes.
        place: of its key, or of itself in a list.
        shown: how messages call it.
        wrong: whether a problem of it is known already.
    """

    value: Any
    place: Place
    shown: str
    wrong: bool = False

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {name: each.plain() for name, each in self.value.items()}
        if isinstance(self.value, list):
            return [each.plain() for each in self.value]
        return self.value

    def find(self, key: Key) -> Node:
        """The node of a key; where there is none, the one that it should be in."""
        found = self
        for part in key:
            try:
                found = found.value[part]
            except (LookupError, TypeError):
                break
        return found


def named(key: Key) -> str:
    """A key as people write it: functions[1].timeout_ms."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (
                part if re.fullmatch(r"[\w-]{1,64}", part) else show(part)
            )
    return text


def show(text: str) -> str:
    """A text in quotes, on one line and not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def read(text: str, source: Source, problems: list[Problem], key: Key = ()) -> Node | None:
    """Makes a tree of a document; None when it is empty.

    Args:
        text: of the document.
        source: where it comes from.
        problems: gets those that leave something to go on with.
        key: of what the document is the value of.

    Raises:
        UnreadableError: it is no YAML, or too large or deep.
    """
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return _Tree(loader, source, problems).build(root, key) if root else None
    except _TooDeepError as error:
        raise _too_deep(source.place(error.line), key) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - before.rfind("\n")
        place = source.place(before.count("\n") + 1, column)
        what = f"the character {chr(error.character)!r} is not allowed"
        raise UnreadableError(Problem(place, key, what)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = source.place(mark.line + 1, mark.column + 1) if mark else source.place()
        said = ", ".join(filter(None, (error.context, error.problem)))
        raise UnreadableError(Problem(place, key, " ".join(said.split()))) from None
    except (ValueError, OverflowError):  # of a character's number, or a version's
        mark = loader.get_mark() if loader else None
        place = source.place(mark.line + 1, mark.column + 1) if mark else source.place()
        raise UnreadableError(Problem(place, key, "a number that makes no sense")) from None


def _is_text(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


class _TooDeepError(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


def _too_deep(place: Place, key: Key) -> UnreadableError:
    return UnreadableError(Problem(place, key, f"more than {_DEPTH} values in each other"))


class _Loader(yaml.SafeLoader):
    """Composes nodes, not too deep."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [each for each in found if each[0] != _CORE + "timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEPTH + 1:
            raise _TooDeepError(self.get_mark().line + 1)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Tree:
    """Makes nodes with places of PyYAML's; an alias is made anew wherever it stands."""

    def __init__(self, loader: _Loader, source: Source, problems: list[Problem]) -> None:
        self._loader, self._source, self._problems = loader, source, problems
        self._count = 0

    def build(self, node: yaml.Node, key: Key, place: Place | None = None, depth: int = 0) -> Node:
        place = place or self._place(node)
        self._check(place, depth)
        if isinstance(node, yaml.MappingNode) and node.tag == _CORE + "map":
            made: dict[str, Node] = {}
            for name, (at, value) in self._pairs(node, key, depth).items():
                made[name] = self.build(value, (*key, name), at, depth + 1)
            return Node(made, place, "a mapping")
        if isinstance(node, yaml.SequenceNode) and node.tag == _CORE + "seq":
            return Node(
                [
                    self.build(each, (*key, index), None, depth + 1)
                    for index, each in enumerate(node.value)
                ],
                place,
                "a list",
            )
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, key, place)
        tag = node.tag.replace(_CORE, "!!")
        return self._wrong(key, place, f"the tag {show(tag)} is not supported; leave it out")

    def _pairs(
        self, node: yaml.MappingNode, key: Key, depth: int
    ) -> dict[str, tuple[Place, yaml.Node]]:
        """The values of a mapping's own keys, then those of the mappings merged into it."""
        own: dict[str, tuple[Place, yaml.Node]] = {}
        merged: list[tuple[Place, yaml.Node]] = []
        for key_node, value in node.value:
            place = self._place(key_node)
            self._check(place, depth)
            if key_node.tag == _MERGE:
                merged.append((place, value))
            elif not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key, place, "a list or a mapping cannot be a key")
            elif not _is_text(name := key_node.value):
                self._wrong(key, place, f"the key {show(name)} has half of a surrogate pair")
            elif name in own:
                first = own[name][0].name
                self._wrong((*key, name), place, f"given twice, first at {first}")
            else:
                own[name] = place, value
        for place, value in merged:
            each_of = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for other in each_of:
                if not isinstance(other, yaml.MappingNode):
                    self._wrong(key, place, "'<<' takes a mapping, or a list of mappings")
                else:
                    own = {**self._pairs(other, key, depth + 1), **own}
        return own

    def _check(self, place: Place, depth: int) -> None:
        self._count += 1
        if depth > _DEPTH:
            raise _too_deep(place, ())
        if self._count > _VALUES:
            what = f"more than {_VALUES} keys and values, with what its aliases stand for"
            raise UnreadableError(Problem(place, (), what))

    def _scalar(self, node: yaml.ScalarNode, key: Key, place: Place) -> Node:
        kind = _SCALARS[node.tag]
        text: str = node.value
        if not _is_text(text):
            return self._wrong(key, place, f"{show(text)} has half of a surrogate pair")
        if kind == "str":
            return Node(text, place, show(text))
        try:
            value = getattr(self._loader, f"construct_yaml_{kind}")(node)
        except (ValueError, LookupError, OverflowError):
            return self._wrong(key, place, f"{show(text)} is not {_KINDS[kind]}")
        shown = text if re.fullmatch(r"[\w.+:~-]{1,60}", text) else show(text)
        return Node(value, place, "nothing" if value is None else shown)

    def _place(self, node: yaml.Node) -> Place:
        return self._source.place(node.start_mark.line + 1)

    def _wrong(self, key: Key, place: Place, text: str) -> Node:
        self._problems.append(Problem(place, key, text))
        return Node(None, place, "nothing", wrong=True)
