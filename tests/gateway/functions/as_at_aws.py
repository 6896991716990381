"""Handlers as those for AWS are written: what they answer, read and set."""

from __future__ import annotations

import collections
import decimal
import os
from typing import Any

Point = collections.namedtuple("Point", "x y")
ANSWERS = {
    "bytes_body": {"statusCode": 200, "body": b"hello"},
    "bytes_inside": {"a": b"hello"},
    "bytes_key": {b"a": 1},
    "bytes_base64": {"statusCode": 200, "isBase64Encoded": True, "body": b"aGk="},
    "bytes_alone": b'{"a": 1}',
    "decimal_status": {"statusCode": decimal.Decimal(201), "body": "made"},
    "decimal_header": {"statusCode": 200, "headers": {"x-n": decimal.Decimal(5)}, "body": ""},
    "decimal_exact": {"n": decimal.Decimal("12345678901234567890.123456789")},
    "namedtuple": {"at": Point(1, 2)},
}
AT_IMPORT = {"folder": os.getcwd(), "stream": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")}


def answers(event: Any, context: Any) -> Any:
    return ANSWERS[event["rawPath"].rpartition("/")[2]]


def place(event: Any, context: Any) -> Any:
    """Where it works, at its import and now."""
    with open("beside.txt") as file:
        beside = file.read()
    return {
        "at_import": AT_IMPORT,
        "folder": os.getcwd(),
        "beside": beside,
        "environment": dict(os.environ),
        "stream": context.log_stream_name,
    }


def identity(event: Any, context: Any) -> Any:
    before = hasattr(context, "parameters")
    context.parameters = {"kept": 1}  # as decorators of public libraries do
    found = context.identity.cognito_identity_id
    context.identity.cognito_identity_id = "spoilt"
    return {"identity": found, "parameters": context.parameters, "before": before}


def arn(event: Any, context: Any) -> Any:
    return context.invoked_function_arn
