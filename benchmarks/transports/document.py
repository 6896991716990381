"""The JSON document in which a payload travels, where a way carries documents."""

from __future__ import annotations

import base64
import json

from benchmarks.transports.base import Payload


def to_json(payload: Payload) -> bytes:
    """The payload as a JSON document. JSON has no bytes: base64 is what its users take."""
    return json.dumps({"payload": base64.b64encode(payload).decode("ascii")}).encode("ascii")


def from_json(document: bytes) -> bytes:
    """The payload of a JSON document."""
    return base64.b64decode(json.loads(document)["payload"])
