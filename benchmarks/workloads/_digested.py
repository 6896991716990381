"""Answers that are the result itself, with their digest: of the workloads with `digest`."""

from __future__ import annotations

import base64
import hashlib
from typing import Any


def digested(kind: str, body: str | bytes) -> dict[str, Any]:
    """The answer; bytes go as base64."""
    data = body.encode() if isinstance(body, str) else body
    headers = {"content-type": kind, "x-sha256": hashlib.sha256(data).hexdigest()}
    if isinstance(body, str):
        return {"statusCode": 200, "headers": headers, "body": body}
    text = base64.b64encode(data).decode()
    return {"statusCode": 200, "headers": headers, "body": text, "isBase64Encoded": True}
