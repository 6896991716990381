"""Servers that behave as a test tells them to, a thread a connection."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

HELLO = b"HTTP/1.1 200 OK\r\nX-Kind: greeting\r\nContent-Length: 5\r\n\r\nhello"
# Answers the request of that number, counted from 0; False ends the connection.
Behaviour = Callable[[socket.socket, int], bool]


def certified(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate for 127.0.0.1, made by openssl: its file, and a server's context with it."""
    certificate, key = str(folder / "certificate"), str(folder / "key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@contextlib.contextmanager
def serving(
    behave: Behaviour,
    seen: list[bytes] | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[int]:
    """Serves while inside; gives the port. All threads have ended after it.

    Args:
        behave: what to do with each request.
        seen: gets each request.
        tls: to serve HTTPS.
        host: the only address to listen at.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family, backlog=1024)
    lock = threading.Lock()
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []
    number = 0

    def serve(connection: socket.socket) -> None:
        nonlocal number
        with contextlib.suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                while request := _received(connection):
                    if seen is not None:
                        seen.append(request)
                    with lock:
                        mine, number = number, number + 1
                    if not behave(connection, mine):
                        return

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(60)
        for each in connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in [accepting, *threads])


def _received(connection: socket.socket) -> bytes:
    """One request; empty where the client has gone."""
    data, wanted = b"", None
    while wanted is None or len(data) < wanted:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
        if wanted is None and b"\r\n\r\n" in data:
            length = re.search(rb"\r\nContent-Length: (\d+)\r\n", data)
            wanted = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    return data


def answering(*answers: bytes) -> Behaviour:
    """Each request in turn gets the next one."""

    def behave(connection: socket.socket, number: int) -> bool:
        connection.sendall(answers[number % len(answers)])
        return True

    return behave


def closing_after(answer: bytes) -> Behaviour:
    """Sends it and ends the connection in order."""

    def behave(connection: socket.socket, _number: int) -> bool:
        connection.sendall(answer)
        return False

    return behave


def closing_with(answer: bytes) -> Behaviour:
    """Sends it with the end of the connection: who then asks on that asks nobody."""

    def behave(connection: socket.socket, _number: int) -> bool:
        connection.send(answer, socket.MSG_MORE)
        return False

    return behave


def resetting(connection: socket.socket, _number: int) -> bool:
    """Answers with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def silent(connection: socket.socket, _number: int) -> bool:
    """Never answers."""
    return True
