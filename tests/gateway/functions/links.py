"""Handlers that pass their requests on, for the tests of chains; their environment says how."""

from __future__ import annotations

import os
import time
from typing import Any


def link(event: Any, context: Any) -> Any:
    """The body, for the function NEXT; before that, what DO says."""
    if "SEEN" in os.environ:  # so that it is known how often this ran
        with open(os.environ["SEEN"], "a") as file:
            file.write("x\n")
    while "AFTER" in os.environ and not os.path.exists(os.environ["AFTER"]):
        time.sleep(0.005)
    what = os.environ.get("DO", "")
    if what == "raise":
        raise ValueError("on the way")
    if what == "vanish":
        os._exit(3)
    if what == "sleep":
        time.sleep(600)
    headers = {"x-own": os.environ.get("OWN", ""), "x-aether-hops": "99"}  # which is not its to say
    if "content-type" in event["headers"]:
        headers["content-type"] = event["headers"]["content-type"]
    if "NEXT" in os.environ:
        headers["X-Aether-Next"] = os.environ["NEXT"]
    return {
        "statusCode": int(os.environ.get("STATUS", "200")),
        "headers": headers,
        "body": event.get("body", ""),
        "isBase64Encoded": event["isBase64Encoded"],
    }


def down(event: Any, context: Any) -> Any:
    """The body, a number, less one, for the function NEXT; at 0 what this one was asked."""
    left = int(event["body"])
    if not left:
        return event
    return {
        "statusCode": 200,
        "headers": {"x-aether-next": os.environ["NEXT"]},
        "body": str(left - 1),
    }
