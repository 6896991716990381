"""zygote: each instance is a fork of a template that has imported the function.

The way of a start: one message to the template, which forks; the child's first act is READY on a
socket that the template was given beforehand. Python's after-fork handlers, a session and the
output of its own follow before the function's code runs: a request waits in the socket meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import deque

from aetherless_py.errors import StartError
from aetherless_py.start import process
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, Strategy, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import hear_ready
from aetherless_py.start.spawn import ChildProcess, Lifeline, spawn_python

SPARES = 16


class Spare:
    """Our end of what the template was given for an instance to come."""

    def __init__(self) -> None:
        self.output = Output()
        self.connection, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def give(self, control: socket.socket) -> None:
        """Sends the template its ends."""
        socket.send_fds(control, [b"S"], [self.theirs.fileno(), self.output.write_fd])
        self.theirs.close()
        self.output.close_writer()

    def close(self) -> None:
        self.connection.close()
        self.theirs.close()
        self.output.close()


class Template:
    """The process that forks instances, and how it is told to."""

    def __init__(self, function: Function) -> None:
        self._lock = threading.Lock()
        self._spares: deque[Spare] = deque()
        with Attempt("zygote", function) as attempt:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            attempt.keeps(self._control)
            attempt.holds(theirs)
            self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            lifeline = attempt.keeps(Lifeline())
            self.output = output = attempt.output
            fds = {
                1: output.write_fd,
                2: output.write_fd,
                process.LIFELINE: lifeline.read_fd,
                process.CONTROL: theirs.fileno(),
            }
            template_id = new_id()
            environment = function.full_environment(AETHER_TEMPLATE_ID=template_id)
            pid = spawn_python("template", function, environment, fds)
            mark = f"AETHER_TEMPLATE_ID={template_id}"
            self.process = attempt.process = ChildProcess(pid, mark, lifeline)
            output.close_writer()
            theirs.close()
            hear_ready(self._control, self.process.ended_fd, output, deadline_of(function))
            try:
                for _ in range(SPARES):
                    self._refill()
            except OSError:
                raise StartError("the template ended right after READY") from None

    def _refill(self) -> None:
        spare = Spare()
        try:
            spare.give(self._control)
        except BaseException:
            spare.close()
            raise
        self._spares.append(spare)

    def fork(self, instance_id: str) -> Spare:
        """Asks for an instance; gives our end of its spare."""
        with self._lock:
            if not self._spares:
                self._refill()
            self._control.send(b"F" + instance_id.encode())
            return self._spares.popleft()

    def refill(self) -> None:
        """Makes up for spares that were used; an ended template is the next start's matter."""
        with self._lock, contextlib.suppress(OSError):
            while len(self._spares) < SPARES:
                self._refill()

    def end(self, instance_id: str) -> int | None:
        """Ends an instance; gives its exit status, None when the template is gone, and so it is."""
        with self._lock:
            try:
                self._control.send(b"E" + instance_id.encode())
                answer = self._control.recv(64)
            except OSError:
                return None
        return os.waitstatus_to_exitcode(int(answer)) if answer else None

    def close(self) -> None:
        self.process.end()
        self._control.close()
        self.output.close()
        while self._spares:
            self._spares.popleft().close()


class ForkedProcess(Process):
    """A child of the template, which ends it; until then its process id is nobody else's."""

    def __init__(self, instance_id: str, template: Template) -> None:
        self._id, self._template = instance_id, template
        self.pid, self.ended_fd = 0, -1
        self._status: int | None = None
        self._over = False

    def appeared(self, pid: int) -> None:
        """It has said READY, and the kernel whom that came from."""
        self.pid, self.ended_fd = pid, os.pidfd_open(pid)

    def end(self) -> int | None:
        """As `Process.end`."""
        if not self._over:
            self._over = True
            self._status = self._template.end(self._id)
            if self.ended_fd >= 0:
                os.close(self.ended_fd)
                self.ended_fd = -1
        return self._status


class Zygote(Strategy):
    """Instances by forking a template."""

    name = "zygote"

    def _prepare(self, function: Function) -> None:
        self._lock = threading.Lock()
        self._template = Template(function)

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        template = self._template
        try:
            spare = template.fork(instance_id)
        except OSError:
            template = self._replace(template, function)
            spare = template.fork(instance_id)
        with Attempt(self.name, function, spare.output) as attempt:
            attempt.keeps(spare.connection)
            attempt.process = forked = ForkedProcess(instance_id, template)
            pid, phases.ready_ns = hear_ready(
                spare.connection,
                template.process.ended_fd,
                spare.output,
                deadline_of(function, asked_ns),
            )
            forked.appeared(pid)
            template.refill()
            return Instance(instance_id, self.name, forked, spare.connection, spare.output, phases)

    def _replace(self, ended: Template, function: Function) -> Template:
        """Another template, where this one was killed; its instances have ended with it."""
        with self._lock:
            if self._template is ended:
                ended.close()
                self._template = Template(function)
            return self._template

    def _close(self) -> None:
        if hasattr(self, "_template"):
            self._template.close()
