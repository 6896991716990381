"""Small programs in C beside the harness, compiled when first asked for."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def compiled(source: Path) -> str:
    """The path of the program, which lives as long as this process.

    Raises:
        NotImplementedError: no C compiler, or it cannot compile this.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise NotImplementedError(f"no C compiler: {source.name} cannot be built")
    folder = tempfile.mkdtemp(prefix=f"aetherless-{source.stem}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = f"{folder}/{source.stem}"
    command = [*compiler.split(), "-O3", "-std=gnu11", "-o", program, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotImplementedError(
            f"{command[0]} cannot compile {source.name}: {done.stderr.strip()}"
        )
    return program
