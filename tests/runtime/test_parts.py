"""What the orchestrator is made of, without processes: states, deadlines, logs, memory."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aetherless_py.runtime import logs, memory
from aetherless_py.runtime.deadlines import Deadlines
from aetherless_py.runtime.logs import LIMIT_BYTES, Log
from aetherless_py.runtime.states import State, follow
from aetherless_py.start import tree
from aetherless_py.start.output import Output

LEGAL = {
    (State.STARTING, State.IDLE),
    (State.STARTING, State.STOPPING),
    (State.STARTING, State.STOPPED),
    (State.IDLE, State.BUSY),
    (State.IDLE, State.STOPPING),
    (State.BUSY, State.IDLE),
    (State.BUSY, State.STOPPING),
    (State.STOPPING, State.STOPPED),
}


@pytest.mark.parametrize(("state", "following"), list(itertools.product(State, State)))
def test_only_what_can_follow_follows(state: State, following: State) -> None:
    if (state, following) in LEGAL:
        assert follow(state, following) is following
    else:
        with pytest.raises(RuntimeError, match=f"{state.value} cannot become {following.value}"):
            follow(state, following)


# -- deadlines -------------------------------------------------------------------------------------


class Thing:
    def __init__(self) -> None:
        self.over = False


def test_what_is_not_over_in_time_expires_in_order_and_once() -> None:
    async def run() -> tuple[list[Thing], list[Thing]]:
        expired: list[Thing] = []
        deadlines: Deadlines[Thing] = Deadlines(asyncio.get_running_loop(), 0.05, expired.append)
        things = [Thing() for _ in range(300)]
        for number, thing in enumerate(things):
            deadlines.add(thing)
            thing.over = number % 3 == 0
        late = [thing for thing in things if not thing.over]
        while len(expired) < len(late):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        return late, expired

    late, expired = asyncio.run(run())
    assert expired == late


def test_a_deadline_is_never_early() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        expired = asyncio.Event()
        deadlines: Deadlines[Thing] = Deadlines(loop, 0.05, lambda _: expired.set())
        first = Thing()
        deadlines.add(first)
        await asyncio.sleep(0.03)
        first.over = True
        began = loop.time()
        deadlines.add(Thing())  # the timer of the first still runs
        await expired.wait()
        return loop.time() - began

    assert asyncio.run(run()) >= 0.05


def test_one_that_takes_long_keeps_no_others_in_memory() -> None:
    async def run() -> int:
        deadlines: Deadlines[Thing] = Deadlines(asyncio.get_running_loop(), 60, lambda _: None)
        deadlines.add(Thing())  # which is not over
        for _ in range(10_000):
            thing = Thing()
            deadlines.add(thing)
            thing.over = True
        kept = len(deadlines._queue)
        deadlines.close()
        return kept

    assert asyncio.run(run()) <= 128


def test_after_close_nothing_expires() -> None:
    async def run() -> list[Thing]:
        expired: list[Thing] = []
        deadlines: Deadlines[Thing] = Deadlines(asyncio.get_running_loop(), 0.01, expired.append)
        deadlines.add(Thing())
        deadlines.close()
        await asyncio.sleep(0.05)
        return expired

    assert asyncio.run(run()) == []


# -- logs ------------------------------------------------------------------------------------------


def test_a_log_is_bounded_and_divided_at_lines(tmp_path: Path) -> None:
    log = Log(tmp_path, "one")
    line = b"a line of some length\n"
    piece = line * 100 + line[:7]
    for _ in range(3000):
        log.write(piece)
    log.close()
    old = Path(f"{log.path}.old")
    for path in (log.path, old):
        assert path.stat().st_size <= LIMIT_BYTES + len(piece)
    assert old.read_bytes().endswith(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.log", "one.log.old"]


def test_a_log_without_lines_is_bounded_too(tmp_path: Path) -> None:
    log = Log(tmp_path, "one")
    for _ in range(100):
        log.write(b"x" * 65536)
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * LIMIT_BYTES + 65536


def test_an_empty_log_is_no_file(tmp_path: Path) -> None:
    log = Log(tmp_path, "one")
    assert not list(tmp_path.iterdir())
    log.close()
    log.close()
    log.write(b"too late")
    assert not list(tmp_path.iterdir())


def test_the_oldest_logs_of_ended_instances_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "KEPT", 3)
    living = Log(tmp_path, "living")
    living.write(b"x")
    os.utime(living.path, (1, 1))  # the oldest of all
    for number in range(6):
        ended = Log(tmp_path, f"{number}")
        ended.write(b"x")
        os.utime(ended.path, (100 + number, 100 + number))
        ended.close()
    left = sorted(path.stem for path in tmp_path.iterdir())
    assert left == ["3", "4", "5", "living"]
    living.close()


def test_no_place_for_a_log_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = Log(tmp_path / "file" / "folder", "one")
    log.write(b"lost")
    log.close()


# -- output ----------------------------------------------------------------------------------------


def test_who_prints_without_end_does_not_hold_up_the_reader() -> None:
    output = Output()
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            os.write(output.write_fd, b"x" * 65536)

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    seen: list[int] = []
    output.sink = lambda data: seen.append(len(data))
    # Slower than the writer: there is always more.
    assert output.drain(reads=4)
    assert len(seen) <= 4
    stop.set()
    while flooding.is_alive():
        output.drain()
    output.close()


# -- memory ----------------------------------------------------------------------------------------


@pytest.fixture
def holder() -> Iterator[int]:
    """A process that holds 64 MB, of which its child has the same pages."""
    code = (
        "import os, time; held = os.urandom(1 << 20) * 64; os.fork() and print('x', flush=True);"
        " time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        for pid in (*tree.descendants(process.pid), process.pid):
            os.kill(pid, 9)


def test_shared_pages_count_once(holder: int) -> None:
    assert memory.over_limit([("it", holder, 100 << 20)]) == []
    [(name, held_bytes)] = memory.over_limit([("it", holder, 50 << 20)])
    assert name == "it" and 64 << 20 <= held_bytes < 110 << 20


def test_who_hides_its_pages_is_counted_in_full(
    holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = open

    def hidden(path: str, *more: str) -> Any:
        if path.endswith("smaps_rollup"):
            raise PermissionError(13, "Permission denied")
        return real(path, *more)

    monkeypatch.setattr("builtins.open", hidden)
    assert memory.over_limit([("it", holder, 100 << 20)])


def test_who_is_gone_holds_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert memory.resident_bytes(process.pid) == memory.proportional_bytes(process.pid) == 0
    assert memory.over_limit([("it", process.pid, 1)]) == []
