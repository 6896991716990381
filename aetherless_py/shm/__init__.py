"""Shared memory between two processes: a segment, a ring in it, its checksum."""

from aetherless_py.shm.region import reclaim_stale
from aetherless_py.shm.ring import Consumer, Producer, RingBuffer

__all__ = ["Consumer", "Producer", "RingBuffer", "reclaim_stale"]
