"""What runs in a zygote's template: imports once, then forks instances by command.

The control socket (SOCK_SEQPACKET) carries one command a message:
  S, with two descriptors   a spare: a connection to the runtime, and what its instance prints to
  F + id                    fork an instance on the oldest spare
  E + id                    end that instance; answered with its wait status
The template says READY on it when the function is imported.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from aetherless_py.start import copies, identity, process, tree
from aetherless_py.start.worker import READY, load, marks_of, serve

if TYPE_CHECKING:
    from aetherless_py.start.worker import Handler


def main(_interpreter_ns: int) -> NoReturn:
    """The program of a template: argv has the handler and its imports."""
    process.take_over(process.CONTROL)
    process.die_with(process.LIFELINE)
    process.adopt_orphans()
    control = socket.socket(fileno=process.CONTROL)
    control.set_inheritable(False)
    handler = load(sys.argv[1], sys.argv[2])
    fd = os.memfd_create("template")
    copies.make_cheap(fd)
    os.close(fd)
    control.send(READY)
    _obey(control, handler)
    os._exit(0)


def _obey(control: socket.socket, handler: Handler) -> None:
    spares: deque[tuple[int, int]] = deque()
    instances: dict[str, int] = {}
    while True:
        command, fds, _, _ = socket.recv_fds(control, 256, 2)
        match command[:1]:
            case b"F":
                instance_id = command[1:].decode()
                try:
                    pid, created_ns = process.fork_ready(*spares[0])
                    if pid == 0:
                        control.detach()
                        _be_instance(instance_id, spares, handler, created_ns)
                    instances[instance_id] = pid
                except OSError as error:  # closing the spare is what tells the runtime
                    os.write(spares[0][1], f"fork: {error}".encode())
                for fd in spares.popleft():
                    os.close(fd)
            case b"S":
                spares.append((fds[0], fds[1]))
            case b"E":
                control.send(b"%d" % _end(command[1:].decode(), instances))
            case _:  # the runtime is gone, or has closed
                return


def _be_instance(
    instance_id: str, spares: deque[tuple[int, int]], handler: Handler, created_ns: int
) -> NoReturn:
    os.setsid()
    process.adopt_orphans()
    connection_fd, output_fd = spares.popleft()
    os.close(output_fd)
    os.close(process.CONTROL)
    os.close(process.LIFELINE)
    for pair in spares:  # its siblings'
        for fd in pair:
            os.close(fd)
    identity.become(instance_id, "zygote")
    status = 0
    try:
        with socket.socket(fileno=connection_fd) as connection:
            serve(connection, handler, marks_of(created_ns, 0, 0))
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    _finish(status)


def _finish(status: int) -> NoReturn:
    # As an interpreter ends, but without the template's frames below us.
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def _end(instance_id: str, instances: dict[str, int]) -> int:
    """Kills and reaps an instance, with what it has started and what it has left to us."""
    pid = instances.pop(instance_id, 0)
    if pid == 0:  # its fork had failed
        return 0
    started = tree.kill_tree(pid)
    _, status = os.waitpid(pid, 0)
    tree.reap(started)
    for child in set(tree.children(os.getpid())) - set(
        instances.values()
    ):  # left by one that ended
        tree.reap([child, *tree.kill_tree(child)])
    return status
