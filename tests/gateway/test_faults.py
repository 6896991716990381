"""What goes wrong in functions: it costs the requests that it must, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from aetherless_py.runtime.logs import LIMIT_BYTES
from aetherless_py.start.criu import Criu
from tests.gateway.conftest import Start
from tests.gateway.crowd import at_once, under_way
from tests.gateway.up import FUNCTIONS, Up, eventually, lives

MODES = ["zygote", "spawn", "criu"]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    if request.param == "criu" and (why := Criu.missing()):
        pytest.skip(why)
    return str(request.param)


def _only_process(runtime: Up) -> psutil.Process:
    [instance] = runtime.instances()
    return psutil.Process(instance["pid"])


def _counts(runtime: Up) -> dict[str, int]:
    counts: dict[str, int] = runtime.state()[0]["counts"]
    return counts


def _times(counter: Path) -> int:
    return len(counter.read_text().split())


def test_a_request_that_takes_too_long_costs_its_instance(up: Start, mode: str) -> None:
    runtime = up({"id": "does", "timeout_ms": 1000}, start=mode)
    assert runtime.ask("/function/does").status == 200
    process = _only_process(runtime)
    warm = runtime.ask("/function/does")
    late = runtime.ask("/function/does?do=sleep&value=600")
    assert late.status == 504
    told = {"x-aether-start": "warm", "x-aether-instance": warm.headers["x-aether-instance"]}
    assert late.headers.items() >= told.items()  # whose log says why
    [took] = re.findall(r"queue;dur=[0-9.]+, instance;dur=([0-9.]+)", late.headers["server-timing"])
    assert float(took) > 900
    eventually(lambda: not lives(process))
    after = runtime.ask("/function/does")
    assert (after.status, after.headers["x-aether-start"]) == (200, mode)
    eventually(lambda: _counts(runtime) == {"started": 2, "timeout": 1})


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("crash", ["exit&value=3", "vanish&value=3", "orphan"])
def test_a_crash_is_answered_once_and_not_tried_again(
    up: Start, tmp_path: Path, crash: str, concurrency: int
) -> None:
    runtime = up({"id": "does", "concurrency": concurrency})
    counter = tmp_path / "counter"
    answer = runtime.ask(f"/function/does?do={crash}&count={counter}")
    assert answer.status == 502
    assert answer.headers["x-aether-start"] == "zygote" and answer.headers["x-aether-instance"]
    assert _times(counter) == 1
    assert runtime.ask("/function/does").status == 200
    assert _counts(runtime) == {"started": 2, "crash": 1}
    eventually(lambda: "exit status 3, " in runtime.stderr())
    assert _times(counter) == 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_who_has_closed_its_streams_is_answered_yet(up: Start, concurrency: int) -> None:
    runtime = up({"id": "does", "concurrency": concurrency})
    assert runtime.ask("/function/does?do=mute").status == 200
    assert runtime.ask("/function/does?do=raise").status == 500
    assert runtime.ask("/function/does?do=set").status == 502
    assert _counts(runtime) == {"started": 1}
    assert runtime.ask("/function/does?do=exit&value=3").status == 502
    eventually(lambda: _counts(runtime) == {"started": 1, "crash": 1})


def test_a_kill_during_a_request_is_answered_and_not_tried_again(
    up: Start, tmp_path: Path, mode: str
) -> None:
    runtime = up({"id": "does"}, start=mode)
    with under_way(runtime, tmp_path / "go") as [held]:
        _only_process(runtime).kill()
        assert held.result().status == 502
    assert _times(tmp_path / "go.0") == 1
    assert runtime.ask("/function/does").status == 200


def test_a_kill_while_idle_costs_no_request(up: Start, mode: str) -> None:
    runtime = up({"id": "does"}, start=mode)
    assert runtime.ask("/function/does").status == 200
    _only_process(runtime).kill()
    eventually(lambda: not runtime.instances())
    after = runtime.ask("/function/does")
    assert (after.status, after.headers["x-aether-start"]) == (200, mode)


def test_the_others_of_a_crashed_instance_are_answered_too(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "concurrency": 4, "max_instances": 1})
    with under_way(runtime, tmp_path / "go", 3) as held:
        assert runtime.ask("/function/does?do=vanish&value=1").status == 502
        assert [each.result().status for each in held] == [502] * 3
    assert [_times(tmp_path / f"go.{number}") for number in range(3)] == [1] * 3


# -- memory ----------------------------------------------------------------------------------------


def test_an_allocation_far_beyond_the_limit_fails(up: Start) -> None:
    runtime = up({"id": "does", "memory_limit_mb": 64})
    assert runtime.ask("/function/does?do=allocate&value=1000").status in (500, 502)
    assert runtime.ask("/function/does").status == 200


@pytest.mark.parametrize("who", ["grow", "child"])
def test_growth_beyond_the_limit_is_ended(up: Start, who: str) -> None:
    runtime = up({"id": "does", "memory_limit_mb": 64})
    assert runtime.ask("/function/does").status == 200
    process = _only_process(runtime)
    answer = runtime.ask(f"/function/does?do={who}&value=2")
    assert answer.status == 502
    eventually(lambda: not lives(process))
    assert _counts(runtime)["memory"] == 1
    assert "MB: killed" in runtime.stderr()
    assert runtime.ask("/function/does").status == 200


def test_a_function_that_has_left_service_is_held_to_its_limit(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "memory_limit_mb": 64, "timeout_ms": 60_000})
    begun, go = tmp_path / "begun", tmp_path / "go"
    with ThreadPoolExecutor(1) as clients:
        path = f"/function/does?do=grow&value=2&count={begun}&after={go}"
        growing = clients.submit(runtime.ask, path)
        eventually(begun.exists)
        runtime.functions[0]["timeout_ms"] = 50_000
        runtime.write()
        assert "changed: does" in runtime.run("reload").stdout
        go.touch()
        assert growing.result().status == 502
    assert "MB: killed" in runtime.stderr()


# -- what they leave -------------------------------------------------------------------------------


def test_what_it_has_started_ends_with_it(up: Start, mode: str) -> None:
    runtime = up({"id": "does", "timeout_ms": 1500}, start=mode)
    assert runtime.ask("/function/does?do=spawn&value=600").status == 200
    stray = [each for each in runtime.processes() if each.name() == "sleep"]
    assert len(stray) == 1
    assert runtime.ask("/function/does?do=sleep&value=600").status == 504
    eventually(lambda: not lives(stray[0]))


def test_logs_are_bounded_whole_and_apart(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "max_instances": 2})
    count = LIMIT_BYTES // 100
    answers = at_once(runtime, [f"/function/does?do=lines&value={count}"] * 2)
    names = {answer.headers["x-aether-instance"] for answer in answers}
    instances = {each["id"]: Path(each["log"]) for each in runtime.instances()}
    runtime.__exit__()  # so that all is written
    for name in names:
        log = instances[name]
        old = Path(f"{log}.old")
        lines = (old.read_text() if old.exists() else "") + log.read_text()
        assert len(lines) <= 2 * LIMIT_BYTES + (1 << 17)
        numbers = []
        for line in lines.splitlines():
            found = re.fullmatch(rf"{name} (\d+) x{{80}}", line)
            assert found, line
            numbers.append(int(found[1]))
        assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_flood_of_output_costs_nobody_else(up: Start) -> None:
    runtime = up({"id": "does", "timeout_ms": 2000}, {"id": "noop"})
    with ThreadPoolExecutor(1) as clients:
        flooding = clients.submit(runtime.ask, "/function/does?do=flood")
        eventually(lambda: runtime.instances())
        for _ in range(20):
            assert runtime.ask("/function/noop").status == 200
        assert flooding.result().status == 504
    eventually(lambda: not runtime.instances())


# -- what the machine lacks ------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [0, 2])
@pytest.mark.parametrize("start", ["zygote", "criu"])
def test_a_module_that_cannot_be_imported_ends_the_command(
    tmp_path: Path, start: str, pool: int
) -> None:
    if start == "criu" and (why := Criu.missing()):
        pytest.skip(why)
    (tmp_path / "broken.py").write_text("handler = 1\nraise RuntimeError('so it is')\n")
    bad = {"id": "bad", "handler_path": "broken:handler", "warm_pool_size": pool}
    runtime = Up(tmp_path, [bad, {"id": "noop"}], {"start": start})
    before = set(os.listdir("/dev/shm"))
    done = runtime.run("up", "-c", str(runtime.file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("aetherless: function bad: ")
    assert done.stderr.rstrip().endswith("RuntimeError: so it is"), done.stderr
    assert not list(runtime.runtime_folder.iterdir())
    assert set(os.listdir("/dev/shm")) <= before
    assert not [each for each in runtime._marked() if lives(each)]


def test_too_few_descriptors_cost_requests_and_are_got_over(up: Start) -> None:
    runtime = up({"id": "does"}, max_instances=40, keep_alive_s=0.2)
    here = psutil.Process(runtime.process.pid)

    def descriptors() -> int:
        assert runtime.ask("/function/does").status == 200
        eventually(lambda: not runtime.instances())
        return here.num_fds()

    before = descriptors()
    had = here.rlimit(psutil.RLIMIT_NOFILE)
    statuses: list[int] = []

    def ask(_: int) -> None:
        try:
            statuses.append(runtime.ask("/function/does?do=sleep&value=0.1").status)
        except OSError:  # the connection was closed
            statuses.append(0)

    for more in range(8, 40, 4):  # so that each of them is once the one that is missing
        here.rlimit(psutil.RLIMIT_NOFILE, (before + more, had[1]))
        with ThreadPoolExecutor(12) as clients:
            list(clients.map(ask, range(12)))
        here.rlimit(psutil.RLIMIT_NOFILE, had)
    assert set(statuses) <= {0, 200, 502, 503}, runtime.stderr()
    assert "never retrieved" not in runtime.stderr()
    eventually(lambda: not runtime.state()[0]["states"]["starting"])
    assert descriptors() <= before + 1, [each.path for each in here.open_files()]


def test_channels_need_no_room_in_dev_shm(tmp_path: Path) -> None:
    """In a mount namespace whose /dev/shm has no room for one ring."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("mount namespaces need root")

    class Small(Up):
        def command(self, *arguments: str) -> list[str]:
            inner = super().command(*arguments)
            script = 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"'
            return ["unshare", "-m", "sh", "-c", script, "sh", *inner]

    with Small(tmp_path, [{"id": "does"}], {"max_instances": 6}) as runtime:
        answers = at_once(runtime, ["/function/does?do=sleep&value=0.5"] * 6)
        assert [answer.status for answer in answers] == [200] * 6, runtime.stderr()


