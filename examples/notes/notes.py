"""Notes in a database: POST / makes one, GET /, GET /<id>, PUT /<id> and DELETE /<id>."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

_FILE = os.environ["NOTES_FILE"]


def _answer(status: int, body: Any = None) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": "" if body is None else json.dumps(body),
    }


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Does what the method and the path say."""
    method = event["requestContext"]["http"]["method"]
    name = event["rawPath"].strip("/")
    if name and not name.isdigit():
        return _answer(404, {"message": "no such note"})
    database = sqlite3.connect(_FILE, timeout=4.0)
    try:
        with database:
            database.execute("create table if not exists notes (id integer primary key, text)")
            return _do(database, method, int(name) if name else None, event.get("body", ""))
    finally:
        database.close()


def _do(database: sqlite3.Connection, method: str, note: int | None, body: str) -> dict[str, Any]:
    text = None
    if method in ("POST", "PUT"):
        try:
            text = json.loads(body)["text"]
        except (ValueError, KeyError, TypeError):
            return _answer(400, {"message": 'send {"text": "..."} as application/json'})
    match method, note:
        case "GET", None:
            rows = database.execute("select id, text from notes order by id")
            return _answer(200, [{"id": row[0], "text": row[1]} for row in rows])
        case "POST", None:
            made = database.execute("insert into notes (text) values (?)", (text,))
            return _answer(201, {"id": made.lastrowid, "text": text})
        case "GET", note:
            row = database.execute("select text from notes where id = ?", (note,)).fetchone()
            return _answer(200, {"id": note, "text": row[0]}) if row else _missing()
        case "PUT", note if note is not None:
            done = database.execute("update notes set text = ? where id = ?", (text, note))
            return _answer(200, {"id": note, "text": text}) if done.rowcount else _missing()
        case "DELETE", note if note is not None:
            done = database.execute("delete from notes where id = ?", (note,))
            return _answer(204) if done.rowcount else _missing()
    return _answer(405, {"message": "no such method here"})


def _missing() -> dict[str, Any]:
    return _answer(404, {"message": "no such note"})
