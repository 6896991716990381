"""The function for Google's Functions Framework: the target is `answer`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from worker import load  # type: ignore[import-not-found]

if TYPE_CHECKING:
    import flask

_handler = load(os.environ["AETHER_HANDLER"], os.environ["AETHER_IMPORTS"])


def answer(request: flask.Request) -> bytes:
    """What the function makes of the request's body."""
    return bytes(_handler(request.get_data()))
