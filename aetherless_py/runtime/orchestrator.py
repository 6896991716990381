"""All functions of a configuration in service: started together, reloaded, ended together."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aetherless_py.errors import StartError
from aetherless_py.runtime import memory
from aetherless_py.runtime.config import Config, FunctionConfig
from aetherless_py.runtime.descriptors import Allowance
from aetherless_py.runtime.line import Looker
from aetherless_py.runtime.service import Service
from aetherless_py.start import tree

log = logging.getLogger("aetherless")

# After the time that requests have to end: for instances to end, before all that is left is killed.
_END_S = 1.0
_KILL_EVERY_S = 0.2


class Orchestrator:
    """The services of a configuration, in the event loop that runs now.

    Args:
        config: what to serve.
        log_folder: for what instances print where `log_dir` says none; a folder for each function.
        mark: "NAME=value", a variable of the environment that all processes of this runtime have
            and no others.
        allowance: of descriptors, for instances beyond the first of each function.

    Attributes:
        config: what is served now.
        services: by function's id.
        ready: whether all of them can be asked.
    """

    def __init__(self, config: Config, log_folder: Path, mark: str, allowance: Allowance) -> None:
        self.config = config
        self._allowance = allowance
        self.services: dict[str, Service] = {}
        self.ready = False
        self._log_folder, self._mark = log_folder, mark
        self._loop = asyncio.get_running_loop()
        self._looker = Looker(self._loop)
        self._thread = ThreadPoolExecutor(1, "orchestrator")
        self._leaving: dict[Service, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()  # which functions are served
        self._closing = False

    async def start(self) -> None:
        """Makes all functions ready.

        Raises:
            StartError: one cannot be, or the folder for logs cannot, or `close` was called
                meanwhile; nothing is left of any.
        """
        async with self._changing:
            self.services = await self._prepare(self.config, list(self.config.functions))
        self._watch = self._loop.create_task(self._watch_memory())
        self.ready = True

    async def _prepare(self, config: Config, wanted: list[FunctionConfig]) -> dict[str, Service]:
        if self._closing:
            raise StartError("the runtime is ending")
        logs = Path(config.orchestrator.log_dir or self._log_folder)
        _make(logs)
        services = {
            function.id: Service(
                function,
                config.orchestrator,
                self._loop,
                self._looker,
                logs / function.id,
                self._allowance,
            )
            for function in wanted
        }
        failures = [
            f"function {service.function.id}: {found}"
            for service, found in zip(
                services.values(),
                await asyncio.gather(
                    *(service.prepare() for service in services.values()), return_exceptions=True
                ),
                strict=True,
            )
            if found is not None
        ]
        if self._closing:
            failures = ["the runtime is ending"]
        if failures:
            await asyncio.gather(*(service.close(0, "shutdown") for service in services.values()))
            raise StartError("; ".join(failures))
        return services

    async def reload(self, config: Config) -> dict[str, list[str]]:
        """Serves another configuration from now on; no request is dropped.

        Functions whose description has changed are made ready first, then take over; what the
        former ones have under way they finish.

        Args:
            config: the new one; the gateway's address cannot change.

        Returns:
            Ids of functions that were "added", "changed", "removed" and "kept".

        Raises:
            StartError: a function cannot be made ready, or `close` was called meanwhile;
                everything stays as it was.
        """
        async with self._changing:
            return await self._reload(config)

    def fresh(self, config: Config) -> list[FunctionConfig]:
        """The functions of another configuration that are not served now as they are there."""
        if config.orchestrator != self.config.orchestrator:
            return list(config.functions)
        served = set(map(FunctionConfig.model_dump_json, self.config.functions))
        return [each for each in config.functions if each.model_dump_json() not in served]

    async def _reload(self, config: Config) -> dict[str, list[str]]:
        before = {function.id for function in self.config.functions}
        after = [function.id for function in config.functions]
        fresh = await self._prepare(config, self.fresh(config))
        former = [self.services[each] for each in before if each not in after or each in fresh]
        self.services = {each: fresh.get(each) or self.services[each] for each in after}
        self.config = config
        for service in former:
            # As long as a request may wait and then take.
            deadline_s = 2 * service.function.timeout_ms / 1e3 + 1
            task = self._loop.create_task(service.close(deadline_s, "reload"))
            self._leaving[service] = task
            task.add_done_callback(partial(self._has_left, service))
        return {
            "added": sorted(fresh.keys() - before),
            "changed": sorted(fresh.keys() & before),
            "removed": sorted(before - set(after)),
            "kept": sorted(set(after) - fresh.keys()),
        }

    def _has_left(self, service: Service, _: object) -> None:
        self._leaving.pop(service, None)

    async def close(self) -> None:
        """Lets what is under way finish within `shutdown_timeout_s`, then ends everything.

        May be called while `start` or `reload` is under way, which then fails.
        """
        self._closing = True
        # Nobody is served before all are ready.
        deadline_s = self.config.orchestrator.shutdown_timeout_s if self.ready else 0.0
        self.ready = False
        ending = self._loop.create_task(self._close_all(deadline_s))
        await asyncio.wait({ending}, timeout=deadline_s + _END_S)
        # What waits now waits for a process that does not become ready, or does not end.
        while not ending.done():
            await self._loop.run_in_executor(self._thread, tree.kill_marked, self._mark)
            await asyncio.wait({ending}, timeout=_KILL_EVERY_S)
        self._thread.shutdown(wait=False)
        await ending

    async def _close_all(self, deadline_s: float) -> None:
        services = (*self.services.values(), *self._leaving)
        for service in services:
            service.hurry(deadline_s)
        # All before any is closed: what one has under way may go on to another.
        until_s = self._loop.time() + deadline_s
        while any(service.busy for service in services) and self._loop.time() < until_s:
            await asyncio.sleep(0.005)
        closing = [
            self._loop.create_task(service.close(deadline_s, "shutdown"))
            for service in self.services.values()
        ]
        closing += self._leaving.values()
        async with self._changing:  # what was being made ready is gone
            pass
        if closing:
            await asyncio.wait(closing)
        # Until the end: what may finish yet may not take more than it is allowed, either.
        if self._watch is not None:
            self._watch.cancel()
        self._looker.close()
        for task in closing:
            task.result()

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(memory.EVERY_S)
            try:
                await self._look_at_memory()
            except Exception:  # as where no thread can be had; the limits hold again after it
                log.exception("memory limits were not looked at")

    async def _look_at_memory(self) -> None:
        limited = [
            (instance_id, pid, service.function.memory_limit_mb << 20)
            for service in (*self.services.values(), *self._leaving)
            for instance_id, pid in service.processes()
        ]
        if not limited:
            return
        over = await self._loop.run_in_executor(self._thread, memory.over_limit, limited)
        for instance_id, held_bytes in over:
            log.warning("instance %s holds %d MB: killed", instance_id, held_bytes >> 20)
            for service in (*self.services.values(), *self._leaving):
                service.kill(instance_id, "memory")

    def seen(self) -> list[dict[str, Any]]:
        """What can be told of each service now."""
        return [service.seen() for service in self.services.values()]


def _make(logs: Path) -> None:
    """Makes the folder for logs: later, what cannot be written there would be lost in silence."""
    try:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=logs).close()
    except OSError as error:
        raise StartError(
            f"orchestrator.log_dir: nothing can be written to {str(logs)!r}: {error.strerror};"
            " name another folder"
        ) from None
