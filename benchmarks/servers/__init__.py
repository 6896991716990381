"""Ways of serving a workload over HTTP, one file each behind one contract (`base`)."""

from __future__ import annotations

import importlib

from benchmarks.servers.base import Server

SERVERS = {
    "aetherless": "aetherless:Aetherless",
    "aetherless_proxied": "aetherless:AetherlessProxied",
    "uvicorn": "uvicorn:UvicornInProcess",
    "granian": "granian:GranianInProcess",
    "functions_framework": "functions_framework:FunctionsFramework",
    "http_handler": "http_handler:HttpHandler",
    "lambda_runtime": "lambda_runtime:LambdaRuntime",
    "container": "container:Container",
}


def server(name: str) -> type[Server]:
    """The way of that name."""
    module, _, kind = SERVERS[name].partition(":")
    found: type[Server] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    return found
