"""criu: its image, what becomes of a bad one, and that nothing stays of all that it takes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start import criu_program, snapshot, snapshot_folder
from aetherless_py.start.criu import Criu
from tests.start.support import FUNCTIONS, descriptors, function, gone, snapshots


@pytest.fixture(autouse=True)
def possible() -> None:
    if why := Criu.missing():
        pytest.skip(f"criu: {why}")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[str]:
    """A folder with a finished snapshot of odd:tell."""
    folder = str(tmp_path / "snapshot")
    with Criu(folder) as made:
        made.prepare(function("odd:tell"))
    yield folder


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


def test_an_instance_has_the_memory_of_the_image_and_a_namespace_of_its_own() -> None:
    with Criu() as made:
        made.prepare(function("odd:tell"))
        assert made.snapshot.moved
        assert made.snapshot.size_bytes > 1 << 20 and made.snapshot.dump_ns > 0
        instances = [made.start() for _ in range(3)]
        told = [json.loads(each.invoke(b"")) for each in instances]
        # The function was imported in the process that the image was taken of, and never again.
        assert {one["loaded_in"] for one in told} == {told[0]["pid"]}
        spaces = {os.readlink(f"/proc/{each.pid}/ns/pid") for each in instances}
        assert len(spaces) == 3 and os.readlink("/proc/self/ns/pid") not in spaces


def test_memory_that_an_instance_writes_is_its_own() -> None:
    with Criu() as made:
        made.prepare(function("odd:count"))
        first, second = made.start(), made.start()
        assert [first.invoke(b"") for _ in range(3)] == [b"1", b"2", b"3"]
        assert second.invoke(b"") == b"1"
        assert made.start().invoke(b"") == b"1"


@pytest.mark.parametrize("handler", ["threads:in_python", "threads:in_c"])
def test_threads_of_the_function_live_on(handler: str) -> None:
    with Criu() as made:
        made.prepare(function(handler))
        for _ in range(2):
            assert made.start().invoke(b"21") == b"42"


def test_a_kept_snapshot_is_used_again(kept: str) -> None:
    manifest = Path(kept, "manifest.json").read_bytes()
    with Criu(kept) as made:
        made.prepare(function("odd:tell"))
        json.loads(made.start().invoke(b""))
    assert Path(kept, "manifest.json").read_bytes() == manifest
    assert not list(Path(snapshot_folder.work_of(kept)).glob("*.log"))


def test_a_folder_in_use_is_nobody_elses(kept: str) -> None:
    with Criu(kept) as made:
        made.prepare(function("odd:tell"))
        with pytest.raises(errors.SnapshotError, match="in use by another runtime"):
            Criu(kept).prepare(function("odd:tell"))


def test_a_folder_that_others_may_open_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(errors.SnapshotError, match="must be this user's alone"):
        Criu(str(tmp_path)).prepare(function("odd:tell"))
    assert tmp_path.exists()


def _manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[str], None]:
    def apply(folder: str) -> None:
        path = Path(folder, "manifest.json")
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return apply


def _image(name: str, change: Callable[[bytes], bytes]) -> Callable[[str], None]:
    def apply(folder: str) -> None:
        path = Path(snapshot_folder.images_of(folder), name)
        path.write_bytes(change(path.read_bytes()))

    return apply


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_manifest(lambda m: m["machine"].update(kernel="5.10.0 #1")), "kernel was 5.10.0 #1, is "),
        (_manifest(lambda m: m["machine"].update(CPU="Another 9000")), "CPU was Another 9000, is "),
        (_manifest(lambda m: m["machine"].update(CRIU="3.17")), r"CRIU was 3\.17, is "),
        (_manifest(lambda m: m.update(format=0)), "format 0, this reads 1"),
        (_image("memory", lambda d: d[:-4096]), "images/memory is missing or cut short"),
        (_image("memory", lambda d: d[:5000] + b"?" + d[5001:]), "images/memory is damaged"),
        (_image("pages-1.img", lambda d: b"?" + d[1:]), "images/pages-1.img is damaged"),
        (_image("core-1000.img", lambda d: b""), "images/core-1000.img is missing or cut short"),
        (
            lambda folder: shutil.rmtree(snapshot_folder.images_of(folder)),
            "is missing or cut short",
        ),
        (lambda folder: Path(folder, "manifest.json").write_text("{"), "manifest.json is missing"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_an_error(
    kept: str, spoil: Callable[[str], None], words: str
) -> None:
    before = descriptors()
    spoil(kept)
    with pytest.raises(errors.SnapshotError, match=words) as caught, Criu(kept) as made:
        made.prepare(function("odd:tell"))
    assert "remove the folder and prepare anew" in str(caught.value)
    assert descriptors() == before


def test_a_snapshot_of_another_function_or_of_older_code_is_an_error(
    kept: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.SnapshotError, match="its handler is 'odd:tell', not 'odd:echo'"):
        Criu(kept).prepare(function("odd:echo"))
    code = tmp_path / "young.py"
    code.write_text("def f(_): return b'1'\n")
    from aetherless_py.start.base import Function

    young = Function("young:f", path=(str(tmp_path),))
    with Criu(str(tmp_path / "other")) as made:
        made.prepare(young)
        assert made.start().invoke(b"") == b"1"
    code.write_text("def f(_): return b'12'\n")
    with pytest.raises(errors.SnapshotError, match=r"young\.py has changed since"):
        Criu(str(tmp_path / "other")).prepare(young)


def test_an_image_that_is_spoiled_while_it_is_used_is_an_error() -> None:
    with Criu() as made:
        made.prepare(function("odd:echo"))
        assert made.start().invoke(b"x") == b"x"
        path = Path(snapshot_folder.images_of(made.snapshot.folder), "core-1000.img")
        data = path.read_bytes()
        path.write_bytes(data[:100])
        for _ in range(2):
            with pytest.raises(errors.SnapshotError, match="was changed or removed"):
                made.start()


def test_a_restore_that_fails_says_why_in_crius_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with Criu() as made:
        made.prepare(function("odd:echo"))
        monkeypatch.setattr(snapshot.Snapshot, "check", lambda _: None)
        for path in Path(snapshot_folder.images_of(made.snapshot.folder)).glob("core-*"):
            path.write_bytes(b"")
        words = r"CRIU's restore failed: .*Can't open core data"
        with pytest.raises(errors.StartError, match=words):
            made.start()


def test_a_full_file_system_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    before, descriptors_before = _mounts(), descriptors()
    for size in ("256k", "8m"):  # full when the memory is moved, full when CRIU writes
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", small], check=True)
        try:
            filler = small / "filler"
            folder = small / "snapshot"
            with pytest.raises(errors.StartError, match=r"[Nn]o space|full|image"):
                Criu(str(folder)).prepare(function("odd:echo"))
            assert not filler.exists() and not folder.exists()
        finally:
            subprocess.run(["umount", small], check=True)
    assert _mounts() == before
    assert descriptors() == descriptors_before


def test_a_file_system_that_is_full_later_harms_no_instance(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "none", small], check=True)
    try:
        with Criu(str(small / "snapshot")) as made:
            made.prepare(function("odd:fill"))
            with contextlib.suppress(OSError), open(small / "filler", "wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass
            for _ in range(3):
                assert made.start().invoke(b"16") == b"filled"
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "images").mkdir(parents=True)
    mine.chmod(0o700)
    (mine / "images" / "family.jpg").write_bytes(b"us")
    with pytest.raises(errors.SnapshotError, match="something that is no snapshot"):
        Criu(str(mine)).prepare(function("odd:echo"))
    assert (mine / "images" / "family.jpg").read_bytes() == b"us"


def test_a_snapshot_of_another_environment_is_an_error(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHER_TEST_SECRET", "another")
    with pytest.raises(errors.SnapshotError, match="environment differs in AETHER_TEST_SECRET"):
        Criu(kept).prepare(function("odd:tell"))


def test_a_criu_that_hangs_ends_with_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "criu"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(criu_program, "program", lambda: str(program))
    with pytest.raises(errors.StartError, match="no image was taken"):
        Criu().prepare(function("odd:echo", ready_timeout_s=2.0))
    assert not psutil.Process().children(recursive=True)


def test_nothing_stays_of_it() -> None:
    folders, mounts, fds = snapshots(), _mounts(), descriptors()
    with Criu() as made:
        made.prepare(function("odd:do"))
        for _ in range(3):
            made.start()
        assert snapshots() > folders
        made.start().stop()
        processes = psutil.Process().children(recursive=True)
        assert processes
    assert all(gone(each.pid) for each in processes)
    assert (snapshots(), _mounts(), descriptors()) == (folders, mounts, fds)


RUNTIME = """
    import sys, time
    from aetherless_py.start.base import Function
    from aetherless_py.start.criu import Criu
    made = Criu()
    made.prepare(Function("odd:do", path=(sys.argv[1],)))
    instance = made.start()
    print(made.snapshot.folder, instance.pid, flush=True)
    time.sleep(600)
    """


def _killed_runtime(kill_nursery: bool) -> str:
    """Kills a runtime in the middle of its life; gives its snapshot's folder."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUNTIME), FUNCTIONS],
        stdout=subprocess.PIPE, text=True,
    ) as runtime:  # fmt: skip
        assert runtime.stdout is not None
        folder, pid = runtime.stdout.readline().split()
        below = psutil.Process(runtime.pid).children(recursive=True)
        if kill_nursery:
            runtime.send_signal(signal.SIGSTOP)
            psutil.Process(runtime.pid).children()[0].kill()
        runtime.kill()
    assert gone(int(pid)) and all(gone(each.pid) for each in below)
    return folder


def test_the_snapshot_of_a_runtime_that_is_killed_is_removed() -> None:
    folder = _killed_runtime(kill_nursery=False)
    assert not os.path.exists(folder)


def test_what_nobody_could_remove_the_next_one_does() -> None:
    folder = _killed_runtime(kill_nursery=True)
    assert os.path.exists(folder)
    with Criu() as made:
        made.prepare(function("odd:echo"))
        assert not os.path.exists(folder)
