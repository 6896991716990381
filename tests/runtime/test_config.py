"""What a configuration becomes, and what stands before what."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydantic
import pytest

from aetherless_py.errors import AetherlessError, ConfigError
from aetherless_py.runtime.config import Config, OrchestratorConfig
from aetherless_py.runtime.config_file import load
from aetherless_py.start.base import Function

LEAST = "functions:\n  - id: a\n    handler_path: app:handle\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a function in Python and an executable."""
    (tmp_path / "app.py").write_text("raise SystemExit('it was run')\ndef handle(request): ...\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    return tmp_path


def loaded(
    folder: Path,
    text: str = LEAST,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> Config:
    (folder / "functions.yaml").write_text(text)
    return load(folder / "functions.yaml", environment or {}, overrides)


def test_what_is_not_said_has_its_default_or_is_the_orchestrators(folder: Path) -> None:
    config = loaded(folder, "orchestrator: {start: criu, keep_alive_s: 5}\n" + LEAST)
    assert config.path == folder / "functions.yaml"
    assert config.orchestrator == OrchestratorConfig(start="criu", keep_alive_s=5)
    [function] = config.functions
    assert function.model_dump() == {
        "id": "a",
        "handler_path": "app:handle",
        "memory_limit_mb": 128,
        "trigger_port": None,
        "timeout_ms": 30000,
        "environment": {},
        "imports": (),
        "event_format": "2.0",
        "routes": (),
        "concurrency": 1,
        "ready_timeout_s": 10.0,
        "start": "criu",
        "warm_pool_size": 10,
        "keep_alive_s": 5.0,
        "max_instances": 16,
        "search_path": (str(folder),),
    }
    assert function.kind == "python"


@pytest.mark.parametrize("section", ["", "orchestrator:\n", "orchestrator: {}\n"])
def test_the_orchestrator_may_say_nothing(folder: Path, section: str) -> None:
    assert loaded(folder, section + LEAST).orchestrator == OrchestratorConfig()
    assert loaded(folder, section + LEAST, {"AETHERLESS_PORT": "5"}).orchestrator.port == 5


def test_a_function_says_what_is_its_own(folder: Path) -> None:
    text = LEAST + (
        "    start: spawn\n    warm_pool_size: 0\n    keep_alive_s: 0\n    max_instances: 1024\n"
        "    imports: [json, os.path, xml.dom.minidom, time]\n    concurrency: 1000\n"
        "    trigger_port: 65535\n    environment: {A: '1', ON: 2001-01-01, _b2: ''}\n"
    )
    [function] = loaded(folder, text).functions
    assert (function.start, function.warm_pool_size, function.keep_alive_s) == ("spawn", 0, 0)
    assert (function.max_instances, function.trigger_port) == (1024, 65535)
    assert function.imports == ("json", "os.path", "xml.dom.minidom", "time")
    assert function.environment == {"A": "1", "ON": "2001-01-01", "_b2": ""}


@pytest.mark.parametrize("said", ["1.0", "'1.0'"])
def test_an_event_format_may_be_a_number(folder: Path, said: str) -> None:
    [function] = loaded(folder, LEAST + f"    event_format: {said}\n").functions
    assert function.event_format == "1.0"
    [function] = loaded(folder, overrides=[f"functions.a.event_format={said}"]).functions
    assert function.event_format == "1.0"


def test_routes(folder: Path) -> None:
    routes = ["/", "GET /notes", "/notes/{number}", "ANY /{files+}", "/a-b/{c.d}/e/{f+}"]
    [function] = loaded(folder, LEAST + f"    routes: {routes}\n").functions
    assert function.routes == tuple(routes)


def test_null_is_the_orchestrators(folder: Path) -> None:
    text = "orchestrator: {max_instances: 3}\n" + LEAST
    text += "    start: null\n    max_instances: ~\n    warm_pool_size:\n    keep_alive_s: null\n"
    [function] = loaded(folder, text).functions
    assert function.max_instances == 3
    assert function.start == "zygote"


def test_nothing_can_be_changed_later(folder: Path) -> None:
    config = loaded(folder)
    with pytest.raises(pydantic.ValidationError):
        config.orchestrator.port = 1
    with pytest.raises(pydantic.ValidationError):
        config.functions[0].timeout_ms = 1


@pytest.mark.parametrize("start", ["zygote", "criu"])
def test_an_executable_is_started_by_spawn_whatever_the_others_are(
    folder: Path, start: str
) -> None:
    text = f"orchestrator: {{start: {start}}}\nfunctions:\n"
    text += "  - {id: a, handler_path: ./tool, concurrency: 7}\n  - {id: b, handler_path: tool}\n"
    text += f"  - {{id: c, handler_path: {folder / 'tool'}, start: spawn}}\n"
    for function in loaded(folder, text).functions:
        assert function.kind == "executable"
        assert function.start == "spawn"
        assert function.handler_path == str(folder / "tool")


def test_an_executable_whose_name_has_a_colon_needs_a_slash(folder: Path) -> None:
    (folder / "to:ol").touch(0o755)
    [function] = loaded(folder, "functions:\n  - {id: a, handler_path: './to:ol'}\n").functions
    assert (function.kind, function.handler_path) == ("executable", str(folder / "to:ol"))


def test_modules_are_found_in_the_functions_own_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lib" / "package" / "inner").mkdir(parents=True)
    (folder / "lib" / "package" / "inner" / "deep.py").write_text("from x import handle as do")
    (folder / "other").mkdir()
    other = folder / "other"
    text = (
        "functions:\n  - id: a\n    handler_path: package.inner.deep:do\n"
        f"    environment: {{PYTHONPATH: 'lib::{other}'}}\n"
    )
    monkeypatch.chdir("/")
    [function] = loaded(folder, text).functions
    assert function.search_path == (str(folder), str(folder / "lib"), str(other))
    assert function.environment == {"PYTHONPATH": f"{folder / 'lib'}:{other}"}
    Function(function.handler_path, path=function.search_path, environment=function.environment)


def test_modules_of_this_interpreter_are_found(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "of_this_interpreter.py").write_text("def handle(request): ...")
    monkeypatch.syspath_prepend(str(elsewhere))
    loaded(folder, "functions:\n  - {id: a, handler_path: 'of_this_interpreter:handle'}\n")


@pytest.mark.parametrize(
    "source",
    [
        "def do(request): ...",
        "@decorated\nasync def do(request): ...",
        "async def do(request): ...\ndo = plain(do)",
        "class do: ...",
        "from elsewhere import do",
        "from elsewhere import other as do",
        "from elsewhere import *",
        "import do.inner",
        "do = print",
        "do: object = print",
        "(first, [do, *rest]) = things",
        "if True:\n    def do(request): ...\nelse:\n    do = None",
        "try:\n    import x\nexcept ImportError:\n    x = None\nelse:\n    do = x.do",
        "with x as do: ...",
        "def __getattr__(name): ...",
        "# -*- coding: latin-1 -*-\ndef do(request): return '\xe4'",
    ],
)
def test_a_handler_may_come_to_its_name_in_any_way(folder: Path, source: str) -> None:
    (folder / "it.py").write_bytes(source.encode("latin-1"))
    loaded(folder, "functions:\n  - {id: a, handler_path: 'it:do'}\n")


def test_what_is_no_source_is_not_read(folder: Path) -> None:
    (folder / "it.pyc").write_bytes(b"what is in it is not looked at")
    loaded(
        folder,
        "functions:\n  - {id: a, handler_path: 'it:do'}\n  - {id: b, handler_path: 'time:sleep'}\n",
    )


def test_nothing_of_a_function_is_imported_or_run(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("raise SystemExit('it was run')")
    (folder / "package" / "inner.py").write_text("raise SystemExit('it was run')\ndo = 1")
    before = set(sys.modules)
    loaded(
        folder,
        LEAST + "    imports: [package.inner, package]\n"
        "  - {id: b, handler_path: 'package.inner:do'}\n",
    )
    assert not {"app", "package", "package.inner"} & set(sys.modules) - before
    assert not (folder / "__pycache__").exists()


def test_anchors_and_merges_stand_for_what_they_name(folder: Path) -> None:
    text = (
        "functions:\n  - &first\n    id: a\n    handler_path: app:handle\n    timeout_ms: 5\n"
        "    environment: &more {A: x}\n"
        "  - {<<: *first, id: b}\n  - {id: c, <<: [{timeout_ms: 6}, *first], environment: *more}\n"
    )
    functions = loaded(folder, text).functions
    assert [each.id for each in functions] == ["a", "b", "c"]
    assert [each.timeout_ms for each in functions] == [5, 5, 6]
    assert all(each.environment == {"A": "x"} for each in functions)


def test_the_command_line_stands_before_the_environment_and_that_before_the_file(
    folder: Path,
) -> None:
    text = "orchestrator: {port: 1, queue_limit: 1, max_instances: 1, warm_pool_size: 1}\n" + LEAST
    environment = {
        "AETHERLESS_PORT": "2",
        "AETHERLESS_QUEUE_LIMIT": "2",
        "AETHERLESS_MAX_INSTANCES": "2",
        "AETHERLESS_QUICK": "1",
        "AETHERLESS_NOTHING_OF_OURS": "[",
        "PORT": "77",
    }
    overrides = ["port=3", "orchestrator.queue_limit=3", "port=4"]
    config = loaded(folder, text, environment, overrides)
    orchestrator = config.orchestrator
    assert orchestrator.port == 4
    assert orchestrator.queue_limit == 3
    assert orchestrator.max_instances == 2
    assert orchestrator.warm_pool_size == 1
    assert config.functions[0].max_instances == 2


@pytest.mark.parametrize("name", OrchestratorConfig.model_fields)
def test_each_option_of_the_orchestrator_has_a_variable(folder: Path, name: str) -> None:
    values = {"start": "spawn", "host": "::1", "snapshot_dir": "/x", "log_dir": "/x"}
    values |= {"shm_buffer_size": "65536", "allowed_hosts": "['*']"}
    value = values.get(name, "64")
    config = loaded(folder, LEAST, {f"AETHERLESS_{name.upper()}": value})
    found = getattr(config.orchestrator, name)
    assert str(list(found) if isinstance(found, tuple) else found) in (value, f"{value}.0")


def test_values_of_overrides_are_yaml(folder: Path) -> None:
    overrides = [
        "log_dir=null",
        "functions.a.imports=[json, re]",
        "functions.a.environment.A=b=c.d",
        "functions.a.environment.N='12'",
        "functions.a.id=z",
    ]
    config = loaded(folder, LEAST, {"AETHERLESS_LOG_DIR": "/x"}, overrides)
    assert config.orchestrator.log_dir is None
    [function] = config.functions
    assert function.id == "z"
    assert function.imports == ("json", "re")
    assert function.environment == {"A": "b=c.d", "N": "12"}


def test_an_override_stands_in_for_what_is_wrong_in_the_file(folder: Path) -> None:
    text = "orchestrator: {port: x}\n" + LEAST + "    timeout_ms: y\n"
    config = loaded(folder, text, {"AETHERLESS_PORT": "5"}, ["functions.a.timeout_ms=6"])
    assert config.orchestrator.port == 5
    assert config.functions[0].timeout_ms == 6


def test_an_override_of_one_function_leaves_another_of_the_same_anchor(folder: Path) -> None:
    text = (
        "functions:\n"
        "  - &first {id: a, handler_path: 'app:handle', environment: &e {A: x}}\n"
        "  - {<<: *first, id: b, environment: *e}\n"
    )
    config = loaded(folder, text, {}, ["functions.b.environment.A=y"])
    assert [each.environment for each in config.functions] == [{"A": "x"}, {"A": "y"}]


def test_relative_folders_begin_at_the_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "functions.yaml").write_text("orchestrator: {snapshot_dir: images}\n" + LEAST)
    monkeypatch.chdir(folder.parent)
    path = f"{folder.name}/functions.yaml"
    config = load(path, {"AETHERLESS_LOG_DIR": "../logs"})
    assert config.orchestrator.snapshot_dir == str(folder / "images")
    assert config.orchestrator.log_dir == str(folder.parent / "logs")
    assert config.path == folder / "functions.yaml"


def test_this_process_environment_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "functions.yaml").write_text(LEAST)
    monkeypatch.setenv("AETHERLESS_PORT", "7777")
    assert load(folder / "functions.yaml").orchestrator.port == 7777


@pytest.mark.parametrize(
    ("ring", "room"),
    [
        (1 << 16, (1 << 15) - 4096),
        (1 << 17, (1 << 16) - 4096),
        (1 << 18, (1 << 17) - 4096),
        (1 << 22, (1 << 22) - (1 << 17) - 4096),
        (1 << 30, (1 << 30) - (1 << 17) - 4096),
    ],
)
def test_a_body_may_be_as_large_as_the_ring_leaves_room_for(ring: int, room: int) -> None:
    orchestrator = OrchestratorConfig(shm_buffer_size=ring)
    assert orchestrator.body_limit_bytes == room
    assert orchestrator.head_limit_bytes + room + 4096 == ring
    explicit = OrchestratorConfig(shm_buffer_size=ring, max_body_bytes=room)
    assert explicit.body_limit_bytes == room
    with pytest.raises(ValueError, match=f"shm_buffer_size {ring} leaves {room}"):
        OrchestratorConfig(shm_buffer_size=ring, max_body_bytes=room + 1)
    assert OrchestratorConfig(max_body_bytes=0).body_limit_bytes == 0


def test_two_functions_without_ports_and_a_gateway_at_any_port_are_no_clash(folder: Path) -> None:
    text = "orchestrator: {port: 0}\n" + LEAST + "    trigger_port: 8080\n"
    text += "  - {id: b, handler_path: 'app:handle'}\n  - {id: c, handler_path: 'app:handle'}\n"
    assert len(loaded(folder, text).functions) == 3


def test_a_config_error_holds_its_problems() -> None:
    error = ConfigError(("one", "two"))
    assert isinstance(error, AetherlessError) and isinstance(error, ValueError)
    assert error.problems == ("one", "two")
    assert str(error) == "one\ntwo"
