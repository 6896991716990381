"""One conformance suite over the ways of starting: what an instance does."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.starts import way
from benchmarks.starts.base import MOMENTS, Function, Instance, StartError
from tests.start.support import gone
from tests.ways.support import CONTAINERS, echo, odd, prepared

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _began_ns(pid: int) -> int:
    """When the process was started, on CLOCK_MONOTONIC, early by up to one kernel's tick."""
    offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") - offset_ns


@pytest.mark.parametrize("imports", [(), ("http.server", "json")])
def test_an_instance_answers_and_its_phases_stand_in_order(
    name: str, imports: tuple[str, ...]
) -> None:
    with prepared(name, echo(*imports)) as made:
        made.settle(60)
        instance = made.start()
        assert set(instance.phases) <= {*MOMENTS} - {"first_response"}
        for payload in (os.urandom(64), b"", os.urandom(1 << 20), b"once more"):
            assert instance.invoke(payload) == payload
        assert instance.invocations == 4
        assert set(instance.phases) == {"asked", *way(name).tells, "ready", "first_response"}
        moments = [instance.phases[kind] for kind in MOMENTS if kind in instance.phases]
        assert moments == sorted(moments)
        instance.stop()
        instance.stop()
        with pytest.raises(Exception, match=r"was stopped|did not answer"):
            instance.invoke(b"")


def test_each_start_is_a_new_process_begun_after_it_was_asked_for(name: str) -> None:
    pids = []
    with prepared(name, echo()) as made:
        for _ in range(3):
            made.settle(60)
            instance = made.start()
            assert instance.invoke(b"x") == b"x"
            began_ns = _began_ns(instance.pid)
            assert way(name).ahead or began_ns > instance.phases["asked"] - TICK_NS
            pids.append(instance.pid)
            instance.stop()
            assert gone(instance.pid)
    assert len(set(pids)) == 3


def test_the_process_is_that_in_which_the_function_runs(beside: str, scripts: str) -> None:
    with prepared(beside, odd(scripts)) as made:
        instance = made.start()
        said = int(instance.invoke(b"pid"))
        if beside in CONTAINERS:
            status = Path(f"/proc/{instance.pid}/status").read_text()
            assert said == 1
            assert f"NSpid:\t{instance.pid}\t1\n" in status
        else:  # gunicorn's worker is a child of the first one
            family = {one.pid for one in psutil.Process(instance.pid).children()}
            assert said in ({instance.pid} if beside != "functions_framework" else family)


def test_an_exception_is_told(beside: str, scripts: str) -> None:
    with prepared(beside, odd(scripts)) as made:
        instance = made.start()
        told = "status 500" if beside == "functions_framework" else "ValueError: no such thing"
        with pytest.raises(StartError, match=told):
            instance.invoke(b"raise")
        assert made.start().invoke(b"next") == b"next"


def test_what_an_instance_prints_is_not_in_the_way(beside: str, scripts: str) -> None:
    with prepared(beside, odd(scripts)) as made:
        instance = made.start()
        assert instance.invoke(b"print") == b"print"
        with pytest.raises(StartError, match=r"printed last:\n(.*\n)*.*the end"):
            instance.invoke(b"exit")


def test_an_instance_that_ends_in_the_middle_is_gone(beside: str, scripts: str) -> None:
    with prepared(beside, odd(scripts)) as made:
        instance = made.start()
        with pytest.raises(StartError):
            instance.invoke(b"exit")
        assert made.start().invoke(b"next") == b"next"


def test_an_instance_that_never_answers_is_killed(beside: str, scripts: str) -> None:
    with prepared(beside, odd(scripts)) as made:
        instance = made.start()
        pid = instance.pid
        with pytest.raises(StartError, match=r"timed out|not in time"):
            instance.invoke(b"hang", timeout_s=0.5)
        assert gone(pid)


def test_a_killed_instance_is_noticed(beside: str) -> None:
    with prepared(beside, echo()) as made:
        for asked_before in (False, True):
            instance = made.start()
            if asked_before:
                assert instance.invoke(b"x") == b"x"
            os.kill(instance.pid, signal.SIGKILL)
            assert gone(instance.pid)
            with pytest.raises(StartError):
                instance.invoke(b"y")


@pytest.mark.parametrize(
    ("module", "words"),
    [("fails", "this function cannot be imported"), ("exits", r"printed last:\n(.*\n)*not today")],
)
def test_a_function_that_fails_on_import_says_why(
    beside: str, scripts: str, module: str, words: str
) -> None:
    function = Function(f"{module}:f", (), (scripts,))
    with pytest.raises(StartError, match=words), prepared(beside, function) as made:
        made.start()


def test_a_function_that_is_never_ready_is_killed_at_its_time_out(
    beside: str, scripts: str
) -> None:
    function = Function("waits:f", (), (scripts,), timeout_s=2.0)
    with (
        pytest.raises(StartError, match=r"in time(.*\n)*.*takes for ever"),
        prepared(beside, function) as made,
    ):
        made.start()


def test_several_at_once(name: str) -> None:
    with prepared(name, echo(), burst=6) as made:
        made.settle(60)
        instances: list[Instance] = []
        failures: list[BaseException] = []

        def start(number: int) -> None:
            try:
                instance = made.start()
                assert instance.invoke(b"%d" % number) == b"%d" % number
                instances.append(instance)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert len({each.pid for each in instances}) == 6
