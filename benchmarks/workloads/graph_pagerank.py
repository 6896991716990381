"""501.graph-pagerank: PageRank of a random graph.

Source: SeBS (github.com/spcl/serverless-benchmarks), 500.scientific/501.graph-pagerank: uses igraph
"to generate an input graph and process it with the PageRank algorithm": Barabasi's, ten edges a
vertex, 10, 10000 and 100000 vertices; the answer is the first vertex's rank. Here it holds a sum
over all ranks, too, to which each contributes differently.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.workloads._graphs import barabasi

WORKLOAD = {
    "name": "501.graph-pagerank",
    "variants": ("vertices=10", "vertices=10000", "vertices=100000"),
    "imports": ("igraph", "json", "numpy"),
    "memory_mb": 1024,
}

_DAMPING = 0.85  # igraph's default
_DIGITS = 10  # the last of a double's differ from call to call in igraph


def handler(event: Any, context: Any) -> Any:
    """The first vertex's rank, and the ranks' sum weighted by the vertices' numbers."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    ranks = barabasi(asked["vertices"], asked["seed"]).pagerank()
    weighted = sum(vertex * rank for vertex, rank in enumerate(ranks)) / len(ranks)
    return {
        "vertices": len(ranks),
        "result": round(ranks[0], _DIGITS),
        "weighted": round(weighted, _DIGITS),
    }


def expected(size: int, seed: int) -> dict[str, Any]:
    """By iteration, with numpy, until nothing changes any more."""
    import numpy as np

    edges = np.array(barabasi(size, seed).get_edgelist())
    here, there = np.concatenate((edges, edges[:, ::-1])).T
    degrees = np.bincount(here, minlength=size)
    ranks, before = np.full(size, 1 / size), np.zeros(size)
    while np.abs(ranks - before).sum() > 1e-13:
        before = ranks
        passed = np.bincount(there, weights=(ranks / degrees)[here], minlength=size)
        ranks = (1 - _DAMPING) / size + _DAMPING * passed
    weighted = float(np.arange(size) @ ranks) / size
    return {"vertices": size, "result": float(ranks[0]), "weighted": weighted}
