"""Routes with parameters, as an HTTP API would tell a request's."""

from __future__ import annotations

import pytest

from aetherless_py.runtime import event, event_rest
from aetherless_py.runtime.routes import Routes

from .support import request

ROUTES = Routes(
    [
        "/files/{path+}",
        "/notes/{number}",
        "GET /notes/{number}",
        "/notes/new",
        "/{first}/{second}",
        "/a.b",
        "/",
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", b"/", "ANY /", None),
        ("GET", b"/notes/7", "GET /notes/{number}", {"number": "7"}),
        ("POST", b"/notes/7", "ANY /notes/{number}", {"number": "7"}),
        ("GET", b"/notes/new", "ANY /notes/new", None),
        ("GET", b"/notes/a%20b%2Fc", "GET /notes/{number}", {"number": "a b/c"}),
        ("GET", b"/files/a/b%20c", "ANY /files/{path+}", {"path": "a/b c"}),
        ("GET", b"/x/y", "ANY /{first}/{second}", {"first": "x", "second": "y"}),
        ("GET", b"/a.b", "ANY /a.b", None),
        ("GET", b"/axb", "$default", None),
        ("GET", b"/notes/", "$default", None),
        ("GET", b"/notes/7/8", "$default", None),
    ],
)
def test_the_most_exact_route_is_told(
    method: str, path: bytes, key: str, parameters: dict[str, str] | None
) -> None:
    asked = request(method, path)
    told = ROUTES.tell(asked, event.event_of(asked))
    assert told["routeKey"] == told["requestContext"]["routeKey"] == key
    assert told.get("pathParameters") == parameters
    rest = ROUTES.tell(asked, event_rest.event_of(asked))
    resource = path.decode() if key == "$default" else key.partition(" ")[2]
    assert rest["resource"] == rest["requestContext"]["resourcePath"] == resource
    assert rest["pathParameters"] == parameters
    assert rest["path"] == path.decode()
