"""What is said of a configuration that cannot be used: every message whole."""

from __future__ import annotations

import os
import pickle
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from aetherless_py.errors import ConfigError
from aetherless_py.runtime.config import FunctionOptions, OrchestratorConfig
from aetherless_py.runtime.config_file import load

ORCHESTRATOR = "there are: " + ", ".join(sorted(OrchestratorConfig.model_fields))
FUNCTION = "there are: " + ", ".join(sorted(FunctionOptions.model_fields))
OPTIONS = ", ".join(FunctionOptions.model_fields)
ID = "1 to 64 letters, digits, '_' and '-', beginning with a letter or digit"
HANDLER = "'module:function' or an executable's path, which has a '/' or no ':'"
VARIABLE = (
    "a variable's name has letters, digits and '_', and begins with no digit, and not with"
    " AETHER_, which is the runtime's own"
)
FORMS = "it must be OPTION=VALUE, orchestrator.OPTION=VALUE or functions.ID.OPTION=VALUE"
LEAST = "functions:\n- id: a\n  handler_path: app:handle\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two functions in Python and an executable."""
    (tmp_path / "app.py").write_text("def handle(request): ...\nasync def slow(request): ...\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "plain").write_text("no program\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(
    text: str | bytes, environment: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
) -> list[str]:
    """The problems of a file f.yaml in the current folder."""
    Path("f.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load("f.yaml", environment or {}, overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(each.isprintable() for each in caught.value.problems)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("shm_buffer_size: 4194305", "4194305 is no power of two, as 1048576 or 4194304"),
        ("shm_buffer_size: 32768", "32768 is not an integer within 65536 to 1073741824"),
        ("shm_buffer_size: 2147483648", "2147483648 is not an integer within 65536 to 1073741824"),
        ("shm_buffer_size: 4 MiB", "'4 MiB' is not an integer within 65536 to 1073741824"),
        ("warm_pool_size: 65", "65 is not an integer within 0 to 64"),
        ("warm_pool_size: -1", "-1 is not an integer within 0 to 64"),
        ("warm_pool_size: yes", "yes is not an integer within 0 to 64"),
        ("warm_pool_size: 1.0", "1.0 is not an integer within 0 to 64"),
        ("warm_pool_size: '1'", "'1' is not an integer within 0 to 64"),
        ("warm_pool_size:", "nothing is not an integer within 0 to 64"),
        ("warm_pool_size: [1]", "a list is not an integer within 0 to 64"),
        ("warm_pool_size: {a: 1}", "a mapping is not an integer within 0 to 64"),
        ("warm_pool_size: !!int x", "x cannot be read as int"),
        ("restore_timeout_ms: 0", "0 is not a number above 0 and at most 900000"),
        ("restore_timeout_ms: .nan", ".nan is not a number above 0 and at most 900000"),
        ("restore_timeout_ms: 1e3", "'1e3' is not a number above 0 and at most 900000"),
        ("restore_timeout_ms: true", "true is not a number above 0 and at most 900000"),
        ("snapshot_dir: ''", "'' is not a folder's path"),
        ("snapshot_dir: 5", "5 is not text: put it in quotes"),
        ("snapshot_dir: [5]", "a list is not a folder's path"),
        ("start: fork", "'fork' should be 'spawn', 'zygote' or 'criu'"),
        ("start: off", "off should be 'spawn', 'zygote' or 'criu'"),
        ("keep_alive_s: -0.5", "-0.5 is not a number within 0 to 31536000"),
        ("keep_alive_s: .inf", ".inf is not a number within 0 to 31536000"),
        ("max_instances: 0", "0 is not an integer within 1 to 1024"),
        ("max_instances: 1025", "1025 is not an integer within 1 to 1024"),
        ("queue_limit: -1", "-1 is not an integer within 0 to 1000000"),
        ("host: a b", "'a b' is no host's name or address"),
        ("host: ''", "'' is no host's name or address"),
        ("host: a..b", "'a..b' is no host's name or address"),
        (f"host: {'a' * 64}.b", f"'{'a' * 64}.b' is no host's name or address"),
        ("allowed_hosts: a.example", "'a.example' is not a list of hosts"),
        ("allowed_hosts: {a: 1}", "a mapping is not a list of hosts"),
        ("port: 65536", "65536 is not an integer within 0 to 65535"),
        (
            "port: 99999999999999999999",
            "99999999999999999999 is not an integer within 0 to 65535",
        ),
        (f"port: {'9' * 5000}", f"{'9' * 60} cannot be read as int"),
        (f"port: 0x{'9' * 5000}", f"0x{'9' * 58} cannot be read as int"),
        ("max_body_bytes: -1", "-1 is not an integer within 0 to 1073741824"),
        (
            "max_body_bytes: 4059137",
            "4059137 does not fit: shm_buffer_size 4194304 leaves 4059136 for a body",
        ),
        ("request_timeout_s: 0", "0 is not a number above 0 and at most 31536000"),
        ("shutdown_timeout_s: x", "'x' is not a number within 0 to 31536000"),
        ("log_dir: ''", "'' is not a folder's path"),
        ("prot: 1", f"unknown; did you mean port? {ORCHESTRATOR.capitalize()}"),
        ("zzz: 1", f"unknown; {ORCHESTRATOR}"),
        (
            "port: !!python/object:os.system x",
            "the tag '!!python/object:os.system' is not supported; leave it out",
        ),
        ("port: !own x", "the tag '!own' is not supported; leave it out"),
        ("port: !!timestamp x", "the tag '!!timestamp' is not supported; leave it out"),
        ("port: !!set {1}", "the tag '!!set' is not supported; leave it out"),
    ],
)
def test_a_wrong_option_of_the_orchestrator(folder: Path, option: str, problem: str) -> None:
    key = option.partition(":")[0]
    text = f"# a comment\norchestrator:\n  {option}\n{LEAST}"
    assert said(text) == [f"f.yaml:3: orchestrator.{key}: {problem}"]


