"""The files of asv's result store: which there are, and how each is read."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from asv import util
from asv.machine import Machine
from asv.results import Results

BENCHMARKS = "benchmarks.json"
_CARD = "machine.json"


class StoreError(Exception):
    """A file of the store, or something in it, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What an export has to say: reasons, and whom each concerns, in order.

    Attributes:
        skipped: what the store holds and the standard form does not.
        problems: what is broken or foreign.
    """

    skipped: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    problems: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def problem(self, where: object, reason: object) -> None:
        """Notes that something cannot be used."""
        self.problems[str(reason)][str(where)] = None


def result_files(store: Path, notes: Notes) -> Iterator[tuple[Path, str]]:
    """The result files of a store, each with the machine that the card beside it names."""
    seen = set()

    def cannot(error: OSError) -> None:
        notes.problem(error.filename, f"cannot be read: {error.strerror}")

    for at, subfolders, names in os.walk(store, onerror=cannot, followlinks=True):
        folder = Path(at)
        if (where := folder.resolve()) in seen:  # a link to where we have been
            subfolders.clear()
            continue
        seen.add(where)
        subfolders[:] = sorted(name for name in subfolders if name[0] != ".")
        found = [
            folder / name
            for name in sorted(names)
            if name.endswith(".json") and name[0] != "." and name not in (_CARD, BENCHMARKS)
        ]
        if not found:
            continue
        try:
            machine = load_json(str(folder / _CARD), Machine.api_version).get("machine")
            if not isinstance(machine, str):
                raise StoreError("it names no machine")
        except StoreError as error:
            for path in found:
                notes.problem(path, f"foreign: no {_CARD} beside it ({error})")
        else:
            yield from ((path, machine) for path in found)


def load_results(path: Path, machine: str) -> Results:
    """What asv reads from a result file.

    Raises:
        StoreError: it cannot be read, or is of another machine.
    """
    try:
        with _parsed_by_orjson():
            return Results.load(str(path), machine_name=machine)
    except util.UserError as error:
        reason = str(error).removeprefix(f"Error loading results file '{path}': ")
        raise StoreError(f"foreign: {reason}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"foreign: not an asv result file: {error}") from error


def load_json(path: str, api_version: int) -> dict[str, Any]:
    """As `asv.util.load_json`, but in a third of the time, and of asv's format 1, too.

    Raises:
        StoreError: the file cannot be read, or is of another format.
    """
    if not os.path.isfile(path):  # nor is a pipe waited for
        raise StoreError("not a regular file")
    try:
        found = _parsed(Path(path).read_bytes())
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"not valid JSON, perhaps cut short: {error}") from error
    if not isinstance(found, dict):
        raise StoreError("foreign: not a JSON object")
    version = found.pop("version", None)
    if version == 1 < api_version:
        return dict(Results.update_to_2(found)) if "commit_hash" in found else found
    if version != api_version:
        raise StoreError(f"of format {version!r}, where asv reads {api_version}: foreign, or newer")
    return found


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        found = json.loads(content)  # it takes the bare NaN and Infinity that asv writes
    # It lets half a character pass ("\ud800"), too, which nobody can write or print.
    json.dumps(found, ensure_ascii=False).encode()
    return found


@contextlib.contextmanager
def _parsed_by_orjson() -> Iterator[None]:
    """Inside, `Results.load` reads by our `load_json`."""
    before = util.load_json
    util.load_json = load_json
    try:
        yield
    finally:
        util.load_json = before
