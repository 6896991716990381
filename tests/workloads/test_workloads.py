"""Every workload, wherever it may be served: right answers pass, and only right ones do."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import server
from benchmarks.servers._adapter import Answer, call, load
from benchmarks.servers.base import HOST, ROOT
from benchmarks.workloads.registry import (
    DIGEST,
    TOLERANCE,
    WORKLOADS,
    Workload,
    WrongAnswer,
    difference,
    workload,
)
from tests.gateway.conftest import Start, up

__all__ = ["up"]  # the fixture

SEED = 7
LARGE = 100_000  # items and vertices: seconds each, and once is enough
PACKAGES = ("PIL", "igraph", "jinja2", "numpy", "squiggle")


def _large(variant: str) -> bool:
    return variant in (f"items={LARGE}", f"vertices={LARGE}")


SMALL = [(name, v) for name, each in WORKLOADS.items() for v in each.variants if not _large(v)]
ALL = [(name, variant) for name, each in WORKLOADS.items() for variant in each.variants]
NAMES = list(WORKLOADS)


def _there(name: str) -> Workload:
    found = workload(name)
    if (reason := found.missing()) is not None:
        pytest.skip(reason)
    return found


def _answer(found: Workload, variant: str, seed: int = SEED) -> Answer:
    _, _, headers, body = found.request(variant, seed)
    return call(load(found.handler), headers, body)


def _middle(found: Workload) -> str:
    """A variant in which graphs are no longer all alike."""
    return list(found.variants)[:2][-1]


def test_each_is_what_its_module_says() -> None:
    for name, each in WORKLOADS.items():
        module = importlib.import_module(f"benchmarks.workloads.{each.module}")
        assert name == module.WORKLOAD["name"]
        assert list(each.variants) == list(module.WORKLOAD["variants"])
        assert each.variants == dict(sorted(each.variants.items(), key=lambda one: one[1]))
    assert list(WORKLOADS) == sorted(WORKLOADS)
    with pytest.raises(ValueError, match=rf"no workload 'x': {', '.join(NAMES)}"):
        workload("x")
    with pytest.raises(ValueError, match=r"echo has no variant 'x': bytes=1024, "):
        workload("echo").request("x", SEED)


MINE = """
WORKLOAD = {"name": "my-own", "variants": ("lines=3",), "memory_mb": 64}
def handler(event, context):
    return {}
def expected(size, seed):
    return [size, seed]
"""


def _registry_of(folder: Path, name: str, text: str, program: str) -> str:
    """What that program prints where a file is the only workload."""
    package = folder / "benchmarks/workloads"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks/workloads/registry.py", package)
    (package / f"{name}.py").write_text(text)
    (package / "_helper.py").write_text("1 / 0")
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    return _python(program, folder)


def test_a_file_is_enough(tmp_path: Path) -> None:
    program = """
from benchmarks.workloads.registry import WORKLOADS, WrongAnswer
[found] = WORKLOADS.values()
print(found.name, found.handler, found.variants, found.memory_mb, found.request("lines=3", 7)[3])
json = {"content-type": "application/json"}
found.check("lines=3", 7, 200, json, b"[3,7]")
try:
    found.check("lines=3", 7, 200, json, b"[7,3]")
except WrongAnswer as error:
    print(error)
"""
    assert _registry_of(tmp_path, "mine", MINE, program).splitlines() == [
        "my-own benchmarks.workloads.mine:handler {'lines=3': 3} 64 b'{\"lines\": 3, \"seed\": 7}'",
        "my-own, lines=3, seed 7: the answer[0] is 7, not 3",
    ]


def test_a_file_that_does_not_describe_itself_is_named(tmp_path: Path) -> None:
    program = """
try:
    import benchmarks.workloads.registry
except ValueError as error:
    print(error)
