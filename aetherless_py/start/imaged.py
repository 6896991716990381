"""What runs in the process that CRIU takes an image of, and then in each process restored from it.

Between two lines here lies the image: the process waits for an instance's id, which never comes to
the template, and comes to each instance on a connection of its own.
"""

from __future__ import annotations

import os
import socket
import sys
from time import monotonic_ns

from aetherless_py.start import copies, identity, process, snapshot, snapshot_folder
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
    snapshot.note_sources(snapshot_folder.sources_of(sys.argv[3]))
    _move_memory(snapshot_folder.memory_of(sys.argv[3]))
    connection.sendall(READY)
    instance_id = receive(connection, ID_BYTES)
    restored_ns = monotonic_ns()
    if instance_id is None:  # the runtime is gone, and there is no image
        return
    connection.sendall(READY)
    os.sched_yield()  # whoever hears it may have been woken on this processor
    identity.after_restore()
    identity.become(instance_id.decode(), "criu")
    with connection:
        serve(connection, handler, marks_of(0, restored_ns, 0))


def _move_memory(path: str) -> None:
    """Moves this process's memory into a new file, if it can be."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    if not copies.make_cheap(fd):
        os.unlink(path)
    os.close(fd)
