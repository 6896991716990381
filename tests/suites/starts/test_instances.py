"""One conformance suite over the baselines of starting: what an instance does."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start.base import Function
from aetherless_py.start.instance import Instance
from tests.start.support import gone
from tests.suites.starts.support import CONTAINERS, echo, odd, prepared

# What a start cannot tell: the runtime makes the process; a server that is not ours keeps no marks.
UNKNOWN = {
    "container": {"created_ns"},
    "lambda_runtime": {"interpreter_ns", "imported_ns"},
    "lambda_runtime_container": {"created_ns", "interpreter_ns", "imported_ns"},
    "functions_framework": {"interpreter_ns", "imported_ns"},
}

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _began_ns(pid: int) -> int:
    """When the process was started, on CLOCK_MONOTONIC, early by up to one kernel's tick."""
    offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") - offset_ns


def _ends(instance: Instance) -> bool:
    """Whether it is noticed within a time that the instance has ended: all threads of it."""
    until = time.monotonic() + 30
    while instance.alive and time.monotonic() < until:
        time.sleep(0.01)
    return not instance.alive


@pytest.mark.parametrize("imports", [(), ("http.server", "json")])
def test_an_instance_answers_and_its_phases_stand_in_order(
    name: str, imports: tuple[str, ...]
) -> None:
    with prepared(name, echo(*imports)) as made:
        instance = made.start()
        assert instance.phases.ready_ns is not None
        assert instance.phases.first_response_ns is None
        for payload in (os.urandom(64), b"", os.urandom(1 << 20), b"once more"):
            assert instance.invoke(payload) == payload
        assert (instance.mode, instance.invocations, instance.alive) == (name, 4, True)
        phases = dataclasses.asdict(instance.phases)  # in the order of time
        assert {kind for kind, moment in phases.items() if moment is None} == UNKNOWN.get(
            name, set()
        )
        moments = [moment for moment in phases.values() if moment is not None]
        assert moments == sorted(moments)
        instance.stop()
        assert not instance.alive
        assert instance.status is not None
        with pytest.raises(errors.InstanceGoneError, match="stopped"):
            instance.invoke(b"")


def test_each_start_is_a_new_process_begun_after_it_was_asked_for(name: str) -> None:
    pids = []
    with prepared(name, echo()) as made:
        for _ in range(3):
            instance = made.start()
            assert instance.invoke(b"x") == b"x"
            assert _began_ns(instance.pid) > instance.phases.asked_ns - TICK_NS
            pids.append(instance.pid)
            instance.stop(grace_s=0)
            assert gone(instance.pid)
    assert len(set(pids)) == 3


def test_the_process_is_that_in_which_the_function_runs(name: str, scripts: str) -> None:
    with prepared(name, odd(scripts)) as made:
        instance = made.start()
        said = int(instance.invoke(b"pid"))
        if name in CONTAINERS:
            status = Path(f"/proc/{instance.pid}/status").read_text()
            assert said == 1
            assert f"NSpid:\t{instance.pid}\t1\n" in status
        else:  # gunicorn's worker is a child of the first one
            family = {one.pid for one in psutil.Process(instance.pid).children()}
            assert said in ({instance.pid} if name != "functions_framework" else family)


def test_an_exception_is_the_callers_and_the_instance_goes_on(name: str, scripts: str) -> None:
    with prepared(name, odd(scripts)) as made:
        instance = made.start()
        told = "status 500" if name == "functions_framework" else "ValueError: no such thing"
        with pytest.raises(errors.HandlerError, match=told):
            instance.invoke(b"raise")
        assert instance.invoke(b"and on") == b"and on"


def test_what_an_instance_prints_is_not_in_the_way(name: str, scripts: str) -> None:
    with prepared(name, odd(scripts)) as made:
        instance = made.start()
        assert instance.invoke(b"print") == b"print"
        until = time.monotonic() + 30
        while not instance.output.endswith("the end") and time.monotonic() < until:
            time.sleep(0.01)
        assert instance.output.endswith("the end")


def test_an_instance_that_ends_in_the_middle_is_gone(name: str, scripts: str) -> None:
    with prepared(name, odd(scripts)) as made:
        instance = made.start()
        with pytest.raises(errors.InstanceGoneError):
            instance.invoke(b"exit")
        assert not instance.alive
        assert made.start().invoke(b"next") == b"next"


def test_an_instance_that_never_answers_is_killed(name: str, scripts: str) -> None:
    with prepared(name, odd(scripts)) as made:
        instance = made.start()
        pid = instance.pid
        with pytest.raises(errors.InvocationTimeoutError, match="killed"):
            instance.invoke(b"hang", timeout_s=0.5)
        assert gone(pid)


def test_a_killed_instance_is_noticed(name: str) -> None:
    with prepared(name, echo()) as made:
        for asked_before in (False, True):
            instance = made.start()
            if asked_before:
                assert instance.invoke(b"x") == b"x"
            os.kill(instance.pid, signal.SIGKILL)
            assert _ends(instance)
            with pytest.raises(errors.InstanceGoneError):
                instance.invoke(b"y")


@pytest.mark.parametrize(
    ("module", "words"),
    [("fails", "this function cannot be imported"), ("exits", r"printed last:\n(.*\n)*not today")],
)
def test_a_function_that_fails_on_import_says_why(
    name: str, scripts: str, module: str, words: str
) -> None:
    function = Function(f"{module}:f", (), (scripts,), {}, ready_timeout_s=60)
    with pytest.raises(errors.StartError, match=words) as raised, prepared(name, function) as made:
        made.start()
    assert raised.type is errors.StartError


def test_a_function_that_is_never_ready_is_killed_at_its_time_out(name: str, scripts: str) -> None:
    function = Function("waits:f", (), (scripts,), {}, ready_timeout_s=2.0)
    with (
        pytest.raises(errors.StartTimeoutError, match="takes for ever"),
        prepared(name, function) as made,
    ):
        made.start()


def test_several_at_once(name: str) -> None:
    with prepared(name, echo()) as made:
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
        assert len({each.pid for each in instances}) == len({each.id for each in instances}) == 6
