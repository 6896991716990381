"""Handlers for the tests of the runtime."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import threading
import time
from typing import Any

_started = time.monotonic()
_only = threading.Lock()
_held: list[bytearray] = []


def _grow(step_mb: int) -> None:
    while True:
        _held.append(bytearray(os.urandom(1 << 20) * step_mb))
        time.sleep(0.02)


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
    if "count" in query:  # so that it is known how often this ran
        with open(query["count"], "a") as file:
            file.write("x\n")
    while "after" in query and not os.path.exists(query["after"]):
        time.sleep(0.005)
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
    elif what == "grow":  # by so many MB at a time, without end
        _grow(int(value))
    elif what == "child":  # which grows in its stead
        code = f"import fns; fns._grow({int(value)})"
        subprocess.run([sys.executable, "-c", code], check=False)
    elif what == "orphan":  # which lives on with all that was open here
        if os.fork() == 0:
            time.sleep(600)
        os._exit(3)
    elif what == "print":
        print(value, flush=True)
    elif what == "lines":  # so many, each whole and of the same instance
        for number in range(int(value)):
            print(f"{os.environ['AETHER_INSTANCE_ID']} {number} {'x' * 80}")
    elif what == "flood":
        while True:
            os.write(1, b"y" * 65535 + b"\n")
    elif what == "meet":  # answers when so many are in here at the same time
        folder = pathlib.Path(query["folder"])
        (folder / context.aws_request_id).touch()
        while len(list(folder.iterdir())) < int(value):
            time.sleep(0.005)
        return {"pid": os.getpid(), "thread": threading.get_ident()}
    elif what == "hold":  # answers when there is such a file
        while not os.path.exists(value):
            time.sleep(0.005)
    elif what == "alone":  # whether nobody else is in here, in this instance
        if not _only.acquire(blocking=False):
            return {"statusCode": 500, "body": "not alone"}
        time.sleep(0.02)
        _only.release()
    elif what == "spawn":  # something that would outlive it
        subprocess.Popen(["sleep", value], start_new_session=True)
    elif what == "large":
        return "x" * int(value)
    elif what == "answer":
        return {"statusCode": int(value), "headers": {"x-own": "yes"}, "body": "own"}
    elif what == "set":
        return {1, 2}
    elif what == "wide":
        return {"statusCode": 200, "headers": {"x-wide": "x" * int(value)}}
    elif what == "mute":
        for fd in (0, 1, 2):
            os.close(fd)
    elif what == "header":
        return {"statusCode": 200, "headers": {"x-bad": value}}
    return {"did": what, "pid": os.getpid()}
