"""What the commands have in common: arguments, and how they end."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NoReturn

from benchmarks.harness.selection import SelectionError, selected

# What the samples of each process may take of memory stays below 100 MB.
MOST_ITERATIONS = 1_000_000
MOST_ROUNDS = 1_000
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line that begins with the command's name, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        name = self.prog.rpartition(".")[2]
        self.exit(2, f"{name}: {message}; see --help\n")


def count_to(most: int) -> Callable[[str], int]:
    """A number from 1 to `most`, for `add_argument(type=...)`."""

    def count(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= most):
            raise argparse.ArgumentTypeError(f"{text}: give a number from 1 to {most}")
        return int(text)

    return count


class Refused(Exception):
    """A command cannot be carried out; the message says why, and what to do, in a line."""


class Stopped(BaseException):
    """A signal asks to end."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextlib.contextmanager
def stopped_by_signals(first: Callable[[], bool] = lambda: False) -> Iterator[Callable[[], None]]:
    """Inside, a signal that asks to end raises `Stopped`: what was begun can be put away.

    Gives a function that raises it again: where an error on the way out took its place, or where
    nothing was raised, since `first`, which is called at the first signal, gave True.
    """
    came: list[int] = []

    def check() -> None:
        if came:
            raise Stopped(came[0])

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) == 1 and first():
            return
        for each in _STOPPING:  # once is enough
            signal.signal(each, signal.SIG_IGN)
        check()

    # One that is ignored stays so, as under nohup.
    before = {each: signal.getsignal(each) for each in _STOPPING}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        yield check
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def run(name: str, main: Callable[[], int]) -> int:
    """Carries a command out; whatever ends it, one line says so and no temporary file is left.

    Gives its exit status: also 2 where it is refused, 1 where a file cannot be read or written, and
    128 and the signal's number where it is stopped.
    """
    try:
        with stopped_by_signals(), own_temporary_folder():
            selected()  # which the suites look at when they are imported
            status = main()
            sys.stdout.flush()
            return status
    except Stopped as stopped:
        print(f"{name}: interrupted", file=sys.stderr)
        return 128 + stopped.number
    except BrokenPipeError:  # who read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (Refused, SelectionError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1 if isinstance(error, OSError) else 2


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Inside, temporary files of this process and of those that it starts lie in one folder.

    It is removed at the end, with what a process has left there that was killed.
    """
    before = tempfile.tempdir, dict(os.environ)
    # A short name, since the paths of sockets that lie in it may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="a", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            tempfile.tempdir = before[0]
            os.environ.clear()
            os.environ.update(before[1])
