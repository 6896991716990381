"""What a handler takes and gives: AWS's HTTP API event, payload format 2.0, and its responses.

The rules are those of the Amazon API Gateway Developer Guide, "Create AWS Lambda proxy integrations
for HTTP APIs in API Gateway". Where that page is silent, the tool with which AWS tests functions
locally is followed (Lambda Test Tool v2, in github.com/aws/aws-lambda-dotnet: its tests compare it
with the real service), then what others measured at the real service. Each place below says which.

What a handler gives becomes JSON by the rules of AWS's runtime client for Python (awslambdaric),
which makes them with `simplejson`. Nearly all answers are made of what `json` makes the same of,
and faster; the others are told from them and left to `odd_answer`.

Only what is built in is imported here: each instance of a function pays for it. The rest is
imported by the first request that needs it; a process that others are forked from does well to
import `pybase64` and `named` beforehand.
"""

from __future__ import annotations

from time import gmtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aetherless_py.runtime.wire import Headers, Request

    Event = dict[str, Any]

# What only AWS has. The account is one that nobody has, as in LocalStack (SAM: "123456789012",
# serverless-offline: "offlineContext_accountId"); an API's id has ten characters at AWS, too.
ACCOUNT_ID = "000000000000"
API_ID = "aetherless"

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TEXTS = frozenset((JSON_TYPE, "application/xml", "application/javascript"))

# RFC 9110, section 5.6.2: what a header's name is made of.
_NAME_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Of one connection (RFC 9110, section 7.6.1, and RFC 2616, section 13.5.1); the gateway has its
# own, and counts the body itself.
_DROPPED = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    )
)
_NAMES_KEPT = 256  # a handler that makes up names must not fill the memory


class ResponseError(ValueError):
    """What the handler gave is no response; the message says why, in one line."""


