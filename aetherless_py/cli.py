"""The command line: `aetherless up | down | invoke | list | stats | validate`."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from rich.console import Console
from rich.live import Live
from rich.table import Table

from aetherless_py.errors import AetherlessError, CommandError, ControlError
from aetherless_py.gateway import control
from aetherless_py.gateway.app import PREFIX
from aetherless_py.runtime import config_file

DESCRIPTION = """\
Serves functions over HTTP: from cold, through shared memory.

  aetherless up -c functions.yaml          serve what the file describes, until Ctrl-C
  aetherless invoke hello -d '{"a": 1}'    ask one of its functions
  aetherless list                          which functions there are, and their instances
  aetherless stats                         what happens now, in a live table
  aetherless down                          end it; requests under way may finish

A file needs no more than this:

  functions:
    - id: hello
      handler_path: hello:handler          # module:function beside the file, or an executable

Exit status: 0 done; 1 it failed, or a function answered 400 or more; 2 the command or the
configuration is wrong. A SIGHUP, or `aetherless reload`, makes a runtime read its file again.
"""

_OF_URLS = "%/?:@!$&'()*+,;=[]"  # what stands in a path and a query as it is: RFC 3986, section 3


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def _within(
    kind: Callable[[str], float], least: float, most: float, unit: str = ""
) -> Callable[[str], float]:
    """What takes a number between two bounds from the command line."""

    def number(text: str) -> float:
        with contextlib.suppress(ValueError):
            if least <= (found := kind(text)) <= most:
                return found
        raise argparse.ArgumentTypeError(f"{text!r} is not within {least} to {most}{unit}")

    return number


def _header(text: str) -> tuple[str, bytes]:
    """A header's name and value from the command line."""
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as 'NAME: VALUE'")
    try:
        return name.strip(), value.strip().encode("latin-1")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a header has Latin-1 characters only"
        ) from None


_seconds = _within(float, 0.001, 86400, " seconds")
_port_number = _within(int, 1, 65535)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; gives its exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads has enough
        sys.stderr.close()
        return 1
    except AetherlessError as error:
        print(f"aetherless: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser("aetherless", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], words: str) -> Any:
        made = commands.add_parser(name, help=words, description=words, formatter_class=raw)
        made.set_defaults(command=command)
        return made

    up = add("up", _up, "serve the functions of a configuration until a signal ends it")
    down = add("down", _down, "end a runtime that is up; requests under way may finish")
    reload = add("reload", _reload, "have a runtime read its configuration again")
    invoke = add("invoke", _invoke, "ask a function and print its answer's body")
    listing = add("list", _list, "the functions that are served, and their instances")
    stats = add("stats", _stats, "what each function does now, in a live table")
    validate = add("validate", _validate, "check a configuration without serving it")
    for each in (up, validate):
        each.add_argument("-c", "--config", required=True, metavar="FILE", help="YAML")
        each.add_argument(
            "-s", "--set", action="append", default=[], metavar="OPTION=VALUE", dest="overrides",
            help="take this instead of what the file says, as port=9000, warm_pool_size=0 or"
            " functions.hello.timeout_ms=500; may be given again",
        )  # fmt: skip
    up.add_argument("-v", "--verbose", action="store_true", help="log what instances do")
    for each in (down, reload, invoke, listing, stats):
        each.add_argument(
            "-p", "--port", type=_port_number, help="of the gateway; needed where several are up"
        )
    down.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS",
                      help="how long to wait for its end (60)")  # fmt: skip
    for each in (listing, stats, validate):
        each.add_argument("--json", action="store_true", help="for programs")
    stats.add_argument("--interval", type=_seconds, default=1.0, metavar="SECONDS",
                       help="between two looks (1)")  # fmt: skip
    stats.add_argument("--once", action="store_true", help="look once, and end")
    invoke.add_argument("function", help="its id")
    invoke.add_argument("-d", "--data", metavar="TEXT|@FILE|-",
                        help="the body: text, a file's content, or what comes on the standard"
                        " input; makes it a POST")  # fmt: skip
    invoke.add_argument("-X", "--method", help="of HTTP; GET without a body, POST with one")
    invoke.add_argument("-H", "--header", action="append", default=[], type=_header,
                        metavar="'NAME: VALUE'")  # fmt: skip
    invoke.add_argument("--path", default="/", help="that the function sees, with its query (/)")
    invoke.add_argument("-i", "--include", action="store_true", help="print status and headers too")
    invoke.add_argument("--timeout", type=_seconds, default=900.0, metavar="SECONDS",
                        help="how long to wait for the answer (900)")  # fmt: skip
    return parser


# -- commands that need no runtime -----------------------------------------------------------------


def _up(options: argparse.Namespace) -> int:
    from aetherless_py.gateway.server import serve  # not needed, nor waited for, by the others

    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    serve(lambda: config_file.load(options.config, overrides=options.overrides), _tell)
    return 0


