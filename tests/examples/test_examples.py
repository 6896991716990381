"""Each example does what its comments say."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.up import Up

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Example(Up):
    """A runtime that serves one of the examples from its own file."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        super().__init__(folder, [])
        self.file = EXAMPLES / name / "functions.yaml"
        self.arguments = ["-s", "port=0"]
        for option in options:
            self.arguments += ["-s", option]

    def write(self) -> None:
        """The file is there."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_every_example_is_tested_and_in_the_list() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert folders == {"hello", "node", "notes"}
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"]({name})" in text for name in folders)


def test_hello(tmp_path: Path, stack: ExitStack) -> None:
    example = stack.enter_context(Example(tmp_path, "hello"))
    assert example.ask("/function/hello").json()["message"] == "Hello, world!"
    told = example.run("invoke", "hello", "--path", "/?name=Ada", "--include")
    assert told.returncode == 0, told.stderr
    assert "x-aether-start: warm" in told.stdout
    assert json.loads(told.stdout.rpartition("\n\n")[2])["message"] == "Hello, Ada!"
    assert example.run("down").returncode == 0
    assert example.process.wait(60) == 0


def test_notes(tmp_path: Path, stack: ExitStack) -> None:
    port = free_port()
    file = tmp_path / "notes.sqlite"
    example = stack.enter_context(
        Example(
            tmp_path,
            "notes",
            f"functions.notes.trigger_port={port}",
            f"functions.notes.environment={{NOTES_FILE: {file}}}",
            "restore_timeout_ms=10000",
        )
    )

    def ask(method: str, path: str, body: object = None) -> tuple[int, object]:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        answer = example.ask(path, data, method, headers, port)
        return answer.status, answer.json() if answer.body else None

    assert ask("POST", "/", {"text": "milk"}) == (201, {"id": 1, "text": "milk"})
    assert ask("PUT", "/1", {"text": "bread"}) == (200, {"id": 1, "text": "bread"})
    assert ask("GET", "/1") == (200, {"id": 1, "text": "bread"})
    assert ask("GET", "/none")[0] == ask("GET", "/7")[0] == ask("DELETE", "/7")[0] == 404
    assert ask("POST", "/", {"no": 1})[0] == 400
    assert ask("DELETE", "/")[0] == 405
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: ask("POST", "/", {"text": str(n)}), range(40)))
    assert all(status == 201 for status, _ in made)
    status, notes = ask("GET", "/")
    assert status == 200 and isinstance(notes, list) and len(notes) == 41
    assert ask("DELETE", "/1") == (204, None)
    assert example.ask("/function/notes/2").status == 200


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is missing: make runtimes")
def test_node(tmp_path: Path, stack: ExitStack) -> None:
    example = stack.enter_context(Example(tmp_path, "node"))
    answer = example.ask("/function/upper", b"some text")
    assert (answer.status, answer.body) == (200, b"SOME TEXT")
    assert answer.headers["x-greeting"] == "from Node.js"
    assert os.access(EXAMPLES / "node" / "upper.js", os.X_OK)
