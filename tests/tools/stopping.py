"""Commands that measure, stopped while they do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG_S = 240


@contextlib.contextmanager
def starts(arguments: list[str], temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A command of this project, whose temporary files go into a folder of their own."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=with_all_signals,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def stop_while_measuring(process: subprocess.Popen[str], number: int) -> tuple[str, str]:
    """Sends the signal as soon as something is measured; gives what the command said.

    All that it had started is gone afterwards.

    Returns:
        What it printed to standard output, and to standard error.
    """
    ends = time.monotonic() + WATCHDOG_S
    family: list[psutil.Process] = []
    while not any("_child_main" in " ".join(_command(child)) for child in family):
        assert time.monotonic() < ends, "no measuring process was seen"
        time.sleep(0.05)
        assert process.poll() is None, "it ended before it measured"
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    told = process.communicate(timeout=WATCHDOG_S)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    return told


def with_all_signals() -> None:
    # A shell's background job ignores some, and so would all that it starts.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
