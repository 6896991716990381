"""Instances of every strategy: what they are, what they survive, and that nothing stays of them."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aetherless_py import errors, start
from aetherless_py.start import names, strategy
from aetherless_py.start.base import Function, Strategy
from tests.start.support import FUNCTIONS, descriptors, function, gone, prepared


@pytest.fixture(params=names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def odd(name: str) -> Iterator[Strategy]:
    with prepared(name, function("odd:do")) as made:
        yield made


def test_an_instance_answers_and_its_phases_stand_in_order(name: str) -> None:
    with prepared(name, function("odd:echo")) as made:
        instance = made.start()
        for payload in (b"", b"x", b"y" * (1 << 20)):
            assert instance.invoke(payload) == payload
        assert (instance.mode, instance.invocations, instance.alive) == (name, 3, True)
        moments = [
            moment
            for moment in (
                instance.phases.asked_ns,
                instance.phases.created_ns,
                instance.phases.interpreter_ns,
                instance.phases.imported_ns,
                instance.phases.ready_ns,
                instance.phases.first_response_ns,
            )
            if moment is not None
        ]
        assert len(moments) >= 4
        assert moments == sorted(moments)
        instance.stop()
        assert (instance.alive, instance.status) == (False, 0)
        with pytest.raises(errors.InstanceGoneError, match="stopped"):
            instance.invoke(b"")


def test_who_looks_late_at_the_clock_has_not_created_it_late() -> None:
    with prepared("spawn", function("odd:echo")) as made:
        instance = made.start()
        instance.phases.created_ns = instance.phases.ready_ns
        instance.invoke(b"")
        assert instance.phases.created_ns == instance.phases.interpreter_ns


@pytest.mark.parametrize(
    "of",
    [
        function("odd:tell", "numpy.random"),
        function("used:tell"),
        function("used:tell", AETHER_TEST_THREAD="1"),
    ],
    ids=["unused", "used", "used by a thread"],
)
def test_two_instances_have_nothing_in_common_but_their_function(name: str, of: Function) -> None:
    with prepared(name, of) as made:
        before_ns = time.monotonic_ns()
        first, second = made.start(), made.start()
        found = [json.loads(each.invoke(b"")) for each in (first, second)]
        after_ns = time.monotonic_ns()
    for key in ("random", "numpy", "ssl", "uuid4", "uuid1", "temporary", "id"):
        assert found[0][key] != found[1][key], key
    for told, instance in zip(found, (first, second), strict=True):
        assert told["id"] == instance.id
        assert before_ns < told["monotonic_ns"] < after_ns


def test_many_at_once(name: str) -> None:
    with prepared(name, function("odd:tell")) as made:
        found: list[str] = []

        def start() -> None:
            found.append(json.loads(made.start().invoke(b""))["id"])

        threads = [threading.Thread(target=start) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 24


def test_an_instance_has_only_its_own_descriptors(name: str) -> None:
    stray = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(stray, True)
    try:
        with prepared(name, function("odd:do")) as made:
            others = [made.start() for _ in range(3)]
            counts = {len(json.loads(made.start().invoke(b"open"))) for _ in range(3)}
            assert all(each.alive for each in others)
    finally:
        os.close(stray)
    assert len(counts) == 1  # however many siblings there are
    # Three standard ones, the connection, perhaps a lifeline, and that by which it looks; a server
    # of HTTP has two more.
    assert counts.pop() <= (8 if name == "executable" else 6)


def test_an_exception_is_the_callers_and_the_instance_goes_on(odd: Strategy) -> None:
    instance = odd.start()
    with pytest.raises(errors.HandlerError, match="ValueError: no such thing"):
        instance.invoke(b"raise no such thing")
    assert instance.invoke(b"print 0") == b"printed"


@pytest.mark.parametrize(("what", "status"), [(b"exit 3", 3), (b"crash", -signal.SIGSEGV)])
def test_an_instance_that_ends_in_the_middle_is_gone(
    odd: Strategy, what: bytes, status: int
) -> None:
    instance = odd.start()
    with pytest.raises(errors.InstanceGoneError, match="before it answered"):
        instance.invoke(what)
    assert (instance.alive, instance.status) == (False, status)
    assert odd.start().invoke(b"print 0") == b"printed"


def test_an_instance_that_never_answers_is_killed(odd: Strategy) -> None:
    instance = odd.start()
    with pytest.raises(errors.InvocationTimeoutError, match="killed"):
        instance.invoke(b"hang", timeout_s=0.3)
    assert gone(instance.pid)
    assert instance.status == -signal.SIGKILL


def test_a_gigabyte_of_output_is_neither_kept_nor_in_the_way(odd: Strategy) -> None:
    instance = odd.start()
    assert instance.invoke(b"print %d" % (1 << 30)) == b"printed"
    assert instance.output.endswith("the end")
    assert len(instance.output) <= 65536


def test_what_a_function_forks_ends_with_it(odd: Strategy) -> None:
    for stop in ("stop", "kill"):
        instance = odd.start()
        started = json.loads(instance.invoke(b"fork"))
        if stop == "kill":
            os.kill(instance.pid, signal.SIGKILL)
            assert gone(instance.pid)
        instance.stop()
        if odd.name != "criu":  # whose processes have other ids outside
            assert all(gone(pid) for pid in started)


def test_nothing_stays_open(odd: Strategy) -> None:
    odd.start().stop()
    odd.settle(30)
    before = descriptors()
    for grace_s in (0, 0, 1.0, 1.0):
        odd.start().stop(grace_s)
    odd.settle(30)
    assert descriptors() == before


def test_more_starts_than_were_made_ready_for(name: str) -> None:
    """Nobody replenishes: each then makes for itself what it needs."""
    with prepared(name, function("odd:echo")) as made:
        for _ in range(20):
            instance = made.start()
            assert instance.invoke(b"x") == b"x"
            instance.stop(grace_s=0)


def test_a_runtime_with_very_many_descriptors_goes_on(name: str) -> None:
    """select(2) knows none above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    held: list[int] = []
    try:
        held += [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        with prepared(name, function("odd:echo")) as made:
            made.settle(30)
            instance = made.start()
            assert instance.invoke(b"x") == b"x" and instance.alive
            instance.stop()
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_short_of_descriptors_a_start_fails_and_the_living_live_on(name: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with prepared(name, function("odd:echo")) as made:
        made.settle(30)
        instances = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 12, hard))
        try:
            with pytest.raises(errors.StartError):
                for _ in range(60):
                    instances.append(made.start())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert instances and all(each.invoke(b"x") == b"x" for each in instances)
        assert made.start().invoke(b"x") == b"x"


