"""Which requests wait for a busy instance, in a world whose time is made up."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from aetherless_py.runtime.dispatch import COMPUTING_PATIENCE_NS, PATIENCE_NS, Dispatch

US, MS, S = 1_000, 1_000_000, 1_000_000_000
TURN_NS = 20 * US  # of a client and the gateway: from an answer to the next request


@dataclass
class Request:
    handler_ns: int
    came_ns: int
    began_ns: int = 0
    sleeps: bool = False  # was seen to


@dataclass
class World:
    """Instances that answer when their handlers' time is over, and a queue in front of them.

    All sleep in their handlers: who computes is waited for longer.
    """

    idle: int
    dispatch: Dispatch = field(default_factory=Dispatch)

    def __post_init__(self) -> None:
        self.now_ns = 0
        self.most_busy = 0
        self.done: list[Request] = []
        self._busy: dict[int, Request] = {}
        self._queue: deque[Request] = deque()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_ns, next(self._numbers), what))

    def arrive(self, handler_ns: int, after: Callable[[], None] = lambda: None) -> None:
        self._queue.append(Request(handler_ns, self.now_ns))
        self._after = after
        self._give()

    def run(self, until_ns: int) -> None:
        while self._events and self._events[0][0] <= until_ns:
            self.now_ns, _, what = heapq.heappop(self._events)
            what()

    def _give(self) -> None:
        while self._queue and self.idle:
            soon = sum(
                each.began_ns > self.now_ns - COMPUTING_PATIENCE_NS and not each.sleeps
                for each in self._busy.values()
            )
            if soon >= self.dispatch.wanted:
                due_ns = self.dispatch.due_ns(PATIENCE_NS)
                if self.now_ns < due_ns:
                    self.at(due_ns, self._give)
                    return
                for each in self._busy.values():
                    each.sleeps = True
            self.dispatch.gave(self.now_ns)
            self._begin(self._queue.popleft())

    def _begin(self, request: Request) -> None:
        self.idle -= 1
        request.began_ns = self.now_ns
        number = next(self._numbers)
        self._busy[number] = request
        self.most_busy = max(self.most_busy, len(self._busy))
        self.at(self.now_ns + request.handler_ns + 10 * US, lambda: self._answer(number))

    def _answer(self, number: int) -> None:
        request = self._busy.pop(number)
        self.idle += 1
        self.done.append(request)
        self.dispatch.answered(self.now_ns, request.handler_ns)
        self._give()
        self.at(self.now_ns + TURN_NS, self._after)


def closed_loop(world: World, connections: int, handlers_ns: Iterator[int], until_ns: int) -> None:
    """Each connection asks again as soon as it has its answer."""

    def ask() -> None:
        world.arrive(next(handlers_ns), ask)

    for _ in range(connections):
        world.at(0, ask)
    world.run(until_ns)


@pytest.mark.parametrize("connections", [1, 2, 4, 10, 50, 200])
@pytest.mark.parametrize("handler_ns", [1 * US, 20 * US])
def test_a_short_function_keeps_one_instance_busy(connections: int, handler_ns: int) -> None:
    world = World(idle=16)
    closed_loop(world, connections, itertools.repeat(handler_ns), S // 10)
    assert world.most_busy == 1
    assert len(world.done) > 1000


@pytest.mark.parametrize("handler_ns", [100 * US, 300 * US, 1 * MS, 10 * MS, 1 * S])
@pytest.mark.parametrize("connections", [1, 2, 4, 10, 16])
def test_a_longer_one_loses_at_most_a_tenth_to_the_best_number(
    connections: int, handler_ns: int
) -> None:
    until_ns = 200 * handler_ns + 100 * MS
    world = World(idle=16)
    closed_loop(world, connections, itertools.repeat(handler_ns), until_ns)
    # Where each connection has an instance, or the gateway has no more to give.
    best = min(connections / (handler_ns + 10 * US + TURN_NS), 1 / (50 * US))
    assert len(world.done) >= 0.9 * best * until_ns - 16


@pytest.mark.parametrize("count", [2, 5, 16])
def test_requests_that_come_at_once_begin_within_a_millisecond(count: int) -> None:
    world = World(idle=16)
    for _ in range(count):
        world.at(0, lambda: world.arrive(S))
    world.run(2 * S)
    assert len(world.done) == count
    assert max(each.began_ns for each in world.done) < 1 * MS


@pytest.mark.parametrize("long_ns", [50 * MS, 200 * MS])
@pytest.mark.parametrize("seed", range(5))
def test_a_short_one_waits_no_millisecond_behind_a_long_one(long_ns: int, seed: int) -> None:
    chance = random.Random(seed)
    handlers = iter(lambda: long_ns if chance.random() < 0.1 else 1 * US, None)
    world = World(idle=16)
    closed_loop(world, 10, handlers, 5 * S)
    waits = [each.began_ns - each.came_ns for each in world.done if each.handler_ns < MS]
    assert len(waits) > 500
    assert max(waits) < 1 * MS


def test_few_long_ones_do_not_change_what_is_usual() -> None:
    chance = random.Random(1)
    dispatch = Dispatch()
    for _ in range(10_000):
        dispatch.answered(0, 200 * MS if chance.random() < 0.1 else 1 * US)
        assert dispatch.wanted == 1


def test_what_is_usual_is_learnt_anew() -> None:
    dispatch = Dispatch()
    for handler_ns, wanted in ((1 * MS, range(17, 26)), (1 * US, range(1, 2))):
        for _ in range(100):
            dispatch.answered(0, handler_ns)
        assert dispatch.wanted in wanted


def test_nobody_waits_where_nobody_is_busy() -> None:
    world = World(idle=1)
    for second in range(10):
        world.at(second * S, lambda: world.arrive(1 * US))
    world.run(20 * S)
    assert [each.began_ns - each.came_ns for each in world.done] == [0] * 10
