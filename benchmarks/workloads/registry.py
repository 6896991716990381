"""The workloads: what a client asks each of them for, and whether an answer is right.

Each module of this package is a workload. Its `handler` is served; beside it stand, for the side
that measures,

- `WORKLOAD`: what it is, as a dict of the fields of `Workload`, of which `module` is the file's and
  `variants` are names. Nothing but literals: it is read from the file's text, since to import a
  workload is to import what its handler needs;
- `expected(size, seed)`: what an answer is compared with, made without the handler's own code;
- `document(size, seed)`: the JSON document that is posted; where there is none, it holds the size,
  by the unit in the variant's name, and the seed;
- `request(size, seed)`: (method, path and query, headers, body), of one that asks otherwise;
- `fault(expected, body)`: what is wrong with an answer, in a few words, or None; where several
  functions take part, with further arguments for what is to be seen of them in the answer. Where
  there is none, it is `difference`, of whose document further arguments are a part.

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
from typing import Any

DIGEST = "x-sha256"  # header of those answers that are the result itself
TOLERANCE = 1e-9  # of a JSON document's floats; as SeBS has it for ranks, which add up to 1
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
        memory_mb: `memory_limit_mb` with which the runtime can serve all variants, 4 at a time.
    """

    name: str
    module: str
    variants: Mapping[str, int]
    imports: tuple[str, ...] = ()
    kind: str = "application/json"
    digest: bool = False
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
        size, own = self._size(variant), _load(self.module)
        if hasattr(own, "request"):
            asked: tuple[str, str, dict[str, str], bytes] = own.request(size, seed)
            return asked
        document = {variant.partition("=")[0]: size, "seed": seed}
        if hasattr(own, "document"):
            document = own.document(size, seed)
        body = json.dumps(document, ensure_ascii=False).encode()
        return "POST", "/", {"content-type": "application/json"}, body

    def prepare(self, variant: str, seed: int) -> Any:
        """Makes what `check` compares with, so that the first one does not take long.

        Raises:
            ValueError: there is no such variant.
        """
        return _expected(self.module, self._size(variant), seed)

    def check(
        self,
        variant: str,
        seed: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        **served: Any,
    ) -> None:
        """Compares the answer to a request with what it must be.

        Args:
            served: how the functions are that take part, as the workload's `fault` has it; without
                it, one alone.

        Raises:
            WrongAnswer: it is another one.
            ValueError: there is no such variant.
        """
        expected = self.prepare(variant, seed)
        given = {name.lower(): value for name, value in headers.items()}
        kind, fault = given.get("content-type", ""), None
        if status != 200:
            fault = f"status {status}: {body[:_SHOWN]!r}"
        elif kind.partition(";")[0].strip() != self.kind:
            fault = f"content type {kind[:_SHOWN]!r}, not {self.kind}"
        elif self.digest and given.get(DIGEST) != hashlib.sha256(body).hexdigest():
            fault = f"{len(body)} bytes that have not the digest {given.get(DIGEST)!r}"
        else:
            try:
                fault = getattr(_load(self.module), "fault", difference)(expected, body, **served)
            except Exception as error:  # whatever a parser raises at what is none of its kind
                fault = f"cannot be read: {type(error).__name__}: {str(error)[:_SHOWN]}"
        if fault is not None:
            words = " ".join(fault.split())
            raise WrongAnswer(f"{self.name}, {variant}, seed {seed}: {words}")

    def _size(self, variant: str) -> int:
        if variant not in self.variants:
            raise ValueError(f"{self.name} has no variant {variant!r}: {', '.join(self.variants)}")
        return self.variants[variant]


def difference(expected: Any, body: bytes, **served: Any) -> str | None:
    """The first place at which an answer is another one, of bytes or of a JSON document."""
    if not isinstance(expected, bytes):
        wanted = expected | served if served else expected
        return _difference(json.loads(body), wanted, "the answer")
    if body == expected:
        return None
    length = min(len(body), len(expected))
    at = next((at for at in range(length) if body[at] != expected[at]), length)
    found, wanted = body[at : at + _SHOWN // 2], expected[at : at + _SHOWN // 2]
    return f"{len(body)} bytes, not {len(expected)}; from {at} on {found!r}, not {wanted!r}"


def _difference(found: Any, wanted: Any, place: str) -> str | None:
    if found == wanted:
        return None
    if isinstance(found, float) and isinstance(wanted, float) and abs(found - wanted) <= TOLERANCE:
        return None
    keys: Any = ()
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        keys = wanted
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        keys = range(len(wanted))
    else:
        return f"{place} is {str(found)[:_SHOWN]}, not {str(wanted)[:_SHOWN]}"
    faults = (_difference(found[key], wanted[key], f"{place}[{key!r}]") for key in keys)
    return next((fault for fault in faults if fault is not None), None)


def _load(module: str) -> Any:
    return importlib.import_module(f"benchmarks.workloads.{module}")


@functools.lru_cache(_EXPECTED_KEPT)
def _expected(module: str, size: int, seed: int) -> Any:
    return _load(module).expected(size, seed)


def _described(path: Path) -> Workload:
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "WORKLOAD":
            described = ast.literal_eval(statement.value)
            sizes = {name: int(name.partition("=")[2] or 0) for name in described["variants"]}
            return Workload(**{**described, "module": path.stem, "variants": sizes})
    raise ValueError(f"{path} has no WORKLOAD")


_FILES = [path for path in Path(__file__).parent.glob("[!_]*.py") if path.stem != "registry"]
_FOUND = sorted(map(_described, _FILES), key=lambda each: each.name)
WORKLOADS: Mapping[str, Workload] = {each.name: each for each in _FOUND}


def workload(name: str) -> Workload:
    """The workload of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in WORKLOADS:
        raise ValueError(f"there is no workload {name!r}: {', '.join(WORKLOADS)}")
    return WORKLOADS[name]


def asked(text: str) -> tuple[Workload, str]:
    """Workload and variant of "110.dynamic-html:items=10"."""
    name, _, variant = text.partition(":")
    return workload(name), variant
