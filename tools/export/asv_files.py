"""The files of asv's result store: which there are, and how each is read."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from asv import util
from asv.machine import Machine
from asv.results import Results

from benchmarks.harness.run import Run
from benchmarks.harness.system_info import SystemInfo

BENCHMARKS = "benchmarks.json"
_CARD = "machine.json"
# Rows with a longer pause between them are of different runs: asv keeps the newest of each
# benchmark in one file, whenever it was measured.
PAUSE_MS = 3_600_000
_LATEST_MS = 4_102_444_800_000  # the year 2100
_STORE_ONLY = (
    "only asv's store tells of this: a sample may stand for many operations, the rounds and the"
    " clock's cost are unknown, and the machine is what asv says of it"
)
_NO_START = "asv kept no start of the measurement: the timestamp is that of the commit"


class StoreError(Exception):
    """A file of the store, or something in it, cannot be used; the message says why."""


class Notes:
    """What an export has to say: reasons, and whom each concerns, in order."""

    def __init__(self) -> None:
        # What the store holds and the standard form does not, and what is broken or foreign.
        self.skipped: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.problems: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def problem(self, where: object, reason: object) -> None:
        """Notes that something cannot be used."""
        self.problems[str(reason)][str(where)] = None


def result_files(store: Path, notes: Notes) -> Iterator[tuple[Path, str]]:
    """The result files of a store, each with the machine that the card beside it names."""
    # The second takes a machine's folder that is a link, too.
    for path in sorted({*store.glob("**/*.json"), *store.glob("*/*.json")}):
        if path.name in (_CARD, BENCHMARKS) or path.is_dir():
            continue
        try:
            machine = load_json(str(path.parent / _CARD), Machine.api_version)["machine"]
        except (StoreError, KeyError) as error:
            notes.problem(path, f"foreign: no {_CARD} beside it that names a machine ({error})")
        else:
            yield path, str(machine)


def load_results(path: Path, machine: str) -> Results:
    """What asv reads from a result file; raises `StoreError` if it is of another machine."""
    before, util.load_json = util.load_json, load_json
    try:
        return Results.load(str(path), machine_name=machine)
    except (util.UserError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = str(error).removeprefix(f"Error loading results file '{path}': ")
        raise StoreError(f"foreign: not an asv result file: {reason}") from error
    finally:
        util.load_json = before


def starts(stored: Results) -> dict[str, int]:
    """When each benchmark was measured, in ms, or else when the commit was made."""
    found = {}
    for key in stored.get_all_result_keys():
        if at := next(filter(_is_time, (stored.started_at.get(key), stored.date)), None):
            found[key] = int(at)
    return found


def runs_of(stored: Results, machine: str) -> dict[str, Run]:
    """The run that each benchmark was measured in: without a long pause after what was before."""
    found: dict[str, Run] = {}
    ended_ms, run, params = -math.inf, None, stored.params
    system, _, kernel = str(params.get("os") or "unknown").partition(" ")
    for key, began_ms in sorted(starts(stored).items(), key=lambda each: each[1]):
        if run is None or began_ms > ended_ms + PAUSE_MS:
            is_start = _is_time(stored.started_at.get(key))
            run = Run(
                id=f"asv-{stored.commit_hash}-{machine}-{stored.env_name}-{began_ms}",
                started_at_ms=began_ms,
                commit=str(stored.commit_hash),
                machine=SystemInfo(
                    os=system,
                    os_version="unknown",
                    kernel_version=kernel or "unknown",
                    cpu_model=str(params.get("cpu") or "unknown"),
                    cpu_cores=whole(params.get("num_cpu")),
                    memory_bytes=whole(params.get("ram")),
                    hostname=machine,
                ),
                environment={
                    "asv_environment": str(stored.env_name), "asv_parameters": dict(params)
                },
                warnings=(_STORE_ONLY,) if is_start else (_STORE_ONLY, _NO_START),
            )  # fmt: skip
        found[key] = run
        took_s = stored.duration.get(key)
        ended_ms = max(ended_ms, began_ms + 1000 * (took_s if _is_time(took_s) else 0))
    return found


def load_json(path: str, api_version: int) -> dict[str, Any]:
    """As `asv.util.load_json`, but in a third of the time, and of asv's format 1, too."""
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


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= _LATEST_MS


def whole(value: object) -> int | None:
    """A count that the standard form can hold; None for what is none."""
    text = str(value)
    return int(text) or None if text.isdecimal() and len(text) < 16 else None
