"""A folder that is this user's: nobody else can put or replace anything in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def own_folder(path: Path, may: int = 0) -> str | None:
    """Makes a folder of mode 0700 where there is none, and looks at whose it is.

    Args:
        path: of the folder; those above it are made, too.
        may: the most that its mode may allow others, as 0o055.

    Returns:
        Why it is not to be used: in words that fit behind its path; None if it is.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        return f"{error.strerror}"
    too_much = status.st_mode & 0o077 & ~may
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or too_much:
        return "must be a folder of this user's with mode 700"
    return None
