"""Reading run records as they lie in their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def records_in(folder: Path) -> list[dict[str, Any]]:
    """All records of a journal's folder."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.open()]
    return [json.loads(line) for line in lines if line.strip()]
