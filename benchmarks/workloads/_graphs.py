"""Graphs of the Barabasi-Albert model, for the workloads 501 to 503, as SeBS makes them."""

from __future__ import annotations

import contextlib
import threading
from random import Random
from typing import Any

with contextlib.suppress(ImportError):  # asv imports every module, also where this is missing
    import igraph

    # With its first graph igraph imports numpy, where there is one, which takes longer than itself:
    # before READY, not in the first request.
    igraph.Graph()

_EDGES = 10  # of each new vertex, as in SeBS
_lock = threading.Lock()


def barabasi(vertices: int, seed: int) -> Any:
    """An undirected graph, the same for the same seed.

    igraph has one source of random numbers for all threads: each graph gets one of its own, and
    nobody else may make one at the same time.
    """
    with _lock:
        igraph.set_random_number_generator(Random(seed))
        return igraph.Graph.Barabasi(vertices, _EDGES)
