"""What runs in a zygote's template: imports once, then forks instances by command.

The commands on the control socket are those of `forks.obey`. The template says READY on it when the
function is imported, and then "T" with the names of the threads that its forks will not have, a
line each.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from aetherless_py.start import copies, forks, identity, process, tree
from aetherless_py.start.worker import READY, load, marks_of, serve

if TYPE_CHECKING:
    from aetherless_py.start.worker import Handler


def main(_interpreter_ns: int) -> NoReturn:
    """The program of a template: argv has the handler and its imports."""
    process.take_over(process.CONTROL)
    process.adopt_orphans()
    os.set_inheritable(process.CONTROL, False)
    handler = load(sys.argv[1], sys.argv[2])
    fd = os.memfd_create("template")
    copies.make_cheap(fd)
    os.close(fd)
    os.write(process.CONTROL, READY)
    os.write(process.CONTROL, b"T" + "\n".join(_threads()).encode(errors="replace"))
    _obey(handler)
    os._exit(0)


def _threads() -> list[str]:
    """The names of Python's threads beside this one. Others are their libraries' own, which know
    of forks, or cannot be told from those that do."""
    names = {each.ident: " ".join(each.name.split())[:60] for each in threading.enumerate()}
    own = threading.get_ident()
    return [names.get(each, "nameless") for each in sys._current_frames() if each != own]


def _obey(handler: Handler) -> None:
    while (told := forks.obey(process.CONTROL, process.LIFELINE)) is not None:
        if isinstance(told, tuple):
            _be_instance(*told, handler)
        for stray in told:
            tree.reap([stray, *tree.kill_tree(stray)])
    # Again and again: an instance that ends meanwhile leaves to us what it has started.
    while children := tree.children(os.getpid()):
        for child in children:
            tree.reap([child, *tree.kill_tree(child)])


def _be_instance(
    instance_id: str, connection_fd: int, created_ns: int, handler: Handler
) -> NoReturn:
    os.setsid()
    process.adopt_orphans()
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

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)
