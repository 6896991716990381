"""Web applications behind adapters that others wrote for Lambda."""

import json

from apig_wsgi import make_lambda_handler
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Response
from aws_lambda_powertools.shared.cookies import Cookie
from mangum import Mangum


async def asgi_app(scope, receive, send):
    """Says what it was asked; the body comes back as it came."""
    assert scope["type"] == "http"
    message = await receive()
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"x-path", scope["path"].encode()),
        (b"x-query", scope["query_string"]),
        (b"x-cookie", dict(map(tuple, scope["headers"])).get(b"cookie", b"")),
        (b"x-client", str(scope["client"][0]).encode()),
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


def wsgi_app(environ, start_response):
    seen = {
        key: environ.get(key)
        for key in ("PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "REMOTE_ADDR", "CONTENT_TYPE")
    }
    seen["cookie"] = environ["HTTP_COOKIE"]
    seen["body"] = environ["wsgi.input"].read().decode("latin-1")
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "s=1")])
    return [json.dumps(seen).encode()]


asgi = Mangum(asgi_app, lifespan="off")
wsgi = make_lambda_handler(wsgi_app)

resolver = APIGatewayHttpResolver()


@resolver.get("/hello/<name>")
def hello(name):
    return {"hello": name, "greeting": resolver.current_event.get_query_string_value("greeting")}


@resolver.post("/cookies")
def cookies():
    return Response(
        status_code=202,
        content_type="text/plain",
        body=str(resolver.current_event.json_body["n"]),
        cookies=[Cookie(name="one", value="1"), Cookie(name="two", value="2")],
    )


def powertools(event, context):
    return resolver.resolve(event, context)
