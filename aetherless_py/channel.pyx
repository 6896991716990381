"""Request and response between two processes, over a pair of rings.

The way of a call: the caller's message goes into the request ring; the server hands it to its
handler and puts what that gives into the response ring, with the request's number as its tag; the
caller takes what carries its number and drops what does not: the late answer to a call that timed
out, or to one of a former caller. The lowest two bits of a number say that the answer is an error.

The number is where in the request ring's stream the request ends. Both sides know that without
being told, and it goes on from one holder of the ring to the next, so that no two requests of a
channel's life share it, whoever made them.

One process calls, the other one serves; which is which is decided by who does it first.
"""

from aetherless_py.errors import (
    DamagedFrameError,
    HandlerError,
    PeerClosedError,
    PeerDiedError,
    ReservationError,
    RingBusyError,
    RingClosedError,
    RingTimeoutError,
)
from aetherless_py.shm.ring import RingBuffer

from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t

from aetherless_py.shm cimport native
from aetherless_py.shm.consumer cimport Consumer
from aetherless_py.shm.producer cimport Producer
from aetherless_py.shm.side cimport LOOK_EVERY_NS, deadline, ways_of_waiting

cdef enum:
    IS_ERROR = 1     # the handler's
    WAS_DAMAGED = 2  # the request

_RESPONSES = ".responses"


