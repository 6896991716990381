"""What the tests of the export have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from tests.tools.make_store import row
from tools.export.__main__ import main
from tools.export.standard import SCHEMA

SAMPLES = [n * 1e-6 for n in range(1, 1001)]
WRITE = "ring_buffer.Write.track_operation"
MANY = "ring_buffer.Many.track_operation"
SIZES = ["64", "1024"]


def write_row(**more: Any) -> list[Any]:
    """A row of `WRITE` or `MANY`."""
    return row([SAMPLES, SAMPLES[:500]], [SIZES], **more)


def export(store: Path, output: Path, *arguments: str) -> int:
    """Runs the command."""
    return main(["--store", str(store), "--output", str(output), *arguments])


def documents(output: Path) -> list[dict[str, Any]]:
    """What was written; all of it is valid, and there is nothing else."""
    validator = Draft7Validator(json.loads(SCHEMA.read_bytes()))
    found = [json.loads(path.read_bytes()) for path in sorted(output.glob("*.json"))]
    for document in found:
        validator.validate(document)
    assert not [path for path in output.iterdir() if path.suffix != ".json"]
    return found


def results(output: Path) -> dict[str, dict[str, Any]]:
    """All results by their names."""
    return {item["name"]: item for document in documents(output) for item in document["results"]}
