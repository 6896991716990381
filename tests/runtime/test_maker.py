"""How a function's instances come to be, and what they make of what is no request."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from aetherless_py.errors import StartError
from aetherless_py.runtime import wire
from aetherless_py.runtime.config_file import load
from aetherless_py.runtime.maker import Made, Maker
from aetherless_py.start.own_folder import own_folder
from tests.runtime.support import FUNCTIONS

WATCHDOG_S = 30.0


@contextmanager
def maker(folder: Path, **orchestrator: Any) -> Iterator[Maker]:
    """Of `hello:lambda_handler`, not prepared yet."""
    file = folder / "functions.yaml"
    function = {
        "id": "hello",
        "handler_path": "hello:lambda_handler",
        "environment": {"PYTHONPATH": FUNCTIONS},
    }
    orchestrator = {"warm_pool_size": 0, **orchestrator}
    file.write_text(yaml.safe_dump({"orchestrator": orchestrator, "functions": [function]}))
    config = load(str(file))
    made = Maker(config.functions[0], config.orchestrator)
    try:
        yield made
    finally:
        made.close()


def answer_to(made: Made, message: Sequence[wire.Buffer]) -> wire.Response:
    """What the instance answers."""
    assert made.channel is not None
    number = made.channel.post(list(message))
    until = time.monotonic() + WATCHDOG_S
    while (came := made.channel.collect()) is None:
        assert time.monotonic() < until
        time.sleep(0.001)
    assert came[0] == number and not came[2]
    return wire.Response(came[1])


def test_what_is_no_request_costs_the_instance_nothing(tmp_path: Path) -> None:
    deadline_ns = time.monotonic_ns() + int(WATCHDOG_S * 1e9)
    good = wire.request("id-1", "GET", b"/", b"", "127.0.0.1", time.time_ns(), deadline_ns, [], [])
    long = [(b"host", b"a" * wire.HEAD_LIMIT_BYTES)]
    huge = wire.request("id-2", "GET", b"/", b"", "::1", time.time_ns(), deadline_ns, long, [])
    with maker(tmp_path) as makes:
        makes.prepare()
        made = makes.make()
        try:
            for message in ([b"nonsense"], [b"\0" * 64], huge):
                assert answer_to(made, message).status == 502
                assert answer_to(made, good).status == 200
            assert made.instance.alive
        finally:
            made.discard()


def test_no_more_are_made_ahead_than_there_may_be(tmp_path: Path) -> None:
    with maker(tmp_path, warm_pool_size=5, max_instances=2, restore_timeout_ms=10_000) as makes:
        makes.prepare()
        until = time.monotonic() + WATCHDOG_S
        while makes.pool_counts()["ready"] < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.1)  # a third one would come
        assert makes.pool_counts()["ready"] == 2


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_for_images_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    snapshots = tmp_path / "snapshots"
    snapshots.mkdir()
    snapshots.chmod(mode)
    with (
        maker(tmp_path, start="criu", snapshot_dir=str(snapshots)) as makes,
        pytest.raises(StartError, match=r"snapshot_dir: .*snapshots': must be .* with mode 700"),
    ):
        makes.prepare()
    assert not os.listdir(snapshots)


@pytest.mark.parametrize(("mode", "may", "fits"), [(0o755, 0o055, True), (0o755, 0, False)])
def test_who_may_do_what_with_ones_own_folder(
    tmp_path: Path, mode: int, may: int, fits: bool
) -> None:
    tmp_path.chmod(mode)
    assert (own_folder(tmp_path, may) is None) is fits
    assert own_folder(tmp_path / "new" / "one", 0) is None
    assert stat.S_IMODE((tmp_path / "new" / "one").stat().st_mode) == 0o700


def test_a_folder_for_images_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "snapshots").symlink_to(tmp_path / "own")
    with (
        maker(tmp_path, start="criu", snapshot_dir=str(tmp_path / "snapshots")) as makes,
        pytest.raises(StartError, match="must be a folder of this user's"),
    ):
        makes.prepare()