def test_a_start_while_it_is_closed_leaves_nothing(name: str) -> None:
    children = {one.pid for one in psutil.Process().children(recursive=True)}
    before = descriptors()
    for _ in range(3):
        with prepared(name, function("odd:echo")) as made:

            def start(made: Strategy = made) -> None:
                with contextlib.suppress(errors.StartError, errors.StrategyClosedError):
                    for _ in range(1000):
                        made.start().stop(grace_s=0)

            threads = [threading.Thread(target=start) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        made.close()
    left = [one for one in psutil.Process().children(recursive=True) if one.pid not in children]
    assert not left and descriptors() == before


def test_a_helper_that_the_function_started_at_import_is_not_ended_by_an_instance() -> None:
    with prepared("zygote", function("helped:helper")) as made:
        first = made.start()
        pid = int(first.invoke(b""))
        first.stop()
        assert psutil.pid_exists(pid) and made.start().invoke(b"") == b"%d" % pid
    assert gone(pid)


def test_a_template_that_prints_at_each_fork_goes_on() -> None:
    with prepared("zygote", function("loud:echo", ready_timeout_s=5.0)) as made:
        for _ in range(24):  # more than a pipe holds
            made.start().stop(grace_s=0)


def test_a_daemon_that_the_function_started_at_import_ends_with_a_spawned_instance() -> None:
    with prepared("spawn", function("helped:daemon")) as made:
        pid = int(made.start().invoke(b""))
    assert gone(pid)


@pytest.mark.parametrize("name", ["zygote", "criu"])
def test_an_instances_collector_leaves_alone_what_the_template_has_imported(name: str) -> None:
    with prepared(name, function("odd:frozen")) as made:
        assert int(made.start().invoke(b"")) > 1000


def test_memory_that_a_fork_wipes_is_wiped_in_an_instance() -> None:
    with prepared("zygote", function("helped:secret")) as made:
        assert made.start().invoke(b"") == bytes(6)


def test_close_stops_what_is_left(name: str) -> None:
    before = descriptors()
    with prepared(name, function("odd:echo")) as made:
        instances = [made.start() for _ in range(3)]
    assert all(gone(each.pid) and not each.alive for each in instances)
    made.close()
    with pytest.raises(errors.StrategyClosedError, match="closed"):
        made.start()
    assert descriptors() == before


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("fails_to_import", "this function cannot be imported"),
        ("exits_on_import", r"exit status 7\); it printed last:\nnot today"),
        ("there_is_no_such_module", "No module named"),
    ],
)
def test_a_function_that_cannot_be_made_ready_says_why(name: str, module: str, words: str) -> None:
    before = descriptors()
    with (
        pytest.raises(errors.StartError, match=words),
        prepared(name, function(f"{module}:f")) as m,
    ):
        m.start()
    assert descriptors() == before


def test_a_function_that_is_never_ready_is_killed_at_its_time_out(name: str) -> None:
    late = function("never_imported:f", ready_timeout_s=1.0)
    match = "takes for ever"
    with pytest.raises(errors.StartTimeoutError, match=match), prepared(name, late) as made:
        made.start()


