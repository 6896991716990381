"""How a function's instances come to be: its strategy, its pool, and a channel for each."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import resource
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aetherless_py.channel import Channel
from aetherless_py.errors import (
    AetherlessError,
    RestoreDeadlineError,
    SnapshotError,
    StartError,
    StrategyClosedError,
)
from aetherless_py.runtime import wire, worker
from aetherless_py.runtime.config import FunctionConfig, OrchestratorConfig
from aetherless_py.runtime.config_handlers import task_root
from aetherless_py.runtime.context import environment_of
from aetherless_py.start import kind
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.instance import Instance
from aetherless_py.start.own_folder import own_folder
from aetherless_py.start.pool import WarmPool
from aetherless_py.start.snapshot_folder import Folder

log = logging.getLogger("aetherless")

_WORKER = "aetherless_py.runtime.worker:Worker"
# What an instance imports with its first binary body, and its first array of an answer, where one
# import serves all instances.
_SHARED = ("pybase64", "aetherless_py.runtime.named")
POOL_LIMIT = 64
_SHOWN = 8  # threads that a warning names
# What an instance may map beyond its limit before allocations fail. Resident memory is what the
# limit counts (see memory.py); mapped memory is always more: stacks of threads, arenas.
_SLACK_MB = 64
_STACK_MB = 8  # of each thread
_THREADS = 64  # that a handler may have beside those that take requests
_REFILL_PAUSE_S = 0.02


@dataclass(slots=True)
class Made:
    """An instance, and the channel whose other end it has; an executable has none."""

    instance: Instance
    channel: Channel | None

    def discard(self) -> None:
        """Ends it; it was never put into service."""
        if self.channel is not None:
            self.channel.close()
        self.instance.stop(grace_s=0)


class Maker:
    """Makes instances of one function. All calls but `take` wait: they belong in threads."""

    def __init__(self, function: FunctionConfig, orchestrator: OrchestratorConfig) -> None:
        self._function = function
        self._ring_bytes = orchestrator.shm_buffer_size
        self._channels: dict[Instance, Channel] = {}  # of those in the pool
        self._pool: WarmPool | None = None
        self._restore_timeout_ms = orchestrator.restore_timeout_ms
        self._snapshots = Path(orchestrator.snapshot_dir)
        # A description that has changed has an image of its own: the former may be in use yet.
        told = function.model_dump_json() + orchestrator.model_dump_json()
        self._image = f"{function.id}.{hashlib.sha256(told.encode()).hexdigest()[:12]}"
        name = "executable" if function.kind == "executable" else function.start
        self._kind = kind(name)
        self._strategy: Strategy = self._new_strategy()
        self._refill = threading.Lock()

    @property
    def _keeps_image(self) -> bool:
        return self._kind.keeps == "image"

    def _new_strategy(self) -> Strategy:
        make: Any = self._kind  # which takes a folder where it keeps an image
        folder = [str(self._snapshots / self._image)] if self._keeps_image else []
        made: Strategy = make(*folder)
        if not self._function.warm_pool_size:
            return made
        # A program that begins anew is no restore: what takes so long has no such deadline.
        deadline_ms = None if self._kind.keeps == "nothing" else self._restore_timeout_ms
        # More than there may be would only be made to lie there.
        size = min(self._function.warm_pool_size, self._function.max_instances)
        self._pool = WarmPool(
            made,
            size,
            POOL_LIMIT,
            restore_timeout_ms=deadline_ms,
            warm=self._warm,
            pause_s=_REFILL_PAUSE_S,
        )
        return self._pool

    def prepare(self) -> None:
        """Makes ready what instances are made from.

        Raises:
            StartError: that cannot be.
        """
        function = self._function
        if function.kind == "executable":
            self._strategy.prepare(
                Function(
                    environment={**function.environment, worker.FUNCTION: function.id},
                    ready_timeout_s=function.ready_timeout_s,
                    command=(function.handler_path,),
                )
            )
            return
        shared = () if self._kind.keeps == "nothing" else _SHARED
        folder = task_root(function.handler_path, function.search_path)
        self._prepare_strategy(
            Function(
                _WORKER,
                (*function.imports, *shared),
                function.search_path,
                {
                    **environment_of(
                        function.id,
                        function.memory_limit_mb,
                        function.handler_path,
                        os.environ,
                        folder,
                    ),
                    **function.environment,
                    worker.HANDLER: function.handler_path,
                    worker.FUNCTION: function.id,
                    worker.MEMORY_MB: str(function.memory_limit_mb),
                    worker.CONCURRENCY: str(function.concurrency),
                    worker.EVENT_FORMAT: function.event_format,
                    worker.ROUTES: "\n".join(function.routes),
                },
                function.ready_timeout_s,
                folder=folder,
            )
        )
        self._warn_of_threads()

    def _warn_of_threads(self) -> None:
        source = self._pool.source if self._pool is not None else self._strategy
        if lost := source.lost_threads:
            shown = ", ".join(lost[:_SHOWN]) + (", ..." if lost[_SHOWN:] else "")
            log.warning(
                "%s: its import began %d threads that its instances do not have, since they are"
                " forks: %s; begin them with the first request, or set start: spawn or start:"
                " criu, in which they live",
                self._function.id, len(lost), shown,
            )  # fmt: skip

    def _prepare_strategy(self, function: Function) -> None:
        if self._keeps_image:
            # Whoever could rename an image in it could have another one restored. What others see
            # in it are names; each image's folder is its user's alone.
            if why := own_folder(self._snapshots, may=0o055):
                raise StartError(
                    f"orchestrator.snapshot_dir: {str(self._snapshots)!r}: {why}; name another one"
                )
            for former in self._snapshots.glob(f"{self._function.id}.*"):
                if former.name != self._image:
                    _remove_image(former)
        try:
            self._strategy.prepare(function)
        except SnapshotError as error:
            # Of another time or machine, or damaged: the image is ours to take anew.
            if not self._keeps_image or not _remove_image(self._snapshots / self._image):
                raise
            log.warning("%s: the image is taken anew: %s", self._function.id, error)
            self._strategy = self._new_strategy()
            self._strategy.prepare(function)

    def take(self) -> Made | None:
        """An instance of the pool, if one is there. It does not wait."""
        instance = None if self._pool is None else self._pool.take()
        return None if instance is None else Made(instance, self._channels.pop(instance, None))

    def make(self) -> Made:
        """An instance, of the pool or new, that is about to have its end of a channel.

        Raises:
            StartError, StrategyClosedError: there is none.
            SegmentNoSpaceError: there is no memory for its channel.
        """
        instance = self._start()
        channel = self._channels.pop(instance, None)
        if channel is None and self._function.kind == "python":
            try:
                channel = self._connect(instance)
            except BaseException:
                instance.stop(grace_s=0)
                raise
        return Made(instance, channel)

    def _connect(self, instance: Instance) -> Channel:
        """Makes a channel and sends the instance its end of it."""
        channel = Channel.create_sealed(self._ring_bytes, populate=False)
        try:
            self._limit_memory(instance.pid)
            ends = channel.descriptors
            socket.send_fds(instance.take_connection(), [worker.CHANNEL], ends)
        except OSError as error:
            channel.close()
            raise StartError(f"the instance ended right after READY: {error}") from None
        return channel

    def _warm(self, instance: Instance) -> None:
        """Has an instance of the pool do what else its first request would wait for."""
        if self._function.kind == "executable":
            return
        channel = self._channels[instance] = self._connect(instance)
        instance.at_end.append(self._forget_channel)
        try:
            channel.call(wire.REHEARSAL, timeout=self._function.ready_timeout_s)
        except (AetherlessError, OSError) as error:
            raise StartError(f"the instance did not answer its rehearsal: {error}") from None

    def _forget_channel(self, instance: Instance) -> None:
        """Of one that has ended in the pool."""
        if (channel := self._channels.pop(instance, None)) is not None:
            channel.close()

    def _start(self) -> Instance:
        try:
            return self._strategy.start()
        except RestoreDeadlineError:
            # A request has longer than the pool allows. Its start mode will say what it got.
            assert self._pool is not None
            return self._pool.source.start()

    def refill(self) -> None:
        """Makes up for what starts have used up."""
        if self._refill.acquire(blocking=False):
            try:
                self._strategy.replenish()
            finally:
                self._refill.release()

    def _limit_memory(self, pid: int) -> None:
        function = self._function
        stacks_mb = _STACK_MB * (function.concurrency + _THREADS)
        most_mb = function.memory_limit_mb + _SLACK_MB + stacks_mb
        resource.prlimit(pid, resource.RLIMIT_DATA, (most_mb << 20, most_mb << 20))

    def pool_counts(self) -> dict[str, Any]:
        """What has become of the pool's instances; empty without a pool."""
        if self._pool is None:
            return {}
        return {"ready": self._pool.ready, **dataclasses.asdict(self._pool.counts)}

    def close(self, forget: bool = False) -> None:
        """Ends what is left. May be called again.

        Args:
            forget: whether nothing will be made from its image again.
        """
        with contextlib.suppress(StrategyClosedError):
            self._strategy.close()
        if forget and self._keeps_image:
            _remove_image(self._snapshots / self._image)


def _remove_image(folder: Path) -> bool:
    """Whether that could be: not while somebody uses it, and only what is an image."""
    if not folder.is_dir():
        return False
    try:
        found = Folder(str(folder))
    except SnapshotError:
        return False
    found.kept = False
    found.close()
    return True
