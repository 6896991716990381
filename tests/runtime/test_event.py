"""Events and responses, against AWS's documentation and programs that others wrote for them."""

from __future__ import annotations

import base64
import decimal
import enum
import http
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from hypothesis import given, settings
from hypothesis import strategies as st

from aetherless_py.runtime import wire
from aetherless_py.runtime.context import Context
from aetherless_py.runtime.event import ResponseError, event_of, respond
from aetherless_py.start import worker

from .support import FUNCTIONS, RECEIVED_NS, request

Handler = Callable[[dict[str, Any], Context], Any]
TEXT = ("content-type", "text/plain; charset=utf-8")
JSON = ("content-type", "application/json")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Handler]:
    monkeypatch.syspath_prepend(FUNCTIONS)

    def loaded(handler: str) -> Handler:
        found: Any = worker.load(handler, "")
        return found  # type: ignore[no-any-return]

    return loaded


def ask(handler: Handler, asked: wire.Request) -> tuple[int, dict[str, list[str]], bytes]:
    """What a client would see, by way of the channel's form."""
    context = Context("hello", 128, "i-7", asked.id, asked.deadline_ns)
    status, headers, body = respond(handler(event_of(asked), context))
    got = wire.Response(b"".join(wire.response(status, 1, False, headers, body)))
    found: dict[str, list[str]] = {}
    for name, value in got.headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return got.status, found, bytes(got.body)


# --- events -------------------------------------------------------------------------------------


def test_the_documented_example() -> None:
    """The values of the page on Lambda proxy integrations, as a request would have them."""
    asked = request(
        "POST",
        b"/my/path",
        b"parameter1=value1&parameter1=value2&parameter2=value",
        [
            (b"host", b"id.execute-api.us-east-1.amazonaws.com"),
            (b"cookie", b"cookie1; cookie2"),
            (b"header1", b"value1"),
            (b"header2", b"value1"),
            (b"header2", b"value2"),
            (b"user-agent", b"agent"),
            (b"content-type", b"text/plain"),
        ],
        b"Hello from Lambda",
        received_ns=1_584_039_838_390_000_000,
    )
    event = event_of(asked)
    headers = event.pop("headers")
    assert headers["header1"] == "value1"
    assert headers["header2"] == "value1,value2"
    assert "cookie" not in headers
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "aetherless",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": "id-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1584039838390,
        },
        "body": "Hello from Lambda",
        "isBase64Encoded": False,
    }


def test_what_is_absent_when_there_is_none() -> None:
    event = event_of(request(headers=[]))
    assert not {"cookies", "queryStringParameters", "body"} & set(event)
    assert event["headers"] == {}
    assert event["rawQueryString"] == ""
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["http"]["userAgent"] == ""
    assert not {"cookies", "queryStringParameters"} & set(
        event_of(request(query=b"&&", headers=[(b"cookie", b" ; ")]))
    )


def test_time() -> None:
    context = event_of(request())["requestContext"]
    assert context["time"] == "25/Nov/2026:22:53:13 +0000"
    assert context["timeEpoch"] == RECEIVED_NS // 1_000_000
    for second, shown in (
        (0, "01/Jan/1970:00:00:00 +0000"),
        (951_782_399, "28/Feb/2000:23:59:59 +0000"),
        (951_782_400, "29/Feb/2000:00:00:00 +0000"),
        (0, "01/Jan/1970:00:00:00 +0000"),  # a cache must not go by order
    ):
        asked = request(received_ns=second * 1_000_000_000 + 999_999_999)
        assert event_of(asked)["requestContext"]["time"] == shown


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        (b"/a/b", "/a/b"),
        (b"/a%20b", "/a b"),
        (b"/a+b", "/a+b"),
        (b"/%C3%A9", "/\xe9"),
        (b"/%c3%a9%2F%3F%23", "/\xe9/?#"),
        (b"/\xc3\xa9", "/\xe9"),  # bytes that no URL may hold
        (b"/\xc3%a9", "/\xe9"),
        (b"/%ff", "/\ufffd"),
        (b"/%", "/%"),
        (b"/%4", "/%4"),
        (b"/%zz%41", "/%zzA"),
        (b"/%  x", "/%  x"),
        (b"/%2541", "/%41"),
    ],
)
def test_paths_are_decoded(path: bytes, decoded: str) -> None:
    event = event_of(request(path=path))
    assert event["rawPath"] == decoded
    assert event["requestContext"]["http"]["path"] == decoded


