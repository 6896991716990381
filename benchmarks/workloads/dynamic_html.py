"""110.dynamic-html: a page from a template, with a list of random numbers.

Source: SeBS (github.com/spcl/serverless-benchmarks), 100.webapps/110.dynamic-html: "an HTML from an
existing template, with random numbers inserted to control the output", by jinja2; 10, 1000 and
100000 numbers. Here the numbers come from the request's seed, the time from the request, and the
template is compiled when the module is imported.
"""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

from benchmarks.workloads._digested import digested

WORKLOAD = {
    "name": "110.dynamic-html",
    "variants": ("items=10", "items=1000", "items=100000"),
    "imports": ("hashlib", "jinja2", "json", "random"),
    "kind": "text/html",
    "digest": True,
    "memory_mb": 512,
}

_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Numbers for {{ user }}</title></head>
<body>
<h1>Hello, {{ user }}</h1>
<p>Made at <time>{{ made }}</time>: {{ numbers | length }} numbers.</p>
<ol>
{% for number in numbers %}<li>{{ number }}</li>
{% endfor %}</ol>
</body>
</html>
"""

with contextlib.suppress(ImportError):  # asv imports every module, also where this is missing
    from jinja2 import Environment

    _page = Environment(autoescape=True).from_string(_TEMPLATE)


def handler(event: Any, context: Any) -> Any:
    """The page, with its digest."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    asked = json.loads(event["body"])
    numbers = Random(asked["seed"]).sample(range(1_000_000), asked["items"])
    page = _page.render(user=asked["user"], made=asked["made"], numbers=numbers)
    return digested("text/html; charset=utf-8", page)


def document(size: int, seed: int) -> dict[str, Any]:
    """What is asked for so many numbers; the name has what must be escaped."""
    day, second = divmod(seed, 86_400)
    made = f"day {day}, {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return {"user": f"Zo\u00eb & <{seed}>", "made": made, "items": size, "seed": seed}


def expected(size: int, seed: int) -> bytes:
    """The page, put together without jinja2."""
    asked = document(size, seed)
    user = asked["user"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    items = "".join(f"<li>{n}</li>\n" for n in Random(seed).sample(range(1_000_000), size))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n'
        f'<head><meta charset="utf-8"><title>Numbers for {user}</title></head>\n'
        f"<body>\n<h1>Hello, {user}</h1>\n"
        f"<p>Made at <time>{asked['made']}</time>: {size} numbers.</p>\n"
        f"<ol>\n{items}</ol>\n</body>\n</html>"
    ).encode()
