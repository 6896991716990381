"""The CRIU of this machine: where it is, and whether it and the kernel fit each other."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess

from aetherless_py.errors import StrategyMissingError

PROGRAM_VARIABLE = "AETHERLESS_CRIU"
# Where tools/install_criu.sh puts it.
INSTALLED = "/opt/aetherless/criu/bin/criu"
_REMEDY = "run tools/install_criu.sh as root"


def program() -> str | None:
    """The CRIU that is used: the variable's, the installed one, or that of the system."""
    if named := os.environ.get(PROGRAM_VARIABLE):
        return named
    return INSTALLED if os.access(INSTALLED, os.X_OK) else shutil.which("criu")


@functools.cache
def version() -> str:
    """The version of the CRIU that is used.

    Raises:
        StrategyMissingError: there is none, or it does not run.
    """
    found = program()
    if found is None:
        raise StrategyMissingError(f"there is no CRIU here: {_REMEDY}")
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StrategyMissingError(f"{found} does not run ({error}): {_REMEDY}") from None
    told = re.search(r"^Version: (\S+)", done.stdout, re.MULTILINE)
    if told is None:
        raise StrategyMissingError(f"{found} tells no version: {_REMEDY}")
    return told[1]


@functools.cache
def unsuitable() -> str | None:
    """Why this machine cannot dump and restore, and what would help."""
    if platform.system() != "Linux":
        return "CRIU is for Linux"
    if os.geteuid() != 0:
        return "CRIU makes PID namespaces and mounts: run this as root"
    try:
        told = version()
    except StrategyMissingError as missing:
        return str(missing)
    if _numbers(platform.release()) >= (6, 13) and _numbers(told) < (4, 1):
        return f"CRIU {told} does not know the vDSO of Linux {platform.release()}: {_REMEDY}"
    try:
        checked = subprocess.run(
            [str(program()), "check"], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return f"'criu check' does not end: {_REMEDY}"
    if checked.returncode != 0:
        words = (checked.stdout + checked.stderr).strip().splitlines() or ["no word of why"]
        return (
            f"'criu check' says that this kernel is not fit: {words[0]}: use one with"
            " CONFIG_CHECKPOINT_RESTORE, outside of a container without CAP_SYS_ADMIN"
        )
    return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2])
