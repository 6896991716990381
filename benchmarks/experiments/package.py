"""Cold requests against the size of the function's package, page cache hot and dropped.

STeLLAR's experiment on the size of a function's image (Ustiugov et al., IISWC 2021), which adds a
file of random bytes to it. There a larger image takes longer to be fetched from a store; here
nothing is fetched, and the function reads the file whole when it is imported, as imports read byte
code and as a model is loaded (`benchmarks/adapters/packaged.py`). Libraries that are mapped are
read only where they are touched, and cost less.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there. No instance is up before a request, and one is started for it; every answer must say so.

- `spawn`: each instance is a fresh interpreter, and reads its package.
- `zygote`: the template has read it when the runtime came up, once and outside of what is timed;
  instances are forks of it and do not read.
- `hot`: the package is read before each request, and is in the page cache whole, by the kernel's
  word (mincore).
- `dropped`: the page cache is emptied before each request, and nothing of the package is in it.
  Python's own files are gone as well, as far as no running process has mapped them: that is the
  difference between `hot` and `dropped` at 0 MB.

Where it was dropped, it must be there after the last request if instances read it, and must not if
they do not. It lies on a file system behind the page cache: from a tmpfs nothing can be
dropped.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

from benchmarks.experiments.asker import Asking, ask
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.experiments.states import GONE_S, phases
from benchmarks.harness import page_cache
from benchmarks.servers.aetherless import Aetherless

SIZES_MB = {"spawn": (0, 10, 50, 100), "zygote": (0, 100)}
_PIECE_BYTES = 1 << 20
_FOLDERS = (tempfile.gettempdir(), "/var/tmp")


class Package(Trial):
    """Cold requests, by one way of starting and in one state of the page cache, all sizes.

    Args:
        start: how instances are started.
        cache: "hot" or "dropped".
    """

    samples, quick_samples = 5, 2

    def __init__(self, start: str, cache: str) -> None:
        self.name = f"package_{start}_{cache}"
        self._start, self._cache = start, cache
        self.cases = tuple(
            Case(
                experiment="package",
                workload="noop",
                variant=f"{start}_{cache}_mb{size_mb}",
                start_mode=start,
                beside=tuple(
                    other
                    for other in (f"{start}_{cache}_mb0", f"{start}_hot_mb{size_mb}")
                    if other != f"{start}_{cache}_mb{size_mb}"
                ),
                more={"package_mb": size_mb, "page_cache": cache},
            )
            for size_mb in SIZES_MB[start]
        )

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        if self._cache == "hot":
            return None
        if _folder() is None:
            return f"{' and '.join(_FOLDERS)} lie in memory: set TMPDIR to a folder on a disk"
        return page_cache.missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        with tempfile.TemporaryDirectory(prefix="aetherless-package-", dir=_folder()) as folder:
            packages = {
                case.name: _written(Path(folder), case.more["package_mb"], seed)
                for case in self.cases
            }
            functions = {
                f"p{case.more['package_mb']}": {"environment": {"PACKAGE": packages[case.name]}}
                for case in self.cases
            }
            with Aetherless(
                "noop",
                orchestrator={"start": self._start, "keep_alive_s": 0},
                handler_path="packaged:handler",
                functions=functions,
            ) as one:
                return {
                    case.name: self._ask(one, case, packages[case.name], samples, seed)
                    for case in (self.cases[at] for at in _order(len(self.cases), seed))
                }

    def _ask(self, one: Aetherless, case: Case, file: str, samples: int, seed: int) -> Outcome:
        found = ask(
            Asking(
                port=one.port, path=f"/function/p{case.more['package_mb']}", name=case.workload,
                size="empty", count=samples, seed=seed, state=case.start_mode, pause_s=GONE_S,
                before=f"{__name__}:settle", before_arguments={"file": file, "cache": self._cache},
            )
        )  # fmt: skip
        if file and self._cache == "dropped":
            _prove_read(Path(file), self._start == "spawn")
        return Outcome(
            found["latency_ns"],
            starts=found["starts"],
            payload_size_bytes=found["payload_size_bytes"],
            recollected=found["recollected"],
            more={"phases": phases(found["timings"])},
        )


def settle(file: str, cache: str) -> None:
    """Has the page cache in the state that a request is to find.

    Args:
        file: the package; empty where there is none.
        cache: "hot" or "dropped".

    Raises:
        RuntimeError: it is in another one.
    """
    if cache == "dropped":
        page_cache.drop()
    if file:
        path = Path(file)
        if cache == "hot":
            path.read_bytes()
        size, cached = path.stat().st_size, page_cache.cached_bytes(path)
        if cached != (size if cache == "hot" else 0):
            raise RuntimeError(f"{cached} of the package's {size} bytes are in the page cache")


def _prove_read(package: Path, by_instances: bool) -> None:
    """Makes sure of who reads the package, which was in no page cache before the last request.

    Raises:
        RuntimeError: it is otherwise.
    """
    cached = page_cache.cached_bytes(package)
    if bool(cached) != by_instances:
        raise RuntimeError(f"{cached} bytes of the package are in the page cache after a start")


def _folder() -> str | None:
    """Where a package can be dropped from the page cache."""
    return next((each for each in _FOLDERS if page_cache.is_behind(Path(each))), None)


def _written(folder: Path, size_mb: int, seed: int) -> str:
    """A package of that size, on the disk; empty for none."""
    if not size_mb:
        return ""
    path = folder / f"package-{size_mb}"
    random = Random(seed)
    with path.open("wb") as file:
        for _ in range(size_mb):
            file.write(random.randbytes(_PIECE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return str(path)


def _order(count: int, seed: int) -> list[int]:
    return Random(seed).sample(range(count), count)


TRIALS: list[Trial] = [Package(start, cache) for start in SIZES_MB for cache in ("hot", "dropped")]
QUICK: tuple[str, ...] = ()
