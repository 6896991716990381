"""The folder of a snapshot: what lies where in it, who may use it, and what is removed when.

Layout (mode 0700): `images/`, what CRIU wrote, and the memory that was moved into a file; `work/`,
logs; `sources.json`, the files that the function's modules came from; `manifest.json`, which
machine and function it is of, and each file's size and CRC-32. The manifest comes last, so that a
folder without one holds no snapshot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from aetherless_py.errors import SnapshotError
from aetherless_py.start import lent_folder

PARENT = "/dev/shm"
NEW = ".new"
_MARKER = "snapshot-of-aetherless"
_PREFIX = "aetherless-snapshot-"


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
        while True:
            try:
                if path is None:
                    self.path = lent_folder.make(PARENT, _PREFIX, f"{os.getpid()}-")
                else:
                    self.path = os.path.abspath(path)
                    os.makedirs(self.path, mode=0o700, exist_ok=True)
                self._lock = lent_folder.opened(self.path)
                why = self._unfit()
            except OSError as error:
                raise SnapshotError(f"no folder for a snapshot: {error}; name another") from None
            if why:
                os.close(self._lock)
                if path is None:  # another one took it for abandoned before it was locked
                    continue
                raise SnapshotError(f"{self.path}: {why}")
            return

    def _unfit(self) -> str | None:
        """Why the folder cannot be used, locked as it is if it can."""
        status = os.fstat(self._lock)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return "must be this user's alone: chmod 700, or another one"
        if not lent_folder.taken(self._lock, self.path):
            return "in use by another runtime; name another"
        marker = os.path.join(self.path, _MARKER)
        if os.listdir(self.path) and not os.path.isfile(marker):
            return "holds something that is no snapshot; name another"
        Path(marker).touch()
        return None

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
            os.unlink(os.path.join(self.path, _MARKER))
            if self._made:
                with contextlib.suppress(OSError):  # somebody has put something else there
                    os.rmdir(self.path)
        os.close(self._lock)
        self._lock = -1
