"""Request and response between two processes, over a pair of rings.

The way of a call: the caller's message goes into the request ring with a number of its own as its
tag; the server hands it to its handler and puts what that gives into the response ring with the
same number; the caller takes what carries its number and drops what does not: the late answer to a
call that timed out. The lowest bit of a number says that the answer is an error.

One process calls, the other one serves; which is which is decided by who does it first.
"""

from aetherless_py.errors import (
    DamagedFrameError,
    HandlerError,
    PeerClosedError,
    ReservationError,
    RingBusyError,
    RingClosedError,
)
from aetherless_py.shm.ring import RingBuffer

from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t

from aetherless_py.shm cimport native
from aetherless_py.shm.consumer cimport Consumer
from aetherless_py.shm.producer cimport Producer
from aetherless_py.shm.side cimport deadline, ways_of_waiting

cdef uint32_t IS_ERROR = 1
# What a server answers to a request whose number it could not read.
cdef uint32_t DAMAGED = 1
_RESPONSES = ".responses"


cdef class Channel:
    """A pair of rings with a caller at one end and a server at the other.

    One thread uses it at a time; `close` may come from another one. As a context manager the maker
    unlinks the names at the end, an attached one only closes.
    """

    cdef object _requests
    cdef object _responses
    cdef object _wait
    cdef bint _is_owner
    cdef readonly str name       # to attach to
    cdef Producer producer
    cdef Consumer consumer
    cdef uint32_t number         # of the last call; even, never 0
    cdef bint is_caller, is_server
    cdef bint in_call
    cdef readonly bint closed
    cdef object __weakref__

    def __init__(self, requests, responses, wait, is_owner):
        ways_of_waiting(wait)  # refused now, not when the first message goes
        self._requests, self._responses = requests, responses
        self._wait, self._is_owner = wait, is_owner
        self.name = requests.name

    @classmethod
    def create(cls, capacity_bytes=1 << 20, name=None, checksum=True, wait="adaptive"):
        """Makes a channel.

        Args:
            capacity_bytes: of each of the two rings, as for `RingBuffer.create`.
            name: as for `RingBuffer.create`.
            checksum: CRC-32 over every message.
            wait: how this process waits: "adaptive" spins for 20 us, yields to 60 us, then sleeps;
                "spin" never sleeps; "park" sleeps at once.

        Raises:
            As `RingBuffer.create`.
        """
        requests = RingBuffer.create(capacity_bytes, name, checksum)
        try:
            responses = RingBuffer.create(capacity_bytes, requests.name + _RESPONSES, checksum)
            return cls(requests, responses, wait, True)
        except BaseException:
            requests.unlink()
            raise

    @classmethod
    def attach(cls, name, wait="adaptive"):
        """Opens the channel of that name.

        Raises:
            As `RingBuffer.attach`.
        """
        requests = RingBuffer.attach(name)
        try:
            return cls(requests, RingBuffer.attach(requests.name + _RESPONSES), wait, False)
        except BaseException:
            requests.close()
            raise

    cdef int open_as(self, bint caller) except -1:
        if self.closed:
            raise RingClosedError("this channel is closed")
        if self.is_caller or self.is_server:
            raise ReservationError(
                f"{self.name}: this end {'calls' if self.is_caller else 'serves'}; the other"
                " process does the other part"
            )
        outward, inward = self._requests, self._responses
        if not caller:
            outward, inward = inward, outward
        producer = outward.producer(self._wait)
        try:
            self.consumer = inward.consumer(self._wait)
        except BaseException:
            producer.close()
            raise
        self.producer = producer
        self.is_caller, self.is_server = caller, not caller
        return 0

    # -- the caller ------------------------------------------------------------------------------

    cdef int begin(self) except -1:
        """A number for a call and the server that is to answer it; nobody else calls meanwhile."""
        cdef uint32_t state
        if not self.is_caller:
            self.open_as(True)
        if self.in_call:
            raise RingBusyError(f"{self.name}: another thread is in the middle of a call")
        self.number += 2  # wraps after 2**31 calls: no late answer is that late
        if self.number == 0:
            self.number = 2
        self.producer.tag = self.number
        # A server that replaces the one which gets the request knows nothing of it.
        state = native.aether_role_state(self.consumer.peer_role)
        self.consumer.expected = state if native.aether_is_open(state) else 0
        self.in_call = True
        return 0

    def call(self, payload, timeout=None):
        """Sends a request and waits for its answer.

        Args:
            payload: any contiguous buffer.
            timeout: seconds to wait at most, for room and for the answer; None waits for ever.

        Returns:
            The answer as bytes.

        Raises:
            RingTimeoutError: no answer came in time; should it come later, it is dropped.
            HandlerError: the handler raised; the message says what.
            PeerClosedError, PeerDiedError: the server is gone; whether it acted is unknown.
            DamagedFrameError: request or answer was damaged on its way.
            RingBusyError: another thread is in the middle of a call.
        """
        cdef uint64_t until = deadline(timeout)
        self.begin()
        try:
            self.producer.put(payload, until, True)
            while True:
                answer = self.consumer.get(until, True)
                if self.consumer.tag == self.number:
                    return answer
                self.raise_if_error(answer)
        finally:
            self.in_call = False

    def reserve(self, Py_ssize_t size_bytes, timeout=None):
        """Hands out the request ring's own memory for the next request; then `call_reserved`.

        Returns:
            A writable memoryview of `size_bytes`.
        """
        if not self.is_caller:
            self.open_as(True)
        return self.producer.reserve_until(
            size_bytes, deadline(timeout))

    def call_reserved(self, size_bytes=None, timeout=None):
        """Sends the reserved request and waits for its answer, without a copy of either.

        Args:
            size_bytes: how much of the reservation the request takes, all of it by default.
            timeout: as for `call`.

        Returns:
            A read-only memoryview of the answer in the response ring; `release` it.

        Raises:
            As `call`; ReservationError: nothing is reserved.
        """
        cdef uint64_t until = deadline(timeout)
        self.begin()
        try:
            self.producer.commit(size_bytes)
            while True:
                answer = self.consumer.get_view(until)
                if self.consumer.tag == self.number:
                    return answer
                text = bytes(answer) if self.consumer.tag & IS_ERROR else b""
                self.consumer.release()
                self.raise_if_error(text)
        finally:
            self.in_call = False

    def abort(self):
        """Gives the reserved request back unsent."""
        if self.producer is None:
            raise ReservationError("nothing is reserved")
        self.producer.abort()

    def release(self):
        """Gives the memory of `call_reserved`'s answer back.

        Raises:
            ViewInUseError: an array or slice of it is alive; drop it and release again.
        """
        if self.consumer is None:
            raise ReservationError("nothing is to be released")
        self.consumer.release()

    cdef int raise_if_error(self, bytes text) except -1:
        if self.consumer.tag == self.number | IS_ERROR:
            raise HandlerError(text.decode(errors="replace"))
        if self.consumer.tag == DAMAGED:
            raise DamagedFrameError(f"{self.name}: a request was damaged on its way", 0, 0)
        return 0

    # -- the server ------------------------------------------------------------------------------

    def serve(self, handler, timeout=None):
        """Answers requests until the caller closes, or this channel is closed.

        Args:
            handler: called with each request as bytes; gives the answer, any contiguous buffer. An
                `Exception` that it raises becomes the caller's `HandlerError`.
            timeout: seconds to wait for a request at most; None waits for ever.

        Returns:
            How many requests were answered.

        Raises:
            RingTimeoutError: no request came in time; serve again to go on.
            PeerDiedError: the caller's process ended without closing.
        """
        return self.serve_until_closed(handler, timeout, False)

    def serve_views(self, handler, timeout=None):
        """As `serve`, without a copy of request or answer.

        Args:
            handler: called with the request as a read-only memoryview, and with a function that
                hands out a writable memoryview of the response ring for the answer's size in
                bytes. It fills that, and gives the answer's size, or None for all of it. Neither
                view, nor anything made from it, may be kept.
            timeout: as for `serve`.

        Returns, raises:
            As `serve`; ViewInUseError: the handler kept a view.
        """
        return self.serve_until_closed(handler, timeout, True)

    cdef Py_ssize_t serve_until_closed(self, handler, timeout, bint views) except -1:
        cdef Py_ssize_t served = 0
        cdef uint32_t number
        cdef Producer producer
        if not self.is_server:
            self.open_as(False)
        producer = self.producer
        reserve = producer.reserve
        try:
            while True:
                request = self.next_request(timeout, views)
                number = self.consumer.tag
                try:
                    answer = handler(request, reserve) if views else handler(request)
                    producer.tag = number
                    if views:
                        producer.commit(answer)
                    else:
                        producer.put(answer, UINT64_MAX, True)
                except BaseException as error:
                    if producer.reserved:
                        producer.abort()
                    self.answer_error(number, error)
                    if not isinstance(error, Exception):  # the caller knows; now end
                        if views:
                            self.consumer.release()
                        raise
                if views:
                    self.consumer.release()
                served += 1
        except PeerClosedError:
            return served
        except RingClosedError:
            if not self.closed:
                raise
            return served

    cdef object next_request(self, object timeout, bint as_view):
        cdef uint64_t until = deadline(timeout)
        while True:
            try:
                return self.consumer.get_view(until) if as_view else self.consumer.get(until, True)
            except DamagedFrameError as error:
                self.producer.tag = DAMAGED
                self.producer.put(str(error).encode(), UINT64_MAX, True)

    cdef int answer_error(self, uint32_t number, error) except -1:
        # If the caller is gone, or this channel closed, this raises that once more.
        self.producer.tag = number | IS_ERROR
        self.producer.put(f"{type(error).__name__}: {error}".encode(errors="replace")[:1024],
                          UINT64_MAX, True)
        return 0

    # -- the end ---------------------------------------------------------------------------------

    def close(self):
        """Closes this end; the peer is told at once. May be called again.

        Raises:
            ViewInUseError: a view of a ring is still in use.
        """
        if self.closed:
            return
        for side in (self.producer, self.consumer):
            if side is not None:
                side.end_views()
        self.closed = True
        self._requests.close()
        self._responses.close()

    def unlink(self):
        """Removes the names; whoever has the channel open keeps it. May be called again."""
        self._requests.unlink()
        self._responses.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            self.close()
        finally:
            if self._is_owner:
                self.unlink()

    def __repr__(self):
        return "<Channel closed>" if self.closed else f"<Channel {self.name}>"
