"""The run log: every result whole, with all its samples, a line of JSON each.

asv keeps one value a round; whatever it was called with, the log has the rest. It lies beside asv's
result files, which asv tells by their ending: a file of ``<results_dir>/run_log/`` for each
machine, commit and environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.result import Result

FOLDER_VARIABLE = "AETHERLESS_RUN_LOG"
FOLDER = "run_log"
# Of a file beside the log, which is called as a run of asv's until that has ended.
UNFINISHED = ".unfinished"


def folder() -> Path | None:
    """Where this process's results go, if anywhere: the folder that asv's plugin has named."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None


def append(result: Result, to: Path) -> None:
    """Writes one result, in one piece, also when several processes write.

    Args:
        result: what is to be kept.
        to: the log's folder, which is made where it is missing.

    Raises:
        OSError: the line could not be written whole.
        ValueError: it holds what JSON cannot.
    """
    # A line that a crash has cut short ends before this one begins.
    data = b"\n" + json.dumps(asdict(result), allow_nan=False).encode() + b"\n"
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = result.run
    parts = (run.machine.hostname, run.commit[:8], str(run.environment.get("asv_environment")))
    name = "-".join(re.sub(r"[^A-Za-z0-9._-]", "_", part)[:60] for part in parts)
    path = to / f"{name}.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(f"{path}: the line was cut short: is the disk full?")
    finally:
        os.close(descriptor)


def read(path: Path) -> Iterator[Result | str]:
    """The results of one file of the log, and a message for each line that is none.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield Result.of(json.loads(line))
            except (ValueError, RecursionError) as error:
                yield f"{path}:{number}: no result: {error}"
