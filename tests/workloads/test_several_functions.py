"""Workloads of several functions, served by a runtime: answers tell how they came about."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from benchmarks.servers.base import HOST, ROOT
from benchmarks.workloads.registry import Workload, WrongAnswer, workload
from tests.gateway.conftest import Start, up
from tests.gateway.up import WATCHDOG_S, Answer, Up

__all__ = ["up"]  # the fixture

SEED = 7
CHAIN, TRANSFER = workload("chain"), workload("transfer")


def _function(found: Workload, name: str, **environment: str) -> dict[str, Any]:
    return {
        "id": name, "handler_path": found.handler, "memory_limit_mb": found.memory_mb,
        "imports": list(found.imports), "concurrency": 4, "max_instances": 1,
        "environment": {"PYTHONPATH": str(ROOT), **environment},
    }  # fmt: skip


def _chain(up: Start, way: str, count: int) -> Up:
    """c0, which passes on to c1, and so on."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    ways = {"CHAIN_WAY": way, "CHAIN_URL": f"http://{HOST}:{port}"}
    functions = [
        _function(CHAIN, f"c{at}", CHAIN_NEXT=f"c{at + 1}", **ways) for at in range(count - 1)
    ]
    return up(*functions, _function(CHAIN, f"c{count - 1}", **ways), port=port)


def _ask(runtime: Up, found: Workload, name: str, variant: str, seed: int = SEED) -> Answer:
    method, path, headers, body = found.request(variant, seed)
    return runtime.ask(f"/function/{name}{path}", body, method, headers)


def _check(found: Workload, variant: str, answer: Answer, seed: int = SEED, **served: Any) -> None:
    found.check(variant, seed, answer.status, answer.headers, answer.body, **served)


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("way", ["tail", "http"])
def test_a_chain_counts_its_functions(up: Start, way: str, count: int) -> None:
    runtime = _chain(up, way, count)
    for variant in CHAIN.variants:
        answer = _ask(runtime, CHAIN, "c0", variant)
        _check(CHAIN, variant, answer, functions=count)
        hops = answer.headers.get("x-aether-hops")
        assert hops == (str(count - 1) if way == "tail" else None)
        for wrong in (1, count - 1, count + 1):
            if wrong != count:
                with pytest.raises(WrongAnswer, match=f"b'000{count}' functions have counted"):
                    _check(CHAIN, variant, answer, functions=wrong)
    assert [each["served"] for each in runtime.state()] == [len(CHAIN.variants)] * count
    with ThreadPoolExecutor(4) as clients:
        answers = list(
            clients.map(lambda seed: _ask(runtime, CHAIN, "c0", "bytes=1024", seed), range(40))
        )
    for seed, answer in enumerate(answers):
        _check(CHAIN, "bytes=1024", answer, seed, functions=count)


@pytest.mark.parametrize("way", ["tail", "http"])
def test_a_chain_that_breaks_says_so_and_is_whole_again(up: Start, way: str) -> None:
    runtime = _chain(up, way, 2)
    last = runtime.functions[1]
    last["handler_path"] = "fns:noop"
    last["environment"]["PYTHONPATH"] += f":{Path(__file__).parents[1] / 'gateway/functions'}"
    runtime.write()
    assert runtime.run("reload").returncode == 0
    with pytest.raises(WrongAnswer, match="content type 'application/json'"):
        _check(CHAIN, "bytes=1024", _ask(runtime, CHAIN, "c0", "bytes=1024"), functions=2)
    last["handler_path"] = CHAIN.handler
    runtime.write()
    assert runtime.run("reload").returncode == 0
    _check(CHAIN, "bytes=1024", _ask(runtime, CHAIN, "c0", "bytes=1024"), functions=2)


