"""The single-producer single-consumer ring over a shared-memory segment.

The way of a message: `Producer.write` copies it behind head with its frame header and publishes
the new head (release); `Consumer.read` sees head (acquire), copies it out, checks it and publishes
the new tail, with which the memory goes back to the producer. `reserve`/`commit` and
`peek`/`release` do the same without the copies.

Nothing read from the segment is believed: capacity is a private copy, the peer's index is bounded
by it, a length is bounded by what lies between the indices.
"""

import os
import weakref

from aetherless_py.errors import RingClosedError
from aetherless_py.shm.region import unlink_if_same

from libc.stdint cimport uint64_t

from aetherless_py.shm cimport native
from aetherless_py.shm.consumer cimport Consumer
from aetherless_py.shm.producer cimport Producer
from aetherless_py.shm.region cimport Region


def _unlink_at_exit(name, identity, pid):
    # A forked child runs its parent's exit handlers too; the name is not its own.
    if os.getpid() == pid:
        unlink_if_same(name, identity)


class RingBuffer:
    """A ring in shared memory: make it in one process, attach to it in the other.

    As a context manager the maker unlinks the name at the end, an attached one only closes.
    """

    def __init__(self, region, owner):
        self._region = region
        self._sides = weakref.WeakSet()
        self._owner = owner
        # The name goes with its maker, also when the maker forgets it.
        self._finalizer = weakref.finalize(
            self, _unlink_at_exit, region.name, region.identity, os.getpid()) if owner else None

    @classmethod
    def create(cls, capacity_bytes=1 << 20, name=None, checksum=True, populate=True):
        """Makes a ring.

        Args:
            capacity_bytes: a power of two from 4096 (and at least a page) to 2**31.
            name: letters, digits, '.', '_', '-'; one is chosen when None. A ring of that name
                whose users are all dead is replaced, a live one never.
            checksum: CRC-32 over every message.
            populate: as for `attach`; the memory is allocated in any case.

        Raises:
            SegmentNameError, SegmentSizeError: bad arguments.
            SegmentExistsError: the name is in use.
            SegmentNoSpaceError: the shared-memory file system is full.
        """
        return cls(Region.create(capacity_bytes, name, checksum, populate), True)

    @classmethod
    def attach(cls, name, populate=True):
        """Opens the ring of that name.

        Args:
            populate: map all of its memory now, 0.3 ms for 4 MiB; else each page when it is first
                used.

        Raises:
            SegmentNotFoundError, SegmentForeignError, SegmentFormatError: it is not there, not
                this user's, or no ring of this version.
        """
        return cls(Region.attach(name, populate), False)

    @classmethod
    def create_sealed(cls, capacity_bytes=1 << 20, checksum=True, populate=True):
        """Makes a ring without a name, whose size no process can change.

        Send `descriptor` to the other process (`socket.send_fds`), which calls `adopt`. Its memory
        is allocated as it is touched: on the kernel's word, which only strict overcommit breaks;
        there it is allocated now.

        Args:
            capacity_bytes, checksum, populate: as for `create`.

        Raises:
            SegmentSizeError: bad arguments.
            SegmentNoSpaceError: there is no memory for it.
        """
        return cls(Region.create_sealed(capacity_bytes, checksum, populate), False)

    @classmethod
    def adopt(cls, descriptor, populate=True):
        """Opens the sealed ring of that descriptor, which stays the caller's to close.

        Args:
            populate: as for `attach`.

        Raises:
            SegmentFormatError: it is no ring of this version, or not sealed.
        """
        return cls(Region.adopt(descriptor, populate), False)

    def _open_region(self):
        if self._region is None:
            raise RingClosedError("this ring is closed")
        return self._region

    def producer(self, wait="adaptive"):
        """Claims the writing side.

        Args:
            wait: how this side waits. "adaptive" spins for 20 us, yields to 60 us, then sleeps;
                "spin" never sleeps; "park" sleeps at once.

        Raises:
            ValueError: no such way of waiting.
            RoleTakenError: a live producer exists, in whatever process.
        """
        cdef Producer side = Producer.__new__(Producer)
        side.claim(self._open_region(), True, wait)
        self._sides.add(side)
        return side

    def consumer(self, wait="adaptive"):
        """Claims the reading side.

        Args:
            wait: as for `producer`.

        Raises:
            ValueError: no such way of waiting.
            RoleTakenError: a live consumer exists, in whatever process.
        """
        cdef Consumer side = Consumer.__new__(Consumer)
        side.claim(self._open_region(), False, wait)
        self._sides.add(side)
        return side

    @property
    def name(self):
        """The segment's name, with its leading slash; what a sealed one is called in messages."""
        return self._open_region().name

    @property
    def descriptor(self):
        """The segment's, to be sent to who shall `adopt` it; it stays the ring's."""
        return self._open_region().fd

    @property
    def capacity_bytes(self):
        """The size of the data part: messages and their frames share it."""
        return self._open_region().capacity_bytes

    @property
    def checksum(self):
        """Whether messages carry a CRC-32."""
        return self._open_region().checksum

    @property
    def fill_bytes(self):
        """How much of the capacity is taken; a third party may ask, too.

        The two indices cannot be read at one instant: tail first, so that the difference is never
        negative, and never more than the capacity.
        """
        cdef Region region = self._open_region()
        cdef uint64_t tail = native.aether_peer_index(&region.control.tail)
        cdef uint64_t head = native.aether_peer_index(&region.control.head)
        cdef uint64_t fill = head - tail
        return fill if fill <= region.capacity_bytes else region.capacity_bytes

    def close(self):
        """Closes the sides that this object gave out and lets go of the segment.

        Raises:
            ViewInUseError: a view of the segment is still in use.
        """
        sides = list(self._sides)
        for side in sides:  # all or none: first make sure that no view stands against it
            side.end_views()
        for side in sides:
            side.close()
        if self._region is not None:
            self._region.close()
            self._region = None

    def unlink(self):
        """Removes the name; whoever has the segment open keeps it. May be called again."""
        if self._finalizer is not None:
            self._finalizer()
        elif self._region is not None:
            unlink_if_same(self._region.name, self._region.identity)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            self.close()
        finally:
            if self._owner:
                self.unlink()

    def __repr__(self):
        if self._region is None:
            return "<RingBuffer closed>"
        return f"<RingBuffer {self.name} {self.capacity_bytes} bytes>"
