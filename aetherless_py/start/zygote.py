"""zygote: each instance is a fork of a template that has imported the function.

The way of a start: one message to the template, which forks; the child's first act is READY on a
socket that the template was given beforehand. Python's after-fork handlers, a session and the
output of its own follow before the function's code runs: a request waits in the socket meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import socket

from aetherless_py.errors import StartError
from aetherless_py.start import tree
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.nursery import SPARES, Nursery, NurseryStrategy, Spare
from aetherless_py.start.readiness import hear_ready, readable, wait_readable

# How long a template may take to end an instance.
END_TIMEOUT_S = 10.0


class Template(Nursery):
    """The process that forks instances, and how it is told to.

    Attributes:
        lost_threads: as `Strategy.lost_threads`.
    """

    module = "template"
    name = "zygote"
    holds_instances = True

    def hear(self, deadline_ns: int) -> None:
        """As `Nursery.hear`."""
        wait_readable(self._control.fileno(), self.process.ended_fd, self.output, deadline_ns)
        said = self._control.recv(1 << 16)
        if said[:1] != b"T":
            raise StartError("the template ended right after READY")
        self.lost_threads = tuple(said[1:].decode(errors="replace").splitlines())

    def make_spare(self) -> Spare:
        """As `Nursery.make_spare`."""
        spare = Spare()
        try:
            spare.give(self._control, b"S")
        except BaseException:
            spare.close()
            raise
        return spare

    def fork(self, instance_id: str) -> Spare:
        """Asks for an instance; gives our end of its spare."""
        with self._lock:
            spare = self.take()
            try:
                self._control.send(b"F" + instance_id.encode(), socket.MSG_DONTWAIT)
            except OSError:
                spare.close()
                raise
            return spare

    def end(self, instance_id: str) -> int | None:
        """Ends an instance; gives its exit status, None when the template is gone, and so it is."""
        with self._lock:
            answer = b""
            with contextlib.suppress(OSError):
                self._control.send(b"E" + instance_id.encode(), socket.MSG_DONTWAIT)
                if readable(self._control.fileno(), END_TIMEOUT_S):
                    answer = self._control.recv(64)
        if not answer:  # it is gone, or hangs in a handler that the function has registered
            self.process.end()
            return None
        return os.waitstatus_to_exitcode(int(answer))


class ForkedProcess(Process):
    """A child of the template, which ends it; until then its process id is nobody else's."""

    def __init__(self, instance_id: str, template: Template) -> None:
        self._id, self._template = instance_id, template
        self.pid, self.ended_fd = 0, -1
        self._status: int | None = None
        self._over = False

    def end(self) -> int | None:
        """As `Process.end`."""
        if not self._over:
            self._over = True
            # Its id is its own as long as the template, which has not reaped it, lives.
            if self.pid and not self._template.process.ended():
                tree.kill_tree(self.pid)
            self._status = self._template.end(self._id)
            if self.ended_fd >= 0:
                os.close(self.ended_fd)
                self.ended_fd = -1
        return self._status


class Zygote(NurseryStrategy[Template]):
    """Instances by forking a template."""

    name = "zygote"
    keeps = "template"
    prepared_descriptors = 5 + 2 * SPARES
    instance_descriptors = 3

    def _new_nursery(self, function: Function) -> Template:
        return Template(function)

    def _prepare(self, function: Function) -> None:
        self.lost_threads = self._begin(function).lost_threads

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        template, spare = self._ask(function, lambda template: template.fork(instance_id))
        with Attempt(self.name, function, spare.output) as attempt:
            attempt.keeps(spare.connection)
            attempt.process = forked = ForkedProcess(instance_id, template)
            pid, phases.ready_ns = hear_ready(
                spare.connection,
                template.process.ended_fd,
                spare.output,
                deadline_of(function, asked_ns),
            )
            forked.known_as(pid)
            return Instance(instance_id, self.name, forked, spare.connection, spare.output, phases)
