"""What an OCI runtime is told of a container: `config.json`, and the root that it finds.

The root is read-only and made of this machine's own folders: its programs and libraries, this
Python and what it imports, each bind-mounted read-only. The container's own are /proc, /dev, /tmp
and, where it has one, the network. Close to what container engines ask for, without their
capabilities, seccomp profile and AppArmor: a container that has nothing but these is faster to
make.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache")
_BIND = ["bind", "ro", "nosuid", "nodev"]
_OWN = [
    ("/proc", "proc", []),
    ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
    ("/tmp", "tmpfs", ["nosuid", "nodev", "mode=1777"]),
]
# Those of the container engines: what would tell or change something of the whole machine.
_MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
]  # fmt: skip
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


class Root:
    """The root folder that all containers of a maker share.

    Args:
        folder: is made; it gets the mount points.
        paths: what the containers see beside the system and this Python.
        binds: names that each container will have for files of its own.
    """

    def __init__(self, folder: Path, paths: Iterable[str], binds: Iterable[str] = ()) -> None:
        self.folder = folder
        folder.mkdir(0o755)
        self._mounts = [_mount(to, kind, kind, options) for to, kind, options in _OWN]
        for to, _, _ in _OWN:
            if to.count("/") == 1:  # the others are made in those
                (folder / to[1:]).mkdir()
        for path in _outermost((*_SYSTEM, sys.base_prefix, sys.prefix, *paths)):
            if path in _SYSTEM and os.path.islink(path):  # such as /bin, to usr/bin
                (folder / path[1:]).symlink_to(os.readlink(path))
            else:
                self._mounts.append(_mount(path, "bind", path, _BIND))
                self._point(path, os.path.isdir(path))
        for path in binds:
            self._point(path, False)

    def _point(self, path: str, is_folder: bool) -> None:
        """Makes a mount point, unless it will be on a mount of its own."""
        point = self.folder / path[1:]
        if not path.startswith(tuple(f"{to}/" for to, _, _ in _OWN)):
            (point if is_folder else point.parent).mkdir(parents=True, exist_ok=True)
            if not is_folder:
                point.touch()

    def config(
        self,
        container_id: str,
        command: list[str],
        environment: Mapping[str, str],
        binds: Mapping[str, str],
        own_network: bool,
    ) -> str:
        """A `config.json`.

        Args:
            container_id: also of its cgroup.
            command: what runs in it.
            environment: the variables of that.
            binds: more of this machine's files, by the names that they have in there.
            own_network: whether it has one, with nothing in it; else it has this machine's.
        """
        namespaces = ["pid", "mount", "ipc", "uts", *(["network"] if own_network else [])]
        return json.dumps(
            {
                "ociVersion": "1.0.0",
                "process": {
                    "terminal": False,
                    "user": {"uid": os.geteuid(), "gid": os.getegid()},
                    "args": command,
                    "env": [f"{name}={value}" for name, value in environment.items()],
                    "cwd": "/",
                    "capabilities": {
                        kind: [] for kind in ("bounding", "effective", "inheritable", "permitted")
                    },
                    "noNewPrivileges": True,
                },
                "root": {"path": str(self.folder), "readonly": True},
                "hostname": "aetherless",
                "mounts": self._mounts
                + [_mount(to, "bind", source, _BIND) for to, source in binds.items()],
                "linux": {
                    "cgroupsPath": f"/{container_id}",
                    "namespaces": [{"type": kind} for kind in namespaces],
                    "maskedPaths": _MASKED,
                    "readonlyPaths": _READ_ONLY,
                },
            }
        )


def _mount(to: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": to, "type": kind, "source": source, "options": options}


def _outermost(paths: Iterable[str]) -> list[str]:
    """Those that are there, each once, without those that another one brings along.

    A bind mount does not bring along what is mounted further below.
    """
    found: list[str] = []
    for path in sorted({os.path.abspath(path) for path in paths if os.path.exists(path)}):
        device = os.lstat(path).st_dev
        if not any(
            path.startswith(f"{outer}/") and os.lstat(outer).st_dev == device for outer in found
        ):
            found.append(path)
    return found