@pytest.mark.parametrize(
    ("option", "key", "problem"),
    [
        ("memory_limit_mb: 0", "memory_limit_mb", "0 is not an integer within 1 to 16384"),
        ("trigger_port: 0", "trigger_port", "0 is not an integer within 1 to 65535"),
        (
            "trigger_port: 8080",
            "trigger_port",
            "8080 is taken by the gateway, by orchestrator.port",
        ),
        ("timeout_ms: 900001", "timeout_ms", "900001 is not an integer within 1 to 900000"),
        ("concurrency: 1001", "concurrency", "1001 is not an integer within 1 to 1000"),
        ("ready_timeout_s: 0", "ready_timeout_s", "0 is not a number above 0 and at most 31536000"),
        ("start: fork", "start", "'fork' should be 'spawn', 'zygote' or 'criu'"),
        ("warm_pool_size: 65", "warm_pool_size", "65 is not an integer within 0 to 64"),
        ("keep_alive_s: -1", "keep_alive_s", "-1 is not a number within 0 to 31536000"),
        ("max_instances: x", "max_instances", "'x' is not an integer within 1 to 1024"),
        ("environment: [A]", "environment", "a list is not a mapping of names to texts"),
        ("environment:", "environment", "nothing is not a mapping of names to texts"),
        ("environment: {A: 1}", "environment.A", "1 is not text: put it in quotes"),
        ("environment: {A: yes}", "environment.A", "yes is not text: put it in quotes"),
        ("environment: {A: }", "environment.A", "nothing is not text: put it in quotes"),
        ("environment: {A: [x]}", "environment.A", "a list should be a valid string"),
        ("environment: {1A: x}", "environment.1A", VARIABLE),
        ("environment: {AETHER_SOCKET: x}", "environment.AETHER_SOCKET", VARIABLE),
        ('environment: {"A\\n=": x}', "environment.A\\n=", VARIABLE),
        (
            "environment: {[A]: x}",
            "environment",
            "a list or a mapping cannot be a key",
        ),
        ("imports: json", "imports", "'json' is not a list of modules' names"),
        ("imports: [json, 1x]", "imports[1]", "'1x' is no module's name"),
        ("imports: [json, 1]", "imports[1]", "1 is not text: put it in quotes"),
        (
            "imports: [nowhere.at_all]",
            "imports[0]",
            "there is no module 'nowhere.at_all' in {folder} or on this interpreter's path",
        ),
        (
            "imports: [json.nowhere]",
            "imports[0]",
            "there is no module 'json.nowhere' in {folder} or on this interpreter's path",
        ),
        ("timeout: 5", "timeout", f"unknown; did you mean timeout_ms? {FUNCTION.capitalize()}"),
        ("search_path: []", "search_path", f"unknown; {FUNCTION}"),
        ("id: b", "id", "given twice, first in line 2"),
    ],
)
def test_a_wrong_option_of_a_function(folder: Path, option: str, key: str, problem: str) -> None:
    problem = problem.replace("{folder}", repr(str(folder)))
    assert said(f"{LEAST}  {option}\n") == [f"f.yaml:4: functions[0].{key}: {problem}"]


