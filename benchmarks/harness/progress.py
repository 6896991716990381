"""How far a sitting is, told to whoever runs the suites."""

from __future__ import annotations

import os

# Names the file to which lines are appended: how many are done, of how many, and what comes next.
PROGRESS_VARIABLE = "AETHERLESS_PROGRESS"


def tell(done: int, total: int, what: str) -> None:
    """Says it, if somebody has asked for it by the variable."""
    if path := os.environ.get(PROGRESS_VARIABLE):
        with open(path, "a") as file:
            file.write(f"{done} {total} {what}\n")
