"""json-document: a JSON document is parsed, changed and serialised.

SeBS has none of it; it is what most functions behind HTTP do, and all in Python's own `json`.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.workloads._digested import digested

WORKLOAD = {
    "name": "json-document",
    "variants": ("orders=10", "orders=1000", "orders=5000"),
    "imports": ("hashlib", "json"),
    "digest": True,
    "memory_mb": 256,
}


def handler(event: Any, context: Any) -> Any:
    """The orders with their totals, tags in order and without notes; with the document's digest."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    document = json.loads(event["body"])
    for order in document["orders"]:
        order["total_cents"] = sum(line["quantity"] * line["cents"] for line in order["lines"])
        order["tags"].sort()
        del order["note"]
    document["total_cents"] = sum(order["total_cents"] for order in document["orders"])
    return digested("application/json", json.dumps(document, ensure_ascii=False))


def document(size: int, seed: int) -> dict[str, Any]:
    """A document of so many orders, about 300 bytes each."""
    from random import Random

    random = Random(seed)
    return {
        "shop": f"N\u00ba {seed}",
        "open": True,
        "orders": [
            {
                "id": number,
                "customer": {"name": f"Zo\u00eb {random.getrandbits(32):x}", "vat": None},
                "lines": [
                    {
                        "product": f"{random.getrandbits(40):010x}",
                        "quantity": random.randint(1, 9),
                        "cents": random.randint(1, 100_000),
                    }
                    for _ in range(random.randint(1, 4))
                ],
                "weight_kg": round(random.uniform(0.1, 30), 3),
                "tags": random.sample(["gift", "late", "new", "paid", "post", "return"], 3),
                "note": 'to be "left\\out"',
            }
            for number in range(size)
        ],
    }


def expected(size: int, seed: int) -> dict[str, Any]:
    """The changed document, made anew from what it was made of."""
    sent, total = document(size, seed), 0
    orders = []
    for order in sent["orders"]:
        cents = 0
        for line in order["lines"]:
            cents += line["quantity"] * line["cents"]
        total += cents
        kept = {name: value for name, value in order.items() if name != "note"}
        orders.append(kept | {"tags": sorted(order["tags"]), "total_cents": cents})
    return sent | {"orders": orders, "total_cents": total}