def test_a_connection_that_broke_is_not_used_again(up: Start) -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: x/y\r\ncontent-length: 2\r\n\r\nok"
    with socket.create_server((HOST, 0)) as server, ThreadPoolExecutor(1) as threads:
        server.settimeout(WATCHDOG_S)
        url = f"http://{HOST}:{server.getsockname()[1]}"
        first = _function(CHAIN, "c0", CHAIN_NEXT="c1", CHAIN_WAY="http", CHAIN_URL=url)
        runtime = up(first | {"concurrency": 1})

        def answered(answer: bytes) -> Answer:
            asked = threads.submit(_ask, runtime, CHAIN, "c0", "bytes=1024")
            connection, _ = server.accept()  # a new one each time
            with connection:
                connection.settimeout(WATCHDOG_S)
                received = b""
                while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < 1024:
                    received += connection.recv(1 << 16)
                connection.sendall(answer)
            return asked.result()

        assert answered(whole[:-1]).status == 500
        answer = answered(whole)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"ok", "x/y")


@contextmanager
def _transfer(up: Start, way: str) -> Iterator[tuple[Up, Path]]:
    """A first function and a second one, and the folder for what goes through a storage."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        runtime = up(
            _function(
                TRANSFER, "first",
                TRANSFER_NEXT="second", TRANSFER_WAY=way, TRANSFER_FOLDER=folder,
            ),
            _function(TRANSFER, "second", TRANSFER_FOLDER=folder),
            shm_buffer_size=8 << 20,
        )  # fmt: skip
        yield runtime, Path(folder)


@pytest.mark.parametrize("way", ["inline", "storage"])
def test_a_transfer_tells_its_way_and_leaves_nothing(up: Start, way: str) -> None:
    with _transfer(up, way) as (runtime, folder):
        for variant in TRANSFER.variants:
            answer = _ask(runtime, TRANSFER, "first", variant)
            _check(TRANSFER, variant, answer, way=way)
            assert answer.headers["x-aether-hops"] == "1"
            for other in {"inline", "storage", "alone"} - {way}:
                with pytest.raises(WrongAnswer, match=way):
                    _check(TRANSFER, variant, answer, way=other)
        with ThreadPoolExecutor(4) as clients:
            answers = list(
                clients.map(
                    lambda seed: _ask(runtime, TRANSFER, "first", "bytes=65536", seed), range(40)
                )
            )
        for seed, answer in enumerate(answers):
            _check(TRANSFER, "bytes=65536", answer, seed, way=way)
        assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("../secret", 6, "no file of a transfer's"),
        ("aetherless-transfer-/../secret", 6, "no file of a transfer's"),
        ("secret", 6, "no file of a transfer's"),
        ("aetherless-transfer-none", 6, "No such file"),
        ("aetherless-transfer-short", 7, "has 6 bytes, not 7"),
    ],
)
def test_only_whole_files_of_a_transfer_are_read(up: Start, name: str, size: int, why: str) -> None:
    with _transfer(up, "storage") as (runtime, folder):
        for file in ("secret", "aetherless-transfer-short"):
            (folder / file).write_text("secret")
        body = f'{{"file": "{name}", "bytes": {size}}}'.encode()
        headers = {"content-type": "application/json"}
        answer = runtime.ask("/function/second", body, headers=headers)
        assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})
        [instance] = runtime.instances(1)
        assert why in Path(instance["log"]).read_text()
        assert (folder / "secret").exists()


@pytest.mark.parametrize(
    ("variable", "allowed"), [("CHAIN", "tail or http"), ("TRANSFER", "inline or storage")]
)
def test_another_way_is_refused_at_the_start(tmp_path: Path, variable: str, allowed: str) -> None:
    name = f"{variable}_WAY"
    function = _function(workload(variable.lower()), "one", **{name: "pigeon"})
    runtime = Up(tmp_path, [function])
    done = runtime.run("up", "-c", str(runtime.file))
    assert done.returncode == 1
    assert f"{name} is 'pigeon': it must be {allowed}" in done.stderr
