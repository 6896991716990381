"""How many connections and instances there may be, by how many descriptors there are."""

from __future__ import annotations

import math

import pytest

from aetherless_py.errors import StartError
from aetherless_py.runtime.config import FunctionConfig
from aetherless_py.runtime.descriptors import (
    LEAST_CONNECTIONS,
    Allowance,
    kept_by,
    of_instance,
    plan,
)

FUNCTION = FunctionConfig(
    id="a", handler_path="a:b", start="zygote", warm_pool_size=2, keep_alive_s=1, max_instances=5
)
WANTED = 100


def _needed() -> tuple[int, int]:
    """What is taken without further instances and connections, and by further instances."""
    for most in range(1000):
        try:
            plan([FUNCTION], 1, most, 0)
            return most - 1, 4 * of_instance(FUNCTION)
        except StartError:
            pass
    raise AssertionError("it is never enough")


def test_all_that_is_wanted_where_there_is_room() -> None:
    kept, more = _needed()
    for limit in (math.inf, 1e6, kept + more + WANTED):
        planned = plan([FUNCTION], WANTED, limit, 0)
        assert (planned.connections, planned.more, planned.warning) == (WANTED, math.inf, "")


def test_connections_give_way_then_instances() -> None:
    kept, more = _needed()
    planned = plan([FUNCTION], WANTED, kept + more + WANTED - 10, 0)
    assert (planned.connections, planned.more) == (WANTED - 10, more)
    assert "90 connections at a time in place of 100; raise" in planned.warning
    planned = plan([FUNCTION], WANTED, kept + LEAST_CONNECTIONS + more - 10, 0)
    assert (planned.connections, planned.more) == (LEAST_CONNECTIONS, more - 10)
    assert "and fewer instances than max_instances allows" in planned.warning
    plan([FUNCTION], WANTED, kept + LEAST_CONNECTIONS, 0)
    with pytest.raises(StartError, match="1 function and 64 connections need"):
        plan([FUNCTION], WANTED, kept + LEAST_CONNECTIONS - 1, 0)
    with pytest.raises(StartError):  # what is open already counts
        plan([FUNCTION], WANTED, kept + LEAST_CONNECTIONS, 1)


def test_who_wants_few_connections_has_them() -> None:
    kept, _ = _needed()
    assert plan([FUNCTION], 3, kept + 3, 0).connections == 3


def test_an_executable_has_a_connection_for_each_request_at_a_time() -> None:
    told = {"handler_path": "/bin/x", "start": "spawn"}
    one = FUNCTION.model_copy(update=told)
    ten = FUNCTION.model_copy(update={**told, "concurrency": 10})
    assert of_instance(ten) == of_instance(one) + 9
    assert kept_by(ten) == kept_by(one) + 3 * 9


def test_an_allowance_is_used_up() -> None:
    allowance = Allowance(10)
    assert allowance.has(10) and not allowance.has(11)
    allowance.used += 4
    assert allowance.has(6) and not allowance.has(7)
    assert Allowance().has(1 << 40)
