"""502.graph-mst: the minimum spanning tree of a random graph.

Source: SeBS (github.com/spcl/serverless-benchmarks), 500.scientific/502.graph-mst: uses igraph "to
generate an input graph and process it with the Minimum Spanning Tree (MST) algorithm". SeBS's
graph has no weights, so that any spanning tree is a minimal one; here they are drawn from the seed,
there is one right tree, and an answer can be wrong.
"""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

from benchmarks.workloads._graphs import barabasi

WORKLOAD = {
    "name": "502.graph-mst",
    "variants": ("vertices=10", "vertices=10000", "vertices=100000"),
    "imports": ("hashlib", "igraph", "json", "numpy"),
    "memory_mb": 1024,
}

_WEIGHTS = range(1, 1 << 52)  # exact as doubles, and so many that no two edges have the same


def handler(event: Any, context: Any) -> Any:
    """The tree's edges, their weight, and a digest of their numbers."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    graph = barabasi(asked["vertices"], asked["seed"])
    weights = _weights(graph.ecount(), asked["seed"])
    return _told(sorted(graph.spanning_tree(weights, return_tree=False)), weights)


def _weights(edges: int, seed: int) -> list[int]:
    return Random(seed).choices(_WEIGHTS, k=edges)


def _told(tree: list[int], weights: list[int]) -> dict[str, Any]:
    return {
        "edges": len(tree),
        "weight": sum(weights[edge] for edge in tree),
        "sha256": hashlib.sha256(json.dumps(tree).encode()).hexdigest(),
    }


def expected(size: int, seed: int) -> dict[str, Any]:
    """By Kruskal's algorithm, in Python."""
    graph = barabasi(size, seed)
    edges, weights = graph.get_edgelist(), _weights(graph.ecount(), seed)
    above = list(range(size))

    def root(vertex: int) -> int:
        while above[vertex] != vertex:
            above[vertex] = vertex = above[above[vertex]]
        return vertex

    tree = []
    for edge in sorted(range(len(edges)), key=weights.__getitem__):
        one, other = root(edges[edge][0]), root(edges[edge][1])
        if one != other:
            above[one] = other
            tree.append(edge)
    return _told(sorted(tree), weights)
