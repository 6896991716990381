"""Instances come by demand, up to what there may be, and go when nobody asks."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.crowd import at_once, under_way
from tests.gateway.up import eventually, lives


def _meet(folder: Path, count: int) -> str:
    folder.mkdir(exist_ok=True)
    return f"/function/does?do=meet&value={count}&folder={folder}"


def test_nothing_runs_before_somebody_asks(up: Start) -> None:
    runtime = up({"id": "does"})
    assert runtime.instances() == []
    assert runtime.ask("/function/does").status == 200
    assert len(runtime.instances()) == 1


def test_requests_at_the_same_time_have_an_instance_each(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, max_instances=5)
    # None of them answers before all five are there.
    answers = at_once(runtime, [_meet(tmp_path / "meet", 5)] * 5)
    assert [answer.status for answer in answers] == [200] * 5
    assert len({answer.json()["pid"] for answer in answers}) == 5
    assert {answer.headers["x-aether-start"] for answer in answers} == {"zygote"}
    again = at_once(runtime, ["/function/does"] * 5)
    assert {answer.headers["x-aether-start"] for answer in again} == {"warm"}


def test_never_more_than_there_may_be(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, max_instances=2)
    answers = at_once(runtime, ["/function/does?do=alone"] * 20)
    assert [answer.status for answer in answers] == [200] * 20
    instances = {answer.headers["x-aether-instance"] for answer in answers}
    assert len(instances) == 2
    for instance in instances:
        own = [each for each in answers if each.headers["x-aether-instance"] == instance]
        # The first of each tells its start, and only the first.
        starts = sorted(each.headers["x-aether-start"] for each in own)
        assert starts == ["warm"] * (len(own) - 1) + ["zygote"]
    [state] = runtime.state()
    assert state["counts"] == {"started": 2} and state["served"] == 20


def test_concurrency_is_threads_of_one_process(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "concurrency": 4, "max_instances": 1})
    answers = at_once(runtime, [_meet(tmp_path / "meet", 4)] * 4)
    assert len({answer.json()["pid"] for answer in answers}) == 1
    assert len({answer.json()["thread"] for answer in answers}) == 4


def test_what_is_too_large_for_the_ring_beside_another_does_not_wait_for_its_answer(
    up: Start, tmp_path: Path
) -> None:
    runtime = up({"id": "does", "concurrency": 2, "max_instances": 1}, shm_buffer_size=1 << 20)
    body = b"x" * 700_000  # two do not fit
    with ThreadPoolExecutor(2) as clients:
        path = _meet(tmp_path / "meet", 2)
        answers = list(clients.map(lambda _: runtime.ask(path, body), range(2)))
    assert [answer.status for answer in answers] == [200, 200]


def test_beyond_the_queue_requests_are_refused(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "max_instances": 1}, queue_limit=2)
    go = tmp_path / "go"
    with under_way(runtime, go), ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(runtime.ask, "/function/does") for _ in range(2)]
        eventually(lambda: runtime.state()[0]["queue"] == 2)
        refused = runtime.ask("/function/does")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "x-aether-instance" not in refused.headers
        go.touch()
        assert [each.result().status for each in waiting] == [200, 200]


def test_without_a_queue_an_instance_on_its_way_is_waited_for(up: Start) -> None:
    runtime = up({"id": "does", "max_instances": 1, "keep_alive_s": 0}, queue_limit=0)
    # Each is ended as soon as it has answered: the next request meets one that is ending.
    for _ in range(20):
        assert runtime.ask("/function/does").status == 200


def test_who_waits_too_long_in_the_queue_is_told(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "max_instances": 1, "timeout_ms": 3000})
    counter = tmp_path / "counter"
    # One after the other: two are within the time, the third would begin after it.
    answers = at_once(runtime, [f"/function/does?do=sleep&value=1.8&count={counter}"] * 3)
    assert sorted(answer.status for answer in answers) == [200, 200, 503]
    [refused] = [answer for answer in answers if answer.status == 503]
    assert refused.headers["retry-after"] == "1"
    assert len(counter.read_text().split()) == 2  # it was not given to anybody afterwards


def test_idle_instances_go_and_come_again(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, keep_alive_s=0.1)
    answers = at_once(runtime, [_meet(tmp_path / "meet", 3)] * 3)
    eventually(lambda: not runtime.instances())
    assert runtime.state()[0]["counts"] == {"started": 3, "idle": 3}
    again = runtime.ask("/function/does")
    assert (again.status, again.headers["x-aether-start"]) == (200, "zygote")
    assert again.json()["pid"] not in {answer.json()["pid"] for answer in answers}


def test_memory_of_instances_that_are_gone_is_given_back(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, keep_alive_s=0.1)
    pid = runtime.process.pid

    def mapped() -> int:
        return Path(f"/proc/{pid}/maps").read_text().count("/memfd:aetherless-ring")

    go = tmp_path / "go"
    with under_way(runtime, go):
        assert mapped()
        at_once(runtime, [_meet(tmp_path / "meet", 3)] * 3)
        go.touch()
    # By itself, not by a collection some time, in the midst of a request.
    eventually(lambda: not runtime.instances() and not mapped())


def test_a_busy_instance_is_not_evicted(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, keep_alive_s=0.05)
    go = tmp_path / "go"
    with under_way(runtime, go) as [held]:
        for _ in range(20):
            assert runtime.ask("/function/does?do=sleep&value=0.02").status == 200
        go.touch()
        assert held.result().status == 200


def test_the_pool_is_filled_again(up: Start) -> None:
    runtime = up({"id": "does"}, warm_pool_size=2, restore_timeout_ms=10_000)
    eventually(lambda: runtime.state()[0]["pool"]["ready"] == 2)
    answers = at_once(runtime, ["/function/does?do=sleep&value=0.2"] * 2)
    assert {answer.headers["x-aether-start"] for answer in answers} == {"warm_pool"}
    eventually(lambda: runtime.state()[0]["pool"]["ready"] == 2)


def test_a_pool_that_cannot_be_filled_in_time_fails_nobody(up: Start) -> None:
    runtime = up({"id": "does"}, warm_pool_size=2, restore_timeout_ms=0.01)
    answers = at_once(runtime, ["/function/does?do=sleep&value=0.1"] * 4)
    assert [answer.status for answer in answers] == [200] * 4
    assert {answer.headers["x-aether-start"] for answer in answers} == {"zygote"}
    assert runtime.state()[0]["pool"]["missed_deadline"] >= 5


@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_one_that_was_killed_in_the_pool_is_not_handed_over(up: Start, start: str) -> None:
    runtime = up({"id": "does"}, warm_pool_size=2, start=start, restore_timeout_ms=10_000)
    eventually(lambda: runtime.state()[0]["pool"]["ready"] == 2)
    waiting = [
        each
        for each in runtime.processes()
        if not each.children() and "guard" not in each.cmdline()[3]
    ]
    assert len(waiting) == 2
    for each in waiting:
        os.kill(each.pid, signal.SIGKILL)
    eventually(lambda: not any(map(lives, waiting)))
    answer = runtime.ask("/function/does")
    assert answer.status == 200, runtime.stderr()
    assert answer.headers["x-aether-start"] == "warm_pool"
    assert answer.json()["pid"] not in {each.pid for each in waiting}
