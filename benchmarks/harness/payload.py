"""The bytes that every benchmark sends: the same ones each time."""

from __future__ import annotations

import random

SEED = 20251227


def payload_of(size_bytes: int) -> bytes:
    """So many bytes, incompressible, from a fixed seed."""
    return random.Random(SEED).randbytes(size_bytes)
