"""What the command may be asked for, and what it says to everything else."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from benchmarks.load.run import Closed
from tools.e2e.answers import Answers, Expected
from tools.e2e.plan import planned
from tools.e2e.target import Target

TARGET = ["--target", ":1/"]


@pytest.mark.parametrize(
    ("written", "place", "path", "tls"),
    [
        ("http://example.org", "example.org:80", "/", False),
        ("HTTPS://Example.org?a=b", "example.org:443", "/?a=b", True),
        ("https://example.org:8443/f/g?x=%20", "example.org:8443", "/f/g?x=%20", True),
        ("http://[::1]:81/@x", "[::1]:81", "/@x", False),
        (":8081", "127.0.0.1:8081", "/", False),
        (":8081/function/x", "127.0.0.1:8081", "/function/x", False),
        ("/function/x", "127.0.0.1:8080", "/function/x", False),
    ],
)
def test_targets(written: str, place: str, path: str, tls: bool) -> None:
    found = Target.parsed(written)
    assert (found.place, found.path, found.tls) == (place, path, tls)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: --target"),
        (["--target", ""], "--target: '': give http"),
        (["--target", "example.org/x"], "--target: 'example.org/x': give http"),
        (["--target", "localhost:8080/x"], "--target: 'localhost:8080/x': give http"),
        (["--target", "//example.org/x"], "'//example.org/x': give http"),
        (["--target", "ftp://example.org/"], "'ftp://example.org/': give http"),
        (["--target", "http://"], "no host"),
        (["--target", "http://:80/"], "no host"),
        (["--target", "http://u:s3cret@example.org/"], "--target: user and password in a URL"),
        (["--target", "ftp://u:s3cret@example.org/"], "--target: user and password in a URL"),
        (["--target", "http://example.org/#part"], "a fragment"),
        (["--target", "http://example.org/a b"], "encode them"),
        (["--target", "http://example.org/\n"], "encode them"),
        (["--target", "http://example.org/\u00e9"], "path '/\u00e9': give one that begins with /"),
        (["--target", "http://example.org:99999/"], "'http://example.org:99999/': Port out of"),
        (["--target", "http://example.org:x/"], "'http://example.org:x/': Port could not"),
        (["--target", "http://example.org:0/"], "port 0: give one from 1 to 65535"),
        (["--target", "http://[::1/"], "'http://[::1/': Invalid IPv6 URL"),
        (["--target", "http://a\\b/"], "give a name or an address"),
        ([*TARGET, "--workload", "nope"], "--workload nope: there is none; give 010.sleep, "),
        ([*TARGET, "--workload", "echo:3"], "--workload echo:3: the variants are bytes=1024"),
        ([*TARGET, "--workload", "echo:"], "--workload echo:: the variants are bytes=1024"),
        ([*TARGET, "--workload", "none:x"], "--workload none:x: none has no variants"),
        ([*TARGET, "--payload", "x"], "--payload: 'x': give a whole number from 0 to"),
        ([*TARGET, "--payload", "-1"], "--payload: '-1': give a whole number"),
        ([*TARGET, "--payload", "9" * 5000], "--payload"),
        ([*TARGET, "--payload", "1", "--workload", "010.sleep"], "the body is that of the workl"),
        ([*TARGET, "--payload", "1", "--workload", "echo:bytes=1024"], "(without a variant)"),
        ([*TARGET, "--rate", "0"], "--rate: '0': give a number above 0"),
        ([*TARGET, "--rate", "nan"], "--rate: 'nan': give a number above 0"),
        ([*TARGET, "--rate", "inf"], "--rate: 'inf': give a number above 0"),
        ([*TARGET, "--rate", "fast"], "--rate: 'fast': give a number above 0"),
        ([*TARGET, "--rate", "0.01"], "0.01 a second for 10.0 s: that is no request"),
        ([*TARGET, "--rate", "1e6", "--duration", "60"], "at most 10000000 fit into a run"),
        ([*TARGET, "--duration", "-1"], "--duration: '-1': give a number above 0"),
        ([*TARGET, "--duration", "1e9"], "--duration: '1e9': give a number above 0 and up to"),
        ([*TARGET, "--timeout", "0"], "--timeout: '0': give a number above 0 and up to 3600"),
        ([*TARGET, "--lag-bound", "0"], "--lag-bound: '0': give a number above 0"),
        ([*TARGET, "--runs", "0"], "--runs: '0': give a whole number from 1 to 100"),
        ([*TARGET, "--seed", "-1"], "--seed: '-1': give a whole number from 0"),
        ([*TARGET, "--connections", "0"], "--connections: '0': give a whole number from 1"),
        ([*TARGET, "--burst", "0"], "--burst: '0': give a whole number from 1"),
        ([*TARGET, "--burst", "4", "--arrivals", "poisson"], "--burst SIZE goes with burst"),
        ([*TARGET, "--arrivals", "burst"], "--arrivals burst: --burst SIZE goes with"),
        ([*TARGET, "--arrivals", "often"], "--arrivals often: give constant, poisson, burst,"),
        ([*TARGET, "--arrivals", "trace"], "--arrivals trace: give constant"),
        ([*TARGET, "--arrivals", "trace:"], "--arrivals trace:: give constant"),
        ([*TARGET, "--arrivals", "poisson:x"], "--arrivals poisson:x: give constant"),
        ([*TARGET, "--arrivals", "trace:/nowhere"], "/nowhere: cannot be read: No such file"),
        ([*TARGET, "--arrivals", "trace:/"], "/: cannot be read: Is a directory"),
        ([*TARGET, "--arrivals", "trace:/dev/null"], "0 requests in no time are no schedule"),
        ([*TARGET, "--arrivals", f"trace:{__file__}"], f"{__file__}:1: "),
        ([*TARGET, "--arrivals", "trace:x", "--rate", "5"], "--rate: trace arrivals have none"),
        ([*TARGET, "--arrivals", "closed", "--rate", "5"], "--rate: closed arrivals have none"),
        ([*TARGET, "--header", "s3cret"], "--header: give 'Name: value'"),
        ([*TARGET, "--header", "A B: s3cret"], "header 'A B': its name or value is none of HTTP"),
        ([*TARGET, "--header", "A: s3cret\r\nC: d"], "header 'A': its name or value is none"),
        ([*TARGET, "--header", "Content-Length: 3"], "'Content-Length': it is set by the gen"),
        ([*TARGET, "--header", "Host: a", "--header", "host: b"], "'Host': give it once"),
        ([*TARGET, "--expect", "hello"], "--expect: 'hello': give status=N, text=TEXT"),
        ([*TARGET, "--expect", "text="], "--expect: 'text=': give status=N, text=TEXT"),
        ([*TARGET, "--expect", "text=\udcff"], "it is no text"),
        ([*TARGET, "--expect", "status=503"], "from 400 on an answer counts as failed"),
        ([*TARGET, "--expect", "status=100"], "status=100: give one from 200 to 399"),
        ([*TARGET, "--expect", "status=200", "--expect", "status=201"], "more than once"),
        ([*TARGET, "--expect", "regex=("], "--expect: regex=(: missing )"),
        ([*TARGET, "--expect", "sha256=12"], "--expect: sha256=12: give 64 hexadecimal digits"),
        ([*TARGET, "--expect", "status=204", "--workload", "noop"], "answers of workloads have"),
        ([*TARGET, "--ca-file", "/nowhere"], "--ca-file: the target is not HTTPS"),
        (["--target", "https://[::1]/", "--ca-file", "/nowhere"], "--ca-file /nowhere: cannot"),
        (["--target", "https://[::1]/", "--ca-file", __file__], f"--ca-file {__file__}: cannot"),
        ([*TARGET, "--output", __file__], "cannot be made or written to"),
        ([*TARGET, "--output", "/proc/aetherless/below"], "cannot be made or written to"),
        ([*TARGET, "--quik"], "unrecognized arguments: --quik"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        planned(arguments)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("e2e: ") and words in said and said.count("\n") == 1
    assert "s3cret" not in said


def test_a_limit_of_files_is_told_of_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(resource, "getrlimit", lambda _: (soft, 1024))
        planned([*TARGET, "--connections", "1000"])
    assert "--connections 1000: this process may have 1024 files open" in capsys.readouterr().err


def test_what_is_left_out_is_sensible(tmp_path: Path) -> None:
    plan = planned([*TARGET, "--output", str(tmp_path)])
    assert (plan.workload, plan.variant, plan.kind, plan.run_s) == ("noop", "empty", "constant", 10)
    [load] = plan.loads
    assert not isinstance(load.arrivals, Closed) and load.arrivals.offered_per_s == 100
    assert plan.request.method == "GET" and plan.seed != planned(TARGET).seed
    # Who says what is to come has another function than noop.
    assert planned([*TARGET, "--expect", "text=x"]).workload == "none"
    assert planned([*TARGET, "--expect", "text=x", "--workload", "noop"]).workload == "noop"
    assert planned([*TARGET, "--workload", "110.dynamic-html"]).variant == "items=10"
    assert planned([*TARGET, "--burst", "4", "--rate", "8"]).kind == "burst"


def test_the_path_of_a_workload_is_that_of_the_target() -> None:
    request = planned(["--target", ":1/f/?a=b", "--workload", "echo"]).request
    assert (request.method, request.path, len(request.body)) == ("POST", "/f/?a=b", 1024)
    request = planned([*TARGET, "--payload", "0", "--workload", "noop"]).request
    assert (request.method, request.body) == ("POST", b"")
    assert b"\r\nContent-Length: 0\r\n" in request.wire()


@pytest.mark.parametrize(
    ("written", "status", "body", "fault"),
    [
        ([], 200, b"", None),
        ([], 299, b"", None),
        ([], 300, b"", "it is no 2xx"),
        (["status=200"], 201, b"", "the status is not 200"),
        (["status=302"], 302, b"", None),
        (["text=h\u00e9"], 200, "h\u00e9llo".encode(), None),
        (["text=a=b"], 200, b"a=b", None),
        (["text=a", "text=b"], 200, b"a", "the body lacks 'b'"),
        (["regex=^h.llo$"], 200, b"hello", None),
        (["regex=^h.llo$"], 200, b"hello!", "nothing in the body matches '^h.llo$'"),
        (["sha256=" + "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"], 200,
         b"", None),
        (["sha256=" + "0" * 64], 200, b"", "the SHA-256 of its 0 bytes is e3b0c44298fc1c149afbf4c"
         "8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)  # fmt: skip
def test_expectations(written: list[str], status: int, body: bytes, fault: str | None) -> None:
    assert Expected.parsed(written).fault(status, body) == fault


def test_answers_that_are_not_the_last_right_one_are_judged_anew() -> None:
    judge = Answers(["echo", "bytes=3", 3, 1], {})
    kind = (b"Content-Type", b"application/octet-stream")
    right = planned([*TARGET, "--workload", "echo", "--payload", "3", "--seed", "1"]).request.body
    for _ in range(2):
        assert judge(200, [kind, (b"Date", b"now")], right) == "unknown"
    for status, headers, body in (
        (201, [kind], right),
        (200, [], right),
        (200, [kind], right[:2]),
        (200, [kind, kind], b"xxx"),
    ):
        with pytest.raises(ValueError, match=f"^status {status}: .*echo, bytes=3, seed 1: "):
            judge(status, headers, body)
    assert judge(200, [kind, (b"X-Aether-Start", b"warm")], right) == "warm"
    assert judge(200, [kind, (b"x-aether-start", b"criu")], right) == "cold"
