"""The command against real servers: what is sent, what is written, what is said."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import shutil
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.aetherless import Aetherless
from tests.load.histograms import Decoded
from tests.load.servers import (
    HELLO,
    Behaviour,
    answering,
    certified,
    closing_with,
    resetting,
    serving,
)
from tests.tools.stopping import WATCHDOG_S, starts, stop_while_measuring
from tools import measuring, working_tree
from tools.e2e.__main__ import main
from tools.export import standard

PACKED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
SHORT = ["--rate", "100", "--duration", "0.3"]
LATE = ["--lag-bound", "60000"]  # where it is not what is tested: machines may be busy
ASKED = ["--workload", "none", *SHORT, *LATE]


def written(folder: Path) -> dict[str, Any]:
    """The one result, valid by the schema."""
    [path] = folder.iterdir()
    assert re.fullmatch(r"e2e_\d{8}T\d{6}Z\.json", path.name)
    document = json.loads(path.read_text())
    standard.validate(document)
    [result] = document["results"]
    assert result["category"] == "e2e"
    found: dict[str, Any] = result
    return found


def ask(folder: Path, port: int, *arguments: str, path: str = "/") -> int:
    return main(["--target", f":{port}{path}", "--output", str(folder), *arguments])


def with_start(start: bytes) -> bytes:
    return HELLO.replace(b"X-Kind: greeting", b"X-Aether-Start: " + start)


# -- what is measured --


def test_this_runtime_is_measured_as_any_other_platform(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Aetherless("noop") as server:
        arguments = ["--rate", "200", "--duration", "1", "--runs", "2", *LATE]
        assert ask(tmp_path, server.port, *arguments, path=server.path) == 0
    result = written(tmp_path)
    metadata = result["metadata"]
    assert result["name"] == "e2e_target_noop_empty"
    assert result["iterations"] == metadata["samples"] == metadata["requests"] == 400
    assert {"median_ns", "p95_ns"} <= set(result["metrics"]), "400 samples carry a p95"
    assert "p99_ns" not in result["metrics"] and metadata["percentiles_ns"]["p99"] is None
    assert metadata["tail_to_median_ratio"] is None
    assert metadata["experiment"] == "target" and metadata["workload"] == "noop"
    assert metadata["platform"] == f"127.0.0.1:{server.port}"
    assert metadata["arrivals"] == "constant" and metadata["loop"] == "open"
    assert metadata["rate"] == 200 and metadata["concurrency"] == 1000
    assert metadata["failures"] == {} and metadata["valid"] is True
    assert metadata["payload_size_bytes"] == 0
    # The first request, which is not part of the load, has started the instance.
    assert metadata["starts"]["warm"] >= 1 and metadata["starts"]["unknown"] == 0
    assert sum(metadata["starts"].values()) == 400
    assert metadata["start_mode"] == ("mixed" if metadata["starts"]["cold"] else "warm")
    assert len(metadata["runs"]) == metadata["processes"] == len(metadata["round_medians_ns"]) == 2
    merged = Decoded(*(run["histogram"] for run in metadata["runs"]))
    assert merged.encoded() == metadata["histogram"] and merged.count == 400
    shown = capsys.readouterr().out
    assert re.search(r"\nlag p99 +[\d.]+ \w+, bound 60.0 s\n", shown)
    for words in ("first request: right", "p99.9", "generator lag", "400, 400 right (100.00%)"):
        assert words in shown
    for words in ("offered 200.0, sent", "few samples for p99: 400 requests", "written: "):
        assert words in shown
    assert max(len(each) for each in shown.splitlines() if str(tmp_path) not in each) <= 80


def test_a_payload_is_sent_and_its_echo_checked(tmp_path: Path) -> None:
    with Aetherless("echo") as server:
        arguments = ["--workload", "echo", "--payload", "5000", "--arrivals", "poisson"]
        arguments += ["--seed", "7", "--runs", "3", *SHORT, *LATE]
        assert ask(tmp_path, server.port, *arguments, path=server.path) == 0
    result = written(tmp_path)
    assert result["name"] == "e2e_target_echo_bytes_5000"
    assert result["metadata"]["payload_size_bytes"] == 5000
    assert result["metadata"]["seed"] == 7
    assert [each["seed"] for each in result["metadata"]["runs"]] == [7, 8, 9]
    assert result["metadata"]["failures"] == {}


def test_seeds_make_requests_and_their_right_answers_again(tmp_path: Path) -> None:
    seen: list[bytes] = []
    for number in range(2):
        with serving(answering(HELLO), seen) as port:
            arguments = ["--payload", "1000", "--seed", "3", *ASKED]
            assert ask(tmp_path / str(number), port, *arguments, path="/a?b=c") == 0
    heads, bodies = zip(*(each.split(b"\r\n\r\n", 1) for each in seen), strict=True)
    assert len(set(bodies)) == 1 and len(bodies[0]) == 1000 and len(bodies) == 2 * 31
    assert all(head.startswith(b"POST /a?b=c HTTP/1.1\r\n") for head in heads)


def test_bursts_start_together(tmp_path: Path) -> None:
    with serving(answering(HELLO)) as port:
        arguments = ["--burst", "10", "--rate", "50", "--duration", "0.4", "--workload", "none"]
        assert ask(tmp_path, port, *arguments, *LATE) == 0
    metadata = written(tmp_path)["metadata"]
    assert metadata["arrivals"] == "burst"
    assert metadata["arrival_parameters"] == {
        "kind": "burst", "size": 10, "period_s": 0.2, "duration_s": 0.4,
    }  # fmt: skip
    assert metadata["requests"] == 20 and metadata["rate"] == 50


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("0.01\n" * 20 + "# at the same time\n0\n0\n")
    with serving(answering(HELLO)) as port:
        arguments = ["--arrivals", f"trace:{trace}", "--workload", "none", *LATE]
        assert ask(tmp_path / "out", port, *arguments) == 0
    metadata = written(tmp_path / "out")["metadata"]
    assert metadata["arrivals"] == "trace" and metadata["requests"] == 22
    assert metadata["arrival_parameters"]["path"] == str(trace)


def test_a_closed_loop_is_labelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(HELLO)) as port:
        arguments = ["--arrivals", "closed", "--connections", "3", "--duration", "0.3"]
        assert ask(tmp_path, port, *arguments, "--workload", "none") == 0
    metadata = written(tmp_path)["metadata"]
    assert metadata["loop"] == metadata["arrivals"] == "closed"
    assert metadata["rate"] is None and metadata["concurrency"] == 3
    assert metadata["connections_opened"] == 3
    assert any(each.startswith("closed loop: ") for each in metadata["warnings"])
    shown = capsys.readouterr().out
    assert "closed loop of 3" in shown
    assert "offered" not in shown and "lag" not in shown


@pytest.mark.parametrize(
    ("answers", "mode", "starts"),
    [
        ([with_start(b"warm")], "warm", {"cold": 0, "warm": 30, "unknown": 0}),
        ([with_start(b"zygote")], "cold", {"cold": 30, "warm": 0, "unknown": 0}),
        ([with_start(b"criu"), *[with_start(b"warm")] * 30], "warm",
         {"cold": 0, "warm": 30, "unknown": 0}),
        ([with_start(b"warm"), with_start(b"spawn")], "mixed",
         {"cold": 15, "warm": 15, "unknown": 0}),
        ([HELLO], "unknown", {"cold": 0, "warm": 0, "unknown": 30}),
        ([HELLO, with_start(b"warm")], "unknown", {"cold": 0, "warm": 15, "unknown": 15}),
    ],
)  # fmt: skip
def test_start_modes_are_what_answers_say(
    answers: list[bytes], mode: str, starts: dict[str, int], tmp_path: Path
) -> None:
    with serving(answering(*answers)) as port:
        assert ask(tmp_path, port, *ASKED) == 0
    metadata = written(tmp_path)["metadata"]
    assert (metadata["start_mode"], metadata["starts"]) == (mode, starts)


# -- what goes wrong --


@pytest.mark.parametrize(
    ("behave", "arguments", "words"),
    [
        (answering(HELLO), [], "status 200: b'hello': noop, empty, seed 5: content type ''"),
        (answering(HELLO), [], "expected the answer of noop, empty; say what it serves by"),
        (answering(HELLO), ["--expect", "text=howdy"],
         "b'hello': the body lacks 'howdy' expected a 2xx and text=howdy"),
        (answering(BUSY), [], "status 503: b'busy' expected the answer of noop, empty"),
        (resetting, [], "came reset: "),
        (answering(b"\x1b[2Jwhat\r\n\r\n"), [], "wrong answer: not an answer of HTTP/1.1"),
        (answering(PACKED % (5, b"hello")), ["--expect", "text=hello"],
         "b'hello': it says that it is gzip, and is not: Not a gzipped file"),
        (answering(PACKED % (22, gzip.compress(b"hello")[:22])), ["--expect", "text=hello"],
         "it says that it is gzip, and is not: Compressed file ended before"),
        (answering(PACKED % (200, b"\xff" * 200)), ["--workload", "none"], "is not: Not a gzip"),
    ],
)  # fmt: skip
def test_nothing_is_sent_where_the_first_answer_is_not_right(
    behave: Behaviour,
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    seen: list[bytes] = []
    with serving(behave, seen) as port:
        assert ask(tmp_path, port, *arguments, "--seed", "5") == 1
    assert len(seen) == 1
    said = capsys.readouterr()
    assert said.err.startswith("e2e: the first answer is not right; nothing else was sent\n")
    assert words in " ".join(said.err.split()) and "\x1b" not in said.err
    assert max(map(len, said.err.splitlines())) <= 80
    assert said.out == ""
    assert not list(tmp_path.iterdir())


def test_who_refuses_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        assert ask(tmp_path, taken.getsockname()[1]) == 1
        said = capsys.readouterr().err
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert said == f"e2e: cannot connect to {place}: Connection refused\n"
    assert main(["--target", "http://a..b/", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("e2e: cannot connect to a..b:80: ") and said.count("\n") == 1


def test_a_host_with_several_addresses_is_asked_at_that_which_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        assert host == "two.example"
        addresses = "127.0.0.2", "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    seen: list[bytes] = []
    with serving(answering(HELLO), seen) as port:
        monkeypatch.setattr(socket, "getaddrinfo", found)
        target = ["--target", f"http://two.example:{port}/", "--output", str(tmp_path)]
        assert main([*target, *ASKED]) == 0
    metadata = written(tmp_path)["metadata"]
    assert metadata["address"] == "127.0.0.1" and metadata["failures"] == {}
    assert metadata["platform"] == f"two.example:{port}"
    assert all(f"\r\nHost: two.example:{port}\r\n".encode() in each for each in seen)
    assert f"target       http://two.example:{port}/ at 127.0.0.1\n" in capsys.readouterr().out


def test_localhost_is_both_loopbacks(tmp_path: Path) -> None:
    try:
        with serving(answering(HELLO), host="::1") as port:
            target = ["--target", f"http://localhost:{port}/", "--output", str(tmp_path)]
            assert main([*target, *ASKED]) == 0
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert written(tmp_path)["metadata"]["address"] == "::1"


def test_nobody_but_the_target_is_contacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others: list[bytes] = []
    with serving(answering(HELLO), others) as other:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
        place = b"http://127.0.0.1:%d/" % other
        there = b"HTTP/1.1 302 There\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place
        with serving(answering(there)) as port:
            assert ask(tmp_path, port, *ASKED) == 1
            said = capsys.readouterr().err
            assert f"status 302 to '{place.decode()}': b'': it is no 2xx" in " ".join(said.split())
            assert ask(tmp_path, port, *ASKED, "--expect", "status=302") == 0
    assert others == []


def test_failures_are_counted_by_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(HELLO, *[HELLO] * 8, BUSY)) as port:
        arguments = ["--rate", "1000", "--duration", "2", "--workload", "none", *LATE]
        assert ask(tmp_path, port, *arguments) == 0
    result = written(tmp_path)
    metadata = result["metadata"]
    assert metadata["failures"] == {"status 503": 200}
    assert metadata["success_rate"] == 0.9 and result["iterations"] == 2000
    # Behind all that are right, with what a client waits who wants the answer.
    assert metadata["percentiles_ns"]["p99"] == "inf"
    assert result["metrics"]["p99_ns"] == result["metrics"]["max_ns"] >= 10e9
    told = "200 of 2000 requests failed: they count with the time-out"
    assert told in metadata["warnings"]
    shown = capsys.readouterr().out
    assert re.search(r"status 503 +200, as: b'busy'", shown)
    assert re.search(r"\nlatency +2000( +[\d.]+ [mun]s){2}( +failed){2} +- +failed\n", shown)


def test_without_a_median_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answering(HELLO, BUSY, BUSY)) as port:
        assert ask(tmp_path, port, *ASKED) == 1
    said = capsys.readouterr()
    assert "status 503" in said.out and "failed" in said.out
    assert "half of all requests or more: there is no median, and nothing was written" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("runs", [1, 2])
def test_a_late_generator_makes_an_invalid_result(
    runs: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answering(HELLO)) as port:
        arguments = ["--workload", "none", *SHORT, "--lag-bound", "0.000001", "--runs", str(runs)]
        assert ask(tmp_path, port, *arguments) == 1
    metadata = written(tmp_path)["metadata"]
    assert metadata["valid"] is False and metadata["lag_bound_ns"] == 1
    said = " ".join(capsys.readouterr().out.split())
    assert metadata["invalid"].count("the generator was the bottleneck") == runs
    assert f"INVALID: {metadata['invalid']}" in said


def test_what_headers_say_stays_secret(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def behave(connection: socket.socket, number: int) -> bool:
        told = re.search(rb"X-Key: (.*)\r\n", seen[-1])
        assert told is not None
        repeated = BUSY.replace(b"4\r\n\r\nbusy", b"%d\r\n\r\n%s" % (len(told[1]), told[1]))
        return answering(HELLO, *[HELLO] * 8, repeated)(connection, number)

    with serving(behave, seen) as port:
        arguments = ["--header", "X-Key: s3cret", "--header", "hOsT: f.example"]
        assert ask(tmp_path, port, *ASKED, *arguments, path="/?code=s3cret") == 0
    assert len(seen) == 31
    assert all(b"\r\nX-Key: s3cret\r\nhOsT: f.example\r\n" in each for each in seen)
    result = written(tmp_path)
    assert result["metadata"]["failures"] == {"status 503": 3}
    assert result["metadata"]["header_names"] == ["X-Key", "hOsT"]
    assert "s3cret" not in json.dumps(result)


def test_a_header_stands_before_the_workloads_own(tmp_path: Path) -> None:
    seen: list[bytes] = []
    with serving(answering(HELLO), seen) as port:
        arguments = ["--payload", "3", "--header", "Content-Type: text/plain", *ASKED]
        assert ask(tmp_path, port, *arguments) == 0
    assert re.findall(rb"(?i)content-type: (.*)\r\n", seen[0]) == [b"text/plain"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_https(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, context = certified(tmp_path)
    output = ["--output", str(tmp_path / "out")]
    with serving(answering(HELLO), tls=context) as port:
        target = ["--target", f"https://127.0.0.1:{port}/", *ASKED, *output]
        assert main(target) == 1
        assert "certificate" in capsys.readouterr().err
        assert main([*target, "--ca-file", certificate]) == 0
    assert "of connecting with TLS" in capsys.readouterr().out
    metadata = written(tmp_path / "out")["metadata"]
    assert metadata["target"] == f"https://127.0.0.1:{port}/"
    assert metadata["connect"]["min_ns"] > 0


def test_a_disk_that_is_full_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(measuring, "write", full)
    monkeypatch.setattr(working_tree, "ROOT", tmp_path)
    with serving(answering(HELLO)) as port:
        assert ask(tmp_path / "out", port, *ASKED) == 1
    said = capsys.readouterr()
    assert "30, 30 right" in said.out
    assert "e2e: [Errno 28] No space left on device; the results are kept: " in said.err
    assert not (tmp_path / "out").exists()


# -- stopped --


@pytest.mark.parametrize(
    ("number", "arrivals", "rate"),
    [
        (signal.SIGINT, "constant", 100.0),
        (signal.SIGTERM, "closed", None),
        (signal.SIGINT, "trace", None),  # what it offered until then is not what the whole offers
    ],
)
def test_what_a_signal_ends_is_kept_with_the_answers_under_way(
    number: int, arrivals: str, rate: float | None, tmp_path: Path
) -> None:
    enough, stopping = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def behave(connection: socket.socket, count: int) -> bool:
        if count == 20:  # the load is under way
            enough.set()
            assert stopping.wait(WATCHDOG_S)
        return answering(HELLO)(connection, count)

    trace = tmp_path / "trace"
    trace.write_text("0.01\n" * 100 + "10\n" * 100)
    asked = f"trace:{trace}" if arrivals == "trace" else arrivals
    output = tmp_path / "data"
    with serving(behave, seen) as port:
        arguments = ["-m", "tools.e2e", "--target", f":{port}", "--output", str(output)]
        arguments += ["--workload", "none", "--arrivals", asked, "--timeout", "100", *LATE]
        arguments += [] if arrivals == "trace" else ["--duration", "600", "--runs", "2"]
        with starts(arguments, tmp_path) as process:
            assert enough.wait(WATCHDOG_S)
            threading.Timer(0.5, stopping.set).start()
            _, shown = stop_while_measuring(process, number)
    assert process.returncode == 128 + number
    assert shown.endswith(f"\ne2e: interrupted; kept: 1 file in {output}, marked\n")
    assert "Traceback" not in shown
    result = written(output)
    assert result["metadata"]["requests"] == len(seen) - 1 >= 20
    assert result["metrics"]["min_ns"] > 0
    assert result["metadata"]["failures"] == {} and result["metadata"]["valid"]
    assert result["metadata"]["rate"] == rate
    document = json.loads(next(output.iterdir()).read_text())
    assert document["run"]["interrupted"] is True
    assert sorted(os.listdir(tmp_path)) == ["data", "trace"]


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    enough = threading.Event()

    def behave(connection: socket.socket, count: int) -> bool:
        if count == 20:
            enough.set()
        return count >= 20 or answering(HELLO)(connection, count)  # without an answer

    output = tmp_path / "data"
    with serving(behave) as port:
        arguments = ["-m", "tools.e2e", "--target", f":{port}", "--output", str(output)]
        arguments += ["--workload", "none", "--duration", "600", "--timeout", "3600"]
        with starts(arguments, tmp_path) as process:
            assert enough.wait(WATCHDOG_S)
            process.send_signal(signal.SIGINT)  # of which two that wait would be one
            _, shown = stop_while_measuring(process, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGINT
    assert shown.endswith("\ne2e: interrupted; kept: nothing\n")
    assert not os.listdir(tmp_path)


# -- what servers do to connections and answers --


def test_answers_in_gzip_are_unpacked(tmp_path: Path) -> None:
    packed = gzip.compress(b"hello")
    with serving(answering(PACKED % (len(packed), packed))) as port:
        assert ask(tmp_path, port, "--expect", "text=hello", *SHORT, *LATE) == 0
    assert written(tmp_path)["metadata"]["failures"] == {}


def test_requests_that_are_sent_anew_are_counted_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(closing_with(HELLO)) as port:
        arguments = ["--arrivals", "closed", "--connections", "1", "--duration", "0.3"]
        assert ask(tmp_path, port, *arguments, "--workload", "none") == 0
    metadata = written(tmp_path)["metadata"]
    assert metadata["failures"] == {} and 0 < metadata["resent"] < metadata["requests"]
    told = rf"\nsent anew +{metadata['resent']}, whose kept connection had been closed before\n"
    assert re.search(told, capsys.readouterr().out)
