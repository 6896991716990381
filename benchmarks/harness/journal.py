"""Run records: what belongs to a measurement and has no place in asv's result store.

One line of JSON a measurement, in a file of ``<results_dir>/journal/`` for each machine, commit and
environment. asv reads only ``*.json`` files, so the records travel inside its store without
disturbing it. A record names some of the samples that it belongs to: whoever reads the store joins
it to those and to no others, whatever stores were put together.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.asv_config import results_folder

FOLDER_VARIABLE = "AETHERLESS_JOURNAL_DIR"
# asv takes the benchmarks from the working tree, where its configuration lies.
ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path | None:
    """Where this process's records go: the variable's folder, else asv's store, else nowhere.

    Raises:
        ConfigError: asv runs us, but its configuration cannot be read.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    configured = os.environ.get("ASV_CONF_DIR")
    if configured is None and "asv_runner" not in sys.modules:
        return None
    return results_folder(Path(configured or ROOT) / "asv.conf.json") / "journal"


def fingerprint(samples: Sequence[float]) -> list[float]:
    """What tells these samples from all others: how many, the first, the middle and the last."""
    return [len(samples), samples[0], samples[len(samples) // 2], samples[-1]]


def append(
    benchmark: str, parameters: list[str], samples: Sequence[float], record: dict[str, Any]
) -> None:
    """Writes one record, in one piece, also when several processes write.

    Args:
        benchmark: asv's full name of it.
        parameters: `repr` of each parameter, as asv stores them.
        samples: as they are handed to asv, one at least.
        record: what is to be kept; JSON-serialisable.

    Raises:
        OSError: the record could not be written whole.
        ValueError: it holds what JSON cannot.
    """
    target = folder()
    if target is None:
        return
    commit = os.environ.get("ASV_COMMIT", "worktree")
    line = {
        "benchmark": benchmark,
        "parameters": parameters,
        "samples": fingerprint(samples),
        "recorded_at_ms": time.time_ns() // 1_000_000,
        "commit": commit,
        "pid": os.getpid(),
        **record,
    }
    # A line that a crash has cut short ends before this one begins.
    data = b"\n" + json.dumps(line, allow_nan=False).encode() + b"\n"
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    parts = (platform.node(), commit[:8], os.environ.get("ASV_ENV_NAME", "present"))
    name = "-".join(re.sub(r"[^A-Za-z0-9._-]", "_", part)[:60] for part in parts)
    path = target / f"{name}.jsonl"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, data) != len(data):
            raise OSError(f"{path}: the record was cut short: is the disk full?")
    finally:
        os.close(fd)