@pytest.mark.parametrize("name", [each for each in names() if strategy(each).takes == "handler"])
def test_a_function_works_in_its_folder_and_else_where_this_does(name: str, tmp_path: Path) -> None:
    (tmp_path / "placed.py").write_text(
        "import os\nAT_IMPORT = os.getcwd()\n"
        "def where(_request): return f'{AT_IMPORT} {os.getcwd()}'.encode()\n"
    )
    for folder in ("", str(tmp_path)):
        placed = Function("placed:where", path=(str(tmp_path),), folder=folder)
        with prepared(name, placed) as made:
            here = folder or os.getcwd()
            assert made.start().invoke(b"").decode() == f"{here} {here}"


def test_threads_that_instances_lack_are_named() -> None:
    for name, count in (("zygote", 1), ("spawn", 0)):
        with prepared(name, function("threads:in_python")) as made:
            assert len(made.lost_threads) == count
    with prepared("zygote", function("odd:echo")) as made:
        assert made.lost_threads == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"handler": "no colon"},
        {"handler": "a:b;c"},
        {"handler": "a:b", "imports": ("os;sys",)},
        {"handler": "a:b", "path": ("/no/such/folder",)},
        {"handler": "a:b", "folder": "/no/such/folder"},
        {},
        {"handler": "a:b", "command": ("a",)},
        {"imports": ("json",), "command": ("a",)},
        {"folder": "/", "command": ("a",)},
        {"command": ("", "a")},
        {"command": ("a", "b\0")},
        {"handler": "a:b", "ready_timeout_s": 0},
        {"handler": "a:b", "ready_timeout_s": float("nan")},
    ],
)
def test_a_function_that_can_never_work_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(errors.FunctionError):
        Function(**fields)  # type: ignore[arg-type]


def test_a_strategy_of_no_known_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no start strategy 'fork': there are spawn"):
        strategy("fork")


def test_a_file_put_in_is_a_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forked.py").write_text(
        "from aetherless_py.start.zygote import Zygote\n\n"
        'class Forked(Zygote):\n    name = "forked"\n'
    )
    (tmp_path / "helps.py").write_text('class Helps:\n    name = "other"\n')
    monkeypatch.setattr(start, "__path__", [*start.__path__, str(tmp_path)])
    assert set(names()) == {"spawn", "zygote", "criu", "executable", "forked"}
    assert list(start.kinds())[1:3] == ["zygote", "forked"]
    with strategy("forked") as made:
        made.prepare(function("odd:echo"))
        assert made.start().invoke(b"x") == b"x"


def test_names_are_known_without_an_import() -> None:
    code = "import sys; from aetherless_py.start import names; names(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    found = {name for name in done.stdout.split() if name.startswith("aetherless_py.")}
    assert found == {"aetherless_py.start"}


def test_a_strategy_is_prepared_once_and_before_it_starts(name: str) -> None:
    with pytest.raises(errors.StrategyClosedError, match="not prepared"):
        strategy(name).start()
    with (
        prepared(name, function("odd:echo")) as made,
        pytest.raises(errors.StrategyClosedError, match=r"prepared for .*odd:echo"),
    ):
        made.prepare(function("odd:tell"))


RUNTIME = """
    import json, sys, threading, time
    from aetherless_py.start import strategy
    from aetherless_py.start.base import Function
    from tests.start.support import as_taken_by
    made = strategy(sys.argv[1])
    made.prepare(as_taken_by(sys.argv[1], Function("odd:do", path=(sys.argv[2],))))
    instances = []
    def start():  # a thread that ends: its instances must not end with it
        instances.append(made.start())
    for _ in range(3):
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    time.sleep(0.2)
    assert all(each.alive for each in instances)
    started = json.loads(instances[1].invoke(b"fork"))
    threading.Thread(target=instances[0].invoke, args=(b"hang",), daemon=True).start()
    if sys.argv[1] == "criu":  # whose processes have other ids outside
        started = []
    print(*(each.pid for each in instances), *started, flush=True)
    time.sleep(600)
    """


def test_instances_end_with_a_runtime_that_is_killed(name: str) -> None:
    if why := strategy(name).missing():
        pytest.skip(f"{name}: {why}")
    code = textwrap.dedent(RUNTIME)
    with (
        tempfile.TemporaryDirectory() as own,  # a short name, for the sockets
        subprocess.Popen(
            [sys.executable, "-c", code, name, FUNCTIONS], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": own},
        ) as runtime,
    ):  # fmt: skip
        assert runtime.stdout is not None
        pids = [int(pid) for pid in runtime.stdout.readline().split()]
        assert len(pids) == (3 if name == "criu" else 5)
        pids += [one.pid for one in psutil.Process(runtime.pid).children(recursive=True)]
        runtime.kill()
        assert all(gone(pid) for pid in pids)
        assert not os.listdir(own)
