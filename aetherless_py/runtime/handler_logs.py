"""What a function logs: a handler of the root logger, as AWS's runtime client installs one.

Without any, Python shows warnings and drops what is below them, whatever level the function has
set. Only for functions that use `logging`, or whose environment says how it is to be: each instance
of another would pay for the import.

The forms are awslambdaric's: lines with tabs, or where AWS_LAMBDA_LOG_FORMAT is JSON an object a
line.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any

# awslambdaric's, without the line's end: a handler of a stream adds it.
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
_TEXT_TIME = "%Y-%m-%dT%H:%M:%S"
_JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
# Of a record's attributes, those that are no `extra` of the function's.
_OWN = frozenset(vars(logging.makeLogRecord({}))) - {"taskName"} | {"aws_request_id", "tenant_id"}


class RequestIds(logging.Filter):
    """Gives each record the id of the request for which it was logged, as `aws_request_id`.

    Args:
        threads: how many requests the instance handles at a time. One alone is that of the
            function's own threads, too; of several, each is its own thread's.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._current: SimpleNamespace | threading.local
        self._current = SimpleNamespace() if threads == 1 else threading.local()

    def begin(self, request_id: str) -> None:
        """What is logged from now on, in this thread, is this request's."""
        self._current.id = request_id

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets all pass; "" is the id of what belongs to no request."""
        record.aws_request_id = getattr(self._current, "id", "")
        record.tenant_id = None
        return True


class JsonFormatter(logging.Formatter):
    """A record as an object on a line, with the keys that AWS's pages name."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; what has no value is left out, what JSON cannot hold is its `str`."""
        level = min(50, max(0, record.levelno)) // 10 * 10
        found = {
            "timestamp": time.strftime(_JSON_TIME, time.gmtime(record.created)),
            "level": logging.getLevelName(level),
            "message": (
                record.msg
                if isinstance(record.msg, dict) and not record.args
                else record.getMessage()
            ),
            "logger": record.name,
            "stackTrace": None,
            "errorType": None,
            "errorMessage": None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": None,
        }
        if record.exc_info:
            kind, error, trace = record.exc_info
            found["stackTrace"] = traceback.format_tb(trace)
            found["errorType"] = kind.__name__ if kind else None
            found["errorMessage"] = str(error)
            found["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        for name, value in vars(record).items():
            if name not in _OWN:
                found.setdefault(name, value)
        return _line(found)


def failure(error: Exception, request_id: str) -> str:
    """What is told in JSON, on a line, of an exception that the function did not handle."""
    frames = traceback.extract_tb(error.__traceback__)
    # Without the first, ours, which called the function, and without marks below the lines.
    trace = [(each.filename, each.lineno or 0, each.name, each.line) for each in frames[1:]]
    return _line(
        {
            "timestamp": time.strftime(_JSON_TIME, time.gmtime()),
            "level": "ERROR",
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": request_id,
            "stackTrace": traceback.format_list(trace),
        }
    )


def _line(found: dict[str, Any]) -> str:
    import json

    told = {name: value for name, value in found.items() if value is not None}
    return json.dumps(told, ensure_ascii=False, default=str)


def install(threads: int, in_json: bool = False, level: str = "") -> RequestIds:
    """Has the root logger write to the standard error, in AWS's form.

    Args:
        threads: as `RequestIds` has it.
        in_json: an object a line.
        level: of the root logger; one that Python does not know leaves it as it is.

    Returns:
        What is to be told of each request.
    """
    formatter: logging.Formatter = JsonFormatter()
    if not in_json:
        formatter = logging.Formatter(_TEXT, _TEXT_TIME)
        formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    found = RequestIds(threads)
    handler.addFilter(found)
    root = logging.getLogger()
    root.addHandler(handler)
    level = "DEBUG" if level == "TRACE" else level.upper()  # of AWS's names the one not Python's
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    return found