@pytest.mark.parametrize(
    ("query", "raw", "parameters"),
    [
        (b"a=1&b=2&a=3", "a=1&b=2&a=3", {"a": "1,3", "b": "2"}),
        (b"a", "a", {"a": ""}),
        (b"=1", "=1", {"": "1"}),
        (b"a=1=2&&b", "a=1=2&&b", {"a": "1=2", "b": ""}),
        (b"a+b=%2B+%26", "a+b=%2B+%26", {"a b": "+ &"}),
        (b"%C3%A9=%zz", "%C3%A9=%zz", {"\xe9": "%zz"}),
        (b"q=\xc3\xa9", "q=%C3%A9", {"q": "\xe9"}),
    ],
)
def test_queries(query: bytes, raw: str, parameters: dict[str, str]) -> None:
    event = event_of(request(query=query))
    assert event["rawQueryString"] == raw
    assert event["queryStringParameters"] == parameters


def test_cookies_leave_the_headers() -> None:
    event = event_of(request(headers=[(b"cookie", b"a=b;c=d ;"), (b"cookie", b"e=f")]))
    assert event["cookies"] == ["a=b", "c=d", "e=f"]
    assert event["headers"] == {}


@pytest.mark.parametrize(
    ("host", "name", "prefix"),
    [
        (b"api.example.com:8443", "api.example.com", "api"),
        (b"localhost", "localhost", "localhost"),
        (b"[::1]:8080", "[::1]", "[::1]"),
        (b"", "localhost", "localhost"),
    ],
)
def test_domains(host: bytes, name: str, prefix: str) -> None:
    context = event_of(request(headers=[(b"host", host)]))["requestContext"]
    assert (context["domainName"], context["domainPrefix"]) == (name, prefix)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/plain", True),
        ("TEXT/html; charset=utf-8", True),
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("application/jsonp", False),
        ("image/png", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
    ],
)
def test_which_bodies_are_text(kind: str, text: bool) -> None:
    event = event_of(request("POST", headers=[(b"content-type", kind.encode())], body=b"a=1"))
    assert event["isBase64Encoded"] is not text
    assert event["body"] == ("a=1" if text else "YT0x")
    without = event_of(request("POST", headers=[], body=b"a=1"))
    assert (without["body"], without["isBase64Encoded"]) == ("YT0x", True)


def test_text_that_would_be_lost_is_base64() -> None:
    kind = (b"content-type", b"text/plain")
    latin = event_of(request("POST", headers=[kind], body=b"\xe9"))
    assert (latin["body"], latin["isBase64Encoded"]) == ("6Q==", True)
    packed = event_of(request("POST", headers=[kind, (b"content-encoding", b"br")], body=b"a"))
    assert (packed["body"], packed["isBase64Encoded"]) == ("YQ==", True)
    plain = event_of(request("POST", headers=[kind, (b"content-encoding", b"identity")], body=b"a"))
    assert (plain["body"], plain["isBase64Encoded"]) == ("a", False)


def test_an_event_is_the_handlers_own() -> None:
    asked = request(query=b"a=1", headers=[(b"cookie", b"a=b")])
    first = event_of(asked)
    first["headers"]["x"] = first["requestContext"]["http"]["path"] = "spoilt"
    first["cookies"].clear()
    assert event_of(asked)["headers"] == {}
    assert event_of(asked)["cookies"] == ["a=b"]
    assert event_of(asked)["requestContext"]["http"]["path"] == "/"


