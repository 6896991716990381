"""A runtime that is up, for tests: a process of its own, asked over HTTP; it leaves nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

from aetherless_py.gateway import control

WATCHDOG_S = 60.0
FUNCTIONS = Path(__file__).parent / "functions"


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Up:
    """A runtime with these functions; `orchestrator` holds what differs from quick defaults.

    A function is what the configuration says of it; its handler is one of `functions/fns.py` where
    nothing else is said.
    """

    folder: Path
    functions: list[dict[str, Any]]
    orchestrator: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.file = self.folder / "functions.yaml"
        self.runtime_folder = self.folder / "run"
        self.environment = {**os.environ, "AETHERLESS_RUNTIME_DIR": str(self.runtime_folder)}
        self.said: list[str] = []
        self.write()

    def write(self) -> None:
        """Writes the configuration's file, as it stands in `functions` and `orchestrator`."""
        functions = [
            {
                "handler_path": f"fns:{each['id']}",
                **each,
                "environment": {"PYTHONPATH": str(FUNCTIONS), **each.get("environment", {})},
            }
            for each in self.functions
        ]
        orchestrator = {
            "port": 0,
            "warm_pool_size": 0,
            "log_dir": str(self.folder / "logs"),
            "snapshot_dir": str(self.folder / "snapshots"),
            **self.orchestrator,
        }
        self.file.write_text(yaml.safe_dump({"orchestrator": orchestrator, "functions": functions}))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "aetherless_py.cli", *arguments]

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Another command of the command line."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WATCHDOG_S,
            **more,
        )

    def __enter__(self) -> Self:
        self.segments = set(os.listdir("/dev/shm"))
        self.process = subprocess.Popen(
            self.command("up", "-v", "-c", str(self.file), *self.arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "stderr").open("w"),
            text=True,
        )
        try:
            self.port = self._port()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def _port(self) -> int:
        assert self.process.stdout is not None
        said = ""
        while (found := re.search(r" on http://.*:(\d+)\n", said)) is None:
            assert select.select([self.process.stdout], [], [], WATCHDOG_S)[0], "never up"
            # Not by lines: what a buffer of ours held, select would not see.
            more = os.read(self.process.stdout.fileno(), 4096).decode()
            assert more, self.stderr()
            said += more
        self.said = said.splitlines(keepends=True)
        return int(found[1])

    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
        timeout_s: float = WATCHDOG_S,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request(
                method or ("GET" if body is None else "POST"), path, body, headers or {}
            )
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def state(self) -> list[dict[str, Any]]:
        """What `list --json` tells of the functions."""
        path = self.runtime_folder / f"{self.port}.sock"
        functions: list[dict[str, Any]] = control.ask(path, "GET", "/state")["functions"]
        return functions

    def instances(self, index: int = 0) -> list[dict[str, Any]]:
        """The instances of one of the functions."""
        found: list[dict[str, Any]] = self.state()[index]["instances"]
        return found

    def processes(self) -> list[psutil.Process]:
        """All processes that hang on the runtime."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def __exit__(self, *_: object) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.closed:  # it has been ended before
            return
        mine = self._marked()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(WATCHDOG_S)
        finally:
            self.process.kill()
            self.said += self.process.stdout.readlines()
            self.process.stdout.close()
        self.assert_nothing_left(mine)

    def _marked(self) -> list[psutil.Process]:
        """All processes of the runtime, wherever they hang now."""
        wanted = self.environment["AETHERLESS_RUNTIME_DIR"]
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AETHERLESS_RUNTIME_DIR") == wanted:
                    found.append(process)
        return found

    def assert_nothing_left(self, mine: list[psutil.Process]) -> None:
        """No process, segment, socket or image of it is there any more."""
        eventually(lambda: not [each for each in [*mine, *self._marked()] if lives(each)])
        prefix = f"aetherless-{self.process.pid}-"
        assert not [name for name in os.listdir("/dev/shm") if name.startswith(prefix)]
        assert not list(self.runtime_folder.iterdir())
        snapshots = self.folder / "snapshots"
        assert not snapshots.exists() or not list(snapshots.rglob("*.new"))


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Waits until it holds."""
    until = time.monotonic() + WATCHDOG_S
    while not condition():
        assert time.monotonic() < until, what or "it never came to hold"
        time.sleep(0.01)
