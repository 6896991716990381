"""Containers by an OCI runtime: which one works here, one started, and all of it removed again.

The runtime stays in the foreground as the container's parent, as a container engine's shim would.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from benchmarks.harness.processes import ROOT, kill_marked
from benchmarks.starts import _oci_cleanup
from benchmarks.starts._oci_bundle import Root
from benchmarks.starts._process import Process
from benchmarks.starts.base import Way

_RUNTIMES = ("crun", "runc")  # the faster one first
_TRIAL_TIMEOUT_S = 60.0
_MARK = "AETHER_CONTAINER"  # the variable by which a container's processes are known
_CLEANUP = (
    "import sys; sys.path.append(sys.argv.pop(1)); from benchmarks.starts._oci_cleanup import main;"
    " main(*sys.argv[1:])"
)


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
    containers = Containers((), runtime=runtime)
    try:
        command = [sys.executable, "-I", "-c", ""]
        bundle, variables = containers.bundle(command, os.environ, own_network=True)
        done = subprocess.run(
            containers.command(bundle),
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TRIAL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "a container did not end in time"
    finally:
        containers.close()
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]


def why_no_container() -> str | None:
    """Why there can be no containers here, and what would help; None if there can."""
    runtime, why = _found()
    return None if runtime else why


class ContainerProcess(Process):
    """The runtime that has made a container, and waits for its first process.

    Args:
        containers: to which it belongs.
        bundle: of the container.
        variables: of the runtime.
    """

    def __init__(self, containers: Containers, bundle: Path, variables: Mapping[str, str]) -> None:
        self._containers, self._bundle = containers, bundle
        self._mark = f"{_MARK}={variables[_MARK]}"
        # The descriptor is the pipe that ends it with this process.
        super().__init__(containers.command(bundle, "--preserve-fds", "1"), variables)

    def first(self) -> int:
        """The id of the container's first process, which was there.

        Raises:
            StartError: it has ended again.
        """
        for group in _oci_cleanup.cgroups(self._bundle.name):
            for pid in (group / "cgroup.procs").read_text().split():
                return int(pid)
        self.fail("the container ended right after it was ready")

    def end(self) -> None:
        if self.ended_fd >= 0:
            super().end()
            kill_marked(self._mark)
            self._containers.remove(self._bundle)


class Containers:
    """Makes containers that all see the same files: the system, this Python, and some folders.

    Args:
        paths: what they see beside the system and this Python.
        binds: names that each of them will have for files of its own.
        runtime: the path of the OCI runtime; by default of one that works here.
    """

    def __init__(
        self, paths: Iterable[str], binds: Iterable[str] = (), runtime: str | None = None
    ) -> None:
        found, why = (runtime, "") if runtime else _found()
        assert found is not None, why
        self.runtime = found
        # It is removed even when this process is killed.
        self._folder = Path(tempfile.mkdtemp(prefix="aether-"))
        self._name = f"aetherless-{secrets.token_hex(8)}"
        self._state = str(self._folder / "state")
        os.mkdir(self._state, 0o700)
        self._root = Root(self._folder / "root", paths, binds)
        # It sees that this process is gone, however that ended.
        self._guard = subprocess.Popen(
            [sys.executable, "-P", "-c", _CLEANUP, ROOT, self.runtime, self._folder, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        self._guard.stdout.readline()  # its own start must not be in the way of an instance's

    @classmethod
    def of(cls, way: Way, binds: Iterable[str] = ()) -> Self:
        """Those of a way of starting, which go when it does."""
        made = cls(way.function.search_path(), binds)
        way.made.callback(made.close)
        way.facts = {"runtime": made.runtime}
        return made

    def bundle(
        self,
        command: list[str],
        environment: Mapping[str, str],
        binds: Mapping[str, str] | None = None,
        *,
        own_network: bool,
    ) -> tuple[Path, dict[str, str]]:
        """Makes a container's bundle; to be removed by `remove`.

        Args:
            command: what runs in it.
            environment: the variables of that.
            binds: this machine's files, by the names that they have in there.
            own_network: whether it has one, with nothing in it; else it has this machine's.

        Returns:
            The bundle, and the variables of the runtime that runs it.
        """
        container_id = f"{self._name}-{secrets.token_hex(8)}"
        marks = {_MARK: container_id, _oci_cleanup.MARK: self._name}
        bundle = self._folder / container_id
        bundle.mkdir(0o700)
        config = self._root.config(
            container_id, command, {**environment, **marks}, binds or {}, own_network
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
        _oci_cleanup.remove(self.runtime, self._state, bundle.name)
        shutil.rmtree(bundle, ignore_errors=True)

    def close(self) -> None:
        """Removes everything."""
        assert self._guard.stdin is not None
        with self._guard:
            self._guard.stdin.close()
