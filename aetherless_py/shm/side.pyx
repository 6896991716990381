"""What both sides of a ring share: the claim of a role, waiting for the peer, views, closing."""

from typing import Literal

from aetherless_py.errors import (
    PeerClosedError,
    PeerDiedError,
    RingBusyError,
    RingClosedError,
    RingCorruptError,
    RingTimeoutError,
    RoleTakenError,
    ViewInUseError,
)
from aetherless_py.shm.region import register_holder

cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromObject
from libc.math cimport INFINITY
from libc.stdint cimport UINT64_MAX, uint64_t
from posix.fcntl cimport F_WRLCK

from aetherless_py.shm cimport native
from aetherless_py.shm.region cimport Region

Wait = Literal["spin", "adaptive", "yield", "park"]

# How long a side spins, and how long it spins and yields, before it sleeps, in ns.
WAITS = {
    "spin": (native.AETHER_FOR_EVER, native.AETHER_FOR_EVER),
    "adaptive": (native.AETHER_SPIN_NS, native.AETHER_BUSY_NS),
    "yield": (0, native.AETHER_YIELD_NS),
    "park": (0, 0),
}


cdef tuple ways_of_waiting(object wait):
    if not isinstance(wait, str) or wait not in WAITS:
        raise ValueError(f"wait is {wait!r}: it must be one of {', '.join(WAITS)}")
    return WAITS[wait]


cdef double seconds_of(object timeout) except? -1:
    try:
        return timeout
    except OverflowError:  # of an integer: as long, or as wrong, as an infinite number
        return INFINITY if timeout > 0 else -INFINITY
    except TypeError:
        raise TypeError(
            f"timeout is {timeout!r}: it must be None or a number of seconds >= 0"
        ) from None


cdef uint64_t deadline_of(object timeout) except 0:
    cdef double seconds = timeout if type(timeout) is float else seconds_of(timeout)
    if not seconds >= 0:
        raise ValueError(f"timeout is {timeout!r}: it must be None or a number of seconds >= 0")
    if seconds > 1e9:
        return UINT64_MAX
    return native.aether_now_ns() + <uint64_t>(seconds * 1e9)


cdef int take_buffer(object exporter, Py_buffer *buffer, int flags) except -1:
    """As PyObject_GetBuffer, of plain values only: addresses of objects mean nothing elsewhere."""
    try:
        PyObject_GetBuffer(exporter, buffer, flags | PyBUF_FORMAT)
    except (BufferError, ValueError):
        # numpy has no format for times, and gives them to those who ask for none.
        PyObject_GetBuffer(exporter, buffer, flags)
    if buffer.format is not NULL and holds_objects(buffer.format):
        PyBuffer_Release(buffer)
        raise TypeError(
            f"a buffer of Python objects ({type(exporter).__name__}): only their addresses would"
            " be in the message; convert it to plain values, or serialise the objects"
        )
    return 0


cdef bint holds_objects(const char *format) noexcept:
    """Whether an item's format has an "O" (PEP 3118) outside of the fields' names."""
    cdef bint is_name = False
    while format[0]:
        if format[0] == b":":
            is_name = not is_name
        elif format[0] == b"O" and not is_name:
            return True
        format += 1
    return False


# At once: the kernel waits for a grace period, some 20 ms, where a process that registers has
# several threads or is looked at by another one. A fork inherits it.
native.aether_fence_register()


