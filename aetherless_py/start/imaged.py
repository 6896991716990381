"""What runs in the process that CRIU takes an image of, and then in each process restored from it.

Between two lines here lies the image: the process waits for an instance's id, which never comes to
the template, and comes to each instance on a connection of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from time import monotonic_ns

from aetherless_py.start import identity, memory, process, snapshot
from aetherless_py.start.worker import READY, load, marks_of, receive, serve

ID_BYTES = 16


def main(_interpreter_ns: int) -> None:
    """The program: argv has the handler, its imports, and the snapshot's folder."""
    process.take_over(process.CONTROL)
    connection = socket.socket(fileno=process.CONTROL)
    connection.set_inheritable(False)
    handler = load(sys.argv[1], sys.argv[2])
    # Once ahead: OpenSSL makes its generators at their first use, which takes milliseconds.
    identity.after_restore()
    # What lives now lives in all instances: the collector would only touch, and so copy, its pages.
    gc.collect()
    gc.freeze()
    snapshot.note_sources(snapshot.sources_of(sys.argv[3]))
    _move_memory(snapshot.memory_of(sys.argv[3]))
    connection.sendall(READY)
    instance_id = receive(connection, ID_BYTES)
    restored_ns = monotonic_ns()
    if instance_id is None:  # the runtime is gone, and there is no image
        return
    connection.sendall(READY)
    identity.after_restore()
    identity.become(instance_id.decode(), "criu")
    with connection:
        serve(connection, handler, marks_of(0, restored_ns, 0))


def _move_memory(path: str) -> None:
    """Moves this process's memory into a new file, unless threads of its own forbid that."""
    if len(os.listdir("/proc/self/task")) > 1:
        # Libraries whose helper threads would not live through a fork, such as OpenBLAS, end them
        # before one, and start them again when they need them.
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    if len(os.listdir("/proc/self/task")) > 1:
        return
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with contextlib.closing(os.fdopen(fd, "rb+", buffering=0)):
        memory.move_to_file(fd)
