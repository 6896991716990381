"""The standard JSON: a file for each category of each measuring run, checked and written whole."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import jsonschema_rs
import orjson

from benchmarks.harness.result import Document, Result, document
from tools.export.files import write_together

SCHEMA = Path(__file__).resolve().parents[2] / "data" / "schema" / "benchmark_result.schema.json"


class FormError(ValueError):
    """Something does not fit the standard form; the message says what and why."""


def write(
    folder: Path, results: Sequence[Result], prefix: str | None = None
) -> list[tuple[Path, str]]:
    """Writes a file for each category, run, machine, commit, environment and selection.

    It is called `<category>_<timestamp>.json`. A newer export of the same run replaces the older
    one; another run of the same second gets a name of its own.

    Args:
        folder: is made where it is missing.
        results: what the files hold; results of one row and run are joined.
        prefix: of the names; None for the category.

    Returns:
        For each file its path, and whether it is "written", "updated" or "unchanged".

    Raises:
        FormError: a result does not fit the form, or two of them do not fit each other; nothing
            was written.
        OSError: a file could not be written; nothing was left half-written.
    """
    planned: dict[Path, bytes] = {}
    found = plan(folder, results, planned, prefix)
    write_together(planned)
    return found


def plan(
    folder: Path, results: Sequence[Result], planned: dict[Path, bytes], prefix: str | None = None
) -> list[tuple[Path, str]]:
    """As `write`, but what is to be written is added to `planned`, for `write_together`."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[tuple[Path, str]] = []
    for made in documents(results):
        content = orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for path in _names(folder, made, prefix):
            there = planned.get(path)
            if there is None and path.exists():
                there = path.read_bytes()
            if there is None or there == content or _identity(there) == _identity(content):
                state = "written" if there is None else "updated"
                if there == content:
                    state = "unchanged"
                else:
                    planned[path] = content
                found.append((path, state))
                break
    return found


def documents(results: Sequence[Result]) -> list[Document]:
    """The standard JSON of each category of each run.

    Raises:
        FormError: as `write`.
    """
    groups: dict[Hashable, dict[Hashable, Result]] = {}
    try:
        for each in results:
            run = each.run
            environment = str(run.environment.get("asv_environment"))
            rows = groups.setdefault(
                (run.id, run.machine, run.commit, environment, run.selection, each.category), {}
            )
            row = each.name, each.benchmark, repr(each.parameters)
            rows[row] = _together(rows[row], each) if row in rows else each
        made = [document(list(rows.values())) for rows in groups.values()]
    except (ValueError, TypeError, ArithmeticError) as error:
        raise FormError(str(error)) from error
    for each_made in made:
        validate(each_made)
    return made


def validate(document: object) -> None:
    """Checks a document against the published schema.

    Raises:
        FormError: it does not fit, or is no JSON.
    """
    try:
        _validator().validate(document)
        orjson.dumps(document)
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{step!r}]" for step in error.instance_path)
        raise FormError(f"does not fit {SCHEMA.name}: {where} {error.message}") from error
    except (ValueError, TypeError) as error:
        raise FormError(f"is no JSON: {error}") from error


def _together(first: Result, second: Result) -> Result:
    """Of a row that was measured twice in a run; what is invalid is joined to nothing valid."""
    if first.invalid == second.invalid:
        return first.joined(second)
    return first if first.invalid is None else second


def _names(folder: Path, made: Document, prefix: str | None) -> Iterator[Path]:
    stem = prefix or re.sub(r"[^\w-]", "_", made["results"][0]["category"])  # others named it
    stem += "_" + re.sub(r"[-:]|\.\d+", "", made["timestamp"])
    yield folder / f"{stem}.json"
    if commit := made["run"]["commit"]:
        stem += f"_{commit[:8]}"
        yield folder / f"{stem}.json"
    count = 2
    while True:
        yield folder / f"{stem}_{count}.json"
        count += 1


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


@functools.cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(orjson.loads(SCHEMA.read_bytes()))
