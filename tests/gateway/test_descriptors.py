"""Where the system allows few open files: what can be needed is known, and said, at the start."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

import psutil
import pytest

from aetherless_py.runtime import descriptors
from aetherless_py.runtime.config_file import load
from aetherless_py.start.criu import Criu
from tests.gateway.conftest import Start
from tests.gateway.crowd import at_once
from tests.gateway.raw import Raw, get
from tests.gateway.test_serving import SIZED
from tests.gateway.up import Up, eventually


class Limited(Up):
    """A runtime that may have so many."""

    limit = 64

    def command(self, *arguments: str) -> list[str]:
        script = f'ulimit -n {self.limit} && exec "$@"'
        return ["sh", "-c", script, "sh", *super().command(*arguments)]


@pytest.mark.parametrize("limit", [64, 200])
def test_too_few_are_refused_with_one_line_that_says_what_helps(tmp_path: Path, limit: int) -> None:
    runtime = Limited(tmp_path, [{"id": "noop"}], {"warm_pool_size": 10})
    runtime.limit = limit
    done = runtime.run("up", "-c", str(runtime.file))
    assert (done.returncode, done.stdout) == (1, "")
    told = re.fullmatch(
        r"aetherless: open files: 1 function and 64 connections need (\d+), and there may be"
        rf" {limit}: raise the limit, as by 'ulimit -n (\d+)', or lower warm_pool_size\n",
        done.stderr,
    )
    assert told, done.stderr
    assert limit < int(told[1]) < int(told[2])
    runtime.limit = int(told[2])
    with runtime:
        assert runtime.ask("/function/noop").status == 200
        assert "open files" not in runtime.stderr()


def test_the_soft_limit_is_raised_first(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    class Soft(Up):
        def command(self, *arguments: str) -> list[str]:
            return ["sh", "-c", 'ulimit -S -n 64 && exec "$@"', "sh", *super().command(*arguments)]

    with Soft(tmp_path, [{"id": "noop"}]) as runtime:
        has = psutil.Process(runtime.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert has == (hard, hard)
        assert runtime.ask("/function/noop").status == 200


def test_few_bound_connections_and_instances_so_that_none_is_reset(tmp_path: Path) -> None:
    runtime = Limited(tmp_path, [{"id": "does", "max_instances": 200}, {"id": "noop"}])
    runtime.limit = 300
    with runtime, contextlib.ExitStack() as stack:
        warning = re.search(
            r"open files: there may be 300: (\d+) connections at a time in place of 4096, and fewer"
            r" instances than max_instances allows; raise",
            runtime.stderr(),
        )
        assert warning, runtime.stderr()
        most = int(warning[1])
        # All connections there may be, each with a request that takes its time.
        connections = [stack.enter_context(Raw(runtime.port)) for _ in range(most - 1)]
        for connection in connections:
            connection.send(get("/function/does?do=sleep&value=0.05"))
        assert runtime.ask("/function/noop").status == 200
        assert [each.answer().status for each in connections] == [200] * (most - 1)
        assert psutil.Process(runtime.process.pid).num_fds() <= 300
        assert "start_failed" not in runtime.state()[0]["counts"]
        assert len(runtime.instances()) < 30
        # Those beyond are refused, or only closed: never at the cost of the others.
        beyond = [stack.enter_context(Raw(runtime.port)) for _ in range(60)]
        for connection in beyond:
            with contextlib.suppress(OSError):
                connection.send(get())
        for connection in connections:
            connection.send(get("/function/noop"))
        assert [each.answer().status for each in connections] == [200] * (most - 1)
        assert psutil.Process(runtime.process.pid).num_fds() <= 300


def test_a_reload_for_which_they_are_too_few_changes_nothing(tmp_path: Path) -> None:
    runtime = Limited(tmp_path, [{"id": "noop"}], {"warm_pool_size": 4})
    runtime.limit = 230
    with runtime:
        runtime.functions.append({"id": "who", "warm_pool_size": 64, "max_instances": 64})
        runtime.write()
        done = runtime.run("reload")
        assert done.returncode == 1 and "open files: " in done.stderr, done
        assert [each["id"] for each in runtime.state()] == ["noop"]
        assert runtime.ask("/function/noop").status == 200


@pytest.mark.parametrize("start", ["zygote", "spawn", "criu", "executable"])
def test_a_function_takes_no_more_than_is_counted(up: Start, tmp_path: Path, start: str) -> None:
    if start == "criu" and (why := Criu.missing()):
        pytest.skip(why)
    function = {"id": "does", "max_instances": 3, "warm_pool_size": 2}
    path = "/function/does?do=meet&value=3&folder="
    if start == "executable":
        program = tmp_path / "sized"
        program.write_text(SIZED.format(python=sys.executable))
        program.chmod(0o700)
        function |= {"handler_path": str(program), "start": "spawn"}
        path = "/function/does?"
    runtime = up(
        {"id": "noop", "start": "spawn"}, start=start if start != "executable" else "spawn"
    )
    here = psutil.Process(runtime.process.pid)
    with Raw(runtime.port) as connection:  # what it takes to be asked
        connection.send(get("/function/noop"))
        assert connection.answer().status == 200
        before = here.num_fds()
        runtime.functions.append(function)
        runtime.write()
        assert runtime.run("reload").returncode == 0
        (tmp_path / "met").mkdir()
        answers = at_once(runtime, [f"{path}{tmp_path / 'met'}"] * 3)
        assert [each.status for each in answers] == [200] * 3
        [_, counted] = load(runtime.file, {}).functions
        needed = descriptors.kept_by(counted) + 2 * descriptors.of_instance(counted)
        eventually(lambda: runtime.state()[1]["pool"]["ready"] == 2)
        # What makes more may hold more for a moment.
        eventually(lambda: here.num_fds() - before <= needed)
        if start == "zygote":
            assert needed - (here.num_fds() - before) <= 8  # nor is too much counted
