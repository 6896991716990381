"""Cold requests against the size of the function's package, page cache hot and dropped.

STeLLAR's experiment on the size of a function's image (Ustiugov et al., IISWC 2021), which adds a
file of random bytes to it. There a larger image takes longer to be fetched from a store; here
nothing is fetched, and the function reads the file whole when it is imported, as imports read byte
code and as a model is loaded (`benchmarks/workloads/_packaged.py`). Libraries that are mapped are
read only where they are touched, and cost less.

No instance is up before a request, and one is started for it; every answer must say so.

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.experiments._asker import Asking, ask
from benchmarks.experiments._one_at_a_time import GONE_S, phases, samples_of
from benchmarks.experiments.base import _Experiment, _Requests, row
from benchmarks.harness import page_cache
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless

STRATEGIES = ("spawn", "zygote")
CACHES = ("hot", "dropped")
SIZES_MB = (0, 10, 50, 100)
SAMPLES = 3
_PIECE_BYTES = 1 << 20
_FOLDERS = (tempfile.gettempdir(), "/var/tmp")


@dataclass(frozen=True)
class Packages(_Requests):
    """Cold requests, by one way of starting and in one state of the page cache.

    Its parts are the sizes of the package, "mb10" and so on.
    """

    strategy: str
    cache: str
    workload, platform = "noop", Aetherless.name
    label = "packages by {strategy}, page cache {cache}"
    turn_s = 3.4

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        if lacks := super().missing():
            return lacks
        if self.cache == "hot":
            return None
        if _folder() is None:
            return f"{' and '.join(_FOLDERS)} lie in memory: set TMPDIR to a folder on a disk"
        return page_cache.missing()

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`."""
        with tempfile.TemporaryDirectory(prefix="aetherless-package-", dir=_folder()) as folder:
            files = {f"mb{size}": _written(Path(folder), size, turn.seed) for size in SIZES_MB}
            with Aetherless(
                "noop",
                orchestrator={"start": self.strategy, "keep_alive_s": 0},
                handler_path="benchmarks.workloads._packaged:handler",
                functions={
                    part: {"environment": {"PACKAGE": file}} for part, file in files.items()
                },
            ) as one:
                order = Random(turn.seed).sample(sorted(files), len(files))
                return {part: self._ask(one, part, files[part], turn) for part in order}

    def _ask(self, one: Aetherless, part: str, file: str, turn: Turn) -> Samples:
        found = ask(
            Asking(
                port=one.port, path=f"/function/{part}", name="noop", size="empty",
                count=turn.count(SAMPLES), seed=turn.seed, state=self.strategy, pause_s=GONE_S,
                before=f"{__name__}:settle", before_arguments={"file": file, "cache": self.cache},
            )
        )  # fmt: skip
        if file and self.cache == "dropped":
            _prove_read(Path(file), self.strategy == "spawn")
        return samples_of(found, phases=phases(found["timings"]))


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


class _Package(_Experiment):
    """What does a request cost that finds no instance, by the size of what the function reads?

    Timed, in the client's process: from handing a request to the kernel until its whole answer is
    there. The state of the page cache is made before, outside.
    """

    param_names = ("strategy", "page_cache", "package_mb")
    study = (STRATEGIES, CACHES, SIZES_MB)

    def row(self, strategy: str, page_cache: str, package_mb: int) -> Row:
        """As `_Suite.row`."""
        trial, part = Packages(strategy, page_cache), f"mb{package_mb}"
        beside = {"mb0": (trial, "mb0")} if package_mb else {}
        if page_cache != "hot":
            beside["hot"] = (Packages(strategy, "hot"), part)
        variant = f"{strategy}_{page_cache}_{part}"
        return row(
            trial, part, "package", "noop", variant, start_mode=strategy, beside=dict(beside)
        )