NAMED = "a Python function is named 'module:function'"


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        ("''", f"'' is not {HANDLER}"),
        ("5", "5 is not text: put it in quotes"),
        ("'a-b:c'", f"'a-b:c' is not {HANDLER}"),
        ("'app:'", f"'app:' is not {HANDLER}"),
        ("app:nothing", "{folder}/app.py defines no 'nothing'"),
        ("app:slow", "{folder}/app.py:2: slow is an 'async def': it must be a plain function"),
        ("no:x", "there is no module 'no' in '{folder}' or on this interpreter's path"),
        ("app.no:x", "there is no module 'app.no' in '{folder}' or on this interpreter's path"),
        ("bad:x", "{folder}/bad.py:2 is no Python: invalid syntax"),
        ("nothing", f"'{{folder}}/nothing' does not exist; {NAMED}"),
        ("app.main", f"'{{folder}}/app.main' does not exist; {NAMED}"),
        ("./nothing", "'{folder}/nothing' does not exist"),
        ("./dos", "'{folder}/dos' begins with '#!', and '/bin/sh\\r' does not exist"),
        ("/nothing/here", "'/nothing/here' does not exist"),
        ("../" * 30, "'/' is no file"),
        ("./plain", "'{folder}/plain' may not be executed: chmod +x would allow it"),
    ],
)
def test_a_handler_that_is_not_there(folder: Path, handler: str, problem: str) -> None:
    (folder / "bad.py").write_text("x = 1\ndef def\n")
    (folder / "dos").write_bytes(b"#! /bin/sh\r\necho\r\n")
    (folder / "dos").chmod(0o755)
    problem = problem.replace("{folder}", str(folder))
    text = f"functions:\n- id: a\n  handler_path: {handler}\n"
    assert said(text) == [f"f.yaml:3: functions[0].handler_path: {problem}"]


@pytest.mark.parametrize(
    "source", ["print(do)", "f = lambda: (do := 1)", "def f():\n    do = 1", "do.x = 1"]
)
def test_what_does_not_bind_a_name_is_told_from_what_does(folder: Path, source: str) -> None:
    (folder / "it.py").write_text(source)
    [problem] = said("functions:\n- {id: a, handler_path: 'it:do'}\n")
    assert problem.endswith(f"{folder}/it.py defines no 'do'")


@pytest.mark.parametrize("start", ["zygote", "criu"])
def test_an_executable_cannot_be_forked_or_restored(folder: Path, start: str) -> None:
    text = f"functions:\n- id: a\n  handler_path: ./tool\n  start: {start}\n  imports: [json]\n"
    text += "  event_format: '1.0'\n  routes: [/a]\n"
    only_spawn = f"{start} cannot start an executable: only spawn can"
    assert said(text) == [
        f"f.yaml:4: functions[0].start: {only_spawn}",
        "f.yaml:5: functions[0].imports: an executable imports nothing",
        "f.yaml:6: functions[0].event_format: an executable is given requests, no events",
        "f.yaml:7: functions[0].routes: an executable is given requests, no events",
    ]
    Path("f.yaml").write_text("functions:\n- {id: a, handler_path: tool}\n")
    with pytest.raises(ConfigError) as caught:
        load("f.yaml", {}, [f"functions.a.start={start}"])
    [problem] = caught.value.problems
    assert problem == f"option functions.a.start={start}: functions[0].start: {only_spawn}"


@pytest.mark.parametrize("version", ["3.0", "1", "'1'", "1.5", "[]", "yes"])
def test_an_event_format_that_there_is_not(folder: Path, version: str) -> None:
    [problem] = said(LEAST + f"  event_format: {version}\n")
    shown = "an empty list" if version == "[]" else version
    assert problem == f"f.yaml:4: functions[0].event_format: {shown} should be '1.0' or '2.0'"


