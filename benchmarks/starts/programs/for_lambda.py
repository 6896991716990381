"""The function for AWS Lambda: the handler is "for_lambda.handler".

An event is a JSON document, and JSON has no bytes: they travel in base64, as an HTTP body does
through AWS's own gateways.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from typing import Any

from worker import load  # type: ignore[import-not-found]

_handler = load(os.environ["AETHER_HANDLER"], os.environ["AETHER_IMPORTS"])


def handler(event: dict[str, str], context: Any) -> dict[str, str]:
    """What the function makes of the event's body."""
    return {"body": b64encode(bytes(_handler(b64decode(event["body"])))).decode()}
