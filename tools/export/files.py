"""Writing files so that a reader finds each of them whole, or as it was before."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes files. None is put into its place before all are on the disk.

    Raises:
        OSError: something could not be written; nothing was left half-written.
    """
    # Named before they are made: whatever interrupts us, they are removed.
    staged = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}") for path in contents}
    try:
        for path, content in contents.items():
            with staged[path].open("xb") as file:
                file.write(content)
                file.flush()
                if len(contents) == 1:
                    os.fsync(file.fileno())
        if len(staged) > 1:
            os.sync()  # for many in a fraction of the time of a flush of each
        for path, name in staged.items():
            os.replace(name, path)
    finally:
        for name in staged.values():
            name.unlink(missing_ok=True)
