"""The machine's description is whole and can be stored."""

from __future__ import annotations

import json
from dataclasses import asdict

from benchmarks.harness.system_info import SystemInfo, environment


def test_every_field_says_something() -> None:
    found = asdict(SystemInfo.collect())
    assert list(found) == [
        "os",
        "os_version",
        "kernel_version",
        "cpu_model",
        "cpu_cores",
        "memory_bytes",
        "hostname",
    ]
    assert all(found.values())


def test_the_environment_can_be_stored() -> None:
    found = environment()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {"governor", "smt", "aslr", "load_average", "python", "packages"} <= found.keys()
