"""criu: each instance is restored from an image of an initialised one.

The image is taken once, at `prepare`, and lies in memory (`snapshot`). For each instance to come a
CRIU waits in a PID namespace of its own (`keeper`). The way of a start: an order to the keeper,
whose CRIU makes the process anew; the process reads its id from a connection that takes the place
of the one that it had, and says READY on it.
"""

from __future__ import annotations

import contextlib
import json
import time

from aetherless_py.errors import StartError, StrategyClosedError, StrategyMissingError
from aetherless_py.start import criu_program
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases
from aetherless_py.start.kept import Keepers, Kept
from aetherless_py.start.nursery import NurseryStrategy
from aetherless_py.start.readiness import hear_ready
from aetherless_py.start.snapshot import Snapshot
from aetherless_py.start.snapshot_folder import Folder


class Criu(NurseryStrategy[Keepers]):
    """Instances by restoring an image.

    Args:
        snapshot_folder: where the image is kept, and used again by whoever prepares the same
            function on the same machine; None for one in memory that is removed at close.
    """

    name = "criu"
    keeps = "image"

    def __init__(self, snapshot_folder: str | None = None) -> None:
        super().__init__()
        self._snapshot_folder = snapshot_folder
        self._folder: Folder | None = None
        self._snapshot: Snapshot | None = None

    @classmethod
    def missing(cls) -> str | None:
        """As `Strategy.missing`."""
        return criu_program.unsuitable()

    @property
    def snapshot(self) -> Snapshot:
        """The one that instances are restored from."""
        if self._snapshot is None:
            raise StrategyClosedError(f"{self.name}: not prepared yet")
        return self._snapshot

    def _new_nursery(self, function: Function) -> Keepers:
        assert self._folder is not None
        keepers = Keepers(function, self._folder)
        if self._snapshot is not None:
            keepers.inherited = self._snapshot.inherited
        return keepers

    def _prepare(self, function: Function) -> None:
        if why := self.missing():
            raise StrategyMissingError(why)
        self._folder = folder = Folder(self._snapshot_folder)
        # From now on it removes the folder if this process is killed.
        self._nursery = keepers = self._new_nursery(function)
        if folder.finished:
            self._snapshot = Snapshot.open(folder.path, function, criu_program.version())
        else:
            self._snapshot = self._take_image(function, folder, keepers)
        keepers.inherited = self._snapshot.inherited
        keepers.fill()

    def _take_image(self, function: Function, folder: Folder, keepers: Keepers) -> Snapshot:
        """Starts the function's process and takes its image."""
        try:
            folder.clear()
            spare = keepers.make_template(function)
            with Attempt(self.name, function, spare.output) as attempt:
                attempt.keeps(spare.connection)
                attempt.process = template = Kept(spare)
                deadline_ns = deadline_of(function)
                template.meet(keepers.process.ended_fd, spare.output, deadline_ns)
                hear_ready(spare.connection, template.keeper_fd, spare.output, deadline_ns)
                template.order(b"D")
                template.order(json.dumps({"socket_inode": spare.socket_inode}).encode())
                told = template.answer((deadline_ns - time.monotonic_ns()) / 1e9)
                if told[:1] != b"D":
                    raise StartError("no image was taken")
                dump_ns = int(told[1:])
            template.end()
            spare.close()
            return Snapshot.finish(
                folder.path, function, criu_program.version(), spare.names, dump_ns
            )
        except StartError:
            raise
        except OSError as error:
            raise StartError(f"{self.name}: the image cannot be taken: {error}") from None

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        deadline_ns = deadline_of(function, asked_ns)
        _, (spare, kept) = self._ask(
            function, lambda keepers: keepers.take_with_keeper(deadline_ns)
        )
        with Attempt(self.name, function, spare.output) as attempt:
            attempt.keeps(spare.connection)
            attempt.process = kept
            self.snapshot.check()
            with contextlib.suppress(BrokenPipeError):  # which is heard instead of READY
                spare.connection.send(instance_id.encode())
            kept.order(b"G")
            pid, phases.ready_ns = hear_ready(
                spare.connection, kept.keeper_fd, spare.output, deadline_ns
            )
            kept.known_as(pid)
            return Instance(instance_id, self.name, kept, spare.connection, spare.output, phases)

    def settle(self, timeout_s: float) -> None:
        """As `Strategy.settle`."""
        super().settle(timeout_s)
        self._nursery.settle(timeout_s)

    def _close(self) -> None:
        super()._close()
        if self._folder is not None:
            self._folder.close()
