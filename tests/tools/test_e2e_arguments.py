"""What the command may be asked for, and what it says to everything else."""

from __future__ import annotations

import resource

import pytest

from benchmarks.load.arrivals import Schedule
from tools.e2e.answers import Answers, fault
from tools.e2e.options import read
from tools.e2e.target import parsed, url

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
    found = parsed(written)
    assert (found.place, found.path, found.tls) == (place, path, tls)
    assert "=" not in url(found) and parsed(url(found)).place == place


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: --target"),
        (["--target", ""], "--target: give http"),
        (["--target", "example.org/x"], "--target: give http"),
        (["--target", "localhost:8080/x"], "--target: give http"),
        (["--target", "//example.org/x"], "--target: give http"),
        (["--target", "ftp://example.org/"], "--target: give http"),
        (["--target", "http://"], "--target: give http"),
        (["--target", "http://:80/"], "--target: give http"),
        (["--target", "http://u:s3cret@example.org/"], "a user by --header 'Authorization: ..."),
        (["--target", "ftp://u:s3cret@example.org/"], "--target: give http"),
        (["--target", "http://example.org/#part"], "without #fragment"),
        (["--target", "http://example.org/a b"], "encoded (%20)"),
        (["--target", "http://example.org/\n"], "encoded (%20)"),
        (["--target", "http://example.org/\u00e9"], "encoded (%20)"),
        (["--target", "http://example.org:99999/"], "port 99999: give one from 1 to 65535"),
        (["--target", "http://example.org:x/"], "--target: give http"),
        (["--target", "http://example.org:0/"], "port 0: give one from 1 to 65535"),
        (["--target", "http://[::1/"], "--target: give http"),
        (["--target", "http://a\\b/"], "--target: give http"),
        ([*TARGET, "--workload", "nope"], "--workload nope: there is none; give one of 010.sl"),
        ([*TARGET, "--workload", "echo:3"], "--workload echo:3: the variants are bytes=1024"),
        ([*TARGET, "--workload", "echo:"], "--workload echo:: the variants are bytes=1024"),
        ([*TARGET, "--workload", "none:x"], "--workload none:x: there is none; give one of"),
        ([*TARGET, "--payload", "x"], "--payload: Input should be a valid integer"),
        ([*TARGET, "--payload", "-1"], "--payload: Input should be greater than or equal to 0"),
        ([*TARGET, "--payload", "9" * 5000], "--payload"),
        ([*TARGET, "--payload", "1", "--workload", "010.sleep"], "the body is that of the workl"),
        ([*TARGET, "--payload", "1", "--workload", "echo:bytes=1024"], ", without a variant"),
        ([*TARGET, "--rate", "0"], "--rate: Input should be greater than 0"),
        ([*TARGET, "--rate", "nan"], "--rate: Input should be a finite number"),
        ([*TARGET, "--rate", "inf"], "--rate: Input should be a finite number"),
        ([*TARGET, "--rate", "fast"], "--rate: Input should be a valid number"),
        ([*TARGET, "--rate", "0.01"], "0.01 a second for 10.0 s: that is no request"),
        ([*TARGET, "--rate", "1e6", "--duration", "60"], "at most 10000000 fit into a run"),
        ([*TARGET, "--duration", "-1"], "--duration: Input should be greater than 0"),
        ([*TARGET, "--duration", "1e9"], "--duration: Input should be less than or eq"),
        ([*TARGET, "--timeout", "0"], "--timeout: Input should be greater than 0"),
        ([*TARGET, "--timeout", "3601"], "--timeout: Input should be less than or equal to 3600"),
        ([*TARGET, "--lag-bound", "0"], "--lag-bound: Input should be greater than 0"),
        ([*TARGET, "--runs", "0"], "--runs: Input should be greater than or equal to 1"),
        ([*TARGET, "--seed", "-1"], "--seed: Input should be greater than or equal to 0"),
        ([*TARGET, "--connections", "0"], "--connections: Input should be greater than"),
        ([*TARGET, "--burst", "0"], "--burst: Input should be greater than or equal to 1"),
        ([*TARGET, "--burst", "4", "--arrivals", "poisson"], "--burst SIZE goes with burst"),
        ([*TARGET, "--arrivals", "burst"], "--arrivals burst: --burst SIZE goes with"),
        ([*TARGET, "--arrivals", "often"], "--arrivals: String should match pattern '^(constant|p"),
        ([*TARGET, "--arrivals", "trace"], "--arrivals: String should match pattern '^(constant|p"),
        (
            [*TARGET, "--arrivals", "trace:"],
            "--arrivals: String should match pattern '^(constant|p",
        ),
        (
            [*TARGET, "--arrivals", "poisson:x"],
            "--arrivals: String should match pattern '^(constant|p",
        ),
        ([*TARGET, "--arrivals", "trace:/nowhere"], "/nowhere: cannot be read: No such file"),
        ([*TARGET, "--arrivals", "trace:/"], "/: cannot be read: Is a directory"),
        ([*TARGET, "--arrivals", "trace:/dev/null"], "0 requests in no time are no schedule"),
        ([*TARGET, "--arrivals", f"trace:{__file__}"], f"{__file__}:1: "),
        ([*TARGET, "--arrivals", "trace:x", "--rate", "5"], "--rate: trace arrivals have none"),
        ([*TARGET, "--arrivals", "closed", "--rate", "5"], "--rate: closed arrivals have none"),
        ([*TARGET, "--header", "s3cret"], "--header: String should match pattern '^[^:]+:'"),
        ([*TARGET, "--header", "A B: s3cret"], "header 'A B': its name or value is none of HTTP"),
        ([*TARGET, "--header", "A: s3cret\r\nC: d"], "header 'A': its name or value is none"),
        ([*TARGET, "--header", "Content-Length: 3"], "'Content-Length': it is set by the gen"),
        ([*TARGET, "--header", "Host: a", "--header", "host: b"], "'Host': give it once"),
        ([*TARGET, "--expect", "hello"], "--expect: String should match pattern '(?s)^(st"),
        ([*TARGET, "--expect", "text="], "--expect: String should match pattern '(?s)^(st"),
        ([*TARGET, "--expect", "text=\udcff"], "--expect: Input should be a valid string"),
        ([*TARGET, "--expect", "status=503"], "(status=[23][0-9]{2}|text=.+|"),
        ([*TARGET, "--expect", "status=100"], "(status=[23][0-9]{2}|text=.+|"),
        ([*TARGET, "--expect", "status=200", "--expect", "status=201"], "more than once"),
        ([*TARGET, "--expect", "regex=("], "--expect regex=(: missing )"),
        ([*TARGET, "--expect", "sha256=12"], "|sha256=[0-9a-fA-F]{64})"),
        ([*TARGET, "--expect", "status=204", "--workload", "noop"], "answers of workloads have"),
        ([*TARGET, "--ca-file", "/nowhere"], "--ca-file: the target is not HTTPS"),
        (["--target", "https://[::1]/", "--ca-file", "/nowhere"], "--ca-file /nowhere: cannot"),
        (["--target", "https://[::1]/", "--ca-file", __file__], f"--ca-file {__file__}: cannot"),
        ([*TARGET, "--quik"], "unrecognized arguments: --quik"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        read(arguments)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("e2e: ") and words in said and said.count("\n") == 1
    assert "s3cret" not in said


def test_help_has_every_option_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        read(["--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    shown = " ".join(line.strip() for line in lines)
    for words in (
        "--lag-bound MS",
        "in the mean; default 100 ",
        "default data",
        "010.sleep, ",
        "from 400 on",
    ):
        assert words in shown


def test_a_limit_of_files_is_told_of_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(resource, "getrlimit", lambda _: (soft, 1024))
        read([*TARGET, "--connections", "1000"])
    assert "--connections 1000: this process may have 1024 files open" in capsys.readouterr().err


def test_what_is_left_out_is_sensible() -> None:
    options = read(TARGET)
    assert (options.served, options.kind) == (("noop", "empty", 0), "constant")
    [load] = options.loads()
    assert load.arrivals == options.schedules[0] and load.arrivals.duration_s == 10
    assert isinstance(load.arrivals, Schedule) and load.arrivals.offered_per_s == 100
    assert options.request.method == "GET" and options.seed != read(TARGET).seed
    # Who says what is to come has another function than noop.
    assert read([*TARGET, "--expect", "text=x"]).served[0] == "none"
    assert read([*TARGET, "--expect", "text=x", "--workload", "noop"]).served[0] == "noop"
    assert read([*TARGET, "--workload", "110.dynamic-html"]).served[1] == "items=10"
    assert read([*TARGET, "--burst", "4", "--rate", "8"]).kind == "burst"


def test_the_path_of_a_workload_is_that_of_the_target() -> None:
    request = read(["--target", ":1/f/?a=b", "--workload", "echo"]).request
    assert (request.method, request.path, len(request.body)) == ("POST", "/f/?a=b", 1024)
    request = read([*TARGET, "--payload", "0", "--workload", "noop"]).request
    assert (request.method, request.body) == ("POST", b"")
    assert b"\r\nContent-Length: 0\r\n" in request.wire()


@pytest.mark.parametrize(
    ("written", "status", "body", "why"),
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
def test_expectations(written: list[str], status: int, body: bytes, why: str | None) -> None:
    assert fault(written, status, body) == why


def test_answers_that_are_not_the_last_right_one_are_judged_anew() -> None:
    judge = Answers(["echo", "bytes=3", 3, 1], [])
    kind = (b"Content-Type", b"application/octet-stream")
    right = read([*TARGET, "--workload", "echo", "--payload", "3", "--seed", "1"]).request.body
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
