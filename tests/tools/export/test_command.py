"""The command: its arguments, what it chooses, and how it ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.tools.export.stores import SAMPLES, WRITE, documents, export, results, write_row
from tests.tools.make_store import (
    COMMIT,
    STARTED,
    commit_hash,
    make_large_store,
    row,
    write_result,
)
from tools.export import standard
from tools.export.__main__ import main

CONFIG = '{"version": 1, "repo": ".", "results_dir": "store"}'


def test_commits_machines_and_categories(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "other").mkdir()
    (store / "other" / "machine.json").write_text('{"machine": "other", "version": 1}')
    pair = {"ipc.Pair.track_roundtrip": row([SAMPLES])}
    write_result(store, {WRITE: write_row()}, commit_hash(1))
    write_result(store, {WRITE: write_row(started_at=STARTED + 9000), **pair}, commit_hash(2))
    write_result(store, {WRITE: write_row()}, commit_hash(3), machine="other")

    def commits(name: str, *arguments: str) -> set[tuple[str, str]]:
        assert export(store, tmp_path / name, *arguments) == 0
        return {
            (item["category"], item["metadata"]["commit"])
            for document in documents(tmp_path / name)
            for item in document["results"]
        }

    one, two, three = (commit_hash(n) for n in (1, 2, 3))
    assert commits("latest") == {("ring_buffer", two), ("ipc", two)}
    assert commits("category", "--category", "ipc") == {("ipc", two)}
    assert commits("commit", "--commit", one[:9].upper()) == {("ring_buffer", one)}
    assert commits("machine", "--machine", "other") == {("ring_buffer", three)}
    of_box = {("ring_buffer", one), ("ring_buffer", two), ("ipc", two)}
    assert commits("box", "--machine", "box", "--all-history") == of_box
    assert commits("all", "--all-history") == of_box | {("ring_buffer", three)}
    # All three began in the same second: none replaced another.
    assert len(list((tmp_path / "all").glob("ring_buffer_*T124816Z*.json"))) == 3
    # Which run something is of does not depend on what is exported.
    assert {path.name for path in (tmp_path / "category").iterdir()} == {
        path.name for path in (tmp_path / "latest").glob("ipc*")
    }
    before = {path: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    capsys.readouterr()
    commits("all", "--all-history")
    assert {path: path.read_bytes() for path in (tmp_path / "all").iterdir()} == before
    assert "written: " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--category", "disk"], "known are cold_start, e2e, ipc, other, ring_buffer"),
        (["--commit", "xyz!"], "hex digits"),
        (["--commit", "abcdef0"], COMMIT[:8]),
        (["--machine", "nobody"], "known: box"),
        (["--store", "/nowhere"], "/nowhere"),
        (["--store", "."], "benchmarks.json"),
        (["--output", "asv.conf.json"], "not a folder"),
        (["--speed"], "--speed"),
    ],
)
def test_bad_arguments(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str,
) -> None:  # fmt: skip
    write_result(store, {WRITE: write_row()})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asv.conf.json").write_text(CONFIG)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "data").exists()


def test_an_empty_store_says_what_to_do(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(store, store / "out") == 2
    assert "holds no results; run `asv run`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("asv.conf.json", '{// c\n "version": 1, "repo": ".", "results_dir": "store", }'),
        ("asv.conf.jsonc", "{version: 1, results_dir: 'store', repo: 'http://x'}"),
    ],
)
def test_defaults_come_from_the_configuration(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], name: str, content: str,
) -> None:  # fmt: skip
    write_result(store, {WRITE: write_row()})
    monkeypatch.chdir(tmp_path)
    assert main(["--output", "out"]) == 2
    said = capsys.readouterr().err
    assert "No `asv.conf` file found for valid extensions: ['.json', '.jsonc']; give" in said
    (tmp_path / name).write_text(content)
    assert main([]) == 0
    assert len(results(tmp_path / "data")) == 2


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version": 1}', b"\xff", b"[" * 200_000])
def test_a_configuration_that_makes_no_sense_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    content: bytes,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asv.conf.json").write_bytes(content)
    assert main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"export: {tmp_path}: asv's configuration: ") and "--store" in line
    (tmp_path / "asv.conf.json").write_text(CONFIG.replace('"store"', "3"))
    assert main([]) == 2


def test_the_table(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(store, {WRITE: write_row()})
    assert export(store, tmp_path / "out", "--table") == 0
    assert "500 us" in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {WRITE: write_row()})
    (tmp_path / "file").write_text("")
    assert export(store, tmp_path / "file" / "below") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("export: ")


def test_an_interruption_is_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write_result(store, {WRITE: write_row()})

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(standard, "write_to", interrupt)
    assert export(store, tmp_path / "out") == 130
    assert capsys.readouterr().err == "export: interrupted\n"


def test_asvs_own_reader_is_put_back(store: Path, tmp_path: Path) -> None:
    from asv import util

    before = util.load_json
    write_result(store, {WRITE: write_row()})
    (store / "box" / "x.json").write_text(json.dumps({}))
    assert export(store, tmp_path / "out") == 1
    assert util.load_json is before


def test_of_many_files_only_their_number_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_large_store(tmp_path / "store", 70, 1, 2)
    assert export(tmp_path / "store", tmp_path / "out", "--all-history") == 0
    assert capsys.readouterr().out == f"written: 70 files in {tmp_path / 'out'}\n"
    assert len(documents(tmp_path / "out")) == 70
    assert export(tmp_path / "store", tmp_path / "out", "--all-history", "--verbose") == 0
    assert capsys.readouterr().out.count("unchanged: ") == 70
