"""transfer: bytes from one function to a second one, inline or through a storage.

Source: STeLLAR's data transfers (Ustiugov et al., IISWC 2021), which compare a payload inside the
request with one in a cloud's storage whose key is in the request. Both functions are served with
this handler, and the environment says how it goes on: see docs/workloads.md. One alone does what
both would, and nothing is transferred.

A file is deleted by whoever reads it; one that nobody reads is left to the folder's owner.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from random import Random
from typing import Any

WORKLOAD = {
    "name": "transfer",
    "variants": (
        "bytes=1024", "bytes=16384", "bytes=65536", "bytes=262144",
        "bytes=1048576", "bytes=4194304",
    ),
    "imports": ("base64", "hashlib", "json", "random", "tempfile"),
    "memory_mb": 256,
}  # fmt: skip

_PREFIX = "aetherless-transfer-"
_NEXT = os.environ.get("TRANSFER_NEXT")
_WAY = os.environ.get("TRANSFER_WAY", "inline")
if _WAY not in ("inline", "storage"):
    raise ValueError(f"TRANSFER_WAY is {_WAY!r}: it must be inline or storage")


def handler(event: Any, context: Any) -> Any:
    """Makes what is asked for and passes it on, or tells what has come."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    if event["isBase64Encoded"]:
        return _told("inline", base64.b64decode(event["body"]))
    asked = json.loads(event["body"])
    if "file" in asked:
        return _told("storage", _taken(asked["file"], asked["bytes"]))
    data = Random(asked["seed"]).randbytes(asked["bytes"])
    if _NEXT is None:
        return _told("alone", data)
    if _WAY == "storage":
        return {
            "statusCode": 200,
            "headers": {"content-type": "application/json", "x-aether-next": _NEXT},
            "body": json.dumps({"file": _stored(data), "bytes": len(data)}),
        }
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/octet-stream", "x-aether-next": _NEXT},
        "body": base64.b64encode(data).decode(),
        "isBase64Encoded": True,
    }


def _told(way: str, data: bytes) -> dict[str, Any]:
    return {"way": way, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _stored(data: bytes) -> str:
    fd, path = tempfile.mkstemp(prefix=_PREFIX, dir=os.environ["TRANSFER_FOLDER"])
    with open(fd, "wb") as file:
        file.write(data)
    return os.path.basename(path)


def _taken(name: str, size: int) -> bytes:
    if not name.startswith(_PREFIX) or os.path.basename(name) != name:
        raise ValueError(f"{name[:80]!r} is no file of a transfer's")
    path = os.path.join(os.environ["TRANSFER_FOLDER"], name)
    with open(path, "rb") as file:
        os.unlink(path)
        data = file.read()
    if len(data) != size:
        raise ValueError(f"{name} has {len(data)} bytes, not {size}")
    return data


def expected(size: int, seed: int) -> dict[str, Any]:
    """Size and digest of these bytes; the way unless it is told."""
    digest = hashlib.sha256(Random(seed).randbytes(size)).hexdigest()
    return {"way": "alone", "bytes": size, "sha256": digest}
