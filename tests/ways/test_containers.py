"""Containers are what they say, and go."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.starts.base import Function
from tests.start.support import gone
from tests.ways.support import able, echo, left, prepared, state


@pytest.mark.parametrize("killed", ["runtime", "container"])
def test_a_container_is_removed_whoever_of_it_was_killed(killed: str) -> None:
    with prepared(able("container"), echo()) as made:
        before = state()
        instance = made.start()
        process = psutil.Process(instance.pid)
        if killed == "runtime":
            parent = process.parent()
            assert parent is not None
            parent.kill()
            assert gone(parent.pid)
            assert instance.invoke(b"x") == b"x"  # nobody has ended the container
        else:
            process.kill()
        assert glob.glob("/sys/fs/cgroup/**/aetherless-*", recursive=True)
        instance.stop()
        assert gone(process.pid)
        assert not left(before)


def test_a_container_is_one(tmp_path: Path) -> None:
    (tmp_path / "looks.py").write_text(
        "import json, os, socket\n"
        "def writable(path):\n"
        "    try:\n"
        "        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))\n"
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        "def look(request):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return json.dumps({\n"
        "        'space': {n: os.readlink(f'/proc/self/ns/{n}') for n in\n"
        "                  ('pid', 'mnt', 'ipc', 'uts', 'net')},\n"
        "        'groups': open('/proc/self/cgroup').read(),\n"
        "        'pids': [p for p in os.listdir('/proc') if p.isdigit()],\n"
        "        'interfaces': [n for _, n in socket.if_nameindex()],\n"
        "        'capabilities': [l.split()[1] for l in lines if l.startswith('Cap')],\n"
        "        'run': os.listdir('/run'), 'etc': os.listdir('/etc'),\n"
        "        'written': [p for p in ('/x', '/usr/x', '/proc/sys/kernel/hostname',\n"
        "                    os.path.join(os.path.dirname(__file__), 'x'), '/tmp/x')\n"
        "                    if writable(p)],\n"
        "    }).encode()\n"
    )
    function = Function("looks:look", (), (str(tmp_path),))
    with prepared(able("container"), function) as made:
        instance = made.start()
        found = json.loads(instance.invoke(b""))
        for kind, inside in found["space"].items():
            assert inside != os.readlink(f"/proc/self/ns/{kind}"), kind
        groups = [line.partition("::" if line.startswith("0:") else ":/")[2] for line in
                  found["groups"].splitlines()]  # fmt: skip
        assert any(group.lstrip("/").startswith("aetherless-") for group in groups)
    assert found["pids"] == ["1"]
    assert found["interfaces"] == ["lo"]
    assert {int(each, 16) for each in found["capabilities"]} == {0}
    assert found["written"] == ["/tmp/x"]
    assert found["run"] == ["aether.sock"]
    assert found["etc"] in ([], ["ld.so.cache"])
    assert not (tmp_path / "x").exists()
