"""The runtime as a program: listeners, signals, reload, and a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import errno
import gc
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import uvloop

from aetherless_py.errors import AetherlessError, ListenError, StartError
from aetherless_py.gateway import control
from aetherless_py.gateway.app import Gateway, divide
from aetherless_py.gateway.connection import (
    HEAD_LIMIT_BYTES,
    App,
    Connection,
    HttpRequest,
    Settings,
)
from aetherless_py.gateway.metrics import Metrics
from aetherless_py.runtime import descriptors
from aetherless_py.runtime.config import Config
from aetherless_py.runtime.orchestrator import Orchestrator
from aetherless_py.runtime.tasks import Tasks
from aetherless_py.start.spawn import guard

log = logging.getLogger("aetherless")

BACKLOG = 2048
_CLOCK_S = 1.0
_LAST_ANSWERS_S = 1.0  # to send them, where functions took all the time that there was
_MARK = "AETHER_RUNTIME_ID"


class Server:
    """A runtime that is up.

    Args:
        read: reads the configuration; called again for each reload.
        told: is given each line for who started it.
    """

    def __init__(self, read: Callable[[], Config], told: Callable[[str], object]) -> None:
        self._read, self._told = read, told
        self._listeners: dict[int, asyncio.Server] = {}
        self._owners: dict[int, str] = {}  # of trigger ports: the functions' ids
        self._ending: asyncio.Event
        self._up: asyncio.Event
        self._reloading: asyncio.Lock
        self._port = 0

    async def run(self, config: Config) -> None:
        """Serves until it is told to end.

        Raises:
            ListenError: a port cannot be listened on.
            StartError: a function cannot be made ready, or descriptors are too few.
        """
        self._loop = loop = asyncio.get_running_loop()
        self._ending, self._reloading = asyncio.Event(), asyncio.Lock()
        self._up = asyncio.Event()
        self._config = config
        self._limit, self._held = descriptors.limit(), descriptors.held()
        planned = self._plan(config)
        self._allowance = descriptors.Allowance(planned.more)
        self._settings = Settings(
            config.orchestrator.body_limit_bytes,
            config.orchestrator.request_timeout_s,
            head_limit_bytes=_head_limit_bytes(config),
            most_connections=planned.connections,
            hosts=config.orchestrator.served_hosts,
        )
        self._tasks = Tasks()
        own = control.folder()
        self._folder = own / f"{os.getpid()}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # Should this process be killed, the guard kills all that carries its mark.
        value = f"{os.getpid()}-{time.time_ns()}"
        mark = f"{_MARK}={value}"
        watcher = guard(mark, str(self._folder))
        os.environ[_MARK] = value
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._orchestrator = Orchestrator(config, self._folder / "logs", mark, self._allowance)
        self._gateway = Gateway(self._orchestrator, Metrics())
        ticking = loop.create_task(self._tick())
        try:
            # Ports first: a runtime that cannot listen starts nothing.
            self._owners = await self._open_ports(config)
            if not await self._start():
                return
            try:
                await self._serve(config)
            finally:
                await self._end()
        finally:
            ticking.cancel()
            for listener in self._listeners.values():
                listener.close()
            watcher.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self) -> bool:
        """Makes the functions ready; False if this is told to end before they are."""
        starting = self._loop.create_task(self._orchestrator.start())
        told = self._loop.create_task(self._ending.wait())
        await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
        if self._ending.is_set():
            await self._orchestrator.close()
            with contextlib.suppress(StartError):
                await starting
            return False
        told.cancel()
        await starting
        return True

    async def _serve(self, config: Config) -> None:
        for port, listener in self._listeners.items():
            await listener.start_serving()
            if port != self._port:
                self._told(f"port {port} serves {self._owners[port]}")
        path = control.socket_path(self._port)
        path.unlink(missing_ok=True)  # of a runtime that was killed: the port is ours
        routes = control.Control(self._orchestrator, self._about, self._ending.set, self._reload)
        self._control = await self._loop.create_unix_server(
            lambda: Connection(routes.route, self._settings, public=False), str(path)
        )
        os.chmod(path, 0o600)
        host = config.orchestrator.host
        host = f"[{host}]" if ":" in host else host  # RFC 3986, section 3.2.2
        names = ", ".join(function.id for function in config.functions)
        self._up.set()
        self._told(f"serving {names} on http://{host}:{self._port}")
        try:
            await self._ending.wait()
        finally:
            self._control.close()
            path.unlink(missing_ok=True)

    async def _end(self) -> None:
        self._told("ending: requests under way may finish")
        until_s = self._loop.time() + self._config.orchestrator.shutdown_timeout_s
        for listener in self._listeners.values():
            listener.close()
        await self._orchestrator.close()
        for connection in list(self._settings.connections):
            connection.finish()
        # A long answer is not sent at once, though its function may have taken all the time.
        until_s = max(until_s, self._loop.time() + _LAST_ANSWERS_S)
        while self._settings.connections and self._loop.time() < until_s:
            await asyncio.sleep(0.005)

    # -- descriptors -------------------------------------------------------------------------------

    def _plan(self, config: Config) -> descriptors.Plan:
        wanted = config.orchestrator.max_connections
        planned = descriptors.plan(config.functions, wanted, self._limit, self._held)
        if planned.warning:
            log.warning("%s", planned.warning)
        return planned

    def _check_room(self, config: Config) -> None:
        """For a reload: those that take over are there beside those that they replace.

        Raises:
            StartError: descriptors are too few for both.
        """
        held = descriptors.held() - len(self._settings.connections)
        if fresh := self._orchestrator.fresh(config):
            descriptors.plan(fresh, config.orchestrator.max_connections, self._limit, held)

    # -- listeners ---------------------------------------------------------------------------------

    def _factory(self, app: App) -> Callable[[], Connection]:
        return lambda: Connection(app, self._settings)

    async def _open_ports(self, config: Config) -> dict[int, str]:
        """Binds what is not bound yet; nothing is accepted before `start_serving`.

        Returns:
            Which function each trigger port is to ask.
        """
        host = config.orchestrator.host
        owners = {
            function.trigger_port: function.id
            for function in config.functions
            if function.trigger_port is not None
        }
        if not self._port:
            listener, self._port = await self._bind(
                host, config.orchestrator.port, self._gateway.route, "the gateway"
            )
            self._listeners[self._port] = listener
        for port, function_id in owners.items():
            if port not in self._listeners:
                self._listeners[port], _ = await self._bind(
                    host, port, self._on_port(port), function_id
                )
        return owners

    def _on_port(self, port: int) -> App:
        def route(request: HttpRequest) -> None:
            # Looked up each time: a reload may give the port to another function.
            self._gateway.invoke(self._owners.get(port, ""), *divide(request.target), request)

        return route

    async def _bind(self, host: str, port: int, app: App, owner: str) -> tuple[asyncio.Server, int]:
        try:
            [found, *_] = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            bound = socket.socket(found[0], socket.SOCK_STREAM)
            try:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind(found[4])
                number: int = bound.getsockname()[1]
                listener = await self._loop.create_server(
                    self._factory(app), sock=bound, backlog=BACKLOG, start_serving=False
                )
            except BaseException:
                bound.close()
                raise
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = "is in use; choose another one, or end what has it"
            elif error.errno == errno.EACCES:
                why = "is not this user's to listen on; choose one above 1023"
            else:
                why = f"cannot be listened on: {error.strerror}; is orchestrator.host right?"
            raise ListenError(f"{owner}: port {port} of {host} {why}") from None
        return listener, number

    # -- reload ------------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        async def reload() -> None:
            try:
                await self._reload()
            except AetherlessError as error:
                log.error("reload: nothing is changed: %s", error)

        self._tasks.begin(reload())

    async def _reload(self) -> dict[str, list[str]]:
        await self._up.wait()  # before that there is nothing to change
        async with self._reloading:
            config = self._read()
            was, wanted = self._config.orchestrator, config.orchestrator
            if (was.host, was.port) != (wanted.host, wanted.port):
                raise ListenError(
                    "orchestrator.host and .port cannot change while the runtime is up: end it, and"
                    " start it again"
                )
            planned = self._plan(config)
            self._check_room(config)
            before = set(self._listeners)
            try:
                owners = await self._open_ports(config)
                changes = await self._orchestrator.reload(config)
            except BaseException:
                for port in set(self._listeners) - before:
                    self._listeners.pop(port).close()
                raise
            # Only now: until the new functions are ready, the former ones serve their ports.
            self._owners = owners
            self._config = config
            self._settings.body_limit_bytes = wanted.body_limit_bytes
            self._settings.head_limit_bytes = _head_limit_bytes(config)
            self._settings.request_timeout_s = wanted.request_timeout_s
            self._settings.most_connections = planned.connections
            self._allowance.most = planned.more
            self._settings.hosts = wanted.served_hosts
            for port in set(self._listeners) - before:
                await self._listeners[port].start_serving()
            for port in before - set(owners) - {self._port}:
                self._listeners.pop(port).close()
            log.info("reloaded: %s", changes)
            return changes

    # -- what is seen ------------------------------------------------------------------------------

    def _about(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "host": self._config.orchestrator.host,
            "port": self._port,
            "config": str(self._config.path),
            "ready": self._orchestrator.ready,
        }

    async def _tick(self) -> None:
        """Once a second: the date of the answers, and connections that take too long."""
        while True:
            self._settings.date = b"date: %b\r\n" % email.utils.formatdate(usegmt=True).encode()
            now = self._loop.time()
            for connection in list(self._settings.connections):
                connection.check_time(now)
            await asyncio.sleep(_CLOCK_S)


def _head_limit_bytes(config: Config) -> int:
    return min(HEAD_LIMIT_BYTES, config.orchestrator.head_limit_bytes)


def serve(read: Callable[[], Config], told: Callable[[str], object]) -> None:
    """Reads the configuration and serves it until a signal, or `aetherless down`, ends it.

    Raises:
        ConfigError, ListenError, StartError: it cannot.
    """
    config = read()
    gc.collect()
    gc.freeze()  # what is here now stays: to look through it again would keep requests waiting
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(read, told).run(config))
