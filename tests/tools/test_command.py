"""How commands end: one line, a status, and no temporary file, whatever ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.stopping import ROOT
from tools.command import Refused, run


def _raises(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_line(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        os.kill(os.getpid(), number)
        raise AssertionError("it went on")

    before = signal.getsignal(number)
    assert run("it", main) == 128 + number
    assert capsys.readouterr().err == "it: interrupted\n"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (Refused("make build first"), 2, "it: make build first\n"),
        (OSError(28, "No space left on device"), 1, "it: [Errno 28] No space left on device\n"),
    ],
)
def test_what_ends_it_is_said(
    error: Exception, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("it", _raises(error)) == status
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("error", [None, Refused("no"), OSError("no")])
def test_temporary_files_go_with_it(
    error: Exception | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", "before")

    def main() -> int:
        for made in (tempfile.mkdtemp(), os.environ["TMPDIR"]):
            Path(made, "file").touch()
        if error is not None:
            raise error
        return 7

    assert (run("it", main) == 7) == (error is None)
    assert not list(tmp_path.iterdir())
    assert tempfile.gettempdir() == str(tmp_path) and os.environ["TMPDIR"] == "before"


def test_who_reads_it_may_have_seen_enough() -> None:
    code = "import sys; from tools.command import run; sys.exit(run('it', lambda: print('x' * 99)))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_without_what_make_build_installs_one_line_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tools.run_benchmarks", "--list"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "tools: run `make build` first, then use .venv/bin/python\n"


def test_to_be_interrupted_while_imported_is_no_error() -> None:
    code = "import tools\nraise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT and done.stderr == "interrupted\n"
