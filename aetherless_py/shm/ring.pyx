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

from aetherless_py.errors import (
    BufferTooSmallError,
    DamagedFrameError,
    MessageTooLargeError,
    PeerClosedError,
    PeerDiedError,
    ReservationError,
    RingBusyError,
    RingClosedError,
    RingCorruptError,
    RingError,
    RingTimeoutError,
    RoleTakenError,
    ViewInUseError,
)
from aetherless_py.shm.region import register_holder, unlink_if_same

cimport cython
from cpython.buffer cimport (
    PyBUF_CONTIG_RO, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromObject
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.fcntl cimport F_WRLCK

from aetherless_py.shm cimport native
from aetherless_py.shm.native cimport aether_frame
from aetherless_py.shm.region cimport Region

cdef uint64_t ALIGN_MASK = 63
cdef uint64_t LOOK_EVERY_NS = 20_000_000
# write_many publishes at least this often, so that the consumer works alongside.
cdef uint64_t BATCH_BYTES = 16384


cdef uint64_t deadline(object timeout) except 0:
    """The moment at which a wait that begins now ends; `timeout` in seconds or None."""
    if timeout is None:
        return UINT64_MAX
    cdef double seconds = timeout
    if not seconds >= 0:
        raise ValueError(f"timeout is {timeout!r}: it must be None or a number of seconds >= 0")
    if seconds > 1e9:
        return UINT64_MAX
    return native.aether_now_ns() + <uint64_t>(seconds * 1e9)


# The mapping must outlive __dealloc__, which tells the peer: the collector may not clear it before.
@cython.no_gc_clear
cdef class Side:
    """What producer and consumer share: the claim of a role, waiting, views, closing."""

    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        raise TypeError(f"{type(self).__name__} comes from RingBuffer.producer() or .consumer()")

    cdef int claim(self, Region region, bint is_producer) except -1:
        cdef uint64_t head, tail
        control = region.control
        self.region = region
        self.data = region.data
        self.capacity = region.capacity_bytes
        self.mask = self.capacity - 1
        self.checksum = region.checksum
        if is_producer:
            self.side, self.peer_side = &control.head, &control.tail
            self.role, self.peer_role = &control.producer, &control.consumer
            self.own_lock, self.peer_lock = native.AETHER_LOCK_PRODUCER, native.AETHER_LOCK_CONSUMER
        else:
            self.side, self.peer_side = &control.tail, &control.head
            self.role, self.peer_role = &control.consumer, &control.producer
            self.own_lock, self.peer_lock = native.AETHER_LOCK_CONSUMER, native.AETHER_LOCK_PRODUCER
        if region.fd < 0:
            raise RingClosedError(f"{region.name}: this ring came here through a fork: attach to it by name")
        self.fd = region.reopen()
        if native.aether_lock_take(self.fd, F_WRLCK, self.own_lock, 1) != 0:
            os.close(self.fd)
            self.fd = -1
            raise RoleTakenError(
                f"{region.name}: the ring has a live {type(self).__name__.lower()} already; close"
                " that one first, or make another ring"
            )
        # A predecessor may have died at any moment: go on from what it published.
        head = native.aether_peer_index(&control.head)
        tail = native.aether_peer_index(&control.tail)
        if head - tail > self.capacity or head & ALIGN_MASK or tail & ALIGN_MASK:
            os.close(self.fd)
            self.fd = -1
            raise RingCorruptError(
                f"{region.name}: head {head} and tail {tail} make no sense for capacity"
                f" {self.capacity}: unlink the ring and make a new one"
            )
        self.index, self.cached = (head, tail) if is_producer else (tail, head)
        self.asymmetric = native.aether_fence_register()
        native.aether_role_enter(self.role)
        self.is_open = True
        register_holder(self)
        return 0

    # -- waiting ---------------------------------------------------------------------------------

    cdef int check_usable(self) except -1:
        if not self.is_open:
            raise RingClosedError(f"{self.region.name}: this {type(self).__name__.lower()} is closed")
        return 0

    cdef int wait_for(self, uint64_t seen, uint64_t deadline_ns) except -1:
        """Returns when the peer's index is no longer `seen`; raises when that cannot come."""
        cdef native.aether_wait w
        cdef native.aether_wait_result result
        if native.aether_spin_brief(self.peer_side, seen):
            return 0
        if self.in_wait:
            raise RingBusyError(
                f"{self.region.name}: another thread waits on this {type(self).__name__.lower()};"
                " a side belongs to one thread at a time"
            )
        w.role, w.peer_side, w.peer_role = self.role, self.peer_side, self.peer_role
        w.fd, w.peer_lock = self.fd, self.peer_lock
        w.closing = <const volatile int *>&self.closing
        w.deadline_ns = deadline_ns
        self.in_wait = True
        try:
            with nogil:
                w.started_ns = native.aether_now_ns()
                result = native.aether_wait_peer(&w, seen)
            while result == native.AETHER_CHECK:
                PyErr_CheckSignals()
                if self.closing:
                    break
                with nogil:
                    result = native.aether_wait_peer(&w, seen)
        finally:
            self.in_wait = False
            if self.closing:
                self.finish_close()
        self.check_usable()
        if result == native.AETHER_TIMED_OUT:
            raise RingTimeoutError(
                f"{self.region.name}: timed out waiting for the peer "
                + ("to read" if isinstance(self, Producer) else "to write")
            )
        if result == native.AETHER_PEER_CLOSED:
            self.raise_gone(False)
        if result == native.AETHER_PEER_DIED:
            self.raise_gone(True)
        return 0

    cdef int raise_if_gone(self) except -1:
        """For the calls that do not wait: raises if the peer is gone, looking every 20 ms."""
        cdef native.aether_wait_result result
        cdef uint64_t seen = native.aether_peer_index(self.peer_side)
        if native.aether_role_state(self.peer_role) != native.AETHER_ROLE_CLOSED:
            now = native.aether_now_ns()
            if now - self.looked_ns < LOOK_EVERY_NS:
                return 0
            self.looked_ns = now
        result = native.aether_peer_gone(self.peer_role, self.fd, self.peer_lock)
        # What it published before it went comes first.
        if result == native.AETHER_READY or native.aether_peer_index(self.peer_side) != self.cached:
            return 0
        self.raise_gone(result == native.AETHER_PEER_DIED)
        return 0

    def raise_gone(self, died):
        peer = "consumer" if isinstance(self, Producer) else "producer"
        if died:
            raise PeerDiedError(f"{self.region.name}: the {peer}'s process ended without closing")
        raise PeerClosedError(f"{self.region.name}: the {peer} has closed")

    # -- views of the segment --------------------------------------------------------------------

    cdef object hand_out(self, char *data, Py_ssize_t size_bytes):
        self.view_data = data
        self.view_bytes = size_bytes
        self.view = PyMemoryView_FromObject(self)
        return self.view

    cdef int take_back(self) except -1:
        """Makes the view that was handed out unusable; refuses while something derives from it."""
        view = self.view
        if view is None:
            return 0
        try:
            view.release()
        except BufferError:
            pass
        if self.exports:
            raise ViewInUseError(
                f"{self.region.name}: {self.exports} buffer(s) still refer to the view's memory:"
                " drop arrays and slices made from it first"
            )
        self.view = None
        return 0

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.view_data == NULL:
            raise BufferError("use the view that reserve() or peek() returns")
        PyBuffer_FillInfo(buffer, self, self.view_data, self.view_bytes, self.view_readonly, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1

    def end_views(self):
        """Makes views that were handed out unusable, or raises ViewInUseError."""
        self.take_back()
        self.view_data = NULL

    # -- the end ---------------------------------------------------------------------------------

    def close(self):
        """Gives the role up; the peer is told at once. May be called again.

        Raises:
            ViewInUseError: a view of the segment is still in use.
        """
        if not self.is_open:
            return
        self.end_views()
        self.is_open = False
        self.closing = 1
        if self.in_wait:
            native.aether_wake(self.role)  # the waiting thread finishes the close
        else:
            self.finish_close()

    def finish_close(self):
        # State first, lock after: see aether_peer_gone.
        if self.fd >= 0:
            native.aether_role_leave(self.role)
            native.aether_wake(self.peer_role)
            os.close(self.fd)
            self.fd = -1

    def abandon(self):
        """In a forked child: the role stays the parent's."""
        self.is_open = False
        self.closing = 0
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def closed(self):
        """Whether this side was closed by its own process."""
        return not self.is_open

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __dealloc__(self):
        if self.fd >= 0 and self.is_open:
            native.aether_role_leave(self.role)
            native.aether_wake(self.peer_role)
            os.close(self.fd)


cdef class Producer(Side):
    """The writing side. One thread uses it at a time.

    What the consumer may change meanwhile: full may stop being full; not full cannot become full.
    """

    cdef uint64_t frame_bytes(self, size_t size_bytes) except 0:
        cdef uint64_t need
        if size_bytes > self.capacity - native.AETHER_FRAME_HEADER:
            raise MessageTooLargeError(
                f"{self.region.name}: a message of {size_bytes} bytes can never fit: this ring takes"
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
                    f"{self.region.name}: tail is {tail} while head is {self.index}: the segment is"
                    " damaged; unlink it and make a new one"
                )
            self.cached = tail
            if self.capacity - (self.index - tail) >= need:
                return 1
            if not block:
                self.raise_if_gone()
                return 0
            self.wait_for(tail, deadline_ns)

    cdef inline void fill(self, uint64_t at, const void *payload, size_t size_bytes) noexcept:
        cdef aether_frame *frame = <aether_frame *>(self.data + (at & self.mask))
        cdef uint32_t length = <uint32_t>size_bytes
        cdef char *target = <char *>frame + native.AETHER_FRAME_HEADER
        frame.position = at
        frame.length = length
        if self.checksum:
            frame.crc = native.aether_crc32_copy(
                native.aether_crc32_u32(length), target, payload, size_bytes)
        else:
            frame.crc = 0
            memcpy(target, payload, size_bytes)

    cdef int put(self, object payload, uint64_t deadline_ns, bint block) except -1:
        cdef Py_buffer buffer
        cdef uint64_t need
        if not self.is_open:
            self.check_usable()
        if self.reserved:
            raise ReservationError(f"{self.region.name}: commit or abort the reservation first")
        if native.aether_role_state(self.peer_role) == native.AETHER_ROLE_CLOSED:
            self.raise_gone(False)
        if PyBytes_CheckExact(payload):
            need = self.frame_bytes(PyBytes_GET_SIZE(payload))
            if not self.room(need, deadline_ns, block):
                return 0
            self.fill(self.index, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
        else:
            PyObject_GetBuffer(payload, &buffer, PyBUF_CONTIG_RO)
            try:
                need = self.frame_bytes(buffer.len)
                if not self.room(need, deadline_ns, block):
                    return 0
                self.fill(self.index, buffer.buf, buffer.len)
            finally:
                PyBuffer_Release(&buffer)
        self.index += need
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return 1

    def write(self, payload, timeout=None):
        """Copies a message into the ring, waiting for room.

        Args:
            payload: any contiguous buffer.
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            RingTimeoutError: no room came in time; nothing was written.
            MessageTooLargeError: the ring can never hold it.
            PeerClosedError, PeerDiedError: nobody will make room.
        """
        self.put(payload, UINT64_MAX if timeout is None else deadline(timeout), True)

    def try_write(self, payload):
        """Like `write`, but returns False at once when there is no room."""
        return self.put(payload, 0, False) == 1

    def write_many(self, payloads, timeout=None):
        """Writes messages in order, as many as fit, waiting only until the first one does.

        Args:
            payloads: a sequence of contiguous buffers.
            timeout: seconds to wait for the first at most; None waits for ever.

        Returns:
            How many were written: all before the first that did not fit.
        """
        cdef uint64_t need, published
        cdef Py_ssize_t written = 0
        cdef Py_buffer buffer
        if not isinstance(payloads, (list, tuple)):
            payloads = list(payloads)
        if not payloads:
            self.check_usable()
            return 0
        self.put(payloads[0], UINT64_MAX if timeout is None else deadline(timeout), True)
        written = 1
        published = self.index
        try:
            for payload in (payloads if len(payloads) < 2 else payloads[1:]):
                if len(payloads) < 2:
                    break
                if PyBytes_CheckExact(payload):
                    need = self.frame_bytes(PyBytes_GET_SIZE(payload))
                    if not self.room(need, 0, False):
                        break
                    self.fill(self.index, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
                else:
                    PyObject_GetBuffer(payload, &buffer, PyBUF_CONTIG_RO)
                    try:
                        need = self.frame_bytes(buffer.len)
                        if not self.room(need, 0, False):
                            break
                        self.fill(self.index, buffer.buf, buffer.len)
                    finally:
                        PyBuffer_Release(&buffer)
                self.index += need
                written += 1
                if self.index - published >= BATCH_BYTES:
                    published = self.index
                    native.aether_publish(self.side, published, self.peer_role, self.asymmetric)
        finally:
            if self.index != published:
                native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return written

    def reserve(self, Py_ssize_t size_bytes, timeout=None):
        """Hands out the segment's own memory for the next message; fill it, then `commit`.

        Args:
            size_bytes: the message's size.
            timeout: seconds to wait for room at most; None waits for ever.

        Returns:
            A writable memoryview of `size_bytes`, contiguous also across the wrap.
        """
        cdef uint64_t need
        if size_bytes < 0:
            raise ValueError(f"size_bytes is {size_bytes}: it must not be negative")
        self.check_usable()
        if self.reserved:
            raise ReservationError(f"{self.region.name}: commit or abort the reservation first")
        if native.aether_role_state(self.peer_role) == native.AETHER_ROLE_CLOSED:
            self.raise_gone(False)
        need = self.frame_bytes(size_bytes)
        self.room(need, deadline(timeout), True)
        self.check_usable()
        self.reserved = need
        return self.hand_out(
            self.data + (self.index & self.mask) + native.AETHER_FRAME_HEADER, size_bytes)

    def commit(self, size_bytes=None):
        """Publishes the reserved message; its view cannot be used any more.

        Args:
            size_bytes: how much of the reservation the message takes, all of it by default.

        Raises:
            ViewInUseError: an array or slice of the view is alive; drop it and commit again.
        """
        cdef Py_ssize_t size = self.view_bytes
        cdef aether_frame *frame
        self.check_usable()
        if not self.reserved:
            raise ReservationError(f"{self.region.name}: nothing is reserved")
        if size_bytes is not None:
            size = size_bytes
            if size < 0 or size > self.view_bytes:
                raise ReservationError(
                    f"{self.region.name}: commit of {size} bytes into a reservation of"
                    f" {self.view_bytes}"
                )
        self.take_back()
        frame = <aether_frame *>(self.data + (self.index & self.mask))
        frame.position = self.index
        frame.length = <uint32_t>size
        # Length and payload lie side by side: one pass over both.
        frame.crc = native.aether_crc32(0, &frame.length, 4 + size) if self.checksum else 0
        self.index += self.frame_bytes(size)
        self.reserved = 0
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)

    def abort(self):
        """Gives the reservation back; nothing is published.

        Raises:
            ViewInUseError: an array or slice of the view is alive.
        """
        self.check_usable()
        if not self.reserved:
            raise ReservationError(f"{self.region.name}: nothing is reserved")
        self.take_back()
        self.reserved = 0


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
        if self.peeked:
            raise ReservationError(f"{self.region.name}: release the peeked message first")
        if self.cached != self.index:
            return 1
        while True:
            head = native.aether_peer_index(self.peer_side)
            if head != self.index:
                if head - self.index > self.capacity or head & ALIGN_MASK:
                    raise RingCorruptError(
                        f"{self.region.name}: head is {head} while tail is {self.index}: the segment"
                        " is damaged; unlink it and make a new one"
                    )
                self.cached = head
                return 1
            if not block:
                self.raise_if_gone()
                return 0
            self.wait_for(head, deadline_ns)

    cdef uint64_t frame_at(self, uint64_t at, uint32_t *length) noexcept:
        """The whole bytes of the frame at a stream position, 0 if there is no sound one."""
        cdef aether_frame *frame = <aether_frame *>(self.data + (at & self.mask))
        cdef uint64_t need
        # The header is read once: what is checked is what is used.
        length[0] = (<volatile uint32_t *>&frame.length)[0]
        need = (native.AETHER_FRAME_HEADER + <uint64_t>length[0] + ALIGN_MASK) & ~ALIGN_MASK
        if frame.position != at or need > self.cached - at:
            return 0
        return need

    cdef int damaged(self, uint64_t at, str reason) except -1:
        """Skips the damaged frame at tail and raises.

        Its length may be what is damaged. If the frame after it stands where the length says, that
        one is next; else the next header that names its own position and passes the checksum is.
        """
        cdef uint32_t length
        cdef aether_frame *frame
        cdef uint64_t need = self.frame_at(at, &length)
        cdef uint64_t to = at + need
        if need == 0 or (to != self.cached and self.frame_at(to, &length) == 0):
            to = at + native.AETHER_FRAME_ALIGN
            while to != self.cached:
                if self.frame_at(to, &length):
                    frame = <aether_frame *>(self.data + (to & self.mask))
                    if not self.checksum or frame.crc == native.aether_crc32(
                            native.aether_crc32_u32(length),
                            <char *>frame + native.AETHER_FRAME_HEADER, length):
                        break
                to += native.AETHER_FRAME_ALIGN
        self.index = to
        native.aether_publish(self.side, to, self.peer_role, self.asymmetric)
        raise DamagedFrameError(
            f"{self.region.name}: the message at stream position {at} is damaged ({reason});"
            f" skipped {to - at} bytes", at, to - at)

    cdef object take(self):
        """The message at tail as bytes; tail moves but is not published."""
        cdef uint32_t length, crc
        cdef uint64_t need = self.frame_at(self.index, &length)
        cdef aether_frame *frame = <aether_frame *>(self.data + (self.index & self.mask))
        cdef const char *source = <char *>frame + native.AETHER_FRAME_HEADER
        if need == 0:
            self.damaged(self.index, "frame header")
        payload = PyBytes_FromStringAndSize(NULL, length)
        if self.checksum:
            crc = frame.crc
            # Checked is the copy: what the caller gets is what was checked.
            if crc != native.aether_crc32_copy(
                    native.aether_crc32_u32(length), PyBytes_AS_STRING(payload), source, length):
                self.damaged(self.index, "checksum")
        else:
            memcpy(PyBytes_AS_STRING(payload), source, length)
        self.index += need
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
        if not self.is_open:
            self.check_usable()
        self.available(UINT64_MAX if timeout is None else deadline(timeout), True)
        payload = self.take()
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return payload

    def try_read(self):
        """Like `read`, but returns None at once when the ring is empty."""
        if not self.is_open:
            self.check_usable()
        if not self.available(0, False):
            return None
        payload = self.take()
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return payload

    def read_many(self, Py_ssize_t limit, timeout=None):
        """Takes up to `limit` messages, waiting only until there is one.

        Args:
            limit: how many at most, 1 or more.
            timeout: seconds to wait for the first at most; None waits for ever.

        Returns:
            A list of bytes, never empty.
        """
        cdef list payloads = []
        cdef uint64_t published
        if limit < 1:
            raise ValueError(f"limit is {limit}: it must be 1 or more")
        self.check_usable()
        self.available(deadline(timeout), True)
        published = self.index
        try:
            while len(payloads) < limit and self.available(0, False):
                payloads.append(self.take())
                if self.index - published >= BATCH_BYTES:
                    published = self.index
                    native.aether_publish(self.side, published, self.peer_role, self.asymmetric)
        except RingError as error:
            # What was read before is the caller's, and comes first; the error comes next time.
            if not payloads:
                raise
            self.postponed = error
        finally:
            if self.index != published:
                native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return payloads

    def read_into(self, buffer, timeout=None):
        """Copies the next message into the caller's memory.

        Args:
            buffer: a writable contiguous buffer.
            timeout: seconds to wait at most; None waits for ever.

        Returns:
            The message's size in bytes.

        Raises:
            BufferTooSmallError: the message is larger than the buffer; it stays in the ring.
        """
        cdef Py_buffer target
        cdef uint32_t length
        cdef uint64_t need
        cdef aether_frame *frame
        self.check_usable()
        PyObject_GetBuffer(buffer, &target, PyBUF_CONTIG_RO | PyBUF_WRITABLE)
        try:
            self.available(deadline(timeout), True)
            need = self.frame_at(self.index, &length)
            if need == 0:
                self.damaged(self.index, "frame header")
            if length > <uint64_t>target.len:
                raise BufferTooSmallError(
                    f"{self.region.name}: the next message has {length} bytes, the buffer"
                    f" {target.len}"
                )
            frame = <aether_frame *>(self.data + (self.index & self.mask))
            source = <char *>frame + native.AETHER_FRAME_HEADER
            if not self.checksum:
                memcpy(target.buf, source, length)
            elif frame.crc != native.aether_crc32_copy(
                    native.aether_crc32_u32(length), target.buf, source, length):
                self.damaged(self.index, "checksum")
        finally:
            PyBuffer_Release(&target)
        self.index += need
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)
        return length

    def peek(self, timeout=None):
        """Hands out the next message in the segment's own memory, checked; then `release` it.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Returns:
            A read-only memoryview, contiguous also across the wrap.
        """
        cdef uint32_t length
        cdef uint64_t need
        cdef aether_frame *frame
        self.check_usable()
        self.available(deadline(timeout), True)
        need = self.frame_at(self.index, &length)
        if need == 0:
            self.damaged(self.index, "frame header")
        frame = <aether_frame *>(self.data + (self.index & self.mask))
        if self.checksum and frame.crc != native.aether_crc32(
                native.aether_crc32_u32(length),
                <char *>frame + native.AETHER_FRAME_HEADER, length):
            self.damaged(self.index, "checksum")
        self.peeked = need
        self.view_readonly = True
        return self.hand_out(<char *>frame + native.AETHER_FRAME_HEADER, length)

    def release(self):
        """Gives the peeked message's memory back to the producer.

        Raises:
            ViewInUseError: an array or slice of the view is alive; drop it and release again.
        """
        self.check_usable()
        if not self.peeked:
            raise ReservationError(f"{self.region.name}: nothing is peeked")
        self.take_back()
        self.index += self.peeked
        self.peeked = 0
        native.aether_publish(self.side, self.index, self.peer_role, self.asymmetric)


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
            self, _unlink_at_exit, region.name, region.key, os.getpid()) if owner else None

    @classmethod
    def create(cls, capacity_bytes=1 << 20, name=None, checksum=True):
        """Makes a ring.

        Args:
            capacity_bytes: a power of two from 4096 (and at least a page) to 2**31.
            name: letters, digits, '.', '_', '-'; one is chosen when None. A ring of that name
                whose users are all dead is replaced, a live one never.
            checksum: CRC-32 over every message.

        Raises:
            SegmentNameError, SegmentSizeError: bad arguments.
            SegmentExistsError: the name is in use.
            SegmentNoSpaceError: the shared-memory file system is full.
        """
        return cls(Region.create(capacity_bytes, name, checksum), True)

    @classmethod
    def attach(cls, name):
        """Opens the ring of that name.

        Raises:
            SegmentNotFoundError, SegmentForeignError, SegmentFormatError: it is not there, not
                this user's, or no ring of this version.
        """
        return cls(Region.attach(name), False)

    def _open_region(self):
        if self._region is None:
            raise RingClosedError("this ring is closed")
        return self._region

    def producer(self):
        """Claims the writing side.

        Raises:
            RoleTakenError: a live producer exists, in whatever process.
        """
        cdef Producer side = Producer.__new__(Producer)
        side.claim(self._open_region(), True)
        self._sides.add(side)
        return side

    def consumer(self):
        """Claims the reading side.

        Raises:
            RoleTakenError: a live consumer exists, in whatever process.
        """
        cdef Consumer side = Consumer.__new__(Consumer)
        side.claim(self._open_region(), False)
        self._sides.add(side)
        return side

    @property
    def name(self):
        """The segment's name, with its leading slash."""
        return self._open_region().name

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
        self._region = None

    def unlink(self):
        """Removes the name; whoever has the segment open keeps it. May be called again."""
        if self._finalizer is not None:
            self._finalizer()
        elif self._region is not None:
            unlink_if_same(self._region.name, self._region.key)

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
