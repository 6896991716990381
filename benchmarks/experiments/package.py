"""Cold requests against the size of the function's package, page cache hot and dropped.

STeLLAR's experiment on the size of a function's image (Ustiugov et al., IISWC 2021), which adds a
file of random bytes to it. Here the function reads that whole when it is imported
(`benchmarks/workloads/_packaged.py`); docs/e2e.md says what is proven of it.

No instance is up before a request, and one is started for it; every answer must say so.

- `spawn`: each instance is a fresh interpreter, and reads its package.
- `zygote`: the template has read it when the runtime came up, once and outside of what is timed;
  instances are forks of it and do not read.
- `hot`: the package is read before each request, and is in the page cache whole.
- `dropped`: the page cache is emptied before each request, and nothing of the package is in it.
  Python's own files are gone as well, as far as no running process has mapped them: that is the
  difference between `hot` and `dropped` at 0 MB.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.experiments._one_at_a_time import GONE_S, OneAtATime
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness import page_cache
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn

STRATEGIES = ("spawn", "zygote")
CACHES = ("hot", "dropped")
SIZES_MB = (0, 10, 50, 100)
_PIECE_BYTES = 1 << 20
_FOLDERS = (tempfile.gettempdir(), "/var/tmp")


@dataclass(frozen=True, kw_only=True)
class Packages(OneAtATime):
    """Cold requests, by one way of starting and in one state of the page cache.

    Its parts are the sizes of the package, "mb10" and so on.
    """

    workload: str = "noop:empty"
    samples: int = 3
    pause_s: float = GONE_S
    cache: str
    label = "packages by {start_mode}, page cache {cache}"

    def missing(self) -> str | None:
        lacks = super().missing()
        if lacks is None and self.cache == "dropped":
            if _folder() is None:
                return f"{' and '.join(_FOLDERS)} lie in memory: set TMPDIR to a folder on a disk"
            lacks = page_cache.missing()
        return lacks

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        found: dict[str, Samples] = {}
        with tempfile.TemporaryDirectory(prefix="aetherless-package-", dir=_folder()) as folder:
            files = {f"mb{size}": _written(Path(folder), size, turn.seed) for size in SIZES_MB}
            with self.served(
                orchestrator={"start": self.start_mode, "keep_alive_s": 0},
                handler_path="benchmarks.workloads._packaged:handler",
                functions={
                    part: {"environment": {"PACKAGE": file}} for part, file in files.items()
                },
            ) as one:
                for part in Random(turn.seed).sample(sorted(files), len(files)):
                    before = f"{__name__}:settle", {"file": files[part], "cache": self.cache}
                    found[part], _ = self.ask(one, turn, f"/function/{part}", before=before)
                    if files[part] and self.cache == "dropped":
                        _prove_read(Path(files[part]), self.start_mode == "spawn")
        return found


def settle(file: str, cache: str) -> None:
    """Has the page cache in the state that a request is to find: "hot" or "dropped".

    Raises:
        RuntimeError: the package, if there is a file of it, is in another one.
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


class _Package(_Experiment):
    """What does a request cost that finds no instance, by the size of what the function reads?

    Timed, in the client's process: from handing a request to the kernel until its whole answer is
    there. The state of the page cache is made before, outside.
    """

    param_names = ("strategy", "page_cache", "package_mb")
    study = (STRATEGIES, CACHES, SIZES_MB)

    def row(self, strategy: str, page_cache: str, package_mb: int) -> Row:
        trial = Packages(start_mode=strategy, cache=page_cache)
        part = f"mb{package_mb}"
        beside = {"mb0": (trial, "mb0")} if package_mb else {}
        if page_cache != "hot":
            beside["hot"] = (replace(trial, cache="hot"), part)
        return row(trial, "package", f"{strategy}_{page_cache}_{part}", part, beside=beside)
