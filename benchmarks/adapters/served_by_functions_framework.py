"""A handler of Lambda's form for Google's Functions Framework: the target is `answer`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from adapter import call, load  # type: ignore[import-not-found]

if TYPE_CHECKING:
    import flask

_handler = load(os.environ["AETHER_HANDLER"])


def answer(request: flask.Request) -> tuple[bytes, int, dict[str, str]]:
    """What the function makes of the request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    status, answered, data = call(_handler, headers, request.get_data())
    return data, status, answered
