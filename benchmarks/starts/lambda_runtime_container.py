"""lambda_runtime_container: `lambda_runtime` in an OCI container of its own for each instance.

The container has no network of its own: the Runtime API is on the host's loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from benchmarks.starts._oci import Containers, why_no_container
from benchmarks.starts._process import Process
from benchmarks.starts.lambda_runtime import LambdaRuntime


class LambdaRuntimeContainer(LambdaRuntime):
    """A container for each instance."""

    name = "lambda_runtime_container"
    tells: ClassVar[tuple[str, ...]] = ()  # the runtime makes the process
    quick = False

    @classmethod
    def missing(cls) -> str | None:
        """As `Way.missing`."""
        return super().missing() or why_no_container()

    def _prepare(self) -> None:
        super()._prepare()
        self._containers = Containers(self.function.search_path())

    def _process(self, command: list[str], environment: Mapping[str, str]) -> Process:
        return self._containers.launch(command, environment, own_network=False)

    def facts(self) -> dict[str, Any]:
        """As `Way.facts`: which runtime makes them."""
        return {"runtime": self._containers.runtime}

    def _close(self) -> None:
        if hasattr(self, "_containers"):
            self._containers.close()
        super()._close()
