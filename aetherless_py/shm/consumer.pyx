"""The reading side of a ring.

A new head (acquire) tells of messages; each is copied out, checked, and its memory given back with
the new tail (release). `peek` and `release` do the same without the copy.
"""

from aetherless_py.errors import (
    BufferTooSmallError,
    DamagedFrameError,
    ReservationError,
    RingCorruptError,
)

cimport cython
from cpython.buffer cimport PyBUF_CONTIG_RO, PyBUF_WRITABLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from aetherless_py.shm cimport native
from aetherless_py.shm.native cimport aether_frame
from aetherless_py.shm.side cimport (
    ALIGN_MASK, BATCH_BYTES, Side, clipped, crc_seed, deadline, frame_crc, publish, take_buffer,
)

cdef extern from "crc32.c":
    pass


@cython.final
cdef class Consumer(Side):
    """The reading side. One thread uses it at a time.

    What the producer may change meanwhile: empty may stop being empty; not empty cannot become
    empty.
    """

    cdef int available(self, uint64_t deadline_ns, bint block) except -1:
        """1 when a frame lies at tail, 0 when none does and `block` is false."""
        cdef uint64_t head
        if self.postponed is not None:
            error, self.postponed = self.postponed, None
            raise error
        while True:
            if not self.is_open or self.peeked:
                self.refuse()
            if self.cached != self.index:
                return 1
            head = native.aether_peer_index(self.peer_side)
            if head != self.index:
                if head - self.index > self.capacity or head & ALIGN_MASK:
                    raise RingCorruptError(
                        f"{self.name}: head is {head} while tail is {self.index}: the segment"
                        " is damaged; unlink it and make a new one"
                    )
                self.cached = head
                return 1
            if not block:
                self.look()
                return 0
            self.wait_for(head, deadline_ns)  # a signal's handler may read, peek or close

    cdef int refuse(self) except -1:
        """Why nothing can be read now."""
        self.check_usable()
        raise ReservationError(f"{self.name}: release the peeked message first")

    cdef uint64_t frame_at(self, uint64_t at, uint32_t *length) noexcept:
        """The whole bytes of the frame at a stream position, 0 if there is no sound one."""
        cdef aether_frame *frame = <aether_frame *>(self.data + (at & self.mask))
        cdef uint64_t need
        # The header is read once: what is checked is what is used.
        length[0] = (<volatile uint32_t *>&frame.length)[0]
        need = (native.AETHER_FRAME_HEADER + <uint64_t>length[0] + ALIGN_MASK) & ~ALIGN_MASK
        if (frame.position != <uint32_t>(at // native.AETHER_FRAME_ALIGN) ^ self.key
                or need > self.cached - at):
            return 0
        return need

    cdef uint64_t next_frame(self, uint32_t *length) except 0:
        """The whole bytes of the frame at tail; raises when its header is damaged."""
        cdef uint64_t need = self.frame_at(self.index, length)
        if need == 0:
            self.damaged(self.index, "frame header")
        return need

    cdef int damaged(self, uint64_t at, str reason) except -1:
        """Skips the damaged frame at tail and raises.

        Its length may be what is damaged: the next frame is where the next header names its own
        position. No payload can imitate that without the ring's key.
        """
        cdef uint32_t length
        cdef uint64_t to = at + native.AETHER_FRAME_ALIGN
        while to != self.cached and not self.frame_at(to, &length):
            to += native.AETHER_FRAME_ALIGN
        self.index = to
        publish(self)
        raise DamagedFrameError(
            f"{self.name}: the message at stream position {at} is damaged ({reason});"
            f" skipped {to - at} bytes", at, to - at)

    cdef object take(self):
        """The message at tail as bytes; tail moves but is not published."""
        cdef uint32_t length, crc, tag
        cdef uint64_t need = self.next_frame(&length)
        cdef aether_frame *frame = <aether_frame *>(self.data + (self.index & self.mask))
        cdef const char *source = <char *>frame + native.AETHER_FRAME_HEADER
        payload = PyBytes_FromStringAndSize(NULL, length)
        tag = frame.tag
        if self.checksum:
            crc = frame.crc
            # Checked is the copy: what the caller gets is what was checked.
            if crc != native.aether_crc32_copy(
                    crc_seed(length, tag), PyBytes_AS_STRING(payload), source, length):
                self.damaged(self.index, "checksum")
        else:
            memcpy(PyBytes_AS_STRING(payload), source, length)
        self.index += need
        self.tag = tag
        return payload

    cdef object get(self, uint64_t deadline_ns, bint block):
        """The next message as bytes; None when there is none and `block` is false."""
        if not self.available(deadline_ns, block):
            return None
        payload = self.take()
        publish(self)
        return payload

    def read(self, timeout=None):
        """Takes the next message out of the ring, waiting for one.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Returns:
            The message as bytes.

        Raises:
            RingTimeoutError: none came in time.
            DamagedFrameError: the message was damaged; it is skipped, call again.
            PeerClosedError, PeerDiedError: none is left and none will come.
        """
        return self.get(deadline(timeout), True)

    def try_read(self):
        """Like `read`, but returns None at once when the ring is empty."""
        return self.get(0, False)

    def read_many(self, limit, timeout=None):
        """Takes up to `limit` messages, and what the ring holds, waiting only until there is one.

        Args:
            limit: how many at most, 1 or more.
            timeout: seconds to wait for the first at most; None waits for ever.

        Returns:
            A list of bytes, never empty.
        """
        cdef list payloads = []
        cdef uint64_t first, published
        cdef Py_ssize_t most = clipped(limit)
        if most < 1:
            raise ValueError(f"limit is {limit}: it must be 1 or more")
        self.available(deadline(timeout), True)
        first = published = self.index
        try:
            # A producer that is as fast as this loop would never let it see an empty ring.
            while (len(payloads) < most and self.index - first < self.capacity
                    and self.available(0, False)):
                payloads.append(None)  # room first: what is taken must not get lost
                payloads[len(payloads) - 1] = self.take()
                if self.index - published >= BATCH_BYTES:
                    published = self.index
                    publish(self)
        except Exception as error:
            if payloads and payloads[len(payloads) - 1] is None:
                payloads.pop()
            # What was read before is the caller's, and comes first. A damaged message is out of the
            # ring: only here is still known of it. Other errors come by themselves next time.
            if not payloads:
                raise
            if isinstance(error, DamagedFrameError):
                self.postponed = error
        finally:
            if self.index != published:
                publish(self)
        return payloads

    def read_into(self, buffer, timeout=None):
        """Copies the next message into the caller's memory.

        Args:
            buffer: a writable contiguous buffer.
            timeout: seconds to wait at most; None waits for ever.

        Returns:
            The message's size in bytes.

        Raises:
            TypeError: it is no buffer, or one of Python objects.
            BufferTooSmallError: the message is larger than the buffer; it stays in the ring.
        """
        cdef Py_buffer target
        cdef uint32_t length
        cdef uint64_t need
        cdef aether_frame *frame
        cdef uint64_t until = deadline(timeout)
        take_buffer(buffer, &target, PyBUF_CONTIG_RO | PyBUF_WRITABLE)
        try:
            self.available(until, True)
            need = self.next_frame(&length)
            frame = <aether_frame *>(self.data + (self.index & self.mask))
            if length > <uint64_t>target.len:
                # Unless it is the length that is damaged: nothing would ever get past it.
                if self.checksum and frame.crc != frame_crc(frame, length, frame.tag):
                    self.damaged(self.index, "checksum")
                raise BufferTooSmallError(
                    f"{self.name}: the next message has {length} bytes, the buffer {target.len}")
            source = <char *>frame + native.AETHER_FRAME_HEADER
            if not self.checksum:
                memcpy(target.buf, source, length)
            elif frame.crc != native.aether_crc32_copy(
                    crc_seed(length, frame.tag), target.buf, source, length):
                self.damaged(self.index, "checksum")
            self.index += need
            publish(self)
        finally:
            PyBuffer_Release(&target)  # may run code of the caller's
        return length

    cdef object get_view(self, uint64_t deadline_ns):
        """The next message in the segment's own memory, checked."""
        cdef uint32_t length, tag
        cdef uint64_t need
        cdef aether_frame *frame
        self.available(deadline_ns, True)
        need = self.next_frame(&length)
        frame = <aether_frame *>(self.data + (self.index & self.mask))
        tag = frame.tag
        if self.checksum and frame.crc != frame_crc(frame, length, tag):
            self.damaged(self.index, "checksum")
        self.peeked = need
        self.tag = tag
        self.view_readonly = True
        return self.hand_out(<char *>frame + native.AETHER_FRAME_HEADER, length)

    def peek(self, timeout=None):
        """Hands out the next message in the segment's own memory, checked; then `release` it.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Returns:
            A read-only memoryview, contiguous also across the wrap.
        """
        return self.get_view(deadline(timeout))

    cdef uint64_t mark_handed_out(self) noexcept:
        """Marks the peeked message as one that no successor shall take again; gives where it ends."""
        cdef uint64_t end = self.index + self.peeked
        native.aether_hand_out(self.side, end)
        return end

    cdef int skip_handed_out(self) except -1:
        """Goes past a message that a predecessor has marked and not released."""
        cdef uint64_t end = native.aether_handed_out(self.side)
        # Believed only as far as it lies between the indices.
        if 0 < end - self.index <= self.cached - self.index and not end & ALIGN_MASK:
            self.index = end
            publish(self)
        return 0

    cpdef release(self):
        """Gives the peeked message's memory back to the producer.

        Raises:
            ViewInUseError: an array or slice of the view is alive; drop it and release again.
        """
        self.check_usable()
        if not self.peeked:
            raise ReservationError(f"{self.name}: nothing is peeked")
        self.take_back()
        self.index += self.peeked
        self.peeked = 0
        publish(self)
