"""Run records: what belongs to a measurement and has no place in asv's result store.

One line of JSON a measurement, in ``<results_dir>/journal/<commit>-<environment>.jsonl``. asv reads
only ``*.json`` files, so the records travel inside its store without disturbing it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "AETHERLESS_JOURNAL_DIR"


def folder() -> Path | None:
    """Where this process's records go: the variable's folder, else asv's store, else nowhere."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    configured = os.environ.get("ASV_CONF_DIR")
    if not configured:
        return None
    text = (Path(configured) / "asv.conf.json").read_text()
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    results = str(json.loads(text).get("results_dir", "results"))
    return Path(configured) / results / "journal"


def append(benchmark: str, parameters: list[str], record: dict[str, Any]) -> None:
    """Writes one record, in one piece, also when several processes write.

    Args:
        benchmark: asv's full name of it.
        parameters: `repr` of each parameter, as asv stores them.
        record: what is to be kept; JSON-serialisable.
    """
    target = folder()
    if target is None:
        return
    commit = os.environ.get("ASV_COMMIT", "worktree")
    environment = re.sub(r"[^A-Za-z0-9._-]", "_", os.environ.get("ASV_ENV_NAME", "present"))
    line = {
        "benchmark": benchmark,
        "parameters": parameters,
        "recorded_at_ms": time.time_ns() // 1_000_000,
        "commit": commit,
        "pid": os.getpid(),
        **record,
    }
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = target / f"{commit[:8]}-{environment[:60]}.jsonl"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        if os.write(fd, data) != len(data):
            raise OSError(f"{path}: the record was cut short: is the disk full?")
    finally:
        os.close(fd)


def read(journal: Path) -> Iterator[tuple[Path, int, dict[str, Any] | str]]:
    """All records of a journal: (file, line number, the record, or what is wrong with the line)."""
    for path in sorted(journal.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                yield path, number, f"not JSON: {error}"
                continue
            yield path, number, record if isinstance(record, dict) else "not an object"