def event_of(request: Request) -> Event:
    """The event of a request.

    - `rawPath` and `requestContext.http.path` are percent-decoded. AWS's page does not say so, but
      HTTP APIs do it, whatever the name says (Lambda Test Tool v2: "this should be decoded value";
      users' reports, as honojs/hono#2156), other than function URLs and REST APIs. A "?" or "#"
      that was encoded is therefore in the path as itself; AWS is said to cut the path there, which
      is not done here. What is no UTF-8 becomes U+FFFD, a "%" without two hex digits stays.
    - `rawQueryString` is as it came; bytes beyond ASCII, which no URL may hold, are encoded.
    - `queryStringParameters`: keys and values decoded, "+" is a space; equal keys joined by ",".
    - `headers`: names in lower case, equal ones joined by ","; cookies are in `cookies` instead.
    - `cookies`, `queryStringParameters` and `body` are not there when the request has none.
    - `body` is a str when the content type is text/*, application/json, application/xml or
      application/javascript, base64 otherwise: also where there is no type, and for forms
      (application/x-www-form-urlencoded). AWS's page says only "binary"; the list was measured at
      the real service for ministackorg/ministack#766. Base64 also where there is a content
      encoding, or where text is no UTF-8: nothing is lost then.
    - `domainName` is the Host without its port, `domainPrefix` its first label; `stage` and
      `routeKey` are "$default". `accountId` and `apiId` are only AWS's: see `ACCOUNT_ID`.

    Never raises, however odd the path, query and headers are.
    """
    headers: dict[str, str] = {}
    cookies: list[str] | None = None
    repeated: dict[str, list[str]] | None = None
    for name, value in request.headers:
        if name == "cookie":
            cookies = [] if cookies is None else cookies
            cookies += [cookie for each in value.split(";") if (cookie := each.strip(" \t"))]
        elif name not in headers:
            headers[name] = value
        else:  # in lists: joining one by one would take quadratic time
            repeated = {} if repeated is None else repeated
            repeated.setdefault(name, [headers[name]]).append(value)
    if repeated:
        for name, values in repeated.items():
            headers[name] = ",".join(values)

    path = decoded(request.path)
    query = request.query
    domain = domain_of(headers.get("host") or "localhost")
    received_ms = request.received_ns // 1_000_000
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query if query.isascii() else percent_encoded(query),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.id,
            "routeKey": "$default",
            "stage": "$default",
            "time": shown_time(received_ms // 1000),
            "timeEpoch": received_ms,
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query and (parameters := parameters_of(query)):
        event["queryStringParameters"] = {
            key: ",".join(values) for key, values in parameters.items()
        }
    if request.body:
        event["body"], event["isBase64Encoded"] = body_of(request.body, headers)
    return event


def respond(result: Any, plain: bool = False) -> tuple[int, Headers, bytes]:
    """The status, headers and body of what a handler gave.

    A dict with "statusCode" is the response: "headers" (and "multiValueHeaders", of format 1.0),
    "cookies", "body" and "isBase64Encoded" may be in it. Without a content type it is text/plain in
    UTF-8, as AWS does for HTTP APIs (Lambda Test Tool v2: "api gateway v2 defaults to this content
    type if none is provided"; function URLs say application/json).

    Anything else is the body, as JSON, with status 200 and type application/json. A str is JSON,
    too, in quotation marks: AWS's runtime client makes JSON of every result, and API Gateway passes
    it on as it is (Lambda Developer Guide, "Invoking Lambda function URLs": "Hello, world!" arrives
    with a content-length of 15). `None` is null. Bytes are what that client would have made
    already: a response, if they are JSON of one, and a body otherwise.

    Wherever they stand in what was given, bytes are text in UTF-8, a Decimal is a number with all
    its digits, and a namedtuple is an object of its fields.

    Headers of the connection, and content-length, are left out.

    Args:
        result: of the handler.
        plain: whether it was read from JSON, so that everything in it is what it seems to be.

    Raises:
        ResponseError: it cannot be sent. An HTTP API answers 500 then, with the body
            {"message":"Internal Server Error"} (Lambda Test Tool v2); a REST API, 502.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return _bare(result)
    try:
        status = result["statusCode"]
        if type(status) is not int:
            status = _status(status)
        if not 200 <= status <= 599:  # 1xx announce a response, and are none
            raise ResponseError(f"statusCode is {_shown(status)}, not of 200 to 599")

        headers: Headers = []
        kind = TEXT_TYPE
        if (cookies := result.get("cookies")) is not None:
            if not isinstance(cookies, (list, tuple)):
                raise ResponseError(f"cookies is {_shown(cookies)}, no list")
            headers += [("set-cookie", _value("set-cookie", each)) for each in cookies]
        if (given := result.get("multiValueHeaders")) is not None:
            kind = _add_many(headers, given) or kind
        if (given := result.get("headers")) is not None:
            if not isinstance(given, dict):
                raise ResponseError(f"headers is {_shown(given)}, no dict")
            already = set(headers) if headers else ()
            for key, each in given.items():
                name = _names.get(key) if type(key) is str else None
                if name is None:
                    name = _name(key)
                value = each
                if type(value) is not str or not (value.isascii() and value.isprintable()):
                    value = _value(name, value)
                if name == "content-type":  # there is one, in whatever spellings it is given
                    kind = value
                elif name and (name, value) not in already:  # API Gateway merges the two
                    headers.append((name, value))
        headers.append(("content-type", kind))

        body = result.get("body")
        encoded = result.get("isBase64Encoded")
        if encoded is not None and encoded is not False and encoded is not True:
            raise ResponseError(f"isBase64Encoded is {_shown(encoded)}, no bool")
        if body is None:
            return status, headers, b""
        if not isinstance(body, str):
            if not isinstance(body, bytes):
                raise ResponseError(f"body is {_shown(body)}, no str")
            try:
                body = body.decode()
            except UnicodeDecodeError as error:
                raise ResponseError(f"body is bytes that are no UTF-8: {error}") from None
        if encoded:
            return status, headers, _from_base64(body)
        try:
            return status, headers, body.encode()
        except UnicodeEncodeError:
            raise ResponseError("body holds half a surrogate pair, which UTF-8 has not") from None
    except ResponseError as error:
        if plain:
            raise
        # What it complains of may be no more than a Decimal: JSON will tell.
        from aetherless_py.runtime.odd_answer import through_json

        return respond(through_json(result, error), plain=True)


def _bare(result: Any) -> tuple[int, Headers, bytes]:
    """What `respond` makes of what is no response by itself."""
    body = _json(result)
    if body is None:
        from aetherless_py.runtime.odd_answer import response_in, serialised

        body = serialised(result)
        # What is none by itself can be a response as JSON.
        if not isinstance(result, dict) or b"statusCode" in result:
            found = response_in(body)
            if found is not None:
                return respond(found, plain=True)
    return 200, [("content-type", JSON_TYPE)], body


def percent_encoded(text: str) -> str:
    """Percent-encodes what is not ASCII; `text` is Latin-1, so that characters are bytes."""
    return "".join(each if each < "\x80" else f"%{ord(each):02X}" for each in text)


def decoded(text: str) -> str:
    """Percent-decodes Latin-1 text to UTF-8 text, as `urllib.parse.unquote` would."""
    if "%" not in text and text.isascii():
        return text
    first, *rest = text.split("%")
    parts = [first.encode("latin-1")]
    for each in rest:
        try:
            byte = bytes.fromhex(each[:2])
        except ValueError:
            byte = b""
        if byte:
            parts += (byte, each[2:].encode("latin-1"))
        else:  # also of two spaces, which `fromhex` passes over
            parts += (b"%", each.encode("latin-1"))
    return b"".join(parts).decode("utf-8", "replace")


def domain_of(host: str) -> str:
    """A Host header without its port."""
    if host[0] == "[":  # an IPv6 address, which has colons of its own
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


_second, _shown_second = -1, ""


def shown_time(second: int) -> str:
    """25/Nov/2026:22:53:13 +0000; most requests come in the second of the one before."""
    global _second, _shown_second
    if second != _second:
        year, month, day, hour, minute, of_minute, *_ = gmtime(second)
        _shown_second = (
            f"{day:02}/{_MONTHS[month - 1]}/{year:04}:{hour:02}:{minute:02}:{of_minute:02} +0000"
        )
        _second = second
    return _shown_second


def parameters_of(query: str) -> dict[str, list[str]]:
    """The values of each key of a query, in order."""
    found: dict[str, list[str]] = {}
    plain = "%" not in query and "+" not in query and query.isascii()
    for each in query.split("&"):
        if not each:
            continue
        key, _, value = each.partition("=")
        if not plain:
            key, value = decoded(key.replace("+", " ")), decoded(value.replace("+", " "))
        found.setdefault(key, []).append(value)
    return found


def body_of(body: memoryview, headers: dict[str, str]) -> tuple[str, bool]:
    """A body as an event has it, and whether that is base64."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = headers.get("content-encoding", "").lower()
    if (kind.startswith("text/") or kind in _TEXTS) and coding in ("", "identity"):
        try:
            return str(body, "utf-8"), False
        except UnicodeDecodeError:
            pass
    # An order of magnitude faster than the standard library's (docs/performance.md), and imported
    # by the first who needs it.
    from pybase64 import b64encode_as_string

    return b64encode_as_string(body), True


_encode: Callable[[Any, int], tuple[str, ...]] | None = None
_quote: Callable[[str], str]
_has_named: Callable[[object], bool] | None = None


def _json(result: Any) -> bytes | None:
    """A result as JSON; None where that is not what AWS's client makes of it."""
    global _encode, _quote, _has_named
    if _encode is None:
        # What `json` is made of: the package itself brings `re` and `enum` with it, and makes an
        # encoder for each answer, which takes longer than most answers.
        from _json import encode_basestring, make_encoder

        _quote = encode_basestring
        _encode = make_encoder(None, _refuse, _quote, None, ":", ",", False, False, True)
    try:
        if type(result) is str:
            return _quote(result).encode()
        text = "".join(_encode(result, 0))
        if "[" in text:  # a namedtuple would be an array
            if _has_named is None:
                from aetherless_py.runtime.named import has_named

                _has_named = has_named
            if _has_named(result):
                return None
        return text.encode()
    except Exception:  # also what a class of the function's own raises
        return None


def _refuse(value: Any) -> Any:
    raise TypeError


def _status(status: Any) -> int:
    if isinstance(status, int) and not isinstance(status, bool):
        return int(status)
    if isinstance(status, str) and len(status) == 3 and status.isascii() and status.isdigit():
        return int(status)
    raise ResponseError(f"statusCode is {_shown(status)}, no number of three digits")


_names: dict[str, str] = {}  # each name that was checked, in lower case; "" for what is left out


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise ResponseError(f"a header's name is {_shown(key)}, no str")
    if not key or key.strip(_NAME_CHARACTERS):
        raise ResponseError(f"{_shown(key)} is no header's name")
    name = key.lower()
    if name in _DROPPED:
        name = ""
    if len(_names) >= _NAMES_KEPT:
        _names.clear()
    _names[key] = name
    return name


def _value(name: str, value: Any) -> str:
    if type(value) is str:
        if value.isascii() and value.isprintable():
            return value
    elif isinstance(value, str):
        value = str.__str__(value)  # of an enumeration, say
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int) and -(1 << 63) <= value < 1 << 64:
        return str(int(value))
    else:
        raise ResponseError(f"the header {name} is {_shown(value)}, no str, int or bool")
    for each in value:
        if (each < " " and each != "\t") or each == "\x7f":
            raise ResponseError(f"the header {name} holds {each!r}, a control character")
        if each > "\xff":
            raise ResponseError(f"the header {name} holds {each!a}, which is not Latin-1")
    found: str = value
    return found


