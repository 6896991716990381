"""What a function logs: a handler of the root logger, as AWS's runtime client installs one.

Without any, Python shows warnings and drops what is below them, whatever level the function has
set. Only for functions that use `logging`: each instance of another would pay for the import.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import SimpleNamespace

# awslambdaric's, without the line's end: a handler of a stream adds it.
_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"


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
        return True


def install(threads: int) -> RequestIds | None:
    """Has the root logger write to the standard error, in AWS's form.

    Args:
        threads: as `RequestIds` has it.

    Returns:
        What is to be told of each request; None if the function has a handler of its own there.
    """
    root = logging.getLogger()
    if root.handlers:
        return None
    formatter = logging.Formatter(_FORMAT, _TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    found = RequestIds(threads)
    handler.addFilter(found)
    root.addHandler(handler)
    return found