@pytest.mark.parametrize("route", ["notes", "", "/a b", "get /a", "/{a+}/b", "/a{b}", "/{}", "//"])
def test_a_route_that_is_none(folder: Path, route: str) -> None:
    text = LEAST + f"  routes: ['/', '{route}']\n"
    assert said(text) == [
        f"f.yaml:4: functions[0].routes[1]: {route!r} is no route, as '/notes/{{number}}',"
        " '/files/{path+}' or 'GET /notes'"
    ]


def test_a_path_that_is_no_folder(folder: Path) -> None:
    text = LEAST + "  environment:\n    PYTHONPATH: app.py:lib\n"
    assert said(text) == [
        f"f.yaml:5: functions[0].environment.PYTHONPATH: '{folder}/app.py' is no folder",
        f"f.yaml:5: functions[0].environment.PYTHONPATH: '{folder}/lib' is no folder",
    ]


def test_a_folder_whose_name_no_search_path_can_hold(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a:b").mkdir()
    monkeypatch.chdir(folder / "a:b")
    assert said(LEAST) == [
        "f.yaml:3: functions[0].handler_path: modules cannot be found in"
        f" '{folder}/a:b': the folder has a ':' in its name"
    ]


def test_ids_and_ports_are_used_once(folder: Path) -> None:
    text = "orchestrator: {port: 9000}\n" + LEAST + "  trigger_port: 7000\n"
    text += "- id: a\n  handler_path: app:handle\n  trigger_port: 7000\n  timeout_ms: 0\n"
    text += "- id: c\n  handler_path: app:handle\n  trigger_port: 9000\n"
    assert said(text) == [
        "f.yaml:6: functions[1].id: 'a' is taken by functions[0]",
        "f.yaml:8: functions[1].trigger_port: 7000 is taken by functions[0]",
        "f.yaml:9: functions[1].timeout_ms: 0 is not an integer within 1 to 900000",
        "f.yaml:12: functions[2].trigger_port: 9000 is taken by the gateway, by orchestrator.port",
    ]


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "a.b", "\xe4", "a" * 65, "a\n"])
def test_an_id_that_is_none(folder: Path, name: str) -> None:
    text = yaml.safe_dump({"functions": [{"id": name, "handler_path": "app:handle"}]})
    [problem] = said(text)
    assert problem.endswith(f"functions[0].id: {name[:60]!r} is not {ID}")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["f.yaml:1: nothing is not a mapping of options: orchestrator, functions"]),
        ("# a\n", ["f.yaml:1: nothing is not a mapping of options: orchestrator, functions"]),
        (
            "\n- a\n",
            ["f.yaml:2: a list is not a mapping of options: orchestrator, functions"],
        ),
        (
            "null",
            ["f.yaml:1: null is not a mapping of options: orchestrator, functions"],
        ),
        (
            "a: 1\n",
            [
                "f.yaml:1: functions: is missing: it must be a list of at least one function",
                "f.yaml:1: a: unknown; there are: functions, orchestrator",
            ],
        ),
        (
            "functions: []\n",
            ["f.yaml:1: functions: an empty list is not a list of at least one function"],
        ),
        ("functions:\n", ["f.yaml:1: functions: nothing is not a list of at least one function"]),
        (
            "functions: {a: 1}",
            ["f.yaml:1: functions: a mapping is not a list of at least one function"],
        ),
        ("functions: !x []", ["f.yaml:1: functions: the tag '!x' is not supported; leave it out"]),
        (
            "functions:\n- a\n",
            [f"f.yaml:2: functions[0]: 'a' is not a mapping of options: {OPTIONS}"],
        ),
        (
            "functions:\n- {}\n",
            [
                f"f.yaml:2: functions[0].id: is missing: it must be {ID}",
                f"f.yaml:2: functions[0].handler_path: is missing: it must be {HANDLER}",
            ],
        ),
        (
            f"orchestrator: [1]\n{LEAST}",
            ["f.yaml:1: orchestrator: a list is not a mapping of options"],
        ),
        (
            f"{LEAST}orchestrater:\n  port: 1\n",
            [
                "f.yaml:4: orchestrater: unknown; did you mean orchestrator? There are: functions,"
                " orchestrator"
            ],
        ),
        (
            f"{LEAST}function: 1\n",
            [
                "f.yaml:4: function: unknown; did you mean functions? There are: functions,"
                " orchestrator"
            ],
        ),
        (f"{LEAST}functions: 1\n", ["f.yaml:4: functions: given twice, first in line 1"]),
        (
            f"{LEAST}  <<: 5\n",
            ["f.yaml:4: functions[0]: '<<' takes a mapping, or a list of mappings"],
        ),
        (
            "a: [1\nb: 2\n",
            ["f.yaml:2: column 2: while parsing a flow sequence, expected ',' or ']', but got ':'"],
        ),
        ("a: b: c\n", ["f.yaml:1: column 5: mapping values are not allowed here"]),
        ("a: *b\n", ["f.yaml:1: column 4: found undefined alias 'b'"]),
        (
            "a: 1\n---\nb: 1\n",
            [
                "f.yaml:2: column 1: expected a single document in the stream,"
                " but found another document"
            ],
        ),
        ("a: 1\nb: \x07\n", ["f.yaml:2: '\\x07' is no character of YAML in UTF-8"]),
        (
            'a: "\\UFFFFFFFF"\n',
            ["f.yaml:1: it is no YAML: Python int too large to convert to C int"],
        ),
        (b"a: 1\nb: \xff\n", ["f.yaml:2: '\\udcff' is no character of YAML in UTF-8"]),
        ("[" * 50_000, ["f.yaml:1: too many values in each other"]),
        ("a: &a [*a]\n", ["f.yaml:1: too many values in each other"]),
        ("a: &a {<<: *a}\n", ["f.yaml:1: too many values in each other"]),
        ("a: 1\nb: &b\n  c: [*b]\nd: 1\n", ["f.yaml:3: too many values in each other"]),
        ("#" * ((1 << 20) + 1), ["f.yaml: has more than 1048576 bytes"]),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(
    folder: Path, text: str | bytes, problems: list[str]
) -> None:
    assert said(text) == problems


