"""Google's Functions Framework in production mode: gunicorn with one worker and its threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchmarks.servers._adapter import call, load
from benchmarks.servers.base import HOST, Server
from benchmarks.starts import functions_framework

if TYPE_CHECKING:
    import flask

_SOURCE = """\
from {module} import target
answer = target({handler!r})
"""


class FunctionsFramework(Server):
    """`functions-framework`."""

    name = "functions_framework"
    settings = functions_framework.SETTINGS

    @classmethod
    def missing(cls) -> str | None:
        return functions_framework.FunctionsFramework.missing()

    def command(self) -> list[str]:
        command = functions_framework.program()
        assert command is not None
        source = self.folder / "main.py"
        source.write_text(_SOURCE.format(module=__name__, handler=self.handler))
        return [
            command, "--target", "answer", "--host", HOST, "--port", str(self.port),
            "--source", str(source),
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return {"XDG_RUNTIME_DIR": str(self.folder)}


def target(handler: str) -> Callable[[flask.Request], tuple[bytes, int, dict[str, str]]]:
    """The framework's target that serves "module:function"."""
    function = load(handler)

    def answer(request: flask.Request) -> tuple[bytes, int, dict[str, str]]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answered, data = call(function, headers, request.get_data())
        return data, status, answered

    return answer