# The mapping must outlive __dealloc__, which tells the peer: the collector may not clear it before.
@cython.no_gc_clear
cdef class Side:
    """What producer and consumer share: the claim of a role, waiting, views, closing."""

    def __cinit__(self):
        self.fd = self.bell = -1

    def __init__(self):
        raise TypeError(f"{type(self).__name__} comes from RingBuffer.producer() or .consumer()")

    cdef int claim(self, Region region, bint is_producer, object wait) except -1:
        cdef uint64_t head, tail
        self.spin_ns, self.busy_ns = ways_of_waiting(wait)
        control = region.control
        self.region = region
        self.name = region.name
        self.key = region.key
        self.data = region.data
        self.capacity = region.capacity_bytes
        self.mask = self.capacity - 1
        self.checksum = region.checksum
        self.is_producer = is_producer
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
        register_holder(self)
        self.fd = region.reopen()
        if native.aether_lock_take(self.fd, F_WRLCK, self.own_lock, 1) != 0:
            native.aether_close(&self.fd)
            raise RoleTakenError(
                f"{region.name}: the ring has a live {type(self).__name__.lower()} already; close"
                " that one first, or make another ring"
            )
        # A predecessor may have died at any moment: go on from what it published.
        head = native.aether_peer_index(&control.head)
        tail = native.aether_peer_index(&control.tail)
        if head - tail > self.capacity or head & ALIGN_MASK or tail & ALIGN_MASK:
            self.give_lock()
            native.aether_close(&self.fd)
            raise RingCorruptError(
                f"{region.name}: head {head} and tail {tail} make no sense for capacity"
                f" {self.capacity}: unlink the ring and make a new one"
            )
        self.index, self.cached = (head, tail) if is_producer else (tail, head)
        self.asymmetric = native.aether_fence_register()
        native.aether_role_enter(self.role)
        self.is_open = True
        return 0

    # -- waiting ---------------------------------------------------------------------------------

    cdef int check_usable(self) except -1:
        if not self.is_open:
            raise RingClosedError(f"{self.name}: this {type(self).__name__.lower()} is closed")
        return 0

    cdef int wait_for(self, uint64_t seen, uint64_t deadline_ns) except -1:
        """Returns when the peer's index is no longer `seen`; raises when that cannot come."""
        cdef native.aether_wait w
        cdef native.aether_wait_result result
        if self.busy_ns and native.aether_spin_brief(self.peer_side, seen):
            return 0
        if self.in_wait:
            raise RingBusyError(
                f"{self.name}: another thread waits on this {type(self).__name__.lower()};"
                " a side belongs to one thread at a time"
            )
        w.role, w.peer_side, w.peer_role = self.role, self.peer_side, self.peer_role
        w.past, w.expected = self.past, self.expected
        w.fd, w.peer_lock = self.fd, self.peer_lock
        w.closing = <const volatile int *>&self.closing
        w.deadline_ns = deadline_ns
        w.spin_ns, w.busy_ns = self.spin_ns, self.busy_ns
        self.in_wait = True
        try:
            with nogil:
                w.started_ns = native.aether_now_ns()
                result = native.aether_wait_peer(&w, seen)
            while result == native.AETHER_CHECK:
                PyErr_CheckSignals()
                if not self.is_open:  # closed, or this is a child that a handler has forked
                    break
                with nogil:
                    result = native.aether_wait_peer(&w, seen)
        finally:
            self.in_wait = False
            if self.closing:
                native.aether_close(&self.fd)
        self.check_usable()
        if result == native.AETHER_TIMED_OUT:
            raise RingTimeoutError(
                f"{self.name}: timed out waiting for the {self.peer_name()}"
            )
        if result == native.AETHER_PEER_CLOSED:
            self.raise_gone(False)
        if result == native.AETHER_PEER_DIED:
            self.raise_gone(True)
        return 0

    cdef int look(self) except -1:
        """For the calls that do not wait: raises if the peer is gone, asking every 20 ms at most."""
        cdef native.aether_wait_result result
        if not native.aether_is_closed(native.aether_role_state(self.peer_role)) and not self.due():
            return 0
        result = self.peer_gone()
        # What a producer published before it went comes first.
        if result == native.AETHER_READY or (
                not self.is_producer and native.aether_peer_index(self.peer_side) != self.index):
            return 0
        self.raise_gone(result == native.AETHER_PEER_DIED)
        return 0

    cdef bint due(self) noexcept:
        """Whether the last look is 20 ms ago; if so, this one counts as the next."""
        cdef uint64_t now = native.aether_coarse_ns()
        if now - self.looked_ns < LOOK_EVERY_NS:
            return False
        self.looked_ns = now
        return True

    cdef native.aether_wait_result peer_gone(self) noexcept:
        return native.aether_peer_gone(
            self.peer_role, self.past, self.expected, self.fd, self.peer_lock)

    cdef str peer_name(self):
        return "consumer" if self.is_producer else "producer"

    def raise_gone(self, died):
        peer = self.peer_name()
        if died:
            raise PeerDiedError(f"{self.name}: the {peer}'s process ended without closing")
        raise PeerClosedError(f"{self.name}: the {peer} has closed")

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
                f"{self.name}: {self.exports} buffer(s) still refer to the view's memory:"
                " drop arrays and slices made from it first"
            )
        self.view = None
        self.view_data = NULL
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

    # -- the end ---------------------------------------------------------------------------------

    def close(self):
        """Gives the role up; the peer is told at once. May be called again.

        Raises:
            ViewInUseError: a view of the segment is still in use.
        """
        if not self.is_open:
            return
        self.end_views()
        self.closing = 1
        self.leave()
        if self.in_wait:
            native.aether_wake(self.role)  # the waiting thread still asks through the descriptor
        else:
            native.aether_close(&self.fd)

    cdef int leave(self) noexcept:
        # State first, lock after: see aether_peer_gone.
        self.is_open = False
        native.aether_role_leave(self.role)
        self.give_lock()
        native.aether_wake(self.peer_role)
        return 0

    cdef int give_lock(self) noexcept:
        native.aether_lock_give(self.fd, self.own_lock, 1)
        return 0

    def abandon(self):
        """In a forked child: the role stays the parent's, and so does what lies in the ring."""
        if self.view is not None:
            try:
                self.view.release()
            except BufferError:  # an array made from it stays: see the limits in docs/ring.md
                pass
        self.is_open = False
        self.closing = 0
        native.aether_close(&self.fd)

    @property
    def closed(self):
        """Whether this side was closed by its own process."""
        return not self.is_open

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __dealloc__(self):
        if self.is_open:
            self.leave()
        native.aether_close(&self.fd)
