"""One tree of errors: everything the package raises on purpose is an `AetherlessError`.

Where the standard library has an error of the same meaning, ours is a subclass of both, so that
``except TimeoutError`` or ``except FileNotFoundError`` does what its reader expects.

The vocabulary: *closed* is done by you, *peer closed* by the other side on purpose, *peer died*
by the other side without a word.
"""

from __future__ import annotations


class AetherlessError(Exception):
    """Root of all errors that this package raises on purpose."""


class SegmentError(AetherlessError):
    """A shared-memory segment cannot be made, found or trusted."""


class SegmentNameError(SegmentError, ValueError):
    """The name of a segment is not one that the package accepts."""


class SegmentSizeError(SegmentError, ValueError):
    """The capacity asked for is not a power of two within the bounds."""


class SegmentExistsError(SegmentError, FileExistsError):
    """The name belongs to a segment that somebody still uses."""


class SegmentNotFoundError(SegmentError, FileNotFoundError):
    """No segment of that name exists."""


class SegmentNoSpaceError(SegmentError, OSError):
    """The shared-memory file system has no room for the segment."""


class SegmentForeignError(SegmentError, PermissionError):
    """The segment belongs to another user, or other users may open it."""


class SegmentFormatError(SegmentError):
    """The object is no ring of ours, of another version, truncated or damaged."""


class RingError(AetherlessError):
    """An operation on a ring failed."""


class RingClosedError(RingError):
    """This object was closed by its own process (or came here through a fork)."""


class PeerClosedError(RingError):
    """The other side closed, and nothing is left to read."""


class PeerDiedError(RingError):
    """The other side's process ended without closing, and nothing is left to read."""


class RingTimeoutError(RingError, TimeoutError):
    """The time-out passed before the operation could be done; nothing was done."""


class RoleTakenError(RingError):
    """The ring already has a live producer (or consumer); it can have only one."""


class RingBusyError(RingError):
    """Another thread of this process waits on the same side."""


class MessageTooLargeError(RingError, ValueError):
    """The message can never fit into this ring, however empty it is."""


class BufferTooSmallError(RingError, ValueError):
    """The caller's buffer is smaller than the next message; the message stays queued."""


class ReservationError(RingError):
    """reserve, commit, abort, peek and release were called in an order that has no meaning."""


class ViewInUseError(RingError, BufferError):
    """A view of the segment is still referenced, so its memory cannot be handed on."""


class DamagedFrameError(RingError):
    """A message arrived damaged; it has been skipped and the ring goes on.

    Attributes:
        position: stream position in bytes at which the damaged frame began.
        skipped_bytes: how many bytes of the stream were given up.
    """

    def __init__(self, message: str, position: int = 0, skipped_bytes: int = 0) -> None:
        super().__init__(message)
        self.position = position
        self.skipped_bytes = skipped_bytes


class RingCorruptError(RingError):
    """The shared indices make no sense: the segment cannot be used any more."""


class HandlerError(AetherlessError):
    """The handler at the other end of a channel raised; the message says what."""


class FunctionError(AetherlessError, ValueError):
    """A function's description has a value that can never work."""


class ConfigError(AetherlessError, ValueError):
    """A configuration cannot be used.

    Attributes:
        problems: all that is wrong with it, a line each: where, which option, what is allowed.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


class StartError(AetherlessError):
    """An instance did not come to be; its last words are in the message."""


class StartTimeoutError(StartError, TimeoutError):
    """An instance was not ready in time and was killed."""


class RestoreDeadlineError(StartTimeoutError):
    """A pool cannot be refilled within its restore deadline."""


class HandshakeError(StartError):
    """A process said something else than READY, or said it twice."""


class StrategyMissingError(StartError):
    """This machine lacks what the strategy needs; the message says what, and what would help."""


class SnapshotError(StartError):
    """A snapshot cannot be made, or is not one of this function, machine and time."""


class PoolLimitError(StartError, ValueError):
    """A pool was asked to hold more than it may, or nothing."""


class StrategyClosedError(AetherlessError):
    """The strategy is closed, or was never prepared."""


class InvocationError(AetherlessError):
    """The instance could not answer."""


class InstanceGoneError(InvocationError):
    """The instance ended, or was stopped, before it answered."""


class InvocationTimeoutError(InvocationError, TimeoutError):
    """The instance did not answer in time and was killed."""


class QueueError(AetherlessError):
    """A request was refused before any instance was given it; it can be sent again."""


class QueueFullError(QueueError):
    """Too many requests wait for an instance already."""


class QueueTimeoutError(QueueError, TimeoutError):
    """No instance had room in time."""


class ClientGoneError(QueueError):
    """The client has closed its connection before any instance was given its request."""


class ServiceClosedError(QueueError):
    """The function is being taken out of service."""


class ListenError(AetherlessError):
    """A port cannot be listened on."""


class ControlError(AetherlessError):
    """A runtime cannot be asked, or refuses."""


class CommandError(AetherlessError, ValueError):
    """A command was given what it can never use."""


class ChainError(AetherlessError):
    """A function named a next one that cannot be asked, or none ever answers for itself."""


class UpstreamError(AetherlessError):
    """An executable did not answer a request that was passed on to it."""


class UpstreamGone(UpstreamError):
    """It cannot be reached, or broke the connection; it may have got the request."""


class UpstreamTimeout(UpstreamError, TimeoutError):
    """Its whole answer was not there in time."""


class UpstreamTooLarge(UpstreamError):
    """Its answer is larger than it may be."""


class UpstreamMalformed(UpstreamError):
    """Its answer is not HTTP."""
