"""What the commands have in common."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

# What the samples of each process may take of memory stays below 100 MB.
MOST_ITERATIONS = 1_000_000
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line that begins with the command's name, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        name = self.prog.rpartition(".")[2]
        self.exit(2, f"{name}: {message}; see --help\n")


def iteration_count(text: str) -> int:
    """How many samples are wanted, for `add_argument(type=...)`."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_ITERATIONS:
        raise argparse.ArgumentTypeError(f"{text}: give a number from 1 to {MOST_ITERATIONS}")
    return number


class Stopped(BaseException):
    """A signal asks to end."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, a signal that asks to end raises `Stopped`: what was begun can be put away."""

    def stop(number: int, _frame: object) -> None:
        for each in _STOPPING:  # once is enough
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    # One that is ignored stays so, as under nohup.
    before = {each: signal.getsignal(each) for each in _STOPPING}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def can_be_written(folder: Path) -> bool:
    """Whether files can be put there; what had to be made to try it is removed again."""
    made = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()
    return True
