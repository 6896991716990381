"""Ways of serving a workload over HTTP, one file each behind one contract (`base`)."""

from __future__ import annotations

import importlib

from benchmarks.baselines.servers.base import Server

SERVERS = {
    "aetherless": "aetherless:Aetherless",
    "aetherless_proxied": "aetherless:AetherlessProxied",
    "uvicorn": "uvicorn_in_process:UvicornInProcess",
    "granian": "granian_in_process:GranianInProcess",
    "functions_framework": "traditional.functions_framework:FunctionsFramework",
    "http_handler": "traditional.http_handler:HttpHandler",
    "lambda_runtime": "traditional.lambda_runtime:LambdaRuntime",
    "container": "traditional.container:Container",
}


def server(name: str) -> type[Server]:
    """The way of that name."""
    module, _, kind = SERVERS[name].partition(":")
    found: type[Server] = getattr(importlib.import_module(f"{__name__}.{module}"), kind)
    return found
