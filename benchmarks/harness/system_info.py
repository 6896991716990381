"""The machine is part of the result: what it is, and what state it is in."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

PACKAGES = ("aetherless-py", "numpy", "posix_ipc", "psutil", "asv_runner")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _cpuinfo(field: str) -> str | None:
    found = re.search(rf"^{field}\s*:(.*)", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return found and found[1].strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """The machine in the standard JSON's form.

    `cpu_cores` counts logical processors; None, as of the memory, where nobody noted it.
    """

    os: str
    os_version: str
    kernel_version: str
    cpu_model: str
    cpu_cores: int | None
    memory_bytes: int | None
    hostname: str

    @classmethod
    def collect(cls) -> Self:
        """Looks at this machine."""
        try:
            os_version = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            os_version = platform.version()
        return cls(
            os=platform.system(),
            os_version=os_version,
            kernel_version=platform.release(),
            cpu_model=_cpuinfo("model name") or platform.processor() or platform.machine(),
            cpu_cores=psutil.cpu_count() or 1,
            memory_bytes=psutil.virtual_memory().total,
            hostname=platform.node(),
        )


def steal_seconds() -> float:
    """Time in which the hypervisor ran somebody else, summed over the processors, since boot."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def environment() -> dict[str, Any]:
    """What may change between two runs on one machine; None where the machine does not say."""
    return {
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": _read("/sys/devices/system/cpu/smt/control"),
        "aslr": _read("/proc/sys/kernel/randomize_va_space"),
        "virtualised": "hypervisor" in (_cpuinfo("flags") or "").split(),
        "hypervisor": _read("/sys/hypervisor/type") or _read("/sys/class/dmi/id/sys_vendor"),
        "load_average": list(os.getloadavg()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: _version(name) for name in PACKAGES},
    }
