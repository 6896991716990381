"""503.graph-bfs: breadth-first search in a random graph, from its first vertex.

Source: SeBS (github.com/spcl/serverless-benchmarks), 500.scientific/503.graph-bfs: uses igraph "to
generate an input graph and process it with the Breadth-First Search (BFS) algorithm"; the answer is
all that igraph gives. Here it is a digest of that, and the number of vertices in each layer.
"""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

from benchmarks.workloads._graphs import barabasi

WORKLOAD = {
    "name": "503.graph-bfs",
    "variants": ("vertices=10", "vertices=10000", "vertices=100000"),
    "imports": ("hashlib", "igraph", "json", "numpy"),
    "memory_mb": 1024,
}


def handler(event: Any, context: Any) -> Any:
    """The layers' sizes, and a digest of the vertices' order and their parents."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    order, starts, parents = barabasi(asked["vertices"], asked["seed"]).bfs(0)
    return _told(order, starts, parents)


def _told(order: list[int], starts: list[int], parents: list[int]) -> dict[str, Any]:
    found = json.dumps([order, parents[1:]]).encode()  # the first vertex has none
    return {
        "vertices": len(order),
        "layers": [end - start for start, end in pairwise(starts)],
        "sha256": hashlib.sha256(found).hexdigest(),
    }


def expected(size: int, seed: int) -> dict[str, Any]:
    """By a search in Python; neighbours come in their order."""
    near: list[list[int]] = [[] for _ in range(size)]
    for one, other in barabasi(size, seed).get_edgelist():
        near[one].append(other)
        near[other].append(one)
    parents = [0, *[-1] * (size - 1)]
    order, starts, layer = [0], [0], [0]
    while layer:
        starts.append(len(order))
        following = []
        for vertex in layer:
            for each in sorted(near[vertex]):
                if parents[each] < 0:
                    parents[each] = vertex
                    following.append(each)
        order += following
        layer = following
    return _told(order, starts, parents)
