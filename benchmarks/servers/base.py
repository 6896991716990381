"""The contract of all ways of serving: started for one workload, asked over HTTP, ended."""

from __future__ import annotations

import abc
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from benchmarks.harness.processes import ROOT as ROOT
from benchmarks.harness.processes import die_with_parent, kill_marked
from benchmarks.starts._process import HOST as HOST
from benchmarks.starts._process import free_port
from benchmarks.starts.base import not_installed as not_installed

READY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 20.0
FAMILY_TIMEOUT_S = 5.0


class ServerError(RuntimeError):
    """A server did not come up; its last words are in the message."""


class Server(abc.ABC):
    """A server of one workload.

    Args:
        workload: a module of `benchmarks.workloads`.
        concurrency: how many requests it is to take at a time.

    Attributes:
        port: where it listens, once it is up.
        path: what is to be asked for.
        library: the folder in which its processes find `benchmarks`.
        pid: of its first process.
        settings: variables by which somebody's own settings would change what is measured; of
            this process's it gets all but these.
    """

    name: ClassVar[str]
    path: str = "/"
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, workload: str, concurrency: int = 1) -> None:
        self.handler = f"benchmarks.workloads.{workload}:handler"
        self.workload, self.concurrency = workload, concurrency
        self.port = 0

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot work on this machine, and what would help; None if it can."""
        return None

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What is started; it listens on `port`."""

    def environment(self) -> Mapping[str, str]:
        """Variables beside this process's."""
        return {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="aetherless-server-"))
        with free_port() as free:
            self.port = free.getsockname()[1]
        # Beside `benchmarks` lies the source of the package under test, which must not hide the
        # installed build: so it is found where nothing else is.
        self.library = self.folder / "library"
        self.library.mkdir()
        (self.library / "benchmarks").symlink_to(ROOT / "benchmarks")
        paths = [str(self.library), os.environ.get("PYTHONPATH", "")]
        inherited = {name: value for name, value in os.environ.items() if name not in self.settings}
        try:
            with (self.folder / "output").open("w") as output:
                self._process = subprocess.Popen(
                    self.command(),
                    env={
                        **inherited,
                        "PORT": str(self.port),
                        "TMPDIR": str(self.folder),
                        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                        **self.environment(),
                    },
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # Should we be killed: it puts away what it holds, as at the end.
                    preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
                )
            self.pid = self._process.pid
            self._wait_until_it_answers()
        except BaseException:
            self._end()
            raise
        return self

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + READY_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.status("GET", self.probe()) == 200:
                    return
            if self._process.poll() is not None or time.monotonic() > until:
                words = (self.folder / "output").read_text()[-4000:]
                raise ServerError(f"{self.name} did not come up; it printed last:\n{words}")
            time.sleep(0.02)

    def probe(self) -> str:
        """What is asked for to learn that it is up."""
        return self.path

    def status(self, method: str, path: str) -> int:
        """Of the answer to one request."""
        return self.ask(method, path)[0]

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Status and body of the answer to one request, on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: there is none.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if hasattr(self, "_process"):
            self._process.terminate()
            try:
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            until = time.monotonic() + FAMILY_TIMEOUT_S
            # Until all that it has started is gone, and with that what they listen on.
            while kill_marked(f"TMPDIR={self.folder}") and time.monotonic() < until:
                time.sleep(0.002)
        shutil.rmtree(self.folder, ignore_errors=True)
