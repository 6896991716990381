"""Many clients at a time."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.gateway.up import Answer, Up, eventually

HELD = "/function/{}?do=hold&value={}"


def at_once(runtime: Up, paths: Iterable[str]) -> list[Answer]:
    """The answers to requests that are all sent at the same time."""
    wanted = list(paths)
    with ThreadPoolExecutor(len(wanted)) as threads:
        return list(threads.map(runtime.ask, wanted))


@contextmanager
def under_way(
    runtime: Up, file: Path, count: int = 1, function: str = "does"
) -> Iterator[list[Future[Answer]]]:
    """Requests that functions have, and answer when `file` is made, at the latest at the end."""
    with ThreadPoolExecutor(count) as threads:
        try:
            held = [
                threads.submit(runtime.ask, f"{HELD.format(function, file)}&count={file}.{number}")
                for number in range(count)
            ]
            for number in range(count):
                begun = Path(f"{file}.{number}")
                eventually(begun.exists, f"request {number} did not come to its function")
            yield held
        finally:
            file.touch()


class Crowd:
    """Threads that ask again and again until they are told to stop.

    Args:
        ask: one request; its word is noted.
        size: how many threads.

    Attributes:
        heard: all that was noted, in no order.
        wrong: what was raised.
    """

    def __init__(self, ask: Callable[[int], str], size: int) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.heard: list[str] = []
        self.wrong: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in range(size)]

    def _run(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                word = self._ask(number)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                with self._lock:
                    self.wrong.append(error)
                return
            with self._lock:
                self.heard.append(word)

    def more(self, count: int) -> None:
        """Waits until so many more were heard."""
        wanted = len(self.heard) + count
        eventually(lambda: len(self.heard) >= wanted or self.wrong)
        assert not self.wrong, self.wrong

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