def test_the_body_does_not_hold_the_rings_memory() -> None:
    message = bytearray(
        b"".join(
            wire.request("id", "POST", b"/", b"", "", 0, 0, [(b"content-type", b"text/plain")], [])
        )
        + b"body"
    )
    view = memoryview(message)
    asked = wire.Request(view)
    event = event_of(asked)
    del asked
    view.release()  # raises while anybody holds a part of it
    assert event["body"] == "body"


_TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=12)
_NAMES = st.one_of(
    _TOKEN,
    st.sampled_from(["cookie", "host", "content-type", "content-encoding", "user-agent"]),
)
_VALUES = st.binary(max_size=30).filter(lambda value: b"\n" not in value)
_HEADERS = st.lists(st.tuples(_NAMES.map(str.encode), _VALUES), max_size=12)
_RAW = st.binary(max_size=40).filter(lambda value: b"\n" not in value)


@settings(deadline=None)  # the first example imports
@given(_RAW, _RAW, _HEADERS, st.binary(max_size=100))
def test_no_request_is_too_odd(
    path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    event = event_of(request("POST", path, query, headers, body))
    assert json.loads(json.dumps(event)) == event
    assert event["rawPath"] == urllib.parse.unquote_to_bytes(path).decode("utf-8", "replace")
    expected: dict[str, list[str]] = {}
    for key, value in urllib.parse.parse_qsl(
        query.decode("latin-1"), keep_blank_values=True, encoding="latin-1"
    ):
        shown = [each.encode("latin-1").decode("utf-8", "replace") for each in (key, value)]
        expected.setdefault(shown[0], []).append(shown[1])
    joined = {key: ",".join(values) for key, values in expected.items()}
    assert event.get("queryStringParameters", {}) == joined
    names = {name.decode() for name, _ in headers}
    assert set(event["headers"]) == names - {"cookie"}
    APIGatewayProxyEventV2Model.model_validate(event)


# --- responses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        # The documentation's examples, of both pages.
        ("Hello, world!", 200, [JSON], b'"Hello, world!"'),
        ({"message": "Hello, world!"}, 200, [JSON], b'{"message":"Hello, world!"}'),
        (
            {
                "statusCode": 201,
                "headers": {"Content-Type": "application/json", "My-Custom-Header": "Custom Value"},
                "body": '{ "message": "Hello, world!" }',
                "cookies": [
                    "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT",
                    "Cookie_2=Value2; Max-Age=78000",
                ],
                "isBase64Encoded": False,
            },
            201,
            [
                ("set-cookie", "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT"),
                ("set-cookie", "Cookie_2=Value2; Max-Age=78000"),
                ("my-custom-header", "Custom Value"),
                JSON,
            ],
            b'{ "message": "Hello, world!" }',
        ),
        # What is no response is JSON.
        (None, 200, [JSON], b"null"),
        ([1, True, 2.5], 200, [JSON], b"[1,true,2.5]"),
        ({"body": "x"}, 200, [JSON], b'{"body":"x"}'),
        ("\xe9\u2603", 200, [JSON], '"\xe9\u2603"'.encode()),
        ({"a": decimal.Decimal("1.50"), "b": decimal.Decimal(3)}, 200, [JSON], b'{"a":1.50,"b":3}'),
        # What may be in a response.
        ({"statusCode": 204}, 204, [TEXT], b""),
        ({"statusCode": "404", "body": None}, 404, [TEXT], b""),
        ({"statusCode": http.HTTPStatus.CREATED, "body": "\xe9"}, 201, [TEXT], b"\xc3\xa9"),
        (
            {"statusCode": 200, "body": "AAH/", "isBase64Encoded": True},
            200,
            [TEXT],
            b"\0\x01\xff",
        ),
        (
            {"statusCode": 200, "body": "AAH/\r\nAA==\n", "isBase64Encoded": True},
            200,
            [TEXT],
            b"\0\x01\xff\0",
        ),
        (
            {"statusCode": 200, "headers": {"X-A": 1, "x-b": True, "x-c": "\xe9\t"}},
            200,
            [("x-a", "1"), ("x-b", "true"), ("x-c", "\xe9\t"), TEXT],
            b"",
        ),
        (
            {
                "statusCode": 200,
                "headers": {"X-A": "2", "x-b": "1", "content-TYPE": "text/html"},
                "multiValueHeaders": {"x-a": ["1", "2"], "Content-Type": ["text/css"]},
            },
            200,
            [("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("content-type", "text/html")],
            b"",
        ),
        (
            {"statusCode": 200, "multiValueHeaders": {"Content-Type": ["text/css"]}},
            200,
            [("content-type", "text/css")],
            b"",
        ),
        (
            {
                "statusCode": 200,
                "headers": {
                    "Content-Length": "7",
                    "Connection": "close",
                    "Transfer-Encoding": "chunked",
                    "Upgrade": "h2c",
                    "x": "y",
                },
                "multiValueHeaders": {"Keep-Alive": ["timeout=5"]},
                "cookies": None,
                "isBase64Encoded": None,
            },
            200,
            [("x", "y"), TEXT],
            b"",
        ),
    ],
)
def test_responses(result: Any, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    for _ in range(2):  # the second time, names are known
        assert respond(result) == (status, headers, body)
    wire.response(status, 1, False, headers, body)


class _Kind(str, enum.Enum):  # noqa: UP042 - whose `str` is not its value
    TEXT = "text/x"


def test_values_of_enumerations() -> None:
    found = respond({"statusCode": 200, "headers": {"content-type": _Kind.TEXT}})
    assert found == (200, [("content-type", "text/x")], b"")


_CIRCULAR: list[Any] = []
_CIRCULAR.append(_CIRCULAR)


def _deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


class _Sly(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("sly\nindeed")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"statusCode": "abc"}, "statusCode is 'abc', no number of three digits"),
        ({"statusCode": "\u0662\u0660\u0660"}, "statusCode is '\\u0662\\u0660\\u0660'"),
        ({"statusCode": None}, "statusCode is None"),
        ({"statusCode": True}, "statusCode is True"),
        ({"statusCode": 200.0}, "statusCode is of type float"),
        ({"statusCode": 99}, "statusCode is 99, not of 200 to 599"),
        ({"statusCode": 101}, "statusCode is 101"),
        ({"statusCode": 1000}, "statusCode is 1000"),
        ({"statusCode": "600"}, "statusCode is 600"),
        ({"statusCode": 10**6000}, "statusCode is of type int"),
        ({"statusCode": 200, "headers": ["a"]}, "headers is of type list, no dict"),
        ({"statusCode": 200, "headers": {"a": None}}, "the header a is None"),
        ({"statusCode": 200, "headers": {"a": 10**6000}}, "the header a is of type int"),
        ({"statusCode": 200, "headers": {(1, 2): "a"}}, "a header's name is of type tuple, no str"),
        ({"statusCode": 200, "headers": {"": "a"}}, "'' is no header's name"),
        ({"statusCode": 200, "headers": {"a b": "a"}}, "'a b' is no header's name"),
        ({"statusCode": 200, "headers": {"a\r\nb": "a"}}, "'a\\r\\nb' is no header's name"),
        ({"statusCode": 200, "headers": {"\xe9": "a"}}, "'\\xe9' is no header's name"),
        ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, "the header a holds '\\r'"),
        ({"statusCode": 200, "headers": {"a": "b\0"}}, "the header a holds '\\x00'"),
        ({"statusCode": 200, "headers": {"a": "\u2603"}}, "the header a holds '\\u2603'"),
        ({"statusCode": 200, "headers": {"Content-Type": "a\nb"}}, "content-type holds '\\n'"),
        ({"statusCode": 200, "multiValueHeaders": []}, "multiValueHeaders is of type list"),
        ({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, "multiValueHeaders is 'b', no list"),
        ({"statusCode": 200, "cookies": "a=b"}, "cookies is 'a=b', no list"),
        ({"statusCode": 200, "cookies": ["a=b\n"]}, "the header set-cookie holds '\\n'"),
        ({"statusCode": 200, "body": 7}, "body is 7, no str"),
        ({"statusCode": 200, "body": b"\xff"}, "body is bytes that are no UTF-8"),
        ({"statusCode": 200, "body": bytearray(b"x")}, "body is of type bytearray, no str"),
        ({"statusCode": 200, "body": {"a": 1}}, "body is of type dict, no str"),
        ({"statusCode": 200, "body": "\ud800"}, "surrogate"),
        ({"statusCode": 200, "body": "a", "isBase64Encoded": True}, "decoded from base64"),
        ({"statusCode": 200, "body": "!!!!", "isBase64Encoded": True}, "decoded from base64"),
        ({"statusCode": 200, "body": "\xe9AAA", "isBase64Encoded": True}, "decoded from base64"),
        ({"statusCode": 200, "body": "", "isBase64Encoded": "no"}, "isBase64Encoded is 'no'"),
        ({1, 2}, "TypeError: Object of type set is not JSON serializable"),
        (bytearray(b"x"), "TypeError: Object of type bytearray is not JSON serializable"),
        ({"a": b"\xff"}, "the result cannot be JSON: UnicodeDecodeError"),
        ({(1, 2): 3}, "the result cannot be JSON: TypeError"),
        (_CIRCULAR, "ValueError: Circular reference detected"),
        (_deep(), "RecursionError"),
        ("\ud800", "surrogate"),
        (_Sly(a=1), "RuntimeError: sly indeed"),
        (_Sly(statusCode=200, headers=3), "headers is 3, no dict"),
        (10**6000, "the result cannot be JSON"),
        (b'{"statusCode": 99}', "statusCode is 99, not of 200 to 599"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_malformed_responses(result: Any, message: str) -> None:
    with pytest.raises(ResponseError) as caught:
        respond(result)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_made_up_names_do_not_stay() -> None:
    for at in range(2000):
        respond({"statusCode": 200, "headers": {f"x-{at}": "1", "Connection": "close"}})
    from aetherless_py.runtime import event

    assert len(event._names) <= event._NAMES_KEPT


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # the first example imports
@given(
    st.one_of(
        _ANY,
        st.fixed_dictionaries(
            {"statusCode": st.integers(100, 700) | _ANY},
            optional={
                "headers": st.dictionaries(st.text(max_size=9), _ANY, max_size=3) | _ANY,
                "multiValueHeaders": st.dictionaries(_TOKEN, st.lists(_ANY), max_size=3) | _ANY,
                "cookies": st.lists(st.text()) | _ANY,
                "body": st.text() | _ANY,
                "isBase64Encoded": st.booleans() | _ANY,
            },
        ),
    )
)
def test_a_result_is_sent_or_refused(result: Any) -> None:
    """What `respond` lets through always makes a message that the gateway can read."""
    try:
        status, headers, body = respond(result)
    except ResponseError as error:
        assert str(error).isascii() or str(error).isprintable()
        return
    got = wire.Response(b"".join(wire.response(status, 1, False, headers, body)))
    assert (got.status, bytes(got.body)) == (status, body)
    assert got.headers == [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers
    ]


# --- handlers -----------------------------------------------------------------------------------


def _echo(event: dict[str, Any], _context: Context) -> dict[str, Any]:
    return {
        "statusCode": 200,
        "headers": {"content-type": event["headers"].get("content-type", "x/y")},
        "body": event.get("body"),
        "isBase64Encoded": event["isBase64Encoded"],
    }


@settings(deadline=None)  # the first example imports
@given(st.binary(), st.sampled_from(["text/plain", "application/json", "image/png", "", "text/"]))
def test_bodies_come_back_as_they_went(body: bytes, kind: str) -> None:
    asked = request("POST", headers=[(b"content-type", kind.encode())], body=body)
    assert ask(_echo, asked) == (200, {"content-type": [kind]}, body)


def test_hello(load: Callable[[str], Handler]) -> None:
    status, headers, body = ask(load("hello:lambda_handler"), request())
    assert (status, headers) == (200, {"content-type": ["text/plain; charset=utf-8"]})
    assert json.loads(body) == {"message": "hello world"}


def test_blank(load: Callable[[str], Handler], capsys: pytest.CaptureFixture[str]) -> None:
    asked = request(path=b"/a%20b", query=b"q=1")
    status, headers, body = ask(load("hello:blank"), asked)
    assert (status, headers["content-type"]) == (200, ["application/json"])
    assert json.loads(body) == {"event": event_of(asked), "requestId": "id-1"}
    assert capsys.readouterr().out.startswith("## EVENT {")


def test_url(load: Callable[[str], Handler]) -> None:
    asked = request(
        "POST",
        headers=[(b"content-type", b"application/json")],
        body=b'{"length": 6, "width": 7}',
    )
    status, headers, body = ask(load("hello:url"), asked)
    assert (status, headers["content-type"]) == (200, ["application/json"])
    assert json.loads(body) == {"area": 42, "function": "hello"}


def test_an_asgi_application_behind_mangum(load: Callable[[str], Handler]) -> None:
    asked = request(
        "PUT",
        b"/a%20b/c",
        b"x=1&y=%20",
        [(b"host", b"example.com"), (b"cookie", b"a=b; c=d")],
        b"\0\xff bytes",
        client="192.0.2.7",
    )
    status, headers, body = ask(load("web:asgi"), asked)
    assert (status, body) == (201, b"\0\xff bytes")
    assert headers["content-type"] == ["application/octet-stream"]
    assert headers["x-path"] == ["/a b/c"]
    assert headers["x-query"] == ["x=1&y=%20"]
    assert headers["x-cookie"] == ["a=b; c=d"]
    assert headers["x-client"] == ["192.0.2.7"]
    assert headers["set-cookie"] == ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]


def test_a_wsgi_application_behind_apig_wsgi(load: Callable[[str], Handler]) -> None:
    asked = request(
        "POST",
        b"/caf%C3%A9",
        b"x=%2B",
        [
            (b"host", b"example.com"),
            (b"cookie", b"a=b"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ],
        b"form=1",
    )
    status, headers, body = ask(load("web:wsgi"), asked)
    assert status == 200
    assert headers == {"content-type": ["application/json"], "set-cookie": ["s=1"]}
    assert json.loads(body) == {
        "PATH_INFO": "/caf\xe9",
        "QUERY_STRING": "x=%2B",
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "cookie": "a=b",
        "body": "form=1",
    }


def test_powertools_routes_and_cookies(load: Callable[[str], Handler]) -> None:
    handler = load("web:powertools")
    status, headers, body = ask(handler, request(path=b"/hello/ada", query=b"greeting=good%20day"))
    assert (status, headers["content-type"]) == (200, ["application/json"])
    assert json.loads(body) == {"hello": "ada", "greeting": "good day"}
    status, headers, body = ask(
        handler,
        request(
            "POST", b"/cookies", headers=[(b"content-type", b"application/json")], body=b'{"n": 5}'
        ),
    )
    assert (status, body) == (202, b"5")
    assert [each.partition(";")[0] for each in headers["set-cookie"]] == ["one=1", "two=2"]
    assert ask(handler, request(path=b"/nowhere"))[0] == 404


def test_powertools_reads_a_body_that_was_base64(load: Callable[[str], Handler]) -> None:
    event = event_of(request("POST", headers=[], body=b'{"n": 5}'))
    assert base64.b64decode(event["body"]) == b'{"n": 5}'
    assert ask(load("web:powertools"), request("POST", b"/cookies", body=b'{"n": 6}'))[2] == b"6"


def test_only_what_is_built_in_is_imported() -> None:
    """Each instance's cold start pays for what these modules import."""
    root = str(Path(__file__).resolve().parents[2])
    code = (
        "import sys\n"
        f"sys.path.insert(0, {root!r})\n"
        "before = set(sys.modules)\n"
        "from aetherless_py.runtime import context, event\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    found = [name for name in ran.stdout.split() if name != "__future__"]
    assert found == [
        "aetherless_py",
        "aetherless_py.runtime",
        "aetherless_py.runtime.context",
        "aetherless_py.runtime.event",
    ]
