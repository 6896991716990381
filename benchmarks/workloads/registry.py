"""The workloads: what a client asks each of them for, and whether an answer is right.

    found = workload("110.dynamic-html")
    method, path, headers, body = found.request("items=1000", seed=7)
    ...  # ask whoever serves found.handler
    found.check("items=1000", 7, status, answered_headers, answered_body)  # or raises WrongAnswer

Each module of this package is a workload. Its `handler` is served; beside it stand, for the side
that measures,

- `WORKLOAD`: what it is, as a dict of the fields of `Workload`, of which `module` is the file's and
  `variants` are names. Nothing but literals: it is read from the file's text, since to import a
  workload is to import what its handler needs;
- `expected(size, seed)`: what an answer is compared with, made without the handler's own code;
- `request(size, seed)`: (method, path and query, headers, body); where there is none, a JSON
  document of the size, by the unit in the variant's name, and of the seed is posted;
- `fault(expected, body)`: what is wrong with an answer, in a few words, or None; where several
  functions take part, with further arguments for what is to be seen of them in the answer. Where
  there is none, the answer is a JSON document and must be equal.

They import what only they need when they are called: instances do not pay for it. Nothing here is
imported by a handler, and no workload is imported before it is asked for.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

DIGEST = "x-sha256"  # header of those answers that are the result itself
_EXPECTED_KEPT = 16  # of echo up to 4 MiB each
_SHOWN = 160  # characters of what is odd


class WrongAnswer(AssertionError):
    """An answer is not that of its request; the message says in one line why."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload.

    Attributes:
        name: as the Serverless Benchmark Suite (SeBS) has it, where it has it.
        module: in this package, as `benchmarks.servers` takes it.
        variants: their names, the smallest first, and the size that each stands for: what follows
            the unit and "=", else 0.
        imports: modules that an instance has imported when it is READY.
        kind: the content type of answers, without parameters.
        digest: whether answers are the result itself, and carry its SHA-256 in `DIGEST`.
        seeded: whether answers differ with the seed.
        memory_mb: `memory_limit_mb` with which the runtime can serve all variants, 4 at a time.
    """

    name: str
    module: str
    variants: Mapping[str, int]
    imports: tuple[str, ...] = ()
    kind: str = "application/json"
    digest: bool = False
    seeded: bool = True
    memory_mb: int = 128

    @property
    def handler(self) -> str:
        """As the configuration names it."""
        return f"benchmarks.workloads.{self.module}:handler"

    def missing(self) -> str | None:
        """Why it cannot be served or checked here, and what would help; None if it can."""
        for name in (each.partition(".")[0] for each in self.imports):
            if importlib.util.find_spec(name) is None:
                return f"{name} is not installed; make build brings it"
        return None

    def request(self, variant: str, seed: int) -> tuple[str, str, dict[str, str], bytes]:
        """(method, path and query, headers, body) to ask with; the path is below the function's.

        Raises:
            ValueError: there is no such variant.
        """
        size = self._size(variant)
        asked: tuple[str, str, dict[str, str], bytes]
        if own := getattr(self._load(), "request", None):
            asked = own(size, seed)
        else:
            body = json.dumps({variant.partition("=")[0]: size, "seed": seed}).encode()
            asked = "POST", "/", {"content-type": "application/json"}, body
        return asked

    def prepare(self, variant: str, seed: int) -> None:
        """Makes what `check` compares with, so that the first one does not take long.

        Raises:
            ValueError: there is no such variant.
        """
        _expected(self.module, self._size(variant), seed)

    def check(
        self,
        variant: str,
        seed: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        **served: Any,
    ) -> None:
        """Compares an answer with what it must be. The first one of a variant and seed takes long,
        unless it was prepared.

        Args:
            variant, seed: of the request.
            status, headers, body: of the answer.
            served: how the functions are that take part, as the workload's `fault` has it; without
                it, one alone.

        Raises:
            WrongAnswer: it is another one.
            ValueError: there is no such variant.
        """
        fault = self._fault(
            _expected(self.module, self._size(variant), seed), status, headers, body, served
        )
        if fault is not None:
            words = " ".join(fault.split())
            raise WrongAnswer(f"{self.name}, {variant}, seed {seed}: {words}")

    def _fault(
        self,
        expected: Any,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        served: Mapping[str, Any],
    ) -> str | None:
        if status != 200:
            return f"status {status}: {body[:_SHOWN]!r}"
        given = {name.lower(): value for name, value in headers.items()}
        kind = given.get("content-type", "")
        if kind.partition(";")[0].strip() != self.kind:
            return f"content type {kind[:_SHOWN]!r}, not {self.kind}"
        if self.digest and given.get(DIGEST) != hashlib.sha256(body).hexdigest():
            return f"{len(body)} bytes that have not the digest {given.get(DIGEST)!r}"
        try:
            own = getattr(self._load(), "fault", _differs)
            fault: str | None = own(expected, body, **served)
        except Exception as error:  # whatever a parser raises at what is none of its kind
            return f"cannot be read: {type(error).__name__}: {str(error)[:_SHOWN]}"
        return fault

    def _size(self, variant: str) -> int:
        if variant not in self.variants:
            raise ValueError(f"{self.name} has no variant {variant!r}: {', '.join(self.variants)}")
        return self.variants[variant]

    def _load(self) -> ModuleType:
        return _load(self.module)


def _load(module: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.workloads.{module}")


@functools.lru_cache(_EXPECTED_KEPT)
def _expected(module: str, size: int, seed: int) -> Any:
    return _load(module).expected(size, seed)


def _differs(expected: Any, body: bytes) -> str | None:
    answer = json.loads(body)
    return None if answer == expected else f"{str(answer)[:_SHOWN]}, not {str(expected)[:_SHOWN]}"


def _described(path: Path) -> Workload:
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "WORKLOAD":
            described = ast.literal_eval(statement.value)
            sizes = {name: int(name.partition("=")[2] or 0) for name in described["variants"]}
            return Workload(**{**described, "module": path.stem, "variants": sizes})
    raise ValueError(f"{path} has no WORKLOAD")


WORKLOADS: Mapping[str, Workload] = {
    each.name: each
    for each in sorted(
        (
            _described(path)
            for path in Path(__file__).parent.glob("[!_]*.py")
            if path.name != Path(__file__).name
        ),
        key=lambda each: each.name,
    )
}


def workload(name: str) -> Workload:
    """The workload of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in WORKLOADS:
        raise ValueError(f"there is no workload {name!r}: {', '.join(WORKLOADS)}")
    return WORKLOADS[name]
