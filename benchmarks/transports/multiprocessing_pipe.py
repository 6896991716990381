"""`multiprocessing.Pipe`."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, Mode, Payload, PeerGoneError


class MultiprocessingPipe(LinkTransport):
    """A duplex `multiprocessing.Pipe` with `send_bytes` and `recv_bytes`: nothing is pickled."""

    name = "multiprocessing_pipe"

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        super().__init__(folder, message_bytes, mode, timeout_s)
        self._client: Any = None
        self._client, self._server = multiprocessing.Pipe()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    def server_link(self, ready: Connection) -> Link:
        ready.send(None)
        return ConnectionLink(self._server, self.timeout_s)

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        self._server.close()
        return ConnectionLink(self._client, self.timeout_s)

    def close(self) -> None:
        self._client.close()
        self._server.close()


class ConnectionLink(Link):
    """Whole messages over a connection object."""

    def __init__(self, connection: Any, timeout_s: float | None) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    def send(self, payload: Payload) -> None:
        try:
            self._connection.send_bytes(payload)
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError("the peer has closed") from None

    def receive(self) -> Payload:
        try:
            if self._timeout_s is not None and not self._connection.poll(self._timeout_s):
                raise TimeoutError("no message came in time")
            return self._connection.recv_bytes()  # type: ignore[no-any-return]
        except (EOFError, ConnectionResetError):
            raise PeerGoneError("the peer has closed") from None

    def close(self) -> None:
        self._connection.close()
