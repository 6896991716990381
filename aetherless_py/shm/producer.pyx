"""The writing side of a ring.

A message is copied behind head with its frame header, and published with the new head (release).
`reserve` and `commit` do the same without the copy.
"""

from aetherless_py.errors import (
    MessageTooLargeError,
    ReservationError,
    RingCorruptError,
)

cimport cython
from cpython.buffer cimport PyBUF_CONTIG_RO, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
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
@cython.no_gc  # it lives for one call, and the collector would forget to release
cdef class Held:
    """A buffer of the caller's: nobody changes its size before it is copied."""

    cdef Py_buffer buffer

    def __cinit__(self, exporter):
        take_buffer(exporter, &self.buffer, PyBUF_CONTIG_RO)

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)


@cython.final
cdef class Producer(Side):
    """The writing side. One thread uses it at a time.

    What the consumer may change meanwhile: full may stop being full; not full cannot become full.
    """

    cdef uint64_t frame_bytes(self, size_t size_bytes) except 0:
        cdef uint64_t need
        if size_bytes > self.capacity - native.AETHER_FRAME_HEADER:
            raise MessageTooLargeError(
                f"{self.name}: a message of {size_bytes} bytes can never fit: this ring takes"
                f" {self.capacity - native.AETHER_FRAME_HEADER} at most; make it larger"
            )
        need = (native.AETHER_FRAME_HEADER + size_bytes + ALIGN_MASK) & ~ALIGN_MASK
        return need

    cdef int room(self, uint64_t need, uint64_t deadline_ns, bint block) except -1:
        """1 when `need` bytes are free, 0 when they are not and `block` is false."""
        cdef uint64_t tail
        if self.capacity - (self.index - self.cached) >= need:
            return 1
        while True:
            tail = native.aether_peer_index(self.peer_side)
            if self.index - tail > self.capacity or tail & ALIGN_MASK:
                raise RingCorruptError(
                    f"{self.name}: tail is {tail} while head is {self.index}: the segment is"
                    " damaged; unlink it and make a new one"
                )
            self.cached = tail
            if self.capacity - (self.index - tail) >= need:
                return 1
            if not block:
                self.look()
                return 0
            self.wait_for(tail, deadline_ns)
            self.check_free()  # a signal's handler may have reserved, or closed

    cdef inline aether_frame *begin_frame(self, uint32_t length) noexcept:
        """The frame at head with its header, all but the checksum."""
        cdef aether_frame *frame = <aether_frame *>(self.data + (self.index & self.mask))
        frame.position = <uint32_t>(self.index // native.AETHER_FRAME_ALIGN) ^ self.key
        frame.tag = self.tag
        frame.length = length
        return frame

    cdef inline void fill(self, const void *payload, size_t size_bytes) noexcept:
        cdef uint32_t length = <uint32_t>size_bytes
        cdef aether_frame *frame = self.begin_frame(length)
        cdef char *target = <char *>frame + native.AETHER_FRAME_HEADER
        if self.checksum:
            frame.crc = native.aether_crc32_copy(
                crc_seed(length, self.tag), target, payload, size_bytes)
        else:
            frame.crc = 0
            memcpy(target, payload, size_bytes)

    cdef int place(self, object payload, uint64_t deadline_ns, bint block) except -1:
        """Copies a message behind head without publishing it; 0 when there is no room."""
        cdef Py_buffer buffer
        cdef uint64_t need
        if PyBytes_CheckExact(payload):
            self.check_free()
            need = self.frame_bytes(PyBytes_GET_SIZE(payload))
            if not self.room(need, deadline_ns, block):
                return 0
            self.fill(PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
            self.index += need
        elif PyList_CheckExact(payload):
            return self.place_parts(payload, deadline_ns, block)
        else:
            take_buffer(payload, &buffer, PyBUF_CONTIG_RO)
            try:
                self.check_free()  # its exporter may have run code of the caller's
                need = self.frame_bytes(buffer.len)
                if not self.room(need, deadline_ns, block):
                    return 0
                self.fill(buffer.buf, buffer.len)
                self.index += need
            finally:
                PyBuffer_Release(&buffer)  # may run code of the caller's once more
        return 1

    cdef int place_parts(self, list parts, uint64_t deadline_ns, bint block) except -1:
        """As `place`, for a message in parts, which lie one behind the other in the ring."""
        cdef Held part
        cdef size_t size_bytes = 0
        cdef uint64_t need
        cdef uint32_t crc
        cdef aether_frame *frame
        cdef char *target
        cdef list held = [Held(exporter) for exporter in parts]
        for part in held:
            size_bytes += part.buffer.len
        self.check_free()
        need = self.frame_bytes(size_bytes)
        if not self.room(need, deadline_ns, block):
            return 0
        frame = self.begin_frame(<uint32_t>size_bytes)
        target = <char *>frame + native.AETHER_FRAME_HEADER
        crc = crc_seed(<uint32_t>size_bytes, self.tag)
        for part in held:
            if self.checksum:
                crc = native.aether_crc32_copy(crc, target, part.buffer.buf, part.buffer.len)
            else:
                memcpy(target, part.buffer.buf, part.buffer.len)
            target += part.buffer.len
        frame.crc = crc if self.checksum else 0
        self.index += need
        return 1

    cdef inline int check_free(self) except -1:
        if not self.is_open or self.reserved:
            self.refuse()
        return 0

    cdef int refuse(self) except -1:
        """Why nothing can be written now."""
        self.check_usable()
        raise ReservationError(f"{self.name}: commit or abort the reservation first")

    cdef int check_reserved(self) except -1:
        self.check_usable()
        if not self.reserved:
            raise ReservationError(f"{self.name}: nothing is reserved")
        return 0

    cdef int put(self, object payload, uint64_t deadline_ns, bint block) except -1:
        self.check_free()
        if self.suspects or native.aether_is_closed(native.aether_role_state(self.peer_role)):
            self.suspects = False
            self.looked_ns = 0
            self.look()
        if not self.place(payload, deadline_ns, block):
            return 0
        publish(self)
        # Behind the message, which does not wait for it, and is in the ring: a successor may read
        # it. The next call raises.
        if self.due() and self.is_open:
            self.suspects = self.peer_gone() != native.AETHER_READY
        return 1

    def write(self, payload, timeout=None):
        """Copies a message into the ring, waiting for room.

        Args:
            payload: any contiguous buffer, or a list of such, whose bytes become one message.
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            TypeError: it is no buffer, or one of Python objects.
            RingTimeoutError: no room came in time; nothing was written.
            MessageTooLargeError: the ring can never hold it.
            PeerClosedError, PeerDiedError: nobody will make room.
        """
        self.put(payload, deadline(timeout), True)

    def try_write(self, payload):
        """Like `write`, but returns False at once when there is no room."""
        return self.put(payload, 0, False) == 1

    def write_many(self, payloads, timeout=None):
        """Writes messages in order, as many as fit, waiting only until the first one does.

        Args:
            payloads: contiguous buffers.
            timeout: seconds to wait for the first at most; None waits for ever.

        Returns:
            How many were written: all before the first that did not fit, or that was no message
            (what is wrong with it is raised when it comes first).
        """
        cdef Py_ssize_t written = 0
        cdef uint64_t published
        cdef uint64_t until = deadline(timeout)
        if type(payloads) is not list and type(payloads) is not tuple:
            payloads = list(payloads)  # its code runs now, not between unpublished messages
        self.check_free()
        self.look()
        published = self.index
        try:
            for payload in payloads:
                if not self.place(payload, until, written == 0):
                    break
                written += 1
                if self.index - published >= BATCH_BYTES:
                    published = self.index
                    publish(self)
        except Exception:
            if not written:
                raise
        finally:
            if self.index != published:
                publish(self)
        return written

    def reserve(self, size_bytes, timeout=None):
        """Hands out the segment's own memory for the next message; fill it, then `commit`.

        Args:
            size_bytes: the message's size.
            timeout: seconds to wait for room at most; None waits for ever.

        Returns:
            A writable memoryview of `size_bytes`, contiguous also across the wrap.

        Raises:
            RingTimeoutError: no room came in time.
            MessageTooLargeError: the ring can never hold it.
            PeerClosedError, PeerDiedError: nobody will make room.
            ReservationError: something is reserved already.
        """
        return self.reserve_until(size_bytes, deadline(timeout), True)

    cdef object reserve_until(self, object size_bytes, uint64_t deadline_ns, bint block):
        """As `reserve`; None when there is no room and `block` is false."""
        cdef uint64_t need
        cdef Py_ssize_t size = clipped(size_bytes)
        if size < 0:
            raise ValueError(f"size_bytes is {size_bytes}: it must not be negative")
        self.check_free()
        self.look()
        need = self.frame_bytes(size)
        if not self.room(need, deadline_ns, block):
            return None
        self.reserved = need
        return self.hand_out(
            self.data + (self.index & self.mask) + native.AETHER_FRAME_HEADER, size)

    cpdef commit(self, size_bytes=None):
        """Publishes the reserved message; its view cannot be used any more.

        Args:
            size_bytes: how much of the reservation the message takes, all of it by default.

        Raises:
            ViewInUseError: an array or slice of the view is alive; drop it and commit again.
            ReservationError: nothing is reserved, or less than that.
        """
        cdef Py_ssize_t size = self.view_bytes if size_bytes is None else clipped(size_bytes)
        cdef aether_frame *frame
        self.check_reserved()
        if size < 0 or size > self.view_bytes:
            raise ReservationError(
                f"{self.name}: commit of {size} bytes into a reservation of {self.view_bytes}")
        self.take_back()
        frame = self.begin_frame(<uint32_t>size)
        frame.crc = frame_crc(frame, <uint32_t>size, self.tag) if self.checksum else 0
        self.index += self.frame_bytes(size)
        self.reserved = 0
        publish(self)

    cpdef abort(self):
        """Gives the reservation back; nothing is published.

        Raises:
            ViewInUseError: an array or slice of the view is alive.
        """
        self.check_reserved()
        self.take_back()
        self.reserved = 0
