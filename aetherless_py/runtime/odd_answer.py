"""Answers that hold bytes, Decimals or namedtuples: by the rules of AWS's runtime client.

Imported by the first such answer: `simplejson` and `decimal` take longer than an instance's start.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import simplejson
from simplejson.raw_json import RawJSON

from aetherless_py.runtime.event import ResponseError


def _number(value: Any) -> Any:
    if not isinstance(value, Decimal):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return math.nan if value.is_nan() else RawJSON(str(value))


# As awslambdaric's, but without spaces.
_encode: Callable[[Any], str] = simplejson.JSONEncoder(
    use_decimal=False, ensure_ascii=False, allow_nan=True, separators=(",", ":"), default=_number
).encode


def serialised(result: Any) -> bytes:
    """A result as JSON; bytes are left as they are.

    Raises:
        ResponseError: it cannot be JSON.
    """
    if isinstance(result, bytes):
        return result
    try:
        return _encode(result).encode()
    except UnicodeEncodeError:
        raise ResponseError("the result holds half a surrogate pair, which UTF-8 has not") from None
    except Exception as error:  # also what a class of the function's own raises
        reason = " ".join(str(error).split())[:200]
        raise ResponseError(
            f"the result cannot be JSON: {type(error).__name__}: {reason}"
        ) from None


def response_in(body: bytes) -> dict[str, Any] | None:
    """The response that this JSON is; None where it is another, or none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "statusCode" in found else None


def through_json(result: dict[str, Any], wrong: ResponseError) -> dict[str, Any]:
    """What a response is after it was JSON.

    Args:
        result: the response.
        wrong: with it as it is; raised where it cannot be JSON.
    """
    try:
        found = response_in(serialised(result))
    except ResponseError as error:
        raise wrong from error
    if found is None:
        raise wrong
    return found
