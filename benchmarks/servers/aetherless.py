"""The runtime of this project: shared memory, and the kind that it proxies."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.package import COMMAND
from benchmarks.servers import uvicorn
from benchmarks.servers.base import HOST, Server

FUNCTION = "f"


class Aetherless(Server):
    """`aetherless up` with Python functions, by default with one.

    Attributes:
        orchestrator, function: options of its configuration beside those that the class sets; the
            latter of each function.
        functions: by their ids, options beside those.
    """

    name = "aetherless"
    path = f"/function/{FUNCTION}"

    def __init__(self, workload: str, concurrency: int = 1, **options: Any) -> None:
        super().__init__(workload, concurrency)
        self.orchestrator: dict[str, Any] = options.pop("orchestrator", {})
        self.functions: dict[str, dict[str, Any]] = options.pop("functions", {FUNCTION: {}})
        self.function: dict[str, Any] = options

    def handler_path(self) -> str:
        """What the configuration names."""
        return self.handler

    def command(self) -> list[str]:
        # One instance where one can do everything at a time, as with the servers beside it.
        most = {"max_instances": 1} if self.concurrency > 1 else {}
        configuration = {
            "orchestrator": {
                "host": HOST,
                "port": self.port,
                "warm_pool_size": 0,
                "shm_buffer_size": 8 << 20,
                **most,
                **self.orchestrator,
            },
            "functions": [self._configured(name, own) for name, own in self.functions.items()],
        }
        file = self.folder / "functions.yaml"
        file.write_text(json.dumps(configuration))  # which is YAML, too
        return [*COMMAND, "up", "-c", str(file)]

    def _configured(self, name: str, own: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": name,
            "handler_path": self.handler_path(),
            "concurrency": self.concurrency,
            **self.function,
            **own,
            "environment": {
                "PYTHONPATH": str(self.library),
                **self.function.get("environment", {}),
                **own.get("environment", {}),
            },
        }

    def environment(self) -> Mapping[str, str]:
        return {"AETHERLESS_RUNTIME_DIR": str(self.folder / "run")}

    def instances(self, state: str) -> int:
        """How many instances are in that state, as the runtime's metrics say.

        Raises:
            OSError: the runtime does not answer.
        """
        told = self.ask("GET", "/metrics")[1].decode()
        line = rf'^aetherless_instances{{function="{FUNCTION}",state="{state}"}} (\S+)$'
        [count] = re.findall(line, told, re.MULTILINE)
        return int(float(count))

    def starts(self) -> dict[str, Counter[str]]:
        """How many requests each function has had, by the state of the instance, as `instances`."""
        told = self.ask("GET", "/metrics")[1].decode()
        line = r'^aetherless_requests_total\{function="(.+?)",.*start="(.+?)".*\} (\S+)$'
        found: dict[str, Counter[str]] = {name: Counter() for name in self.functions}
        for name, start, count in re.findall(line, told, re.MULTILINE):
            found[name][start] += int(float(count))
        return found

    def probe(self) -> str:
        """Without starting an instance."""
        return "/readyz"


class AetherlessProxied(Aetherless):
    """`aetherless up` with an executable: the function inside uvicorn, proxied."""

    name = "aetherless_proxied"

    def handler_path(self) -> str:
        file = self.folder / "function"
        words = shlex.join(uvicorn.program(self.handler))
        file.write_text(f"#!/bin/sh\nexec {words}\n")
        file.chmod(0o700)
        return str(file)