cdef inline uint32_t number_of(uint64_t end) noexcept:
    """The number of the request that ends there; its lowest two bits are 0, as frames begin at 64s.

    It comes again after 64 GiB of requests. What is unanswered lies in a ring of 2 GiB at most, and
    each call takes the answers that it finds before it waits for its own.
    """
    return <uint32_t>(end // 16)


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
    cdef bint is_caller, is_server
    cdef bint in_use             # a call or serve is under way
    cdef readonly bint closed
    cdef object __weakref__

    def __init__(self, requests, responses, wait, is_owner):
        ways_of_waiting(wait)  # refused now, not when the first message goes
        self._requests, self._responses = requests, responses
        self._wait, self._is_owner = wait, is_owner
        self.name = requests.name

    @classmethod
    def create(
        cls, capacity_bytes=1 << 20, name=None, checksum=True, wait="adaptive", populate=True
    ):
        """Makes a channel.

        Args:
            capacity_bytes: of each of the two rings, as for `RingBuffer.create`.
            name: as for `RingBuffer.create`.
            checksum: CRC-32 over every message.
            wait: how this process waits: "adaptive" spins for 20 us, yields to 60 us, then sleeps;
                "spin" never sleeps; "yield" yields for 500 us, then sleeps; "park" sleeps at once.
            populate: as for `RingBuffer.create`.

        Raises:
            As `RingBuffer.create`.
        """
        requests = RingBuffer.create(capacity_bytes, name, checksum, populate)
        try:
            responses = RingBuffer.create(
                capacity_bytes, requests.name + _RESPONSES, checksum, populate
            )
            return cls(requests, responses, wait, True)
        except BaseException:
            requests.unlink()
            raise

    @classmethod
    def attach(cls, name, wait="adaptive", populate=True):
        """Opens the channel of that name.

        Args:
            wait, populate: as for `create` and `RingBuffer.attach`.

        Raises:
            As `RingBuffer.attach`.
        """
        requests = RingBuffer.attach(name, populate)
        try:
            return cls(
                requests, RingBuffer.attach(requests.name + _RESPONSES, populate), wait, False)
        except BaseException:
            requests.close()
            raise

    @classmethod
    def create_sealed(cls, capacity_bytes=1 << 20, checksum=True, wait="adaptive", populate=True):
        """Makes a channel without a name, whose memory no process can shrink.

        Send `descriptors` to the other process (`socket.send_fds`), which calls `adopt`.

        Args:
            capacity_bytes, checksum, wait, populate: as for `create`.

        Raises:
            As `RingBuffer.create_sealed`.
        """
        requests = RingBuffer.create_sealed(capacity_bytes, checksum, populate)
        responses = RingBuffer.create_sealed(capacity_bytes, checksum, populate)
        return cls(requests, responses, wait, False)

    @classmethod
    def adopt(cls, descriptors, wait="adaptive", populate=True):
        """Opens the sealed channel of those descriptors, which stay the caller's to close.

        Args:
            descriptors: the two of the maker's `descriptors`, in their order.
            wait, populate: as for `create` and `RingBuffer.attach`.

        Raises:
            As `RingBuffer.adopt`.
        """
        requests, responses = descriptors
        return cls(
            RingBuffer.adopt(requests, populate), RingBuffer.adopt(responses, populate), wait, False)

    @property
    def descriptors(self):
        """Of the two rings, to be sent to who shall `adopt` them; they stay the channel's."""
        return self._requests.descriptor, self._responses.descriptor

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
        if not caller:
            # A handler may have acted on it: its caller knows that this is not known.
            self.consumer.skip_handed_out()
        self.is_caller, self.is_server = caller, not caller
        return 0

    # -- the caller ------------------------------------------------------------------------------

    cdef int begin_as(self, bint caller) except -1:
        """Takes the part, if it is not taken yet, for this thread alone until `in_use` ends."""
        if not (self.is_caller if caller else self.is_server):
            self.open_as(caller)
        if self.in_use:
            raise RingBusyError(f"{self.name}: another thread is in the middle of a call or serves")
        self.in_use = True
        return 0

    cdef int begin_call(self) except -1:
        self.begin_as(True)
        # A server that replaces the one which gets the request knows nothing of it. While nobody
        # serves, the state is even, and the first to come will make it this.
        self.consumer.expected = native.aether_role_state(self.consumer.peer_role) | 1
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
        cdef uint32_t number
        self.begin_call()
        try:
            while not self.producer.put(payload, 0, False):
                self.await_room(until)
            number = number_of(self.producer.index)
            while True:
                answer = self.consumer.get(until, True)
                if self.consumer.tag == number:
                    return answer
                self.raise_if_error(number, answer)
        finally:
            self.in_use = False

    def reserve(self, size_bytes, timeout=None):
        """Hands out the request ring's own memory for the next request; then `call_reserved`.

        Waiting for room drops the answers that are there, as `call_reserved` would.

        Args:
            size_bytes: the request's size.
            timeout: seconds to wait for room at most; None waits for ever.

        Returns:
            A writable memoryview of `size_bytes`.

        Raises:
            RingTimeoutError: no room came in time.
            MessageTooLargeError: the ring can never hold it.
            PeerClosedError, PeerDiedError: nobody will make room.
            ReservationError: something is reserved already; or there is no room, and an answer that
                is not released keeps the server from making some.
        """
        cdef uint64_t until = deadline(timeout)
        if not self.is_caller:
            self.open_as(True)
        view = self.producer.reserve_until(size_bytes, 0, False)
        if view is None:
            self.begin_call()
            try:
                while view is None:
                    self.await_room(until)
                    view = self.producer.reserve_until(size_bytes, 0, False)
            finally:
                self.in_use = False
        return view

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
        cdef uint32_t number
        self.begin_call()
        try:
            self.producer.commit(size_bytes)
            number = number_of(self.producer.index)
            while True:
                answer = self.consumer.get_view(until)
                if self.consumer.tag == number:
                    return answer
                text = bytes(answer) if self.consumer.tag == number | IS_ERROR else b""
                self.consumer.release()
                self.raise_if_error(number, text)
        finally:
            self.in_use = False

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

    cdef int await_room(self, uint64_t until) except -1:
        """Waits for the server to take a request, a while at most: then try again.

        The server may itself be waiting for room, for answers that nobody takes any more. No request
        is under way now, so that all of them are late: they are dropped.
        """
        cdef uint64_t seen = self.producer.cached
        cdef uint64_t ends = min(until, native.aether_now_ns() + LOOK_EVERY_NS)
        if not self.consumer.peeked:
            self.drop_answers()
        elif self.consumer.tag != number_of(self.producer.index):
            raise ReservationError(
                f"{self.name}: no room for a request, and answers behind the one that is not released"
                " may be what the server waits for: release it first"
            )
        # Else the answer to the last request is out: the server has only to release that request.
        try:
            self.producer.wait_for(seen, ends)
        except RingTimeoutError:
            # A server that answers later than it takes may need several of these, one for each time
            # that it fills the response ring without taking a request.
            if ends == until:
                raise
        return 0

    cdef int drop_answers(self) except -1:
        """Takes the answers that are there; raises when the server is gone."""
        while True:
            try:
                if self.consumer.get(0, False) is None:
                    return 0
            except DamagedFrameError:
                pass  # it was nobody's any more

    cdef int raise_if_error(self, uint32_t number, bytes text) except -1:
        if self.consumer.tag == number | IS_ERROR:
            raise HandlerError(text.decode(errors="replace"))
        if self.consumer.tag == number | WAS_DAMAGED:
            raise DamagedFrameError(f"{self.name}: a request was damaged on its way", 0, 0)
        return 0

    # -- a caller with many requests at a time, in an event loop ----------------------------------

    def post(self, payload):
        """Sends a request without waiting for anything; `collect` gives the answer.

        Args:
            payload: a contiguous buffer, or a list of such, whose bytes become one request.

        Returns:
            The request's number; None when there is no room for it now.

        Raises:
            MessageTooLargeError: there will never be.
            PeerClosedError, PeerDiedError: the server is gone.
        """
        self.begin_call()
        try:
            return number_of(self.producer.index) if self.producer.put(payload, 0, False) else None
        finally:
            self.in_use = False

    def collect(self):
        """Takes the next answer, to whichever request, if there is one.

        Returns:
            (the request's number, its answer as bytes, whether that is an error's text); None when
            no answer is there.

        Raises:
            DamagedFrameError: an answer was damaged on its way: to which request is unknown.
            PeerClosedError, PeerDiedError: the server is gone, and no answer is left.
        """
        cdef uint32_t tag
        self.begin_as(True)
        try:
            answer = self.consumer.get(0, False)
            if answer is None:
                return None
            tag = self.consumer.tag
            return tag & ~<uint32_t>(IS_ERROR | WAS_DAMAGED), answer, bool(tag & 3)
        finally:
            self.in_use = False

    def arm(self):
        """Asks the server for one byte on its `bell` with the next answer.

        Returns:
            Whether it will come; False when an answer is there already (and a byte may come).
        """
        self.begin_as(True)
        self.in_use = False
        self.consumer.check_usable()  # the role may be a successor's by now
        return native.aether_bell_arm(
            self.consumer.role, self.consumer.peer_side, self.consumer.index)

    # -- a server that answers in any order -------------------------------------------------------

    def bell(self, int fd):
        """Has answers announced on that socket to a caller who has asked for it with `arm`."""
        self.begin_as(False)
        self.in_use = False
        self.producer.bell = fd

    def receive(self, timeout=None, wait=None):
        """The next request in the request ring's own memory; `release` it, and `answer` it once.

        One thread receives and releases at a time; answers may come from other ones meanwhile, one
        at a time, too.

        Args:
            timeout: seconds to wait at most; None waits for ever.
            wait: how to wait for this one; None is the channel's way.

        Returns:
            (its number, a read-only memoryview of it).

        Raises:
            RingTimeoutError: none came in time.
            PeerClosedError, PeerDiedError: the caller is gone.
        """
        if not self.is_server:
            self.open_as(False)
        if wait is None:
            request = self.next_request(timeout, True)
        else:
            self.consumer.spin_ns, self.consumer.busy_ns = ways_of_waiting(wait)
            try:
                request = self.next_request(timeout, True)
            finally:
                self.consumer.spin_ns, self.consumer.busy_ns = ways_of_waiting(self._wait)
        return number_of(self.consumer.mark_handed_out()), request

    def answer(self, uint32_t number, payload, timeout=None):
        """Answers a request.

        Args:
            number: of the request.
            payload: a contiguous buffer, or a list of such, whose bytes become one answer.
            timeout: seconds to wait for room at most; None waits for ever.

        Raises:
            MessageTooLargeError: the ring can never hold it; answer something else.
            RingTimeoutError: no room came in time.
            PeerClosedError, PeerDiedError: the caller is gone.
            ReservationError: this end has received nothing, so that nothing is to be answered.
        """
        if not self.is_server:
            raise ReservationError(f"{self.name}: nothing was received that could be answered")
        self.producer.tag = number
        self.producer.put(payload, deadline(timeout), True)

    # -- the server ------------------------------------------------------------------------------

    def serve(self, handler, timeout=None):
        """Answers requests until the caller closes, or this channel is closed.

        The end of a caller is told once: serve again to wait for its successor. A successor that
        comes before this end has noticed is served on. Answers to a caller that is gone are
        dropped.

        Args:
            handler: called with each request as bytes; gives the answer, any contiguous buffer. An
                `Exception` that it raises becomes the caller's `HandlerError`.
            timeout: seconds to wait for a request at most; None waits for ever.

        Returns:
            How many requests were answered.

        Raises:
            RingTimeoutError: no request came in time; serve again to go on.
            PeerDiedError: the caller's process ended without closing.
            RingBusyError: another thread serves.
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
        self.begin_as(False)
        producer = self.producer
        reserve = producer.reserve
        try:
            while True:
                request = self.next_request(timeout, views)
                number = number_of(self.consumer.mark_handed_out() if views else self.consumer.index)
                try:
                    answer = handler(request, reserve) if views else handler(request)
                    producer.tag = number
                    if views:
                        producer.commit(answer)
                    else:
                        producer.put(answer, UINT64_MAX, True)
                    served += 1
                except BaseException as error:
                    if producer.reserved:
                        producer.abort()
                    served += self.answer_error(
                        number | IS_ERROR, f"{type(error).__name__}: {error}")
                    if not isinstance(error, Exception):  # the caller knows; now end
                        if views:
                            self.consumer.release()
                        raise
                if views:
                    self.consumer.release()
        except PeerClosedError:
            self.forget_caller()
            return served
        except PeerDiedError:
            self.forget_caller()
            raise
        except RingClosedError:
            if not self.closed:
                raise
            return served
        finally:
            self.in_use = False

    cdef object next_request(self, object timeout, bint as_view):
        cdef uint64_t until = deadline(timeout)
        while True:
            try:
                return self.consumer.get_view(until) if as_view else self.consumer.get(until, True)
            except DamagedFrameError as error:
                # Of several damaged requests the last is the one that is still waited for.
                self.answer_error(number_of(self.consumer.index) | WAS_DAMAGED, str(error))

    cdef bint answer_error(self, uint32_t tag, str text) except -1:
        """Whether it could be answered. If this channel is closed, this raises that once more."""
        self.producer.tag = tag
        try:
            self.producer.put(text.encode(errors="replace")[:1024], UINT64_MAX, True)
        except (PeerClosedError, PeerDiedError):
            return False  # next_request raises that, unless there is a successor to be served
        return True

    cdef int forget_caller(self) except -1:
        """The end of this caller has been told: next time, its successor is waited for."""
        cdef uint32_t state = native.aether_role_state(self.consumer.peer_role)
        if self.consumer.peer_gone() != native.AETHER_READY:  # else the successor is there
            self.consumer.past = state
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