def test_a_mapping_that_is_too_deep_has_a_line(folder: Path) -> None:
    [problem] = said("".join(f"{' ' * deep}a:\n" for deep in range(1000)))
    line = re.fullmatch(r"f\.yaml:(\d+): too many values in each other", problem)
    assert line and 20 < int(line[1]) < 1000


@pytest.mark.parametrize("text", ["\\0", "\\ud800", "a\\udfffb"])
@pytest.mark.parametrize("option", ['host: "{}"', 'snapshot_dir: "{}"', '"{}": 5', '? "{}"'])
def test_no_path_no_variable_and_no_key_has_what_none_can_hold(
    folder: Path, option: str, text: str
) -> None:
    [problem] = said(f"orchestrator:\n  {option.format(text)}\n{LEAST}")
    column = option.index('"') + 3
    value = f"'{text}'".replace("\\0", "\\x00")
    what = "no text may have a NUL, or half of a surrogate pair"
    assert problem == f"f.yaml:2: column {column}: {value}: {what}"


@pytest.mark.parametrize("level", ["[{}]", "{{<<: [{}]}}"])
def test_a_bomb_of_aliases_is_put_out(folder: Path, level: str) -> None:
    lines = ["a0: &a0 {x: y}"]
    for depth in range(1, 10):
        lines.append(f"a{depth}: &a{depth} " + level.format(", ".join([f"*a{depth - 1}"] * 10)))
    [problem] = said("\n".join(lines))
    what = "more than 100000 keys and values, with what aliases stand for"
    assert problem.endswith(f": {what}")


