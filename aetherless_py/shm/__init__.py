"""Shared memory between two processes: a segment, a ring in it, its checksum."""

from aetherless_py.shm.consumer import Consumer
from aetherless_py.shm.producer import Producer
from aetherless_py.shm.region import reclaim_stale
from aetherless_py.shm.ring import RingBuffer

__all__ = ["Consumer", "Producer", "RingBuffer", "reclaim_stale"]
