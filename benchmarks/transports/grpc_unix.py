"""gRPC over a Unix socket."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import (
    CONFIRMATION,
    Client,
    Payload,
    PeerGoneError,
    Transport,
    TransportError,
    cannot_import,
    ends_on_sigterm,
)  # fmt: skip

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Grpc(Transport):
    """`grpcio`: unary calls, and one client-streaming call a stream. Bytes need no serialiser."""

    name = "grpc"
    wait = "blocking, through its own threads"

    @classmethod
    def missing(cls) -> str | None:
        return cannot_import("grpc")

    def _path(self) -> str:
        return os.path.join(self.folder, "grpc")

    def serve(self, ready: Connection) -> None:
        import grpc

        def echo(request: bytes, _: Any) -> bytes:
            return request

        def sink(requests: Iterable[bytes], _: Any) -> bytes:
            count = size_bytes = crc = 0
            for request in requests:
                count += 1
                size_bytes += len(request)
                if size_bytes <= 1 << 20:
                    crc = zlib.crc32(request, crc)
            return CONFIRMATION.pack(count, size_bytes, crc)

        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
            "Sink": grpc.stream_unary_rpc_method_handler(sink),
        }
        server = grpc.server(ThreadPoolExecutor(2), options=_OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Way", handlers),))
        server.add_insecure_port(f"unix:{self._path()}")
        with ends_on_sigterm():
            server.start()
            ready.send(None)
            server.wait_for_termination()
        server.stop(None).wait()

    def connect(self, server: BaseProcess, address: Any) -> Client:
        return GrpcClient(self._path(), server, self.timeout_s)

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path())


class GrpcClient(Client):
    """Calls over one channel."""

    def __init__(self, path: str, server: BaseProcess, timeout_s: float | None) -> None:
        import grpc

        self._grpc = grpc
        self._server, self._timeout_s = server, timeout_s
        self._channel = grpc.insecure_channel(f"unix:{path}", options=_OPTIONS)
        self._echo: Any = self._channel.unary_unary("/Way/Echo")
        self._sink: Any = self._channel.stream_unary("/Way/Sink")

    def call(self, payload: Payload) -> Payload:
        try:
            return self._echo(bytes(payload), timeout=self._timeout_s)  # type: ignore[no-any-return]
        except self._grpc.RpcError as error:
            raise self._error_of(error) from None

    def stream(self, payload: Payload, count: int) -> None:
        message = bytes(payload)

        def requests() -> Iterator[bytes]:
            for _ in range(count):
                yield message

        try:
            confirmed = self._sink(requests(), timeout=self._timeout_s)
        except self._grpc.RpcError as error:
            raise self._error_of(error) from None
        checked = count if len(message) * count <= 1 << 20 else (1 << 20) // max(1, len(message))
        if CONFIRMATION.unpack(confirmed) != (
            count, count * len(message), zlib.crc32(message * checked),
        ):  # fmt: skip
            raise TransportError("what arrived is not what was sent")

    def _error_of(self, error: Any) -> Exception:
        if error.code() == self._grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimeoutError("no answer came in time")
        return PeerGoneError(f"{error.code()}: {error.details()}")

    def close(self) -> None:
        self._channel.close()
        if self._server.is_alive():
            self._server.terminate()
