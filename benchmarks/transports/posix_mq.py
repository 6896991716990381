"""POSIX message queues, through `posix_ipc`."""

from __future__ import annotations

import contextlib
import os
import secrets
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import (
    Link,
    LinkTransport,
    Mode,
    Payload,
    PeerGoneError,
    cannot_import,
    kernel_limit,
    wait_in_slices,
)  # fmt: skip

MESSAGES = kernel_limit("fs/mqueue/msg_max", 0)  # that a queue holds at most
_END = 1  # the priority of the message that ends; data have 0, and equal ones keep their order


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

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        import posix_ipc

        super().__init__(folder, message_bytes, mode, timeout_s)
        name = f"/aetherless-{os.getpid()}-{secrets.token_hex(4)}"
        self._names = (f"{name}-there", f"{name}-back")
        size = max(message_bytes, 64)
        for each in self._names:
            posix_ipc.MessageQueue(
                each, posix_ipc.O_CREX, mode=0o600, max_messages=MESSAGES,
                max_message_size=size,
            ).close()  # fmt: skip

    def server_link(self, ready: Connection) -> Link:
        link = MqLink(self._names[0], self._names[1], None, self.timeout_s)
        ready.send(None)
        return link

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        return MqLink(self._names[1], self._names[0], server, self.timeout_s)

    def close(self) -> None:
        import posix_ipc

        for each in self._names:
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_message_queue(each)


class MqLink(Link):
    """Whole messages over two queues."""

    def __init__(
        self, incoming: str, outgoing: str, server: BaseProcess | None, timeout_s: float | None
    ) -> None:
        import posix_ipc

        self._busy = posix_ipc.BusyError
        self._in = posix_ipc.MessageQueue(incoming, write=False)
        self._out = posix_ipc.MessageQueue(outgoing, read=False)
        self._server, self._timeout_s = server, timeout_s
        self._closed = False

    def send(self, payload: Payload) -> None:
        self._out.send(bytes(payload))

    def receive(self) -> Payload:
        if self._timeout_s is None:
            # A blocking receive, which is the fast one, never learns that its peer is dead.
            message, priority = self._in.receive()
        else:
            message, priority = wait_in_slices(self._get, self._server, self._timeout_s)
        if priority == _END:
            raise PeerGoneError("the peer has closed")
        return bytes(message)

    def _get(self, seconds: float) -> tuple[bytes, int] | None:
        try:
            message, priority = self._in.receive(seconds)
        except self._busy:
            return None
        return bytes(message), int(priority)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with contextlib.suppress(self._busy):
                self._out.send(b"", 1.0, _END)
            self._in.close()
            self._out.close()
