"""The standard JSON: a file for each category of each measuring run, checked and written whole."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import jsonschema_rs
import orjson

from benchmarks.harness.result import Document, Result, document

SCHEMA = Path(__file__).resolve().parents[2] / "data" / "schema" / "benchmark_result.schema.json"
_VALIDATOR = jsonschema_rs.validator_for(orjson.loads(SCHEMA.read_bytes()))
# Files, and whether each is "written", "updated" or "unchanged".
Written: TypeAlias = list[tuple[Path, str]]


class FormError(ValueError):
    """Something does not fit the standard form; the message says what and why."""


@contextlib.contextmanager
def together(folder: Path) -> Iterator[Path]:
    """Gives a folder for files, of which none is put into `folder` before all are on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as staged:
        yield Path(staged)
        os.sync()
        for name in os.listdir(staged):
            os.replace(Path(staged, name), folder / name)


def write(folder: Path, results: Sequence[Result], prefix: str | None = None) -> Written:
    """Writes a file for each category, run, machine, commit, environment and selection.

    It is called `<category>_<timestamp>.json`, or by a prefix in place of the category. A newer
    export of the same run replaces the older one; another run of the same second gets a name of
    its own. Results of one row and run are joined.

    Raises:
        FormError: a result does not fit the form, or two of them do not fit each other; nothing
            was written.
        OSError: a file could not be written; nothing was left half-written.
    """
    with together(folder) as staged:
        return write_to(staged, results, prefix)


def write_to(staged: Path, results: Sequence[Result], prefix: str | None = None) -> Written:
    """As `write`, inside of `together`, which has given that folder."""
    folder, found = staged.parent, []
    for made, content in documents(results):
        for name in _names(made, prefix):
            paths = [path for path in (staged / name, folder / name) if path.exists()]
            there = paths[0].read_bytes() if paths else None
            if there == content:
                state = "unchanged"
            elif there is None or _identity(there) == _identity(content):
                state = "written" if there is None else "updated"
                (staged / name).write_bytes(content)
            else:
                continue
            found.append((folder / name, state))
            break
    return found


def documents(results: Sequence[Result]) -> list[tuple[Document, bytes]]:
    """The standard JSON of each category of each run, also as it is written."""
    groups: dict[Hashable, dict[Hashable, Result]] = {}
    try:
        for each in results:
            run = each.run
            environment = str(run.environment.get("asv_environment"))
            rows = groups.setdefault(
                (run.id, run.machine, run.commit, environment, run.selection, each.category), {}
            )
            row = each.name, each.benchmark, repr(each.parameters)
            rows[row] = _joined(rows[row], each) if row in rows else each
        made = [document(list(rows.values())) for rows in groups.values()]
    except (ValueError, TypeError, ArithmeticError) as error:
        raise FormError(str(error)) from error
    return [(each, validate(each)) for each in made]


def validate(document: object) -> bytes:
    """Gives a document as JSON; raises `FormError` where it does not fit the schema."""
    try:
        _VALIDATOR.validate(document)
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{step!r}]" for step in error.instance_path)
        raise FormError(f"does not fit {SCHEMA.name}: {where} {error.message}") from error
    except (ValueError, TypeError) as error:
        raise FormError(f"is no JSON: {error}") from error


def _joined(first: Result, second: Result) -> Result:
    """Of a row that was measured twice in a run; what is invalid is joined to nothing valid."""
    if first.invalid == second.invalid:
        return first.joined(second)
    return first if first.invalid is None else second


def _names(made: Document, prefix: str | None) -> Iterator[str]:
    stem = prefix or re.sub(r"[^\w-]", "_", made["results"][0]["category"])  # others named it
    stem += "_" + re.sub(r"[-:]|\.\d+", "", made["timestamp"])
    yield f"{stem}.json"
    if commit := made["run"]["commit"]:
        stem += f"_{commit[:8]}"
        yield f"{stem}.json"
    for count in itertools.count(2):
        yield f"{stem}_{count}.json"


def _identity(content: bytes) -> object:
    """Of the run and category that a file is of; of its own where it is no such file."""
    try:
        found = orjson.loads(content)
        run, first = found["run"], found["results"][0]
        environment = first["metadata"]["environment"].get("asv_environment")
        told = (run["id"], run["commit"], run["selection"], first["category"], environment)
        return (*told, found["system_info"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return object()
