"""The asv plugin: each command of asv is a run, and each selection has a store and pages.

In asv.conf.json: "plugins": [".tools.publish.plugin"]. The leading dot makes asv import
`tools.publish.plugin` with the folder of asv.conf.json first on sys.path; asv then calls `setup`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import secrets
import signal
import sys
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.commands import Command, preview
from asv.commands import find as asv_find
from asv.commands import run as asv_run
from asv.commands.publish import Publish
from asv.console import log
from asv.util import ProcessError, UserError, iter_subclasses

from benchmarks import suites
from benchmarks.harness import run_log
from benchmarks.harness.run import RUN_VARIABLE
from benchmarks.harness.selection import selected
from tools.command import own_temporary_folder
from tools.progress import Durations, counted, in_words
from tools.publish import branches, pages
from tools.publish.stores import store

PORTS = range(8080, 8085)  # as asv's, of which the first that is free is taken


def setup() -> None:
    """Called by asv, once it has imported the plugin and before it carries out its command."""
    os.environ.setdefault(RUN_VARIABLE, secrets.token_hex(8))
    for command in set(iter_subclasses(Command)) - {Publish, preview.Preview}:
        command.run_from_conf_args = _prepared(command.run_from_conf_args)
    Publish.run = _stopped(functools.partial(pages.publish_all, Publish.run))
    preview.Preview.run = functools.partial(_preview, preview.Preview.run)
    preview.create_httpd = loopback_server
    for module in (asv_run, asv_find):
        module.run_benchmarks = _announced(module.run_benchmarks)


def prepare(conf: Any) -> None:
    """Points a command of asv to the store of the selection, and its benchmarks to the log."""
    try:
        results = store(Path(conf.results_dir), selected())
    except ValueError as error:
        raise UserError(str(error)) from None
    conf.results_dir = str(results)
    conf.branches = branches.known(conf)
    os.environ.setdefault(run_log.FOLDER_VARIABLE, str(results.resolve() / run_log.FOLDER))


def loopback_server(
    handler: type[SimpleHTTPRequestHandler], port: int = 0
) -> tuple[ThreadingHTTPServer, str]:
    """A server for `asv preview`, which nobody reaches from elsewhere, and its address."""
    # By its name: publishing again puts another folder in its place.
    serving = functools.partial(handler, directory=os.getcwd())
    for each in [port] if port else PORTS:
        with contextlib.suppress(OSError):
            server = ThreadingHTTPServer(("127.0.0.1", each), serving)
            return server, f"http://127.0.0.1:{each}/"
    raise UserError(f"Port {port or PORTS} is taken: name another by --port.")


def _prepared(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def prepared(conf: Any, arguments: Any, *rest: Any, **more: Any) -> Any:
        prepare(conf)
        if named := getattr(arguments, "set_commit_hash", None):
            # asv itself says nothing of it to the benchmarks of an existing environment.
            found = branches.git(conf, "rev-parse", f"{named}^{{commit}}")
            os.environ["ASV_COMMIT"] = found[0] if found else named
        try:
            with own_temporary_folder():
                status = run(conf, arguments, *rest, **more)
            _unfinished().unlink(missing_ok=True)
            return status
        except ProcessError as error:  # asv has printed what the command said
            raise UserError(str(error)) from None

    return _stopped(prepared)


def _announced(run_benchmarks: Callable[..., Any]) -> Callable[..., Any]:
    """asv's own function, which measures one commit: it says beforehand how long that takes."""

    @functools.wraps(run_benchmarks)
    def announced(benchmarks: Benchmarks, *rest: Any, **more: Any) -> Any:
        mark = _unfinished()
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch()
        chosen = {
            f"{name}({', '.join(combination)})"
            for name, described in benchmarks.items()
            for at, combination in enumerate(itertools.product(*described["params"]))
            if at in (benchmarks.benchmark_selection[name] or [0])
        }
        if rows := [row for row in suites.rows(selected()) if row.full_name in chosen]:
            takes_s = Durations(selected()).by_asv_s(rows, len(chosen))
            log.flush()  # asv ends its own line by that
            print(f"asv: {counted(len(chosen), 'row')}: about {in_words(takes_s)}", file=sys.stderr)
        return run_benchmarks(benchmarks, *rest, **more)

    return announced


def _unfinished() -> Path:
    """What lies in the run log for as long as a run measures: whatever ends it early leaves it."""
    log_folder = Path(os.environ[run_log.FOLDER_VARIABLE])
    return log_folder / f"{os.environ[RUN_VARIABLE]}{run_log.UNFINISHED}"


def _stopped(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def stopped(*arguments: Any, **more: Any) -> Any:
        try:
            return run(*arguments, **more)
        except (KeyboardInterrupt, UserError) as error:
            # While a benchmark runs, asv itself makes another error of it.
            if isinstance(error, UserError) and not isinstance(
                error.__context__, KeyboardInterrupt
            ):
                raise
            print("\nasv: interrupted")
            sys.exit(128 + signal.SIGINT)

    return stopped


def _preview(run: Callable[..., Any], conf: Any, **more: Any) -> Any:
    if not (Path(conf.html_dir) / "index.html").is_file():
        raise UserError("There are no pages yet: `make bench` makes some.")
    return run(conf, **more)
