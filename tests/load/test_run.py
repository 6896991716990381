"""Runs against real servers: what is kept of each request, and every class of failure."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from benchmarks.experiments import _loads
from benchmarks.harness.noop_server import noop_server
from benchmarks.harness.processes import ChildFailedError, WatchdogError, available_cpus
from benchmarks.load import run as run_module
from benchmarks.load.arrivals import burst, constant, poisson, replayed
from benchmarks.load.connection import Connection
from benchmarks.load.histogram import encoded
from benchmarks.load.request import Request
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from tests.load.histograms import Decoded
from tests.load.servers import (
    HELLO,
    Behaviour,
    answering,
    certified,
    closing_after,
    closing_with,
    resetting,
    serving,
    silent,
)

CHECK = "tests.load.checks:says_hello"
WATCHDOG_S = 60.0


def sent(behave: Behaviour, **options: Any) -> LoadResult:
    with serving(behave) as port:
        return run(_load(port, **options), watchdog_s=WATCHDOG_S)


def _load(port: int, **options: Any) -> Load:
    options.setdefault("arrivals", constant(200, 0.2))
    return Load(request=Request("127.0.0.1", port), **options)


def test_each_request_is_kept_with_its_parts() -> None:
    schedule = poisson(500, 1.0, seed=3)
    with noop_server() as port:
        came = run(_load(port, arrivals=schedule), available_cpus()[0], WATCHDOG_S)
    assert came.intended_ns.tolist() == schedule.intended_ns.tolist()
    assert came.seed == came.as_dict()["seed"] == 3
    assert came.offered_per_s == schedule.offered_per_s
    assert came.failures == {} and came.success_rate == 1
    for part in (came.lag_ns, came.connect_ns, came.service_ns):
        assert len(part) == came.requests == len(schedule.intended_ns)
        assert (part >= 0).all()
    assert (came.latency_ns == came.lag_ns + came.connect_ns + came.service_ns).all()
    # Kept: only those who found none idle had to connect.
    assert 0 < (came.connect_ns > 0).sum() == came.connections_opened < came.requests
    assert came.elapsed_ns >= came.intended_ns[-1]
    told = json.loads(json.dumps(came.as_dict(), allow_nan=False))
    assert told["arrivals"]["kind"] == "poisson"
    assert told["requests"] == came.requests
    assert told["histogram"] == encoded(came.latency_ns.tolist())
    took_s = max(1.0, came.elapsed_ns / 1e9)  # the last one may end before the second does
    assert came.achieved_per_s == pytest.approx(came.requests / took_s)


def test_a_trace_is_sent_as_it_was_written(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("0.01\n" * 20 + "0\n" * 5)
    with noop_server() as port:
        came = run(_load(port, arrivals=replayed(trace)), watchdog_s=WATCHDOG_S)
    assert came.succeeded == 25
    assert came.intended_ns.tolist() == [10_000_000 * min(each, 20) for each in range(1, 26)]
    assert came.arrivals == {"kind": "trace", "path": str(trace)}
    assert (np.diff(came.intended_ns + came.lag_ns) >= 0).all()
    assert any("few samples for p99: 25 requests" in each for each in came.warnings)
    assert came.percentile_ns(99) is None


def test_rates_are_those_of_the_schedules_time() -> None:
    with noop_server() as port:
        once = run(_load(port, arrivals=burst(20, 1.0, 1.0)), watchdog_s=WATCHDOG_S)
        closed = run(_load(port, arrivals=Closed(2, 50)), watchdog_s=WATCHDOG_S)
    assert once.offered_per_s == 20
    # All at once and none after: that is still 20 a second, not 20 within the time they took.
    assert 0 < once.achieved_per_s <= 20
    assert once.sent_per_s == pytest.approx(20 / (1 + once.lag_ns[-1] / 1e9))
    assert closed.achieved_per_s == pytest.approx(50 / (closed.elapsed_ns / 1e9))
    assert closed.sent_per_s == closed.achieved_per_s


def test_answers_are_checked() -> None:
    came = sent(answering(HELLO), check=CHECK)
    assert came.succeeded == 40
    came = sent(answering(HELLO, HELLO.replace(b"hello", b"howdy")), check=CHECK)
    assert came.failures == {"wrong answer": 20}
    assert came.why == {"wrong answer": "b'howdy' is no greeting"}
    assert came.success_rate == 0.5
    assert came.connections_opened < 40  # an answer that is wrong ends no connection


def test_a_check_may_be_made_of_arguments() -> None:
    greets = {"check": "tests.load.checks:Greets", "check_arguments": {"word": "howdy"}}
    came = sent(answering(HELLO, HELLO.replace(b"hello", b"howdy")), **greets)
    assert came.failures == {"wrong answer": 20}
    assert came.labelled == {"greeting": 20}
    assert sent(answering(HELLO), check=CHECK).labelled == {}


def test_a_check_is_made_for_its_run_and_labels_the_answers() -> None:
    made = {"check": "tests.load.checks:counting", "check_arguments": {"start": 2}}
    came = sent(answering(HELLO), arrivals=Closed(1, 6), **made)
    assert [came.labels[at] for at in came.label_at] == [
        "number 2",
        "",
        "number 0",
        "",
        "number 2",
        "",
    ]
    assert len(came.labels) == 3
    came = sent(answering(HELLO, HELLO.replace(b"hello", b"howdy")), arrivals=Closed(1, 4), **made)
    assert [came.labels[at] for at in came.label_at] == ["number 2", "", "", ""]
    assert came.failures == {"wrong answer": 2}
    unlabelled = sent(answering(HELLO), check=CHECK)
    assert unlabelled.labels == [""] and not unlabelled.label_at.any()


@pytest.mark.parametrize(
    ("behave", "failure"),
    [
        (resetting, "reset"),
        (closing_after(b""), "reset"),
        (closing_after(HELLO[:-2]), "reset"),
        (closing_after(HELLO[:20]), "reset"),
        (answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), "status 503"),
        (answering(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"), "status 404"),
        (answering(b"HTTP/1.1 302 There\r\nContent-Length: 0\r\n\r\n"), "wrong answer"),
        (answering(b"what?\r\n\r\n"), "wrong answer"),
        (answering(HELLO + HELLO), "wrong answer"),
        (silent, "timeout"),
        (answering(HELLO[:-2]), "timeout"),
        (answering(b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
    ],
)
def test_failures_have_classes(behave: Behaviour, failure: str) -> None:
    came = sent(behave, timeout_s=0.5 if failure == "timeout" else 30)
    assert came.failures == {failure: 40}
    assert list(came.why) == [failure]
    assert came.success_rate == came.achieved_per_s == 0
    assert came.requests == 40
    assert np.isinf(came.latency_ns).all()
    assert came.latency is None
    told = came.as_dict()
    assert told["percentiles_ns"]["p50"] == "inf"
    assert told["histogram"] and told["service"] is None


@pytest.mark.parametrize(
    "behave",
    [
        answering(b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO),
        answering(b"HTTP/1.1 200 OK\r\nX-Kind: greeting\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        closing_after(HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")),
        closing_after(b"HTTP/1.1 200 OK\r\nX-Kind: greeting\r\n\r\nhello"),
        answering(HELLO.replace(b" greeting", b"\r\n\t greeting")),
    ],
)  # fmt: skip
def test_every_framing_of_an_answer_is_understood(behave: Behaviour) -> None:
    assert sent(behave, check=CHECK, timeout_s=30).failures == {}


def test_a_folded_header_is_read_with_spaces() -> None:
    labelled = {"check": "tests.load.checks:Greets", "check_arguments": {"word": "hello"}}
    folded = HELLO.replace(b"greeting", b"one \r\n two\r\n\tthree")
    came = sent(answering(folded, HELLO), **labelled)  # and what comes after it is read
    assert came.labelled == {"one  two three": 20, "greeting": 20}
    came = sent(answering(HELLO.replace(b"greeting", b"gree\0ting")), **labelled)
    told = "not an answer of HTTP/1.1: control characters in the header b'X-Kind'"
    assert came.why == {"wrong answer": told} and came.succeeded == 0


def test_what_a_closed_connection_never_took_is_sent_anew_once() -> None:
    seen: list[bytes] = []
    with serving(closing_with(HELLO), seen) as port:
        asked = Request("127.0.0.1", port, method="POST", body=b"once")
        came = run(Load(request=asked, arrivals=Closed(1, 50)), watchdog_s=WATCHDOG_S)
    assert came.failures == {} and came.requests == len(seen) == 50
    assert 0 < came.resent < 50 and came.as_dict()["resent"] == came.resent
    assert came.connections_opened == (came.connect_ns > 0).sum() == 50


@pytest.mark.parametrize("is_kept", [True, False])
def test_only_a_kept_connection_was_closed_before_it_was_used(is_kept: bool) -> None:
    owner, transport = Mock(wire=b"asked"), Mock()
    transport.get_write_buffer_size.return_value = len(owner.wire)
    connection = Connection(owner)
    connection.connection_made(transport)
    connection.send(0, 0, is_kept)
    with socket.socket() as unused:
        transport.get_extra_info.return_value = unused
        connection.eof_received()
    assert owner.unsent.called == is_kept


@pytest.mark.parametrize("first", [HELLO, b"HTTP/1.1 204 Nothing\r\n\r\n"])
def test_what_the_server_has_seen_is_not_sent_again(first: bytes) -> None:
    def behave(connection: socket.socket, number: int) -> bool:
        return not number and answering(first)(connection, number)

    seen: list[bytes] = []
    with serving(behave, seen) as port:
        came = run(_load(port, arrivals=Closed(1, 2)), watchdog_s=WATCHDOG_S)
    assert came.failures == {"reset": 1} and came.resent == 0
    assert len(seen) == 2 and came.connections_opened == 1


def test_a_failure_shows_how_its_answer_begins() -> None:
    long = b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\n" + b"no\x1b" + b"." * 97
    came = sent(answering(long))
    assert came.why == {"status 503": f"status 503: {b'no' + bytes([27]) + b'.' * 77!r}"}


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * (1 << 16) + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * (1 << 16)),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
)
def test_an_answer_without_an_end_is_given_up(head: bytes, piece: bytes) -> None:
    def behave(connection: socket.socket, _number: int) -> bool:
        connection.sendall(head)
        while True:  # until nobody listens
            connection.sendall(piece)

    came = sent(behave, arrivals=Closed(1, 1), timeout_s=60)
    assert came.why == {"wrong answer": "more than 128 MiB"}


def test_an_answer_of_another_protocol_is_told() -> None:
    other = b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    came = sent(answering(other))
    assert came.why == {"wrong answer": "it changes to another protocol"}


def test_nobody_who_listens_is_a_class_of_its_own() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        came = run(_load(taken.getsockname()[1]), watchdog_s=WATCHDOG_S)
    assert came.failures == {"connect": 40}
    assert "refused" in came.why["connect"].lower()


def test_who_hangs_up_instead_of_tls_is_told_of_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)  # so that it ends in order

        thread = threading.Thread(target=hang_up)
        thread.start()
        asked = Request("127.0.0.1", listener.getsockname()[1], tls=True)
        came = run(Load(request=asked, arrivals=Closed(1, 1)), watchdog_s=WATCHDOG_S)
        thread.join(WATCHDOG_S)
    assert came.why == {"connect": "the connection was closed while TLS was agreed on"}


def test_no_more_connections_than_allowed() -> None:
    came = sent(silent, most_connections=3, timeout_s=1.0)
    assert came.connections_opened == 3
    assert came.failures == {"no connection": 37, "timeout": 3}
    assert came.why["no connection"] == "all 3 connections were in use"


def test_a_connection_that_was_given_up_makes_room() -> None:
    load = {"arrivals": constant(10, 1.0), "most_connections": 1, "timeout_s": 0.05}
    came = sent(silent, **load)
    assert came.connections_opened > 1
    assert came.failures["timeout"] + came.failures.get("no connection", 0) == 10


def test_failures_stay_in_the_denominator() -> None:
    def behave(connection: socket.socket, number: int) -> bool:
        return answering(HELLO)(connection, number) if number % 50 else resetting(connection, 0)

    came = sent(behave, arrivals=constant(1000, 1.1))
    assert came.failures == {"reset": 22}
    assert came.success_rate == pytest.approx(1078 / 1100)
    assert came.percentile_ns(99) == math.inf
    assert came.as_dict()["percentiles_ns"]["p99"] == "inf"
    assert came.latency is not None
    assert came.latency.p99_ns is None and came.latency.p95_ns is not None
    kept = Decoded(came.as_dict()["histogram"], failed=22)
    assert kept.count == 1100 and math.isinf(kept.percentile_ns(99))


def test_a_generator_that_is_late_says_so() -> None:
    with noop_server() as port:
        slow = "tests.load.checks:slow"
        came = run(_load(port, arrivals=constant(100, 0.5), check=slow), watchdog_s=WATCHDOG_S)
        assert came.invalid is not None and "the generator was the bottleneck" in came.invalid
        assert came.warnings[0] == f"invalid: {came.invalid}"
        assert came.as_dict()["valid"] is False
        # It is in the latency, too: that runs from the intended start.
        assert (came.latency_ns >= came.lag_ns).all()
        allowed = _load(port, check=slow, lag_bound_ns=60_000_000_000)
        came = run(allowed, watchdog_s=WATCHDOG_S)
    assert came.invalid is None and came.as_dict()["valid"] is True


def test_a_rate_that_no_generator_reaches_is_invalid_not_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "_STARTING_S", 1.0)
    with noop_server() as port:  # so many take it seconds
        came = run(_load(port, arrivals=constant(1_000_000, 0.06), timeout_s=0.1))
    assert came.requests == 60_000
    assert came.invalid is not None


def test_a_closed_loop_says_when_it_was_the_generator_that_was_measured() -> None:
    with noop_server() as port:
        came = run(_load(port, arrivals=Closed(2, 50)), watchdog_s=WATCHDOG_S)
    elapsed_s = came.elapsed_ns / 1e9
    busy, idle = (replace(came, cpu_seconds=share * elapsed_s) for share in (0.95, 0.5))
    assert busy.bottleneck == "the generator was the bottleneck: 95% of its processor used"
    assert busy.bottleneck in busy.warnings and _loads.samples(busy).warnings == [busy.bottleneck]
    assert idle.bottleneck is None and not _loads.samples(idle).warnings


def test_the_lags_p99_is_what_makes_a_run_invalid() -> None:
    with noop_server() as port:
        came = run(_load(port), watchdog_s=WATCHDOG_S)
    for late, invalid in ((10, False), (11, True)):  # of 1000
        lag_ns = np.zeros(1000, dtype=np.int64)
        lag_ns[:late] = came.lag_bound_ns + 1
        assert (replace(came, lag_ns=lag_ns).invalid is not None) is invalid
    lag_ns[:] = came.lag_bound_ns
    assert replace(came, lag_ns=lag_ns).invalid is None


def test_an_answer_that_comes_after_the_time_out_is_none() -> None:
    def behave(connection: socket.socket, number: int) -> bool:
        time.sleep(1.02)
        return answering(HELLO)(connection, number)

    # The generator looks for late requests every 100 ms: most of these come between two looks.
    labelled = {"check": "tests.load.checks:Greets", "check_arguments": {"word": "hello"}}
    came = sent(behave, arrivals=constant(200, 0.1), timeout_s=1.0, **labelled)
    assert came.failures == {"timeout": 20}
    assert came.labelled == {}


def test_bursts_open_what_they_need() -> None:
    came = sent(answering(HELLO), arrivals=burst(20, 0.2, 0.6), connections_before=20)
    assert came.failures == {}
    assert came.requests == 60
    assert came.connections_opened == 20
    assert (came.connect_ns == 0).all()


def test_a_closed_loop_has_one_request_on_each_connection() -> None:
    with noop_server() as port:
        came = run(_load(port, arrivals=Closed(3, 300)), watchdog_s=WATCHDOG_S)
    assert came.requests == came.succeeded == 300
    assert came.connections_opened == 3
    assert (came.lag_ns == 0).all()
    ends_ns = np.sort(came.intended_ns + came.connect_ns + came.service_ns)
    # The n-th request begins when n - 3 have ended, and not before.
    assert (came.intended_ns[3:] >= ends_ns[:-3]).all()


def test_a_closed_loop_ends_with_its_time() -> None:
    came = sent(silent, arrivals=Closed(2, 1_000_000, duration_s=0.3), timeout_s=0.1)
    assert came.failures == {"timeout": came.requests}
    assert came.intended_ns.max() < 0.3e9


def test_body_and_headers_arrive() -> None:
    seen: list[bytes] = []
    with serving(answering(HELLO), seen) as port:
        asked = Request("127.0.0.1", port, "/a?b", "POST", [("X-A", "b")], b"\0body" * 30_000)
        came = run(Load(request=asked, arrivals=constant(100, 0.1)), watchdog_s=WATCHDOG_S)
    assert came.succeeded == 10
    head = b"POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-A: b\r\nContent-Length: 150000\r\n\r\n"
    assert seen == [head % port + b"\0body" * 30_000] * 10


def test_a_host_of_the_callers_takes_the_place_of_the_servers() -> None:
    sent_bytes = Request("127.0.0.1", 80, headers=[("Host", "f.example")]).wire()
    assert sent_bytes == b"GET / HTTP/1.1\r\nHost: f.example\r\n\r\n"


@pytest.mark.parametrize(
    ("port", "tls", "host"),
    [(80, False, "[::1]"), (443, True, "[::1]"), (443, False, "[::1]:443"), (80, True, "[::1]:80")],
)
def test_a_usual_port_is_not_named(port: int, tls: bool, host: str) -> None:
    assert f"\r\nHost: {host}\r\n" in Request("::1", port, tls=tls).wire().decode()


def test_a_value_that_may_be_a_secret_is_not_said() -> None:
    with pytest.raises(ValueError, match="'A': its name or value is none of HTTP") as caught:
        Request("127.0.0.1", 80, headers=[("A", "s3cret\0")])
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_https(tmp_path: Path) -> None:
    certificate, context = certified(tmp_path)
    for trusted, failures in ((certificate, {}), (None, {"connect": 10})):
        with serving(answering(HELLO), tls=context) as port:
            asked = Request("127.0.0.1", port, tls=True, ca_file=trusted)
            load = Load(request=asked, arrivals=constant(50, 0.2), check=CHECK)
            assert run(load, watchdog_s=WATCHDOG_S).failures == failures


def test_a_watchdog_ends_a_run() -> None:
    with serving(silent) as port, pytest.raises(WatchdogError):
        run(_load(port, timeout_s=600), watchdog_s=3.0)


def test_what_cannot_be_begun_is_an_error() -> None:
    with noop_server() as port, pytest.raises(ChildFailedError, match="No module named 'nowhere'"):
        run(_load(port, check="nowhere:check"), watchdog_s=WATCHDOG_S)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ChildFailedError, match="refused"):
            run(_load(taken.getsockname()[1], connections_before=1), watchdog_s=WATCHDOG_S)


def test_a_host_without_an_address_is_named() -> None:
    load = Load(request=Request("a..b", 80), arrivals=constant(10, 0.1))  # is not even looked up
    with pytest.raises(ChildFailedError, match=r"OSError: host a\.\.b: no address is found: "):
        run(load, watchdog_s=WATCHDOG_S)


def test_nothing_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with noop_server() as port:
        run(_load(port), watchdog_s=WATCHDOG_S)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout_s": 0}, "time-out 0: give"),
        ({"timeout_s": float("nan")}, "time-out nan: give"),
        ({"most_connections": 0}, "0 connections: give"),
        ({"connections_before": 5, "most_connections": 4}, "5 connections before the run: 4"),
        ({"lag_bound_ns": 0}, "lag bound 0: give"),
        ({"check": "module"}, "give module:function"),
        ({"check_arguments": {}}, "no check: give module:function"),
    ],
)
def test_bad_loads_get_one_clear_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        _load(80, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 1), "0 connections: give"),
        ((2, 1), "2 connections: give"),
        ((1, 0), "0 requests: give"),
        ((1, 1, 0.0), "duration 0.0: give"),
    ],
)
def test_bad_closed_loops_get_one_clear_line(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Closed(*arguments)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"host": "a b"}, "host 'a b'"),
        ({"port": 0}, "port 0"),
        ({"path": "x"}, "path 'x'"),
        ({"path": "/a\r\nb"}, "path"),
        ({"method": "HEAD"}, "method 'HEAD'"),
        ({"method": "G T"}, "method 'G T'"),
        ({"headers": [("A", "b\r\nC: d")]}, "is none of HTTP"),
        ({"headers": [("Content-Length", "3")]}, "set by the generator"),
        ({"headers": [("Host", "a"), ("host", "b")]}, "header 'Host': give it once"),
    ],
)
def test_bad_requests_get_one_clear_line(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Request(**{"host": "127.0.0.1", "port": 80, **changed})
    assert "\n" not in str(caught.value)
