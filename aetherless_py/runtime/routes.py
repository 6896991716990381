"""Routes with parameters: which one a request is of, told in its event as an HTTP API tells it.

For functions with `routes` only, so that no other pays for what is imported here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aetherless_py.runtime.event import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aetherless_py.runtime.event import Event
    from aetherless_py.runtime.wire import Request

ANY = "ANY"
_PARAMETER = re.compile(r"\{([^{}+]+)(\+?)\}")


class _Route(NamedTuple):
    order: tuple[tuple[int, ...], bool]  # the more exact one comes first
    method: str
    path: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]


def _route(text: str) -> _Route:
    method, _, path = text.rpartition(" ")
    parts, names, kinds = [], [], []
    for part in path.split("/"):
        found = _PARAMETER.fullmatch(part)
        if found is None:
            parts.append(re.escape(part))
            kinds.append(0)
        else:
            names.append(found[1])
            parts.append("(.+)" if found[2] else "([^/]+)")
            kinds.append(2 if found[2] else 1)
    method = method or ANY
    pattern = re.compile("/".join(parts))
    return _Route((tuple(kinds), method == ANY), method, path, pattern, tuple(names))


class Routes:
    """The routes of a function.

    Args:
        routes: each a path, as "/notes/{number}" or "/files/{path+}", with a method before it, as
            "GET /notes", or for any method.
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = sorted(map(_route, routes), key=lambda each: each.order)

    def tell(self, request: Request, event: Event) -> Event:
        """The request's event, with its route and its parameters; without those where it has none.

        A path is told from others as it came; parameters are percent-decoded.
        """
        for route in self._routes:
            found = route.pattern.fullmatch(request.path)
            if found is not None and route.method in (request.method, ANY):
                self._tell(event, route, [decoded(each) for each in found.groups()])
                break
        return event

    def _tell(self, event: Event, route: _Route, values: list[str]) -> None:
        if event["version"] == "1.0":
            event["resource"] = event["requestContext"]["resourcePath"] = route.path
        else:
            key = f"{route.method} {route.path}"
            event["routeKey"] = event["requestContext"]["routeKey"] = key
        if values:
            event["pathParameters"] = dict(zip(route.names, values, strict=True))
