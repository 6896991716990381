"""Events and responses of payload format 1.0, against AWS's documentation and others' programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel
from hypothesis import given, settings
from hypothesis import strategies as st

from aetherless_py.runtime import event, event_rest
from aetherless_py.runtime.event import ResponseError

from .support import request


def test_the_documented_example() -> None:
    """The values of the page on Lambda proxy integrations, as a request would have them."""
    asked = request(
        "GET",
        b"/my/path",
        b"parameter1=value1&parameter1=value2&parameter2=value",
        [
            (b"host", b"id.execute-api.us-east-1.amazonaws.com"),
            (b"header1", b"value1"),
            (b"header2", b"value1"),
            (b"header2", b"value2"),
            (b"cookie", b"a=b; c=d"),
            (b"user-agent", b"user-agent"),
            (b"content-type", b"text/plain"),
        ],
        b"Hello from Lambda!",
        received_ns=1_583_349_317_135_000_000,
    )
    found = event_rest.event_of(asked)
    headers = found.pop("headers")
    many = found.pop("multiValueHeaders")
    assert headers["header1"] == "value1"
    assert headers["header2"] == "value2"
    assert many["header1"] == ["value1"]
    assert many["header2"] == ["value1", "value2"]
    assert headers["cookie"] == "a=b; c=d"
    assert headers.keys() == many.keys()
    assert found == {
        "version": "1.0",
        "resource": "/my/path",
        "path": "/my/path",
        "httpMethod": "GET",
        "queryStringParameters": {"parameter1": "value2", "parameter2": "value"},
        "multiValueQueryStringParameters": {
            "parameter1": ["value1", "value2"],
            "parameter2": ["value"],
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "aetherless",
            "authorizer": {"claims": None, "scopes": None},
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "extendedRequestId": "id-1",
            "httpMethod": "GET",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "127.0.0.1",
                "user": None,
                "userAgent": "user-agent",
                "userArn": None,
            },
            "path": "/my/path",
            "protocol": "HTTP/1.1",
            "requestId": "id-1",
            "requestTime": "04/Mar/2020:19:15:17 +0000",
            "requestTimeEpoch": 1583349317135,
            "resourceId": None,
            "resourcePath": "/my/path",
            "stage": "$default",
        },
        "pathParameters": None,
        "stageVariables": None,
        "body": "Hello from Lambda!",
        "isBase64Encoded": False,
    }


def test_what_there_is_none_of_is_null() -> None:
    found = event_rest.event_of(request(headers=[]))
    assert (found["headers"], found["multiValueHeaders"]) == ({}, {})
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "body"):
        assert found[name] is None
    assert found["isBase64Encoded"] is False


def test_paths_stay_encoded_and_parameters_do_not() -> None:
    found = event_rest.event_of(request(path=b"/a%20b/\xc3\xa9", query=b"a+b=%C3%A9"))
    assert found["path"] == found["requestContext"]["path"] == "/a%20b/%C3%A9"
    assert found["queryStringParameters"] == {"a b": "\xe9"}


def test_bodies_are_those_of_format_2() -> None:
    for kind, body in ((b"application/json", b"{}"), (b"image/png", b"\xff"), (b"text/x", b"\xff")):
        asked = request("POST", headers=[(b"content-type", kind)], body=body)
        ours, theirs = event_rest.event_of(asked), event.event_of(asked)
        assert ours["body"] == theirs["body"]
        assert ours["isBase64Encoded"] is theirs["isBase64Encoded"]


_RAW = st.binary(max_size=40).filter(lambda value: b"\n" not in value)
_NAMES = st.sampled_from([b"cookie", b"host", b"content-type", b"content-encoding", b"x-a", b"x-b"])


@settings(deadline=None)  # the first example imports
@given(_RAW, _RAW, st.lists(st.tuples(_NAMES, _RAW), max_size=9), st.binary(max_size=100))
def test_no_request_is_too_odd(
    path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    asked = request("POST", path, query, headers, body)
    found = event_rest.event_of(asked)
    assert json.loads(json.dumps(found)) == found
    assert found["path"].isascii()
    joined = {
        key: ",".join(values)
        for key, values in (found["multiValueQueryStringParameters"] or {}).items()
    }
    assert joined == event.event_of(asked).get("queryStringParameters", {})
    APIGatewayProxyEventModel.model_validate(found)


@pytest.mark.parametrize("result", [None, "a", {"body": "a"}, [], b"{}", b"{"])
def test_what_has_no_status_is_no_response(result: Any) -> None:
    with pytest.raises(ResponseError, match="there is no statusCode"):
        event_rest.respond(result)


def test_responses_are_those_of_format_2() -> None:
    given = {
        "statusCode": 201,
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "headers": {"X-A": "b"},
        "body": "made",
    }
    expected = event.respond(given)
    assert event_rest.respond(given) == expected
    assert event_rest.respond(json.dumps(given).encode()) == expected
    assert ("set-cookie", "b=2") in expected[1]
    with pytest.raises(ResponseError, match="statusCode is 99"):
        event_rest.respond({"statusCode": 99})
