"""The traditional ways of serving: they stand on what starts instances for the cold starts."""

import importlib

try:
    importlib.import_module("aetherless_py.gateway.connection")
    importlib.import_module("benchmarks.baselines.starts.oci")
except ImportError:
    # A commit from before those: asv would import the modules here, and fail for it.
    __path__ = []
