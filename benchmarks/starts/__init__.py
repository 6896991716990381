"""Other ways of starting an instance, real ones, as strategies: see `aetherless_py.start.base`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetherless_py.start.base import Strategy

# Imported when asked for: what a way needs may be missing here, and the rest must not suffer.
BASELINES = {
    "node_spawn": "node_spawn:NodeSpawn",
    "container": "container:Container",
    "lambda_runtime": "lambda_runtime:LambdaRuntime",
    "lambda_runtime_container": "lambda_runtime:LambdaRuntimeContainer",
    "functions_framework": "functions_framework:FunctionsFramework",
    "http_handler": "http_handler:HttpHandler",
    "lambda_simulated": "lambda_simulated:LambdaSimulated",
}

try:
    importlib.import_module("aetherless_py.start.base")
except ImportError:
    # A commit from before the strategies: asv would import the modules here, and fail for it.
    __path__ = []


def baseline(name: str) -> Strategy:
    """The baseline of that name, not yet prepared.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in BASELINES:
        raise ValueError(f"no baseline {name!r}: there are {', '.join(BASELINES)}")
    module, _, kind = BASELINES[name].partition(":")
    made: Strategy = getattr(importlib.import_module(f"{__name__}.{module}"), kind)()
    return made
