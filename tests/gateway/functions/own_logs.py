"""A handler that sets its logging up itself."""

from __future__ import annotations

import logging
import sys
from typing import Any

logging.basicConfig(level="INFO", format="own %(message)s", stream=sys.stderr)


def handler(event: Any, context: Any) -> Any:
    logging.info("once")
