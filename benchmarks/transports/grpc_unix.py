"""gRPC over a Unix socket."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import CONFIRMATION, Client, Payload, Transport, cannot_import

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

        is_first = True

        def echo(request: bytes, _: Any) -> bytes:
            return request

        def sink(requests: Iterable[bytes], _: Any) -> bytes:
            nonlocal is_first
            count = size_bytes = crc = 0
            for request in requests:
                count += 1
                size_bytes += len(request)
                if is_first:
                    crc = zlib.crc32(request, crc)
            is_first = False
            return CONFIRMATION.pack(count, size_bytes, crc)

        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
            "Sink": grpc.stream_unary_rpc_method_handler(sink),
        }
        server = grpc.server(ThreadPoolExecutor(2), options=_OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Way", handlers),))
        server.add_insecure_port(f"unix:{self._path()}")
        server.start()
        ready.send(None)
        server.wait_for_termination()

    def connect(self, address: Any) -> Client:
        return GrpcClient(self._path())


class GrpcClient(Client):
    """Calls over one channel."""

    def __init__(self, path: str) -> None:
        import grpc

        self._channel = grpc.insecure_channel(f"unix:{path}", options=_OPTIONS)
        self._echo: Any = self._channel.unary_unary("/Way/Echo")
        self._sink: Any = self._channel.stream_unary("/Way/Sink")

    def call(self, payload: Payload) -> Payload:
        return self._echo(bytes(payload))  # type: ignore[no-any-return]

    def stream(self, payload: Payload, count: int) -> None:
        self.check(self._sink(repeat(bytes(payload), count)), payload, count)

    def close(self) -> None:
        self._channel.close()
