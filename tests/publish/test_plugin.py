"""What asv's other commands do with the plugin."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

pytest.importorskip("asv")

from benchmarks.harness import run_log
from tests.publish.made_up import ROOT, asv, git, measured, repository

# Each benchmark notes what asv's processes are told.
SUITE = """
import json, os, pathlib

class Told:
    params = [1, 2]

    def track_it(self, number):
        told = {name: value for name, value in os.environ.items() if "AETHERLESS" in name}
        (pathlib.Path(__file__).parents[1] / f"told-{number}").write_text(json.dumps(told))
        return number
"""


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    folder = repository(tmp_path / "repository")
    (folder / "suite").mkdir()
    (folder / "suite" / "__init__.py").touch()
    (folder / "suite" / "told.py").write_text(SUITE)
    return folder


def run(repository: Path, **variables: str) -> list[dict[str, str]]:
    """What the benchmarks of an `asv run` were told."""
    here = ["-E", f"existing:{sys.executable}", "--set-commit-hash", "HEAD"]
    done = asv(repository, "run", *here, "--machine", "made-up", **variables)
    assert done.returncode == 0, done.stdout
    return [json.loads((repository / f"told-{number}").read_text()) for number in (1, 2)]


def test_the_rows_of_an_asv_run_are_of_one_run(made_up: Path) -> None:
    first, second = run(made_up), run(made_up)
    ids = [[told["AETHERLESS_RUN"] for told in each] for each in (first, second)]
    assert ids[0][0] == ids[0][1] != ids[1][0]
    assert {told["AETHERLESS_RUN"] for told in run(made_up, AETHERLESS_RUN="mine")} == {"mine"}


@pytest.mark.parametrize(("selection", "store"), [(None, "results"), ("study", "study")])
def test_a_selection_has_a_store_and_a_run_log(
    made_up: Path, selection: str | None, store: str
) -> None:
    variables = {} if selection is None else {"AETHERLESS_SELECTION": selection}
    [told, _] = run(made_up, **variables)
    folder = made_up / ".asv" / store
    assert told["AETHERLESS_RUN_LOG"] == str(folder / "run_log")
    assert (folder / "benchmarks.json").is_file()
    assert [each.name for each in (made_up / ".asv").iterdir()] == [store]


def test_commands_that_read_take_the_store_of_the_selection(made_up: Path) -> None:
    commit = git(made_up, "rev-parse", "HEAD")
    measured(made_up, commit, {"a.B.track_c": [1e-7, 2e-7]}, "quick")
    shown = asv(made_up, "show", commit, AETHERLESS_SELECTION="quick")
    assert "a.B.track_c" in shown.stdout
    assert "a.B.track_c" not in asv(made_up, "show", commit).stdout
    wrong = asv(made_up, "show", AETHERLESS_SELECTION="fast")
    assert wrong.returncode == 1
    assert "give one of tracking, study, quick" in wrong.stdout
    assert "Traceback" not in wrong.stdout


def test_only_this_machine_reaches_the_preview(made_up: Path) -> None:
    (made_up / "html").mkdir()
    (made_up / "html" / "index.html").write_text("hello")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "asv", "preview"],
        cwd=made_up,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "Serving at" in line)
            address = line.partition("at ")[2].strip()
            (made_up / "html").rename(made_up / "old")  # as when it is published again
            (made_up / "html").mkdir()
            (made_up / "html" / "index.html").write_text("hello again")
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert answer.read() == b"hello again"
            listening = psutil.Process(process.pid).net_connections("inet")
            assert {each.laddr.ip for each in listening} == {"127.0.0.1"}
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_an_interrupted_run_ends_with_one_line_and_its_status(made_up: Path) -> None:
    began = made_up / "began"
    suite = made_up / "suite" / "told.py"
    suite.write_text(
        "import pathlib, time\n"
        f"def track_it():\n    pathlib.Path({str(began)!r}).touch()\n    time.sleep(300)\n"
    )
    here = ["-E", f"existing:{sys.executable}", "--set-commit-hash", "HEAD", "--machine", "made-up"]
    with subprocess.Popen(
        [sys.executable, "-m", "asv", "run", *here],
        cwd=made_up,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(made_up)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not began.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGINT, said
    assert "Traceback" not in said
    assert said.split("\n").count("asv: interrupted") == 1
    assert "Interrupted." not in said
    # The log has it, for the export to tell; of runs that ended there is nothing.
    [mark] = (made_up / ".asv" / "results" / run_log.FOLDER).iterdir()
    assert mark.suffix == run_log.UNFINISHED
    began.unlink()
    suite.write_text(SUITE)
    run(made_up)
    assert list(mark.parent.iterdir()) == [mark]


def test_how_long_a_run_takes_is_said_beforehand(made_up: Path) -> None:
    (made_up / "suite" / "ring_buffer.py").write_text(
        "class Latency:\n    params = [['write', 'read'], [64, 4096]]\n"
        "    def track_time(self, operation, size):\n        return 1.0\n"
    )
    here = ["-E", f"existing:{sys.executable}", "--set-commit-hash", "HEAD", "--machine", "made-up"]
    said = asv(made_up, "run", *here, "--bench", "Latency.*(write|64)").stdout
    assert re.search(r"^asv: 3 rows: about \d+ s$", said, re.MULTILINE), said
    assert "asv: " not in asv(made_up, "run", *here, "--bench", "Told").stdout  # nobody knows


def test_asv_itself_outlives_who_started_it() -> None:
    """Only its measuring processes end with their parent; both import the suites' package."""
    code = (
        "import asv_runner, asv.results, benchmarks, ctypes;"
        "found = ctypes.c_int();"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(found));"  # PR_GET_PDEATHSIG
        "print(found.value)"
    )
    for imports, expected in (("", "0"), ("import asv_runner, benchmarks;", str(signal.SIGKILL))):
        done = subprocess.run(
            [sys.executable, "-c", imports + code],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
