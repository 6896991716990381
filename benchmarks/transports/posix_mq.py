"""POSIX message queues, through `posix_ipc`."""

from __future__ import annotations

import contextlib
import os
import secrets
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, Payload, cannot_import, kernel_limit

MESSAGES = kernel_limit("fs/mqueue/msg_max", 0)  # that a queue holds at most


class PosixMq(LinkTransport):
    """A queue in each direction, with as many messages as the system allows."""

    name = "posix_mq"
    bulk = False  # all queues of a user take 800 KiB together, as a rule
    # The system's limit, 8 KiB by default: `sysctl fs.mqueue.msgsize_max` raises it, and that is
    # for the machine's owner to do.
    largest_bytes = kernel_limit("fs/mqueue/msgsize_max", 0)

    @classmethod
    def missing(cls) -> str | None:
        if why := cannot_import("posix_ipc"):
            return why
        return None if MESSAGES else "this kernel has no POSIX message queues"

    def __post_init__(self) -> None:
        import posix_ipc

        name = f"/aetherless-{os.getpid()}-{secrets.token_hex(4)}"
        self._names = (f"{name}-there", f"{name}-back")
        size = max(self.message_bytes, 64)
        for each in self._names:
            posix_ipc.MessageQueue(
                each, posix_ipc.O_CREX, mode=0o600, max_messages=MESSAGES,
                max_message_size=size,
            ).close()  # fmt: skip

    def accept(self, ready: Connection) -> Link:
        link = MqLink(self._names[0], self._names[1])
        ready.send(None)
        return link

    def connect(self, address: Any) -> Link:
        return MqLink(self._names[1], self._names[0])

    def close(self) -> None:
        import posix_ipc

        for each in self._names:
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_message_queue(each)


class MqLink(Link):
    """Whole messages over two queues."""

    def __init__(self, incoming: str, outgoing: str) -> None:
        import posix_ipc

        self._in = posix_ipc.MessageQueue(incoming, write=False)
        self._out = posix_ipc.MessageQueue(outgoing, read=False)

    def send(self, payload: Payload) -> None:
        self._out.send(bytes(payload))

    def receive(self) -> Payload:
        message, _ = self._in.receive()
        return bytes(message)

    def close(self) -> None:
        self._in.close()
        self._out.close()
