"""Containers by an OCI runtime: which one works here, one started, and all of it removed again.

The runtime stays in the foreground as the container's parent, as a container engine's shim would.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from aetherless_py.errors import StartError
from aetherless_py.start import tree
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, new_id
from aetherless_py.start.instance import Process
from aetherless_py.start.launch import launch
from aetherless_py.start.readiness import Folder, readable
from aetherless_py.start.spawn import ChildProcess
from benchmarks.starts import oci_cleanup
from benchmarks.starts.child import FUNCTIONS
from benchmarks.starts.oci_bundle import Root

_RUNTIMES = ("crun", "runc")  # the faster one first
_TRIAL_TIMEOUT_S = 60.0
_REMOVAL_TIMEOUT_S = 10.0


@functools.cache
def _found() -> tuple[str | None, str]:
    """The path of a runtime that works here, and else the reason why none does.

    Each one makes a container: what it needs of the kernel and of cgroups cannot be asked for.
    """
    if os.geteuid() != 0:
        return None, "making containers needs root here"
    reasons = []
    for name in _RUNTIMES:
        if path := shutil.which(name):
            why = _trial(path)
            if why is None:
                return path, ""
            reasons.append(f"{name} does not work: {why}")
        else:
            reasons.append(f"{name} is not installed")
    return None, f"{'; '.join(reasons)}; the distribution has both as packages (crun, runc)"


def _trial(runtime: str) -> str | None:
    with tempfile.TemporaryDirectory(prefix="aetherless-") as name:
        folder = Path(name)
        container_id = f"{folder.name}-trial"
        root = Root(folder / "root", ())
        config = root.config(
            container_id, [sys.executable, "-I", "-c", ""], dict(os.environ), {}, own_network=True
        )
        (folder / "config.json").write_text(config)
        state = str(folder / "state")
        try:
            done = subprocess.run(
                [runtime, "--root", state, "run", "--bundle", name, container_id],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TRIAL_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return "a container did not end in time"
        finally:
            oci_cleanup.remove(runtime, state, container_id)
        if done.returncode == 0:
            return None
        return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]


def why_no_container() -> str | None:
    """Why there can be no containers here, and what would help; None if there can."""
    runtime, why = _found()
    return None if runtime else why


class ContainerProcess(Process):
    """The first process of a container.

    Until it has `appeared`, `pid` and `ended_fd` are those of the runtime, which makes it.
    """

    def __init__(self, runtime: ChildProcess, bundle: Path, containers: Containers) -> None:
        self._runtime, self._bundle, self._containers = runtime, bundle, containers
        self.pid, self.ended_fd = runtime.pid, runtime.ended_fd
        self._appeared = self._over = False
        self._status: int | None = None

    def is_first(self, pid: int) -> bool:
        """Whether the runtime has started that process as the container's first one."""
        return pid in tree.children(self._runtime.pid) and _pid_inside(pid) == 1

    def appeared(self) -> None:
        """It is there, since it has said so.

        Raises:
            StartError: it has ended again.
        """
        for pid in filter(self.is_first, tree.children(self._runtime.pid)):
            with contextlib.suppress(ProcessLookupError):
                self.pid, self.ended_fd = pid, os.pidfd_open(pid)
                self._appeared = True
                return
        raise StartError("the container ended right after READY")

    def end(self) -> int | None:
        """As `Process.end`, and removes the container."""
        if not self._over:
            self._over = True
            if self._appeared:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.ended_fd, signal.SIGKILL)
                os.close(self.ended_fd)
                # The runtime, unless it was killed, removes the container and ends.
                readable(self._runtime.ended_fd, _REMOVAL_TIMEOUT_S)
            self.ended_fd = -1
            self._status = _status(self._runtime.end())
            self._containers.remove(self._bundle)
        return self._status


def _pid_inside(pid: int) -> int | None:
    """The process's id in its own namespace."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


def _status(runtimes: int | None) -> int | None:
    """A runtime ends with its container's status, as shells have it: 128 more for a signal."""
    return 128 - runtimes if runtimes is not None and runtimes > 128 else runtimes


class Containers:
    """Makes containers that all see the same files: the system, this Python, and the function.

    Args:
        function: whose folders they see.
        binds: names that each of them will have for files of its own.

    Attributes:
        folder: of what belongs to them; it is removed even when this process is killed.
        runtime: the path of the OCI runtime.
    """

    def __init__(self, function: Function, binds: Iterable[str] = ()) -> None:
        runtime, why = _found()
        assert runtime is not None, why
        self.runtime = runtime
        self.folder = Folder()
        folder = Path(self.folder.path)
        self._name, self._state = f"aetherless-{new_id()}", str(folder / "state")
        paths = function.full_environment().get("PYTHONPATH", "").split(os.pathsep)
        os.mkdir(self._state, 0o700)
        self._root = Root(folder / "root", (FUNCTIONS, *filter(None, paths)), binds)
        command = [sys.executable, "-P", oci_cleanup.__file__, runtime, str(folder), self._name]
        # It sees that this process is gone, however that ended.
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._guard.stdout is not None
        self._guard.stdout.readline()  # its own start must not be in the way of an instance's

    def launch(
        self,
        attempt: Attempt,
        instance_id: str,
        command: list[str],
        environment: dict[str, str],
        binds: Mapping[str, str] | None = None,
        *,
        own_network: bool,
    ) -> ContainerProcess:
        """Starts a container.

        Args:
            attempt: to start an instance; it gets the process.
            instance_id: a part of the container's name.
            command: what runs in it.
            environment: the variables of that.
            binds: this machine's files, by the names that they have in there.
            own_network: whether it has one, with nothing in it.
        """
        bundle, variables = self.bundle(
            instance_id, command, environment, binds, own_network=own_network
        )
        # The descriptor is the pipe that ends it with this process.
        run = self.command(bundle, "--preserve-fds", "1")
        runtime = launch(attempt, instance_id, run, variables)
        container = attempt.process = ContainerProcess(runtime, bundle, self)
        return container

    def bundle(
        self,
        instance_id: str,
        command: list[str],
        environment: dict[str, str],
        binds: Mapping[str, str] | None = None,
        *,
        own_network: bool,
    ) -> tuple[Path, dict[str, str]]:
        """Makes a container's bundle; to be removed by `remove`.

        Args:
            instance_id, command, environment, binds, own_network: as for `launch`.

        Returns:
            The bundle, and the variables of the runtime that runs it.
        """
        container_id = f"{self._name}-{instance_id}"
        marks = {"AETHER_INSTANCE_ID": instance_id, "AETHER_CONTAINERS": self._name}
        bundle = Path(self.folder.path, container_id)
        bundle.mkdir(0o700)
        config = self._root.config(
            container_id, command, {**environment, **marks}, dict(binds or {}), own_network
        )
        (bundle / "config.json").write_text(config)
        return bundle, {"PATH": os.environ.get("PATH", os.defpath), **marks}

    def command(self, bundle: Path, *options: str) -> list[str]:
        """The runtime's, in the foreground: it ends when the container's first process does."""
        return [
            self.runtime, "--root", self._state, "run", "--bundle", str(bundle), *options,
            bundle.name,
        ]  # fmt: skip

    def remove(self, bundle: Path) -> None:
        """Removes what is left of the container, whose processes have ended or were killed."""
        oci_cleanup.remove(self.runtime, self._state, bundle.name)
        shutil.rmtree(bundle, ignore_errors=True)

    def close(self) -> None:
        """Removes everything."""
        assert self._guard.stdin is not None
        with self._guard:
            self._guard.stdin.close()
        self.folder.close()