def _tell(line: str) -> None:
    try:
        print(f"aetherless: {line}", flush=True)
    except OSError:  # whoever reads has enough; those who are served have not
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


def _validate(options: argparse.Namespace) -> int:
    found = config_file.load(options.config, overrides=options.overrides)
    if options.json:
        print(found.model_dump_json(indent=2))
    else:
        names = ", ".join(function.id for function in found.functions)
        print(f"{options.config}: all is well: {names}")
    return 0


# -- commands that ask one -------------------------------------------------------------------------


def _port(options: argparse.Namespace) -> int:
    """The port of the runtime that is meant.

    Raises:
        ControlError: there is none, or several.
    """
    if options.port is not None:
        port: int = options.port
        return port
    ports = control.running()
    if not ports:
        raise ControlError("no runtime is up; start one with: aetherless up -c FILE")
    if len(ports) > 1:
        raise ControlError(f"several runtimes are up: say which by --port: {ports}")
    return ports[0]


def _state(port: int) -> dict[str, Any]:
    return control.ask(control.socket_path(port), "GET", "/state")


def _down(options: argparse.Namespace) -> int:
    path = control.socket_path(_port(options))
    pid = control.ask(path, "GET", "/state")["pid"]
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:  # by itself, since it answered
        return 0
    control.ask(path, "POST", "/down")
    if not select.select([ended], [], [], options.timeout)[0]:
        raise ControlError(f"process {pid} has not ended within {options.timeout:g} s")
    return 0


def _reload(options: argparse.Namespace) -> int:
    path = control.socket_path(_port(options))
    changes = control.ask(path, "POST", "/reload", timeout_s=120.0)
    said = [f"{what}: {', '.join(names)}" for what, names in changes.items() if names]
    print("; ".join(said))
    return 0


def _invoke(options: argparse.Namespace) -> int:
    state = _state(_port(options))
    body = _body(options.data)
    headers: Any = http.client.HTTPMessage()  # no Mapping: it keeps what is given twice
    for name, value in options.header:
        headers[name] = value
    method = options.method or ("GET" if body is None else "POST")
    path = options.path if options.path.startswith("/") else f"/{options.path}"
    # As bytes: what is no text for Python is asked for as it was given.
    function = quote(os.fsencode(options.function), safe="")
    target = f"{PREFIX.decode()}{function}{quote(os.fsencode(path), safe=_OF_URLS)}"
    connection = http.client.HTTPConnection(state["host"], state["port"], timeout=options.timeout)
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        data = response.read()
    except ValueError as error:
        raise CommandError(f"--method or --header: HTTP cannot carry it: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ControlError(f"{options.function}: no answer: {error}") from None
    finally:
        connection.close()
    if options.include:
        print(f"HTTP {response.status} {response.reason}")
        for name, value in response.getheaders():
            print(f"{name}: {value}")
        print(flush=True)
    sys.stdout.buffer.write(data)
    if sys.stdout.isatty() and not data.endswith(b"\n"):
        print()
    sys.stdout.flush()
    if response.status >= 400 and not options.include:
        print(f"aetherless: status {response.status}", file=sys.stderr)
    return int(response.status >= 400)


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            raise ControlError(f"--data {data}: {error.strerror}") from None
    return os.fsencode(data)


def _list(options: argparse.Namespace) -> int:
    state = _state(_port(options))
    if options.json:
        print(json.dumps(state, indent=2))
        return 0
    table = Table("function", "kind", "handler", "start", "port", "instances", box=None)
    for function in state["functions"]:
        table.add_row(
            function["id"],
            function["kind"],
            function["handler"],
            function["start"],
            str(function["trigger_port"] or "-"),
            str(len(function["instances"])),
        )
    Console().print(table)
    return 0


def _stats(options: argparse.Namespace) -> int:
    port = _port(options)
    if options.json:
        print(json.dumps(_state(port)["functions"], indent=2))
        return 0
    console = Console()
    if options.once or not console.is_terminal:
        console.print(_table(_state(port)["functions"]))
        return 0
    with Live(_table(_state(port)["functions"]), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(options.interval)
            live.update(_table(_state(port)["functions"]), refresh=True)


def _table(functions: list[dict[str, Any]]) -> Table:
    table = Table(box=None)
    for title in ("function", "idle", "busy", "starting", "queue", "pool", "served", "ended"):
        table.add_column(title, justify="left" if title == "function" else "right")
    for function in functions:
        states, counts = function["states"], function["counts"]
        ended = sum(counts.get(why, 0) for why in ("crash", "timeout", "memory"))
        table.add_row(
            function["id"],
            str(states["idle"]),
            str(states["busy"]),
            str(states["starting"]),
            str(function["queue"]),
            str(function["pool"].get("ready", "-")),
            str(function["served"]),
            f"{counts.get('idle', 0)} idle, {ended} failed",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
