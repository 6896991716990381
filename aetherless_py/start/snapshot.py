"""A snapshot: the image of an initialised instance, and what it may be used for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aetherless_py.errors import SnapshotError
from aetherless_py.start.snapshot_folder import NEW, images_of, manifest_of, memory_of, sources_of

if TYPE_CHECKING:
    from aetherless_py.start.base import Function

FORMAT = 1
_CHUNK_BYTES = 1 << 24
_FLEETING = ("_", "OLDPWD", "SHLVL", "PYTEST_CURRENT_TEST", "AETHER_RUNTIME_ID")
Sources = dict[str, list[int]]  # by path: size, and moment of the last change in ns


def note_sources(path: str) -> None:
    """Writes down the files that this process's modules came from."""
    found: Sources = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            with contextlib.suppress(OSError):
                found[file] = _state(file)
    Path(path).write_text(json.dumps(found))


def machine(criu_version: str) -> dict[str, str]:
    """What an image depends on: it can be used where all of this is the same."""
    cpu = _cpu_lines()
    features = hashlib.sha256("\n".join(cpu).encode()).hexdigest()[:16]
    return {
        "kernel": f"{platform.release()} {platform.version()}",
        "CPU": f"{cpu[0].partition(':')[2].strip()} (features {features})",
        "CRIU": criu_version,
        "Python": f"{sys.executable} {sys.version}",
    }


def _cpu_lines() -> list[str]:
    """What tells this processor from others, in /proc/cpuinfo's words, the name first."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    wanted = ("model name", "flags", "Features", "CPU part", "CPU variant")
    return [line for line in first if line.startswith(wanted)] or [f"name: {platform.machine()}"]


def _state(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A finished snapshot that fits this machine and this function.

    Attributes:
        folder: where it lies.
        inherited: for the connection and the output, the names of what takes their place.
        dump_ns: how long taking the image took.
        size_bytes: what its files take of the file system.
        moved: whether the memory lies in a file of its own.
    """

    folder: str
    inherited: list[str]
    dump_ns: int
    size_bytes: int
    moved: bool
    _states: dict[str, tuple[int, ...]]

    @classmethod
    def finish(
        cls,
        folder: str,
        function: Function,
        criu_version: str,
        inherited: list[str],
        dump_ns: int,
    ) -> Snapshot:
        """Writes the manifest of an image that was just taken, and opens it.

        Raises:
            SnapshotError: as `open`, or the file system is full.
        """
        images = images_of(folder)
        manifest = {
            "format": FORMAT,
            "machine": machine(criu_version),
            "function": _identity(function),
            "inherited": inherited,
            "dump_ns": dump_ns,
            "files": {
                name: [os.stat(os.path.join(images, name)).st_size, _crc(images, name)]
                for name in sorted(os.listdir(images))
            },
        }
        path = manifest_of(folder)
        try:
            Path(path + NEW).write_text(json.dumps(manifest))
            os.rename(path + NEW, path)
        except OSError as error:
            raise SnapshotError(f"{path}: cannot be written: {error.strerror}") from None
        return cls.open(folder, function, criu_version)

    @classmethod
    def open(cls, folder: str, function: Function, criu_version: str) -> Snapshot:
        """Opens a finished snapshot and holds every byte of it against its manifest.

        Raises:
            SnapshotError: it is damaged, or of another machine, function or time.
        """
        manifest = _read(manifest_of(folder), folder)
        if manifest.get("format") != FORMAT:
            raise _unfit(folder, f"format {manifest.get('format')!r}, this reads {FORMAT}")
        here = machine(criu_version)
        for key, value in here.items():
            if manifest["machine"].get(key) != value:
                raise _unfit(folder, f"{key} was {manifest['machine'].get(key)}, is {value}")
        wanted = json.loads(json.dumps(_identity(function)))
        for key, value in wanted.items():
            there = manifest["function"].get(key)
            if isinstance(value, dict) and isinstance(there, dict):
                names = sorted({n for n in {*value, *there} if value.get(n) != there.get(n)})
                if names:
                    raise _unfit(folder, f"the environment differs in {', '.join(names)}")
            elif there != value:
                raise _unfit(folder, f"its {key} is {there!r}, not {value!r}")
        for path, state in _read(sources_of(folder), folder).items():
            if not os.path.exists(path) or _state(path) != state:
                raise _unfit(folder, f"{path} has changed since")
        images = images_of(folder)
        for name, (size_bytes, crc) in manifest["files"].items():
            path = os.path.join(images, name)
            if not os.path.isfile(path) or os.stat(path).st_size != size_bytes:
                raise _unfit(folder, f"images/{name} is missing or cut short")
            if _crc(images, name) != crc:
                raise _unfit(folder, f"images/{name} is damaged")
        names = list(manifest["files"])
        return cls(
            folder,
            manifest["inherited"],
            manifest["dump_ns"],
            sum(os.stat(os.path.join(images, name)).st_blocks * 512 for name in names),
            os.path.basename(memory_of(folder)) in names,
            {name: _touched(os.path.join(images, name)) for name in names},
        )

    def check(self) -> None:
        """Makes sure that nobody has touched its files since it was opened.

        Raises:
            SnapshotError: somebody has.
        """
        images = images_of(self.folder)
        for name, state in self._states.items():
            try:
                now = _touched(os.path.join(images, name))
            except OSError:
                now = ()
            if now != state:
                raise _unfit(self.folder, f"images/{name} was changed or removed")


def _touched(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    # The last of these nobody can set back.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _identity(function: Function) -> dict[str, Any]:
    """What of a function an image depends on."""
    return {
        "handler": function.handler,
        "imports": function.imports,
        "path": [os.path.abspath(each) for each in function.path],
        "environment": _environment(function),
    }


def _environment(function: Function) -> dict[str, str]:
    """Digests of the variables that the image holds, without those that each command changes."""
    return {
        name: hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()[:16]
        for name, value in sorted(function.full_environment().items())
        if name not in _FLEETING
    }


def _crc(images: str, name: str) -> int:
    from aetherless_py.shm.checksum import crc32

    value = 0
    with open(os.path.join(images, name), "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            value = crc32(chunk, value)
    return value


def _read(path: str, folder: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise _unfit(folder, f"{os.path.basename(path)} is missing or damaged")
    return found


def _unfit(folder: str, why: str) -> SnapshotError:
    return SnapshotError(
        f"the snapshot in {folder} cannot be used: {why}; remove the folder and prepare anew"
    )
