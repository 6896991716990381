"""json-document: a JSON document is parsed, changed and serialised.

SeBS has none of it; it is what most functions behind HTTP do, and all in Python's own `json`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

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
    text = json.dumps(document, ensure_ascii=False)
    return {
        "statusCode": 200,
        "headers": {
            "content-type": "application/json",
            "x-sha256": hashlib.sha256(text.encode()).hexdigest(),
        },
        "body": text,
    }


def _document(orders: int, seed: int) -> dict[str, Any]:
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
            for number in range(orders)
        ],
    }


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """A document of so many orders, about 300 bytes each."""
    body = json.dumps(_document(size, seed), ensure_ascii=False).encode()
    return "POST", "/", {"content-type": "application/json"}, body


def expected(size: int, seed: int) -> dict[str, Any]:
    """The changed document, made anew from what it was made of."""
    document, total = _document(size, seed), 0
    orders = []
    for order in document["orders"]:
        cents = 0
        for line in order["lines"]:
            cents += line["quantity"] * line["cents"]
        total += cents
        kept = {name: value for name, value in order.items() if name != "note"}
        orders.append(kept | {"tags": sorted(order["tags"]), "total_cents": cents})
    return document | {"orders": orders, "total_cents": total}


def fault(expected: dict[str, Any], body: bytes) -> str | None:
    """The first part that is another one."""
    answer = json.loads(body)
    if answer == expected:
        return None
    for name, wanted in expected.items():
        if name != "orders" and answer.get(name) != wanted:
            return f"{name} is {str(answer.get(name))[:80]}, not {wanted}"
    if len(answer["orders"]) != len(expected["orders"]):
        return f"{len(answer['orders'])} orders, not {len(expected['orders'])}"
    for got, wanted in zip(answer["orders"], expected["orders"], strict=True):
        if got != wanted:
            return f"order {wanted['id']} is {str(got)[:160]}, not {str(wanted)[:160]}"
    return "more than there is to be"
