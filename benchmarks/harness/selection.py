"""Which rows are measured, and how long each round of them takes.

- tracking: what a commit of the package can change, and a few controls that it cannot. Plain
  `asv run` measures this.
- study: everything side by side at one commit.
- quick: the part of the study that stands for the whole where it must be done in two minutes.
"""

from __future__ import annotations

import os
from enum import StrEnum

# asv knows no selections: its processes are told by this variable, and measure tracking without it.
VARIABLE = "AETHERLESS_SELECTION"


class Selection(StrEnum):
    """The selections; their values are what results, options and the variable call them."""

    TRACKING = "tracking"
    STUDY = "study"
    QUICK = "quick"


class SelectionError(ValueError):
    """The variable names no selection; the message says which there are."""


def selected() -> Selection:
    """The selection that the variable names.

    Raises:
        SelectionError: there is none of that name.
    """
    named = os.environ.get(VARIABLE, Selection.TRACKING)
    try:
        return Selection(named)
    except ValueError:
        raise SelectionError(f"{VARIABLE}={named!r}: give one of {', '.join(Selection)}") from None
