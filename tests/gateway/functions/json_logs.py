"""Handlers that log as those do whose log format at AWS is JSON."""

from __future__ import annotations

import logging
import time
from typing import Any

# What is there at import at AWS: a handler of the root logger, so that this changes nothing.
logging.basicConfig(level="DEBUG", format="own %(message)s")
logger = logging.getLogger("of.the.function")
logger.info("imported", extra={"handlers": len(logging.getLogger().handlers)})
time.sleep(0.1)  # so that it is read before there is an instance


def handler(event: Any, context: Any) -> Any:
    logger.debug("not shown")
    logger.info("said %s", "it", extra={"order": 7, "when": object})
    logger.warning({"event": "told", "count": 2})
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("failed")
    print("printed")
    if event["rawPath"] == "/raise":
        raise ValueError("not handled")
    if event["rawPath"] == "/set":
        return {1, 2}
    return {}
