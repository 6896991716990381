"""How a function's instances come to be: its strategy, its pool, and a channel for each."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import threading
from dataclasses import dataclass
from typing import Any

from aetherless_py.channel import Channel
from aetherless_py.errors import StartError, StrategyClosedError
from aetherless_py.runtime import worker
from aetherless_py.runtime.config import FunctionConfig, OrchestratorConfig
from aetherless_py.runtime.context import environment_of
from aetherless_py.runtime.stock import Stock, discard
from aetherless_py.start import strategy
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.criu import Criu
from aetherless_py.start.instance import Instance
from aetherless_py.start.pool import WarmPool

_WORKER = "aetherless_py.runtime.worker:Worker"
POOL_LIMIT = 64
# What an instance may map beyond its limit before allocations fail. Resident memory is what the
# limit counts (see memory.py); mapped memory is always more: stacks of threads, arenas.
_SLACK_MB = 64
_STACK_MB = 8  # of each thread


@dataclass(slots=True)
class Made:
    """An instance, and the channel whose name it was told; an executable has none."""

    instance: Instance
    channel: Channel | None


class Maker:
    """Makes instances of one function. Its calls wait, so they belong into threads."""

    def __init__(self, function: FunctionConfig, orchestrator: OrchestratorConfig) -> None:
        self._function = function
        self._stock = Stock(orchestrator.shm_buffer_size)
        self._pool: WarmPool | None = None
        self._strategy: Strategy = self._new_strategy(orchestrator)
        self._refill = threading.Lock()

    def _new_strategy(self, orchestrator: OrchestratorConfig) -> Strategy:
        name: str = self._function.start
        made: Strategy
        if self._function.kind == "executable":
            name = "executable"
            made = strategy(name)
        elif name == "criu":
            folder = os.path.join(orchestrator.snapshot_dir, self._function.id)
            made = Criu(folder)
        else:
            made = strategy(name)
        if not self._function.warm_pool_size:
            return made
        # A program that begins anew is no restore: what takes so long has no such deadline.
        deadline_ms = None if name in ("spawn", "executable") else orchestrator.restore_timeout_ms
        self._pool = WarmPool(
            made, self._function.warm_pool_size, POOL_LIMIT, restore_timeout_ms=deadline_ms
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
        module = function.handler_path.partition(":")[0]
        self._strategy.prepare(
            Function(
                _WORKER,
                (module, *function.imports),
                function.search_path,
                {
                    **environment_of(function.id, function.memory_limit_mb, function.handler_path),
                    **function.environment,
                    worker.HANDLER: function.handler_path,
                    worker.FUNCTION: function.id,
                    worker.MEMORY_MB: str(function.memory_limit_mb),
                    worker.CONCURRENCY: str(function.concurrency),
                },
                function.ready_timeout_s,
            )
        )
        self._stock.fill()

    def make(self) -> Made:
        """An instance that is being told the channel's name.

        Raises:
            StartError, StrategyClosedError: there is none.
            SegmentNoSpaceError: there is no memory for its channel.
        """
        instance = self._strategy.start()
        if self._function.kind == "executable":
            return Made(instance, None)
        try:
            channel = self._stock.take()
            try:
                self._limit_memory(instance.pid)
                instance.take_connection().send(channel.name.encode() + b"\n")
            except OSError as error:
                discard(channel)
                raise StartError(f"the instance ended right after READY: {error}") from None
        except BaseException:
            instance.stop(grace_s=0)
            raise
        threading.Thread(target=self._fill_stock, name="stock", daemon=True).start()
        return Made(instance, channel)

    def _fill_stock(self) -> None:
        if self._refill.acquire(blocking=False):
            with contextlib.suppress(OSError):  # no memory: who needs one is told
                self._stock.fill()
            self._refill.release()

    def _limit_memory(self, pid: int) -> None:
        function = self._function
        most_mb = function.memory_limit_mb + _SLACK_MB + _STACK_MB * function.concurrency
        resource.prlimit(pid, resource.RLIMIT_DATA, (most_mb << 20, most_mb << 20))

    def pool_counts(self) -> dict[str, Any]:
        """What has become of the pool's instances; empty without a pool."""
        if self._pool is None:
            return {}
        return {"ready": self._pool.ready, **dataclasses.asdict(self._pool.counts)}

    def close(self) -> None:
        """Ends what is left. May be called again."""
        with contextlib.suppress(StrategyClosedError):
            self._strategy.close()
        self._stock.close()
