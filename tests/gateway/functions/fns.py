"""Handlers for the tests of the runtime."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from typing import Any

_started = time.monotonic()


def noop(event: Any, context: Any) -> Any:
    return {}


def echo(event: Any, context: Any) -> Any:
    """The request's body, of the same type."""
    return {
        "statusCode": 200,
        "headers": {"content-type": event["headers"].get("content-type", "text/plain")},
        "body": event.get("body", ""),
        "isBase64Encoded": event["isBase64Encoded"],
    }


def event(event: Any, context: Any) -> Any:
    """What the handler sees."""
    return event


def who(event: Any, context: Any) -> Any:
    """Which process answers, and what it is told of itself."""
    return {
        "pid": os.getpid(),
        "thread": threading.get_ident(),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
        "environment": dict(os.environ),
        "random": random.random(),
    }


def does(event: Any, context: Any) -> Any:
    """What the query's `do` says."""
    query = event.get("queryStringParameters", {})
    what, value = query.get("do", ""), query.get("value", "")
    if what == "sleep":
        time.sleep(float(value))
    elif what == "raise":
        raise ValueError(value)
    elif what == "exit":
        sys.exit(int(value))
    elif what == "vanish":
        os._exit(int(value))
    elif what == "allocate":  # MB, touched
        held = bytearray(int(value) << 20)
        held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(held[:: os.sysconf("SC_PAGE_SIZE")])
        time.sleep(float(query.get("hold", "0")))
    elif what == "print":
        print(value, flush=True)
    elif what == "spawn":  # something that would outlive it
        subprocess.Popen(["sleep", value], start_new_session=True)
    elif what == "large":
        return "x" * int(value)
    elif what == "answer":
        return {"statusCode": int(value), "headers": {"x-own": "yes"}, "body": "own"}
    elif what == "set":
        return {1, 2}
    elif what == "header":
        return {"statusCode": 200, "headers": {"x-bad": value}}
    return {"did": what, "pid": os.getpid()}
