"""The control socket: what `aetherless list`, `stats` and `down` ask of a runtime that is up.

HTTP over a Unix socket in a folder of mode 0700, so nobody but the same user reaches it. Its name
is the gateway's port.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aetherless_py.errors import AetherlessError, ConfigError, ControlError
from aetherless_py.gateway.app import JSON, refuse
from aetherless_py.gateway.connection import HttpRequest
from aetherless_py.runtime.orchestrator import Orchestrator
from aetherless_py.runtime.tasks import Tasks
from aetherless_py.start.own_folder import own_folder
from aetherless_py.start.readiness import LONGEST_PATH

_LONGEST_NAME = len("/65535.sock")
_CONNECT_S = 1.0  # one that hangs may not take it any more


def folder() -> Path:
    """The user's folder of control sockets; made where it does not exist.

    `AETHERLESS_RUNTIME_DIR`, else `aetherless` in `XDG_RUNTIME_DIR`, else one of this user's in the
    folder for temporary files.

    Raises:
        ControlError: it is another user's, open to others, or too deep for a socket.
    """
    if named := os.environ.get("AETHERLESS_RUNTIME_DIR"):
        path = Path(named)
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        path = Path(runtime) / "aetherless"
    else:
        path = Path(tempfile.gettempdir()) / f"aetherless-{os.geteuid()}"
    if why := own_folder(path):
        raise ControlError(f"{path}: {why}; mend it, or set AETHERLESS_RUNTIME_DIR to another one")
    longest = LONGEST_PATH - _LONGEST_NAME
    if len(os.fsencode(path)) > longest:
        raise ControlError(
            f"{path}: a socket in it would have too long a path; set AETHERLESS_RUNTIME_DIR to a"
            f" folder whose path has {longest} bytes at most"
        )
    return path


def socket_path(port: int) -> Path:
    """Where the runtime whose gateway has that port is controlled."""
    return folder() / f"{port}.sock"


class Control:
    """The routes.

    Args:
        orchestrator: of the functions.
        about: what else is told of the runtime.
        stop: asks it to end.
        reload: has it read its configuration again.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        about: Callable[[], dict[str, Any]],
        stop: Callable[[], None],
        reload: Callable[[], Awaitable[dict[str, list[str]]]],
    ) -> None:
        self._orchestrator, self._about = orchestrator, about
        self._stop, self._reload = stop, reload
        self._tasks = Tasks()

    def route(self, request: HttpRequest) -> None:
        """Answers, now or when it is done."""
        match request.method, request.target:
            case "GET", b"/state":
                _tell(request, {**self._about(), "functions": self._orchestrator.seen()})
            case "POST", b"/down":
                _tell(request, self._about())
                self._stop()
            case "POST", b"/reload":
                self._tasks.begin(self._reload_for(request))
            case _:
                refuse(request, 404, "no such route")

    async def _reload_for(self, request: HttpRequest) -> None:
        try:
            _tell(request, await self._reload())
        except AetherlessError as error:
            refuse(request, 422 if isinstance(error, ConfigError) else 400, str(error))


def _tell(request: HttpRequest, what: dict[str, Any]) -> None:
    request.respond(200, [JSON], json.dumps(what).encode())


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, route: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """Asks a runtime on its control socket.

    Raises:
        ControlError: nobody answers there, or it refuses.
        ConfigError: it finds its configuration wrong.
    """
    connection = _Connection(path, timeout_s)
    try:
        connection.request(method, route)
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ControlError(f"{path}: no runtime answers there ({error})") from None
    finally:
        connection.close()
    answer: dict[str, Any] = json.loads(data)
    if response.status == 422:
        raise ConfigError(tuple(answer["message"].splitlines()))
    if response.status != 200:
        raise ControlError(answer.get("message", str(response.status)))
    return answer


def running() -> list[int]:
    """The ports of the gateways of this user's runtimes.

    Sockets of runtimes that were killed are removed.
    """
    found = []
    for path in folder().glob("*.sock"):
        if not path.stem.isdigit():
            continue
        if _listens(path):
            found.append(int(path.stem))
        else:
            path.unlink(missing_ok=True)
    return sorted(found)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_S)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it may; only what surely is nobody's is removed
        return True