"""
    assert "mine.py has no WORKLOAD" in _registry_of(tmp_path, "mine", "x = 1", program)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"a": [1, {"b": 0.5}], "c": "x"}, None),
        ({"a": [1, {"b": 0.5 + TOLERANCE / 2}], "c": "x"}, None),
        (
            {"a": [1, {"b": 0.5 + TOLERANCE * 2}], "c": "x"},
            "the answer['a'][1]['b'] is 0.500000002,",
        ),
        ({"a": [1, {"b": float("nan")}], "c": "x"}, "the answer['a'][1]['b'] is nan, not 0.5"),
        ({"a": [1], "c": "x"}, "the answer['a'] is [1], not [1, {'b': 0.5}]"),
        ({"a": [1, {"b": 0.5}]}, "the answer is {'a': [1, {'b': 0.5}]}, not {'a': "),
        ({"a": [1, {"b": 0.5}], "c": "y"}, "the answer['c'] is y, not x"),
    ],
)
def test_a_difference_of_documents_is_told_by_its_place(answer: Any, fault: str | None) -> None:
    found = difference({"a": [1, {"b": 0.5}], "c": "w"}, json.dumps(answer).encode(), c="x")
    assert found == fault if fault is None else (found or "").startswith(fault)


def test_a_difference_of_bytes_is_told_by_its_place() -> None:
    assert difference(b"abc", b"abc") is None
    assert difference(b"abc", b"abd") == "3 bytes, not 3; from 2 on b'd', not b'c'"
    assert difference(b"abc", b"ab") == "2 bytes, not 3; from 2 on b'', not b'c'"


def test_all_of_them_are_in_the_document() -> None:
    told = (ROOT / "docs/workloads.md").read_text()
    for name, each in WORKLOADS.items():
        [row] = [line for line in told.splitlines() if line.startswith(f"| `{name}` ")]
        for variant in each.variants.values():
            assert f"{variant}" in row.replace(" ", "") or variant == 0, (name, variant)


@pytest.mark.parametrize(("name", "variant"), SMALL)
def test_called_directly(name: str, variant: str) -> None:
    found = _there(name)
    status, headers, body = _answer(found, variant)
    found.check(variant, SEED, status, headers, body)
    assert (status, headers, body) == _answer(found, variant), "equal requests, unequal answers"


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_has_another_answer(name: str) -> None:
    found = _there(name)
    variant = _middle(found)
    one, other = _answer(found, variant, 1), _answer(found, variant, 2)
    found.check(variant, 2, *other)
    seeded = name != "noop"
    assert (one != other) == seeded
    assert (found.request(variant, 1) != found.request(variant, 2)) == seeded
    if seeded:
        with pytest.raises(WrongAnswer, match="seed 2: "):
            found.check(variant, 2, *one)  # its digest, where it has one, is right


def _changed(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, for each thing that there is."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield {name: kept for name, kept in value.items() if name != key}
            for other in _changed(each):
                yield value | {key: other}
    elif isinstance(value, list):
        yield [*value, None]
        for at in range(len(value)):
            yield value[:at] + value[at + 1 :]
            for other in _changed(value[at]):
                yield [*value[:at], other, *value[at + 1 :]]
    elif isinstance(value, str):
        yield value + "x"
        yield None
    elif isinstance(value, bool) or value is None:
        yield "x"
    else:
        yield value + 1
        yield str(value)
        yield float("nan")


def _spoilt_html(body: bytes) -> Iterator[bytes]:
    yield body.replace(b"<li>", b"<li> ", 1)
    yield body.replace(b"&amp;", b"&")
    yield b"\n".join(body.split(b"\n")[:-3])


def _spoilt_thumbnail(body: bytes) -> Iterator[bytes]:
    from io import BytesIO

    from PIL import Image, ImageChops, ImageOps

    picture = Image.open(BytesIO(body))
    black = Image.new("RGB", (40, 40))
    with_a_hole = picture.copy()
    with_a_hole.paste(black, (80, 80))
    others = [
        (ImageOps.mirror(picture), "JPEG"), (ImageOps.flip(picture), "JPEG"), (picture, "PNG"),
        (ImageChops.offset(picture, 5, 0), "JPEG"), (with_a_hole, "JPEG"),
        (picture.resize((199, 150)), "JPEG"), (picture.convert("L"), "JPEG"),
    ]  # fmt: skip
    for other, kind in others:
        made = BytesIO()
        other.save(made, kind)
        yield made.getvalue()


def _spoilt_zip(body: bytes) -> Iterator[bytes]:
    from io import BytesIO
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

    with ZipFile(BytesIO(body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    first, *others = files
    not_first = {name: files[name] for name in others}
    for other, way in (
        (not_first, ZIP_DEFLATED),
        ({first: files[first][:-1] + b"?", **not_first}, ZIP_DEFLATED),
        ({"x/0.txt": files[first], **not_first}, ZIP_DEFLATED),
        (files, ZIP_STORED),
    ):
        made = BytesIO()
        with ZipFile(made, "w", way) as archive:
            for name, data in other.items():
                archive.writestr(name, data)
        yield made.getvalue()


def _spoilt_json(body: bytes) -> Iterator[bytes]:
    for other in _changed(json.loads(body)):
        yield json.dumps(other).encode()


def _spoilt_bytes(body: bytes) -> Iterator[bytes]:
    yield body[:-1] + bytes([body[-1] ^ 1])


SPOILERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "application/json": _spoilt_json,
    "application/octet-stream": _spoilt_bytes,
    "application/zip": _spoilt_zip,
    "image/jpeg": _spoilt_thumbnail,
    "text/html": _spoilt_html,
    "text/plain": _spoilt_bytes,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_spoilt_answer_is_refused(name: str) -> None:
    found = _there(name)
    variant = next(iter(found.variants))
    status, headers, body = _answer(found, variant)
    spoilt = [body[:-1], body[: len(body) // 2], b"", b"null", b"[]", b'"x"', body + b"x", b"\xff"]
    spoilt += SPOILERS[found.kind](body)
    for other in spoilt:
        stamp = {DIGEST: hashlib.sha256(other).hexdigest()} if found.digest else {}
        with pytest.raises(WrongAnswer) as refused:
            found.check(variant, SEED, status, headers | stamp, other)
        words = str(refused.value)
        assert words.startswith(f"{name}, {variant}, seed {SEED}: ")
        assert "\n" not in words and len(words) < 500
    answers: list[tuple[int, dict[str, str]]] = [(500, headers), (404, headers), (200, {})]
    answers.append((200, headers | {"content-type": "text/x-other"}))
    if found.digest:
        answers.append((200, headers | {DIGEST: "0" * 64}))
        answers.append((200, {n: value for n, value in headers.items() if n != DIGEST}))
    for other_status, other_headers in answers:
        with pytest.raises(WrongAnswer):
            found.check(variant, SEED, other_status, other_headers, body)
    found.check(variant, SEED, status, {n.title(): value for n, value in headers.items()}, body)


@pytest.mark.parametrize("name", NAMES)
def test_four_threads_at_once(name: str) -> None:
    found = _there(name)
    variant = _middle(found)
    seeds = [1, 2, 3, 1, 2, 3, 4, 4]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda seed: _answer(found, variant, seed), seeds))
    for seed, answer in zip(seeds, answers, strict=True):
        found.check(variant, seed, *answer)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _there(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _answer(found, _middle(found))
    assert not list(tmp_path.rglob("*"))


@pytest.mark.slow
def test_the_runtime(up: Start) -> None:
    served = [each for each in WORKLOADS.values() if each.missing() is None]
    runtime = up(
        *(
            {
                "id": each.module, "handler_path": each.handler, "imports": list(each.imports),
                "memory_limit_mb": each.memory_mb, "concurrency": 4, "max_instances": 1,
                "environment": {"PYTHONPATH": str(ROOT)},
            }
            for each in served
        ),
        shm_buffer_size=8 << 20,
    )  # fmt: skip

    def ask(each: Workload, variant: str, seed: int) -> None:
        method, path, headers, body = each.request(variant, seed)
        answer = runtime.ask(f"/function/{each.module}{path}", body or None, method, headers)
        each.check(variant, seed, answer.status, answer.headers, answer.body)

    for name, variant in ALL:
        if (each := workload(name)) in served:
            ask(each, variant, SEED)
    with ThreadPoolExecutor(4) as threads:  # in the instances, too, and in the memory they have
        for each in served:
            largest = [variant for variant in each.variants if variant != f"vertices={LARGE}"][-1]
            list(threads.map(lambda seed, one=each, v=largest: ask(one, v, seed), (1, 2, 1, 2)))


@pytest.mark.parametrize("name", NAMES)
def test_uvicorn(name: str) -> None:
    _served_elsewhere("uvicorn", name)


@pytest.mark.parametrize("name", ["echo", "110.dynamic-html", "311.compression"])
def test_functions_framework(name: str) -> None:
    _served_elsewhere("functions_framework", name)


def _served_elsewhere(way: str, name: str) -> None:
    found, kind = _there(name), server(way)
    if (reason := kind.missing()) is not None:
        pytest.skip(reason)
    with kind(found.module, concurrency=4) as up:
        for variant in found.variants:
            if _large(variant):
                continue
            method, path, headers, body = found.request(variant, SEED)
            connection = http.client.HTTPConnection(HOST, up.port, timeout=60)
            with contextlib.closing(connection):
                connection.request(method, up.path.rstrip("/") + path, body, headers)
                response = connection.getresponse()
                answered = dict(response.getheaders())
                found.check(variant, SEED, response.status, answered, response.read())


def _python(program: str, folder: Path = ROOT) -> str:
    """What it prints, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_instance_has_imported_what_it_says_and_nothing_of_the_measuring_side() -> None:
    for each in WORKLOADS.values():
        if each.missing() is None:
            modules = _python(
                f"import benchmarks.workloads.{each.module}, sys; print(*sys.modules)"
            ).split()
            assert set(each.imports) <= set(modules), each.name
            packages = set(PACKAGES) & set(modules)
            assert packages == set(PACKAGES) & set(each.imports), each.name
            assert "benchmarks.workloads.registry" not in modules


def test_the_registry_imports_no_workload() -> None:
    modules = _python("import benchmarks.workloads.registry, sys; print(*sys.modules)").split()
    assert not set(PACKAGES) & set(modules)
    assert [each for each in modules if each.startswith("benchmarks.workloads.")] == [
        "benchmarks.workloads.registry"
    ]


def test_where_packages_are_missing_the_rest_goes_on() -> None:
    told = _python(
        "import importlib, json, sys\n"
        f"for name in {PACKAGES}: sys.modules[name] = None\n"
        "from benchmarks.workloads.registry import WORKLOADS\n"
        "for each in WORKLOADS.values():\n"
        "    importlib.import_module(f'benchmarks.workloads.{each.module}')\n"
        "print(json.dumps({name: each.missing() for name, each in WORKLOADS.items()}))\n"
    )
    reasons = json.loads(told)
    for name, each in WORKLOADS.items():
        lacking = [package for package in each.imports if package in PACKAGES]
        assert (reasons[name] is not None) == bool(lacking)
        if lacking:
            assert reasons[name] == (f"{lacking[0]} is not installed; make build brings it")
