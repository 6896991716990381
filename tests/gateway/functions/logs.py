"""Handlers that log as those written for AWS do."""

from __future__ import annotations

import logging
import pathlib
import threading
import time
from typing import Any

logger = logging.getLogger()
logger.setLevel("INFO")


def handler(event: Any, context: Any) -> Any:
    """Logs before and after so many (`count`) are in here at a time; `folder` counts them."""
    query = event.get("queryStringParameters", {})
    logger.info("first %s", context.aws_request_id)
    logger.debug("not shown")
    if "folder" in query:
        folder = pathlib.Path(query["folder"])
        (folder / context.aws_request_id).touch()
        while len(list(folder.iterdir())) < int(query["count"]):
            time.sleep(0.005)
    logging.getLogger("of.a.library").warning("second %s", context.aws_request_id)


def with_thread(event: Any, context: Any) -> Any:
    """Logs in a thread of its own."""
    thread = threading.Thread(target=logger.info, args=("first %s", context.aws_request_id))
    thread.start()
    thread.join()
