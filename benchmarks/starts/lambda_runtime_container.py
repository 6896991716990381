"""lambda_runtime_container: `lambda_runtime` in an OCI container of its own for each instance.

The container has no network of its own: the Runtime API is on the host's loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from benchmarks.starts._oci import ContainerProcess, Containers, why_no_container
from benchmarks.starts._process import Process
from benchmarks.starts.lambda_runtime import LambdaRuntime


class LambdaRuntimeContainer(LambdaRuntime):
    """A container for each instance."""

    name = "lambda_runtime_container"
    tells: ClassVar[tuple[str, ...]] = ()  # the runtime makes the process
    quick = False

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or why_no_container()

    def _prepare(self) -> None:
        super()._prepare()
        self._containers = Containers.of(self)

    def _process(self, command: list[str], environment: Mapping[str, str]) -> Process:
        bundle = self._containers.bundle(command, environment, own_network=False)
        return ContainerProcess(self._containers, *bundle)