def _add_many(headers: Headers, given: Any) -> str:
    """Adds "multiValueHeaders"; gives the content type, when it is among them."""
    if not isinstance(given, dict):
        raise ResponseError(f"multiValueHeaders is {_shown(given)}, no dict")
    kind = ""
    for key, values in given.items():
        if not isinstance(values, (list, tuple)):
            raise ResponseError(f"a value in multiValueHeaders is {_shown(values)}, no list")
        name = _name(key)
        found = [(name, _value(name, each)) for each in values]
        if name == "content-type":
            kind = found[-1][1] if found else ""
        elif name:
            headers += found
    return kind


def _from_base64(body: str) -> bytes:
    from pybase64 import b64decode

    try:
        return b64decode(body, validate=True)
    except ValueError:
        whole = "".join(body.split())  # it may be in lines
    try:
        return b64decode(whole, validate=True)
    except ValueError as error:
        raise ResponseError(f"body cannot be decoded from base64: {error}") from None


def _shown(value: Any) -> str:
    """A value for a message: short, of one line, and ASCII."""
    if isinstance(value, str):
        return ascii(str.__str__(value[:40])) + ("..." if len(value) > 40 else "")
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) and -(10**9) < value < 10**9:
        return str(int(value))
    return f"of type {ascii(type(value).__name__)[1:-1][:60]}"
