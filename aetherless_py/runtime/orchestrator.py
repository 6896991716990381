"""All functions of a configuration in service: started together, reloaded, ended together."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aetherless_py.errors import StartError
from aetherless_py.runtime import memory
from aetherless_py.runtime.config import Config, FunctionConfig
from aetherless_py.runtime.line import Looker
from aetherless_py.runtime.service import Service

log = logging.getLogger("aetherless")

# Starts and ends of instances wait in threads: so many at a time.
THREADS = 32


class Orchestrator:
    """The services of a configuration, in the event loop that runs now.

    Args:
        config: what to serve.
        log_folder: for what instances print, a folder for each function.

    Attributes:
        config: what is served now.
        services: by function's id.
        ready: whether all of them can be asked.
    """

    def __init__(self, config: Config, log_folder: Path) -> None:
        self.config = config
        self.services: dict[str, Service] = {}
        self.ready = False
        self._log_folder = log_folder
        self._loop = asyncio.get_running_loop()
        self._looker = Looker(self._loop)
        self._threads = ThreadPoolExecutor(THREADS, "aetherless")
        self._leaving: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Makes all functions ready.

        Raises:
            StartError: one cannot be; nothing is left of any.
        """
        try:
            self.services = await self._prepare(self.config, list(self.config.functions))
        except BaseException:
            self._threads.shutdown()
            raise
        self._watch = self._loop.create_task(self._watch_memory())
        self.ready = True

    async def _prepare(self, config: Config, wanted: list[FunctionConfig]) -> dict[str, Service]:
        services = {
            function.id: Service(
                function,
                config.orchestrator,
                self._loop,
                self._looker,
                self._threads,
                self._log_folder / function.id,
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
            StartError: a function cannot be made ready; everything stays as it was.
        """
        others_changed = config.orchestrator != self.config.orchestrator
        before = {function.id: function for function in self.config.functions}
        after = {function.id: function for function in config.functions}
        changed = [
            function_id
            for function_id in after.keys() & before.keys()
            if others_changed or after[function_id] != before[function_id]
        ]
        added = sorted(after.keys() - before.keys())
        fresh = await self._prepare(config, [after[each] for each in [*added, *changed]])
        former = [self.services[each] for each in before if each not in after or each in fresh]
        self.services = {each: fresh.get(each) or self.services[each] for each in after}
        self.config = config
        for service in former:
            # As long as a request may wait and then take.
            deadline_s = 2 * service.function.timeout_ms / 1e3 + 1
            task = self._loop.create_task(service.close(deadline_s, "reload"))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return {
            "added": added,
            "changed": sorted(changed),
            "removed": sorted(before.keys() - after.keys()),
            "kept": sorted(each for each in after if each not in fresh),
        }

    async def close(self) -> None:
        """Lets what is under way finish within `shutdown_timeout_s`, then ends everything."""
        self.ready = False
        if self._watch is not None:
            self._watch.cancel()
        deadline_s = self.config.orchestrator.shutdown_timeout_s
        for task in tuple(self._leaving):
            await asyncio.wait([task], timeout=deadline_s)
            task.cancel()
        await asyncio.gather(
            *(service.close(deadline_s, "shutdown") for service in self.services.values())
        )
        self._threads.shutdown()

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(memory.EVERY_S)
            limited = [
                (instance_id, pid, service.function.memory_limit_mb << 20)
                for service in self.services.values()
                for instance_id, pid in service.processes()
            ]
            if not limited:
                continue
            over = await self._loop.run_in_executor(self._threads, memory.over_limit, limited)
            for instance_id, held_bytes in over:
                log.warning("instance %s holds %d MB: killed", instance_id, held_bytes >> 20)
                for service in self.services.values():
                    service.kill(instance_id, "memory")

    def seen(self) -> list[dict[str, Any]]:
        """What can be told of each service now."""
        return [service.seen() for service in self.services.values()]
