"""Answers beside those that AWS's runtime client would post of the same results."""

from __future__ import annotations

import collections
import decimal
import enum
import json
import math
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aetherless_py.runtime.event import ResponseError, respond
from aetherless_py.runtime.named import has_named

Point = collections.namedtuple("Point", "x y")
Reply = collections.namedtuple("Reply", "statusCode headers body")
JSON = ("content-type", "application/json")
TEXT = ("content-type", "text/plain; charset=utf-8")


class Typed(typing.NamedTuple):
    name: str
    inner: Any


class Color(enum.IntEnum):
    RED = 3


class Word(enum.StrEnum):
    YES = "yes"


class Dict(dict[str, Any]):
    pass


def posted(result: Any) -> Any:
    """What AWS's client would post, read with all digits; raises where it could not."""
    marshaller = pytest.importorskip("awslambdaric.lambda_runtime_marshaller")
    text, _ = marshaller.LambdaMarshaller().marshal_response(result)
    return json.loads(text, parse_float=decimal.Decimal)


def answered(result: Any) -> Any:
    """What a client of ours would read, of what is no response."""
    status, headers, body = respond(result)
    assert (status, headers) == (200, [JSON])
    return json.loads(body, parse_float=decimal.Decimal)


CASES: list[Any] = [
    {"a": b"hello"},
    {b"a": 1},
    {"at": Point(1, 2)},
    [Point(1, Point(b"x", [Typed("n", (Point(3, 4),))]))],
    Point(1, 2),
    Typed("a", None),
    {"n": decimal.Decimal("12345678901234567890.123456789")},
    [decimal.Decimal(each) for each in ("1.50", "3", "-0", "1E+3", "1E-9", "0.10")],
    decimal.Decimal("1.50"),
    collections.OrderedDict(a=[1], b=Point(1, 2)),
    collections.defaultdict(list, a=[b"x"]),
    Dict(a=[Dict(b=1)]),
    {"color": Color.RED, "word": Word.YES, Word.YES: [Word.YES]},
    {7: "a", 2.5: "b", True: "c", None: "d"},
    ((1, 2), [(3,)]),
    {"a": [], "b": {}, "c": [[]], "[": "]"},
    ['\u2028\u00e9\U0001f600"\\\x00\x7f'],
    10**300,
    1e300,
    0.1,
]


@pytest.mark.parametrize("result", CASES, ids=str)
def test_what_is_no_response_is_what_awss_client_posts(result: Any) -> None:
    assert answered(result) == posted(result)


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not_are_as_there(text: str) -> None:
    numbers = [decimal.Decimal(text)]
    if "s" not in text:
        numbers.append(float(text))  # type: ignore[arg-type]
    theirs, ours = posted(numbers), answered(numbers)
    assert [str(each) for each in ours] == [str(each) for each in theirs]
    assert math.isnan(ours[0]) is ("NaN" in text)


@pytest.mark.parametrize(
    "result", [{1, 2}, object(), {(1, 2): 3}, {"a": b"\xff"}, {"a": 1j}, {decimal.Decimal(1): 2}]
)
def test_what_it_cannot_post_is_refused(result: Any) -> None:
    with pytest.raises(Exception, match=r"Unable to marshal"):
        posted(result)
    with pytest.raises(ResponseError, match="the result cannot be JSON"):
        respond(result)


_SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(max_size=9).map(lambda text: text.encode("utf-8", "replace")),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([Color.RED, Word.YES]),
)
_KEYS = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.integers(0, 9))
_RESULTS = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Point, inner, inner),
        st.dictionaries(_KEYS, inner, max_size=3),
        st.dictionaries(_KEYS, inner, max_size=3).map(collections.OrderedDict),
    ),
    max_leaves=12,
).filter(lambda result: not isinstance(result, bytes))


@settings(deadline=None)  # the first example imports
@given(_RESULTS)
def test_any_result_is_what_awss_client_posts(result: Any) -> None:
    assert answered(result) == posted(result)


# --- responses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"statusCode": 200, "body": b"hello"}, (200, [TEXT], b"hello")),
        (
            {"statusCode": 200, "isBase64Encoded": True, "body": b"aGk="},
            (200, [TEXT], b"hi"),
        ),
        ({"statusCode": decimal.Decimal(201), "body": "made"}, (201, [TEXT], b"made")),
        ({b"statusCode": 202}, (202, [TEXT], b"")),
        (
            {"statusCode": 200, "headers": {"x-n": decimal.Decimal(5), b"x-b": b"c", 1: "a"}},
            (200, [("x-n", "5"), ("x-b", "c"), ("1", "a"), TEXT], b""),
        ),
        (
            {"statusCode": 200, "multiValueHeaders": {"x-n": (decimal.Decimal(5), b"6")}},
            (200, [("x-n", "5"), ("x-n", "6"), TEXT], b""),
        ),
        (
            {"statusCode": 200, "cookies": [b"a=b"], "headers": Point("1", "2")},
            (200, [("set-cookie", "a=b"), ("x", "1"), ("y", "2"), TEXT], b""),
        ),
        (Reply(201, {"x-a": b"b"}, "made"), (201, [("x-a", "b"), TEXT], b"made")),
        (b'{"statusCode": 201, "body": "made"}', (201, [TEXT], b"made")),
        # What is no response is the body as it is, JSON or not.
        (b'{"a": 1}', (200, [JSON], b'{"a": 1}')),
        (b"{a", (200, [JSON], b"{a")),
        (b"\xff", (200, [JSON], b"\xff")),
        (b"", (200, [JSON], b"")),
        (b"[" * 100_000, (200, [JSON], b"[" * 100_000)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_responses_are_what_they_are_as_json(result: Any, expected: Any) -> None:
    assert respond(result) == expected
    if isinstance(result, dict):  # what AWS reads of its client's post
        plain = json.loads(json.dumps(posted(result), default=str))
        assert respond(plain) == expected


def test_the_first_complaint_is_told_where_it_cannot_be_json() -> None:
    with pytest.raises(ResponseError, match="statusCode is of type Decimal") as caught:
        respond({"statusCode": decimal.Decimal(200), "body": {1, 2}})
    assert "Object of type set" in str(caught.value.__cause__)


def test_namedtuples_are_found_wherever_they_are() -> None:
    named = Point(1, 2)
    for holder in (named, [named], ({"a": [named]},), Dict(a=(named,)), [0, "a", {}, [[named]]]):
        assert has_named(holder)
    without: list[Any] = [[], (), {}, [(1, 2)], {"a": [{}, ((),)]}, "a", None, [sys.version_info]]
    assert not any(map(has_named, without))
    circular: list[Any] = []
    circular.append(circular)
    with pytest.raises(RecursionError):
        has_named(circular)


def test_plain_answers_import_nothing_that_takes_long() -> None:
    root = str(Path(__file__).resolve().parents[2])
    code = (
        "import sys\n"
        f"sys.path.insert(0, {root!r})\n"
        "from aetherless_py.runtime.event import respond\n"
        "for each in 'a', None, {'a': [1.5]}, {'statusCode': 200, 'body': 'x'}:\n"
        "    respond(each)\n"
        "print(*sorted({'json', 're', 'decimal', 'simplejson'} & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "\n"
