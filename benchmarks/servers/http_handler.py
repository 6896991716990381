"""The standard library's HTTP server, with a thread for each connection."""

from __future__ import annotations

import sys

from benchmarks.servers.base import ADAPTERS, Server


class HttpHandler(Server):
    """`http.server`, one process."""

    name = "http_handler"

    def command(self) -> list[str]:
        """As `Server.command`."""
        return [sys.executable, "-P", str(ADAPTERS / "served_by_http_server.py"), self.handler]
