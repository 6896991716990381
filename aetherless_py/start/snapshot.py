"""A snapshot: the image of an initialised instance in a folder, and what it may be used for.

Layout of the folder (mode 0700): `images/`, what CRIU wrote, and the memory that was moved into a
file; `work/`, logs; `sources.json`, the files that the function's modules came from;
`manifest.json`, which machine and function it is of, and each file's size and CRC-32. The manifest
comes last, so that a folder without one holds no snapshot.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aetherless_py.errors import SnapshotError

if TYPE_CHECKING:
    from aetherless_py.start.base import Function

FORMAT = 1
PARENT = "/dev/shm"
NEW = ".new"
_PREFIX = "aetherless-snapshot-"
_CHUNK_BYTES = 1 << 24
Sources = dict[str, list[int]]  # by path: size, and moment of the last change in ns


def images_of(folder: str) -> str:
    """Where the image's files lie."""
    return os.path.join(folder, "images")


def work_of(folder: str) -> str:
    """Where logs lie."""
    return os.path.join(folder, "work")


def memory_of(folder: str) -> str:
    """The file of the memory that was moved out of the image."""
    return os.path.join(images_of(folder), "memory")


def sources_of(folder: str) -> str:
    """Where the function's process notes the files that its modules came from."""
    return os.path.join(folder, "sources.json")


def manifest_of(folder: str) -> str:
    """The file that says what the snapshot is of."""
    return os.path.join(folder, "manifest.json")


def remove(folder: str) -> None:
    """Removes a snapshot; none need be there."""
    shutil.rmtree(folder, ignore_errors=True)


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


class Folder:
    """A folder for a snapshot, locked while somebody uses it as its maker.

    Args:
        path: a folder to be kept, made where there is none; None for one that is removed at close.

    Raises:
        SnapshotError: it cannot be made, is somebody else's, or is in use by another maker.
    """

    def __init__(self, path: str | None) -> None:
        self.kept = path is not None
        self._made = path is None or not os.path.exists(path)
        try:
            if path is None:
                _remove_abandoned()
                self.path = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=PARENT)
            else:
                self.path = os.path.abspath(path)
                os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SnapshotError(f"no folder for a snapshot: {error}; name another") from None
        status = os.fstat(self._lock)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            os.close(self._lock)
            raise SnapshotError(
                f"{self.path}: must be this user's alone: chmod 700, or another one"
            )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise SnapshotError(f"{self.path}: in use by another runtime; name another") from None

    @property
    def finished(self) -> bool:
        """Whether it holds a snapshot, sound or not."""
        return os.path.exists(manifest_of(self.path))

    def clear(self) -> None:
        """Makes it ready for a new image; only what a snapshot consists of is removed."""
        self._remove_parts()
        for each in (images_of(self.path), work_of(self.path)):
            os.mkdir(each, 0o700)

    def _remove_parts(self) -> None:
        for each in (images_of(self.path), work_of(self.path)):
            remove(each)
        for name in (sources_of(self.path), manifest_of(self.path) + NEW):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def close(self) -> None:
        """Removes it unless it is to be kept, and what was not finished. May be called again."""
        if self._lock < 0:
            return
        if not self.kept:
            remove(self.path)
        elif not self.finished:
            self._remove_parts()
            if self._made:
                with contextlib.suppress(OSError):  # somebody has put something else there
                    os.rmdir(self.path)
        os.close(self._lock)
        self._lock = -1


def _remove_abandoned() -> None:
    """Removes folders that were to be removed by makers that were killed."""
    for entry in Path(PARENT).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(fd).st_uid == os.geteuid():
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(str(entry))
            finally:
                os.close(fd)


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
        if manifest["function"] != json.loads(json.dumps(_identity(function))):
            raise _unfit(
                folder, f"it is of {manifest['function']['handler']}, or of other settings"
            )
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
        "environment": dict(function.environment),
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
