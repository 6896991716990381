"""What is said to CRIU and what it answers: its RPC in the wire form of Protocol Buffers.

Few fields are needed, so that no library is. Numbers and meanings: `images/rpc.proto` of CRIU.
"""

from __future__ import annotations

DUMP, RESTORE = 1, 2
# Errors and what they say, nothing else: each line costs the restore time.
ERRORS_ONLY = 1
IGNORE_CGROUPS = 0


class CriuAnswerError(ValueError):
    """CRIU's answer makes no sense."""


def dump_request(images_fd: int, work_fd: int, pid: int, log: str, socket_inode: int) -> bytes:
    """Asks for an image of a process, which ends it.

    Args:
        images_fd, work_fd: folders of the image and of the log, as the asking process has them.
        pid: of the process.
        log: the log's name.
        socket_inode: of the socket whose other end is not in the image.
    """
    options = (
        _common(images_fd, work_fd, log)
        + _number(2, pid)
        + _bytes(37, f"unix[{socket_inode}]".encode())
    )
    return _number(1, DUMP) + _bytes(2, options)


def restore_request(images_fd: int, work_fd: int, log: str, inherited: dict[str, int]) -> bytes:
    """Asks for a process of an image, as a child of the asking process.

    Args:
        images_fd, work_fd, log: as in `dump_request`.
        inherited: for files of the image CRIU's own descriptors that take their place.
    """
    options = _common(images_fd, work_fd, log) + _number(26, 1)
    for name, fd in inherited.items():
        options += _bytes(27, _bytes(1, name.encode()) + _number(2, fd))
    return _number(1, RESTORE) + _bytes(2, options)


def read_answer(answer: bytes) -> tuple[bool, int]:
    """Whether it went well, and the restored process's id where there is one, else 0.

    Raises:
        CriuAnswerError: it is no answer.
    """
    fields = _fields(answer)
    pid = 0
    if isinstance(restored := fields.get(4), bytes):
        pid = int(_fields(restored).get(1, 0))
    return fields.get(2) == 1, pid


def _common(images_fd: int, work_fd: int, log: str) -> bytes:
    return (
        _number(1, images_fd)
        + _number(9, ERRORS_ONLY)
        + _bytes(10, log.encode())
        + _number(17, work_fd)
        + _number(34, IGNORE_CGROUPS)
    )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _fields(message: bytes) -> dict[int, int | bytes]:
    """The last value of each field: a number, or bytes."""
    found: dict[int, int | bytes] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(message) or shift > 63:
                raise CriuAnswerError("cut short, or not Protocol Buffers")
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        value: int | bytes = varint()
        if tag & 7 == 2:
            size = int(value)
            value = message[at : at + size]
            if len(value) != size:
                raise CriuAnswerError("cut short")
            at += size
        elif tag & 7 != 0:
            raise CriuAnswerError(f"a field of type {tag & 7}")
        found[tag >> 3] = value
    return found
