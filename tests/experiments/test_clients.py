"""Who asks, in the end-to-end suite, against servers that say what a test has them say."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.experiments import _loads
from benchmarks.experiments import burst as bursts
from benchmarks.experiments._asker import ask_together, drive
from benchmarks.experiments._one_at_a_time import OneAtATime, Timings
from benchmarks.experiments.burst import Kept
from benchmarks.harness.processes import ChildFailedError
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load.arrivals import burst
from benchmarks.load.request import Request
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import WrongAnswer
from tests.load.servers import Behaviour, answering, closing_after, serving


def answer(start: str = "warm", instance: str = "f-1", body: str = "{}", more: str = "") -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-aether-start: {start}\r\n"
        f"x-aether-instance: {instance}\r\nserver-timing: gateway;dur=0.5, function;dur=0.25\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def asked(behave: Behaviour, **changed: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "path": "/f", "workload": "noop:empty", "count": 4, "state": "warm",
    }  # fmt: skip
    with serving(behave) as port:
        return drive(**{**arguments, "port": port, **changed})


def asked_afresh(port: int, count: int) -> tuple[Samples, Timings]:
    one = SimpleNamespace(port=port)
    trial = OneAtATime("noop:empty", samples=count)
    return trial.ask(one, Turn(0), "/f")  # type: ignore[arg-type]


def test_what_an_answer_says_is_kept() -> None:
    seen: list[bytes] = []
    with serving(answering(answer()), seen) as port:
        samples, timings = asked_afresh(port, 3)
    assert seen == [b"GET /f/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port] * 4
    assert len(samples.durations_ns) == 3
    assert timings == [{"gateway": 0.5e6, "function": 0.25e6}] * 3
    assert (samples.facts["starts"], samples.facts["recollected"]) == ({"warm": 3}, 0)


def test_a_wrong_answer_ends_it() -> None:
    with pytest.raises(WrongAnswer, match=r"noop, empty, seed 0: .*not {}"):
        asked(answering(answer(), answer(), answer(body="[]")))
    with (
        serving(answering(answer().replace(b"200 OK", b"503 Busy"))) as port,
        pytest.raises(ChildFailedError, match="status 503"),
    ):
        asked_afresh(port, 1)


def test_another_state_is_asked_for_again() -> None:
    found = asked(answering(answer("zygote"), answer("zygote"), answer()), count=2)
    # The first one is the warm-up; two of the five after it are in the state.
    assert len(found["durations_ns"]) == len(found["timings"]) == 2
    assert found["starts"] == {"zygote": 3, "warm": 2}
    assert found["recollected"] == 3


def test_any_state_counts_where_none_is_asked_for() -> None:
    found = asked(answering(answer(), answer("zygote")), state=None)
    assert found["starts"] == {"zygote": 2, "warm": 2}
    assert found["recollected"] == 0


def test_a_state_that_never_comes_is_given_up() -> None:
    said = r"17 answers, none of criu: \{'warm': 17\}"
    with pytest.raises(RuntimeError, match=said):
        asked(answering(answer()), state="criu")


def test_a_server_that_closes() -> None:
    # After its answer, and it has said so: the next request has a connection of its own.
    found = asked(closing_after(answer(more="Connection: close\r\n")))
    assert len(found["durations_ns"]) == 4
    for broken in (b"", answer()[:-1]):
        with pytest.raises(ConnectionError, match="closed before its answer was whole"):
            asked(closing_after(broken))


def test_a_server_is_held_until_all_have_asked() -> None:
    with Aetherless("noop", orchestrator={"max_instances": 16}) as one:
        assert ask_together(one, "noop:empty", 16)
        # All had asked before the first was answered: none was idle that could have taken another.
        until = time.monotonic() + 60
        while one.instances("idle") != 16:
            assert time.monotonic() < until, one.instances("idle")
            time.sleep(0.01)
        with pytest.raises(WrongAnswer, match="echo, bytes=1024, seed 0: content type"):
            ask_together(one, "echo:bytes=1024", 2)
        assert one.status("GET", one.path) == 200  # it goes on


def test_a_load_of_which_an_answer_is_not_warm_is_an_error() -> None:
    with Aetherless("noop", orchestrator={"max_instances": 1}) as one:
        with pytest.raises(RuntimeError, match=r"not all 4 answers were warm: .*'zygote': 1"):
            _loads.send(one, "noop:empty", Closed(1, 4), 0)
        found = _loads.send(one, "noop:empty", Closed(1, 6), 0, warmup=2)
    assert (len(found.durations_ns), found.facts["starts"]) == (4, {"warm": 4})


# -- bursts --------------------------------------------------------------------------------------


def test_those_that_answer_a_burst_are_up_before() -> None:
    with Aetherless("sleep", orchestrator={"max_instances": 4}) as one:
        bursts.bring_up(one, "010.sleep:ms=10", 4)
        [before] = one.starts().values()
        assert before["zygote"] == 4  # each sleeps, so that none could answer in another's place
        ask_together(one, "010.sleep:ms=10", 4)
        [starts] = one.starts().values()
        assert starts["zygote"] == 4


def _result(*answers: bytes, period_s: float = 0.2) -> LoadResult:
    """Of a burst that does not count, and of those that give these answers."""
    answers = (answer(instance="f-first"), answer(instance="f-first"), *answers)
    with serving(answering(*answers)) as port:
        return run(
            Load(
                request=Request("127.0.0.1", port, "/f/"),
                arrivals=burst(2, period_s, period_s * len(answers) / 2),
                check="benchmarks.experiments._asker:answers",
                check_arguments={"workload": "noop:empty", "seed": 0},
                connections_before=2,
            )
        )


def test_a_request_that_failed_counts_with_the_time_out() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    came = _result(answer(), busy)
    latencies_ns = _loads.latencies_ns(came)[2:]
    assert latencies_ns.max() == _loads.TIMEOUT_S * 1e9 > latencies_ns.min() > 0
    assert len(latencies_ns) == 2


def test_a_warm_burst_with_a_cold_one_is_repeated_whole() -> None:
    kept = Kept("warm", 2, 3)
    kept.take(
        _result(
            answer(), answer(),
            answer(instance="f-1"), answer("zygote", "f-2"),
            answer(instance="f-1"), answer(instance="f-2"),
        )
    )  # fmt: skip
    assert kept.missing == 1
    kept.take(_result(answer(), answer()))
    assert kept.missing == 0
    one = kept.samples(0)
    assert len(one.durations_ns) == 6
    assert (one.facts["starts"], one.facts["recollected"]) == ({"warm": 7, "zygote": 1}, 2)
    assert one.facts["more"]["instances"] == pytest.approx((1 + 2 + 1) / 3)


def test_a_cold_burst_has_instances_of_its_own() -> None:
    fresh = [answer("zygote", f"f-{number}") for number in range(6)]
    kept = Kept("zygote", 2, 3)
    kept.take(_result(*fresh[:2], fresh[2], answer("warm", "f-2"), *fresh[4:]))
    assert kept.missing == 1
    kept.take(_result(fresh[0], answer("zygote", "f-9")))  # f-0 answered before
    assert kept.missing == 1
    mixed = Kept("mixed", 2, 2)
    mixed.take(_result(fresh[2], answer("warm", "f-2"), answer("warm", "f-2"), fresh[3]))
    assert mixed.missing == 1
    assert mixed.samples(0).facts["starts"] == {"zygote": 2, "warm": 2}


def test_a_cold_burst_that_begins_in_the_one_before_does_not_count() -> None:
    kept = Kept("mixed", 2, 2)
    kept.take(_result(*[answer("zygote", f"f-{number}") for number in range(4)], period_s=1e-6))
    assert kept.missing == 2
    kept.take(_result(*[answer("zygote", f"g-{number}") for number in range(4)]))
    warnings = kept.samples(0).warnings
    assert warnings[-1].startswith("2 bursts that began before the one before was over")


def test_a_warm_burst_that_begins_in_the_one_before_waits_for_it() -> None:
    kept = Kept("warm", 2, 2)
    kept.take(_result(*[answer()] * 4, period_s=1e-6))
    assert kept.missing == 0
    assert kept.samples(0).facts["recollected"] == 0


def test_the_first_burst_of_a_run_does_not_count_but_its_instances_do() -> None:
    kept = Kept("mixed", 2, 1)
    kept.take(_result(answer("zygote", "f-1"), answer("zygote", "f-first")))
    assert kept.missing == 1
    kept.take(_result(answer("zygote", "f-2"), answer("zygote", "f-3")))
    one = kept.samples(0)
    assert (len(one.durations_ns), one.facts["starts"]) == (2, {"zygote": 4})


def test_failures_are_no_state() -> None:
    kept = Kept("warm", 2, 2)
    kept.take(_result(answer(), answer().replace(b"200 OK", b"503 Busy"), answer(), answer()))
    one = kept.samples(0)
    assert kept.missing == one.facts["recollected"] == 0
    assert one.facts["failures"] == {"status 503": 1}
    assert max(one.durations_ns) == 10e9
    assert "1 requests that failed" in one.warnings[-1]


def test_bursts_that_never_find_their_state_are_given_up() -> None:
    kept = Kept("warm", 2, 1)
    cold = _result(answer("zygote"), answer("zygote"))
    for _ in range(4):
        kept.take(cold)
    with pytest.raises(RuntimeError, match=r"5 bursts did not find warm, .*\{'zygote': 10\}"):
        kept.take(cold)