def test_no_memory_for_channels_is_said_and_got_over(up: Start) -> None:
    runtime = up({"id": "does", "keep_alive_s": 0.3})
    here = psutil.Process(runtime.process.pid)
    had = here.rlimit(psutil.RLIMIT_FSIZE)  # which holds for files in memory, too
    here.rlimit(psutil.RLIMIT_FSIZE, (1 << 20, had[1]))
    for answer in at_once(runtime, ["/function/does"] * 6):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    here.rlimit(psutil.RLIMIT_FSIZE, had)
    assert runtime.ask("/function/does").status == 200
    assert "no memory for a ring" in runtime.stderr()


def test_an_answer_that_is_too_large_costs_only_itself(up: Start) -> None:
    runtime = up({"id": "does"}, shm_buffer_size=1 << 16)
    assert runtime.ask("/function/does?do=large&value=10000000").status == 502
    assert runtime.ask("/function/does?do=large&value=20000").status == 200
    assert len(runtime.instances()) == 1


def test_an_image_is_used_again_and_a_damaged_one_taken_anew(up: Start) -> None:
    if why := Criu.missing():
        pytest.skip(why)
    runtime = up({"id": "does"}, start="criu")

    def answer_of_image() -> int:
        assert runtime.ask("/function/does").headers["x-aether-start"] == "criu"
        [image] = (runtime.folder / "snapshots").iterdir()
        return (image / "manifest.json").stat().st_mtime_ns

    first = answer_of_image()
    runtime.__exit__()
    with runtime:
        assert answer_of_image() == first
    [image] = (runtime.folder / "snapshots").iterdir()
    largest = max((image / "images").iterdir(), key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.write(b"damaged")
    with runtime:
        assert answer_of_image() != first
        assert "taken anew" in runtime.stderr()


def test_a_slow_start_of_one_function_holds_up_no_other(up: Start, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "while 'AETHER_SOCKET' in os.environ and not os.path.exists(os.environ['GO']):\n"
        "    time.sleep(0.01)\n"
        "def handler(event, context):\n"
        "    return {}\n"
    )
    go = tmp_path / "go"
    runtime = up(
        {"id": "slow", "handler_path": "slow:handler", "start": "spawn", "ready_timeout_s": 60,
         "environment": {"PYTHONPATH": str(tmp_path), "GO": str(go)}},
        {"id": "does", "timeout_ms": 1000}, max_instances=40,
    )  # fmt: skip
    with ThreadPoolExecutor(40) as clients:
        try:
            slow = [clients.submit(runtime.ask, "/function/slow") for _ in range(40)]
            eventually(lambda: runtime.state()[0]["states"]["starting"] == 40)
            assert runtime.ask("/function/does").status == 200
            process = psutil.Process(runtime.instances(1)[0]["pid"])
            assert runtime.ask("/function/does?do=sleep&value=600").status == 504
            eventually(lambda: not lives(process))
        finally:
            go.touch()
        assert {each.result().status for each in slow} <= {200, 502, 503}


def test_a_failed_start_fails_nobody_whom_a_busy_instance_can_serve(
    up: Start, tmp_path: Path
) -> None:
    (tmp_path / "once.py").write_text(
        "import os\n"
        "if 'AETHER_SOCKET' in os.environ:\n"
        "    os.close(os.open(os.environ['ONCE'], os.O_CREAT | os.O_EXCL))\n"
        "from fns import does as handler\n"
    )
    go, ran = tmp_path / "go", tmp_path / "ran"
    paths = f"{tmp_path}:{FUNCTIONS}"
    runtime = up(
        {"id": "once", "handler_path": "once:handler", "start": "spawn", "max_instances": 4,
         "environment": {"PYTHONPATH": paths, "ONCE": str(tmp_path / "once")}},
    )  # fmt: skip
    with ThreadPoolExecutor(4) as clients:
        first = clients.submit(runtime.ask, f"/function/once?after={go}&count={ran}")
        eventually(ran.exists)
        others = [clients.submit(runtime.ask, "/function/once") for _ in range(3)]
        try:
            eventually(lambda: runtime.state()[0]["counts"].get("start_failed", 0) >= 1)
        finally:
            go.touch()
        assert [each.result().status for each in (first, *others)] == [200] * 4
    [instance] = runtime.instances()
    psutil.Process(instance["pid"]).kill()
    eventually(lambda: not runtime.instances())
    assert runtime.ask("/function/once").status == 502  # nobody else can