def test_files_that_are_none(folder: Path) -> None:
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for path, problem in {
        "absent.yaml": "cannot be read: No such file or directory",
        "app.py/f.yaml": "cannot be read: Not a directory",
        ".": "is not a regular file",
        "pipe": "is not a regular file",
        "socket": "is not a regular file",
        "/dev/zero": "is not a regular file",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("environment", "overrides", "problem"),
    [
        (
            {"AETHERLESS_PORT": "x"},
            [],
            "AETHERLESS_PORT: orchestrator.port: 'x' is not an integer within 0 to 65535",
        ),
        (
            {"AETHERLESS_PORT": ""},
            [],
            "AETHERLESS_PORT: orchestrator.port: nothing is not an integer within 0 to 65535",
        ),
        (
            {"AETHERLESS_HOST": "["},
            [],
            "AETHERLESS_HOST: orchestrator.host: column 2: while parsing a flow node, expected the"
            " node content, but found '<stream end>'",
        ),
        (
            {"AETHERLESS_START": "!x y"},
            [],
            "AETHERLESS_START: orchestrator.start: the tag '!x' is not supported; leave it out",
        ),
        (
            {"AETHERLESS_SHM_BUFFER_SIZE": "65536"},
            ["max_body_bytes=28673"],
            "option max_body_bytes=28673: orchestrator.max_body_bytes: 28673 does not fit:"
            " shm_buffer_size 65536 leaves 28672 for a body",
        ),
        (
            {},
            ["port=-1"],
            "option port=-1: orchestrator.port: -1 is not an integer within 0 to 65535",
        ),
        (
            {},
            ["orchestrator.prot=1"],
            "option orchestrator.prot=1: orchestrator.prot: unknown; did you mean port?"
            f" {ORCHESTRATOR.capitalize()}",
        ),
        (
            {},
            ["functions.a.timeout_ms=0"],
            "option functions.a.timeout_ms=0: functions[0].timeout_ms: 0 is not an integer within 1"
            " to 900000",
        ),
        (
            {},
            ["functions.a.environment.A=1"],
            "option functions.a.environment.A=1: functions[0].environment.A: 1 is not text:"
            " put it in quotes",
        ),
        (
            {},
            ["functions.b.timeout_ms=1"],
            "option functions.b.timeout_ms=1: there is no function 'b'; there are: a",
        ),
        ({}, ["port"], f"option port: {FORMS}"),
        ({}, ["=1"], f"option =1: {FORMS}"),
        ({}, ["\n"], f"option \\n: {FORMS}"),
        ({}, ["other.port=1"], f"option other.port=1: {FORMS}"),
        ({}, ["functions.a=1"], f"option functions.a=1: {FORMS}"),
        ({}, ["functions.a.timeout_ms.b=1"], f"option functions.a.timeout_ms.b=1: {FORMS}"),
        ({}, ["orchestrator.port.b=1"], f"option orchestrator.port.b=1: {FORMS}"),
        ({}, ["functions.a.environment.A.B=1"], f"option functions.a.environment.A.B=1: {FORMS}"),
    ],
)
def test_a_wrong_override_is_named(
    folder: Path, environment: dict[str, str], overrides: list[str], problem: str
) -> None:
    assert said(LEAST, environment, overrides) == [problem]


def test_all_problems_are_said_at_once_in_the_order_of_lines(folder: Path) -> None:
    text = (
        "functions:\n- id: a\n  handler_path: app:nothing\n  timeout_ms: 0\n  start: x\n"
        "  start: spawn\n- id: _\norchestrator:\n  port: x\n"
    )
    assert said(text, {"AETHERLESS_HOST": "5"}, ["queue_limit=-1", "b"]) == [
        f"f.yaml:3: functions[0].handler_path: {folder}/app.py defines no 'nothing'",
        "f.yaml:4: functions[0].timeout_ms: 0 is not an integer within 1 to 900000",
        "f.yaml:5: functions[0].start: 'x' should be 'spawn', 'zygote' or 'criu'",
        "f.yaml:6: functions[0].start: given twice, first in line 5",
        f"f.yaml:7: functions[1].id: '_' is not {ID}",
        f"f.yaml:7: functions[1].handler_path: is missing: it must be {HANDLER}",
        "f.yaml:9: orchestrator.port: 'x' is not an integer within 0 to 65535",
        "AETHERLESS_HOST: orchestrator.host: 5 is not text: put it in quotes",
        "option queue_limit=-1: orchestrator.queue_limit: -1 is not an integer within 0 to 1000000",
        f"option b: {FORMS}",
    ]


def test_each_problem_is_said_once(folder: Path) -> None:
    assert said(LEAST, {}, ["b", "port=x", "b", "port=x"]) == [
        f"option b: {FORMS}",
        "option port=x: orchestrator.port: 'x' is not an integer within 0 to 65535",
    ]


def test_a_file_that_is_no_mapping_is_all_that_is_said(folder: Path) -> None:
    assert said("- a\n", {"AETHERLESS_PORT": "x"}, ["port=y", "functions.a.id=z"]) == [
        "f.yaml:1: a list is not a mapping of options: orchestrator, functions"
    ]


def test_an_error_survives_being_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(ConfigError(("one", "two"))))
    assert error.problems == ("one", "two")
    assert str(error) == "one\ntwo"
