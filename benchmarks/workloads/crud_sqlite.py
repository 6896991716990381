"""crud-sqlite: a cart's items are created, read, updated and deleted in SQLite.

Source: the operations are those of SeBS (github.com/spcl/serverless-benchmarks),
100.webapps/130.crud-api, a web store's cart: add an item, get one, query all of a cart; with its
two keys, cart and product. There each is a request to a cloud's NoSQL storage; here all are one
request, with updates and deletions, to a database of its own, so that equal requests have equal
answers. Its name is empty: what outgrows SQLite's cache is in a file that has no name, either.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

WORKLOAD = {
    "name": "crud-sqlite",
    "variants": ("items=10", "items=100", "items=1000"),
    "imports": ("json", "sqlite3"),
}


def handler(event: Any, context: Any) -> Any:
    """What is left in the cart, its price, and how many were read, updated and deleted."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    database = sqlite3.connect("")
    try:
        with database:
            return _do(database, asked["cart"], asked["items"])
    finally:
        database.close()


def _do(database: sqlite3.Connection, cart: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    database.execute(
        "create table items (cart text, product text, name text, quantity integer, cents integer,"
        " primary key (cart, product)) without rowid"
    )
    for item in items:
        database.execute(
            "insert into items values (?, ?, ?, ?, ?)",
            (cart, item["product"], item["name"], item["quantity"], item["cents"]),
        )
    read = 0
    for item in items:
        [quantity] = database.execute(
            "select quantity from items where cart = ? and product = ?", (cart, item["product"])
        ).fetchone()
        read += quantity
    updated = deleted = 0
    for item in items[::2]:
        updated += database.execute(
            "update items set quantity = quantity + 1 where cart = ? and product = ?",
            (cart, item["product"]),
        ).rowcount
    for item in items[::3]:
        deleted += database.execute(
            "delete from items where cart = ? and product = ?", (cart, item["product"])
        ).rowcount
    left = database.execute(
        "select product, name, quantity, cents from items where cart = ? order by product", (cart,)
    ).fetchall()
    [cents] = database.execute(
        "select total(quantity * cents) from items where cart = ?", (cart,)
    ).fetchone()
    return {
        "cart": cart,
        "read": read,
        "updated": updated,
        "deleted": deleted,
        "cents": int(cents),
        "items": left,
    }


def document(size: int, seed: int) -> dict[str, Any]:
    """A cart of so many items, in no order; names have what SQL needs quoted."""
    from random import Random

    random = Random(seed)
    return {
        "cart": f"cart-{seed}",
        "items": [
            {
                "product": f"{number:08x}",
                "name": f"It's \u2116 {random.getrandbits(32)}",
                "quantity": random.randint(1, 9),
                "cents": random.randint(1, 100_000),
            }
            for number in random.sample(range(1 << 32), size)
        ],
    }


def expected(size: int, seed: int) -> dict[str, Any]:
    """The same in a dict."""
    asked = document(size, seed)
    read = sum(item["quantity"] for item in asked["items"])
    left, updated, deleted = {}, 0, 0
    for at, item in enumerate(asked["items"]):
        updated += at % 2 == 0
        deleted += at % 3 == 0
        if at % 3:
            quantity = item["quantity"] + (at % 2 == 0)
            left[item["product"]] = [item["product"], item["name"], quantity, item["cents"]]
    return {
        "cart": asked["cart"],
        "read": read,
        "updated": updated,
        "deleted": deleted,
        "cents": sum(quantity * cents for _, _, quantity, cents in left.values()),
        "items": [left[product] for product in sorted(left)],
    }
