"""A function in service: its instances, started by demand, and the requests that wait for one.

A request takes a busy instance that has room for it, or, if that is due (see `dispatch`), the idle
one that answered last; else it waits in the queue. Where nobody is idle, an instance is started for
it when that is due, as long as there may be more. Whichever comes first takes the oldest request: a
new instance, or one that has finished. An instance that nobody has asked for `keep_alive_s` is
ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic_ns
from typing import Any

from aetherless_py.errors import (
    AetherlessError,
    ClientGoneError,
    InstanceGoneError,
    InvocationTimeoutError,
    QueueFullError,
    QueueTimeoutError,
    ServiceClosedError,
    StartError,
)
from aetherless_py.runtime.config import FunctionConfig, OrchestratorConfig
from aetherless_py.runtime.deadlines import Deadlines
from aetherless_py.runtime.descriptors import Allowance, of_instance
from aetherless_py.runtime.dispatch import COMPUTING_PATIENCE_NS, PATIENCE_NS, Dispatch
from aetherless_py.runtime.invocation import Answer, Invocation
from aetherless_py.runtime.line import Looker
from aetherless_py.runtime.logs import Log
from aetherless_py.runtime.maker import Made, Maker
from aetherless_py.runtime.proxy import Proxy
from aetherless_py.runtime.serving import ExecutableServing, PythonServing, Serving
from aetherless_py.runtime.states import State
from aetherless_py.runtime.tasks import Tasks
from aetherless_py.start.http_instance import HttpInstance
from aetherless_py.start.tree import is_runnable

log = logging.getLogger("aetherless")

REFILL_S = 0.02  # after an instance has begun to serve
GRACE_S = 0.5  # for an instance that is ended while idle, or that is ending by itself
# Starts and ends wait in threads, so many at a time. They are each function's own, and starts apart
# from ends: one whose starts take long keeps neither others from starting nor itself from killing.
STARTERS = 16
ENDERS = 16


class Service:
    """One function of a configuration. All but its threads happens in one event loop.

    Args:
        function: its description.
        orchestrator: what holds for all.
        loop, looker: of the runtime.
        log_folder: for the logs of its instances.
        allowance: of descriptors, for its instances beyond the first.

    Attributes:
        served: how many requests were given to instances.
        counts: how many "started", "start_failed", and ended for each reason.
        starting: how many instances are about to come.
    """

    def __init__(
        self,
        function: FunctionConfig,
        orchestrator: OrchestratorConfig,
        loop: asyncio.AbstractEventLoop,
        looker: Looker,
        log_folder: Path,
        allowance: Allowance,
    ) -> None:
        self.function = function
        self._allowance, self._descriptors = allowance, of_instance(function)
        self._loop, self._looker = loop, looker
        self._starters = ThreadPoolExecutor(STARTERS, f"start {function.id}")
        self._enders = ThreadPoolExecutor(ENDERS, f"end {function.id}")
        self._log_folder = log_folder
        self._queue_limit = orchestrator.queue_limit
        self._timeout_s = function.timeout_ms / 1e3
        self._maker = Maker(function, orchestrator)
        self._proxy = Proxy(orchestrator.body_limit_bytes)
        self._servings: set[Serving] = set()
        # With something to do and room for more; with nothing to do. Who was used last is the last.
        self._roomy: list[Serving] = []
        self._idle: list[Serving] = []
        self._dispatch = Dispatch()
        self._waiting: deque[Invocation] = deque()
        self._under_way: dict[Invocation, Serving] = {}
        self._deadlines = Deadlines(loop, self._timeout_s, self._timed_out)
        self._queue_deadlines = Deadlines(loop, self._timeout_s, self._waited_too_long)
        self._tasks = Tasks()
        self._eviction: asyncio.TimerHandle | None = None
        self._refill: asyncio.TimerHandle | None = None
        self._ends = Tasks()  # of instances
        self._stopping = 0  # instances that do not count for what is to come
        self._giving = self._closing = False
        self._until_ns = math.inf  # what is under way must be done, if it is closing
        self.starting = 0
        self.served = 0
        self.counts: Counter[str] = Counter()

    async def prepare(self) -> None:
        """Makes ready what instances are started from.

        Raises:
            StartError: the function cannot be made ready; its last words are in the message.
        """
        await self._loop.run_in_executor(self._starters, self._maker.prepare)

    @property
    def busy(self) -> bool:
        """Whether requests wait for an instance, or are under way."""
        return bool(self._waiting or self._under_way)

    # -- requests --------------------------------------------------------------------------------

    def submit(self, invocation: Invocation) -> None:
        """Has an instance answer: this one or the next; `invocation.done` is told."""
        if self._closing:
            invocation.settle(ServiceClosedError(f"{self.function.id}: it goes out of service"))
        # Those for whom an instance is on its way are waited for, not queued.
        elif len(self._waiting) >= self._queue_limit + self._room():
            invocation.settle(
                QueueFullError(f"{self.function.id}: {len(self._waiting)} requests wait already")
            )
        else:
            self._waiting.append(invocation)
            self._give_now()
            if not invocation.sent_ns:
                self._queue_deadlines.add(invocation)

    def abandon(self, invocation: Invocation) -> None:
        """Its client has gone: if it waits yet, no instance is given it."""
        if not invocation.sent_ns and not invocation.over:
            self._waiting.remove(invocation)
            invocation.settle(ClientGoneError(f"{self.function.id}: the client has gone"))

    def _give(self, patience_over: bool) -> int:
        """Has the requests that wait given to instances, as far as that is due.

        Args:
            patience_over: whether those whose patience is over may have another instance. Only
                right after a look for answers: where the loop had much to do, they are there.

        Returns:
            When the next one is due without an answer before it, in ns; 0 for never.
        """
        while self._waiting:
            if self._roomy:
                self._ask(self._roomy[-1])
                continue
            if not self._idle and not self._may_start:
                break
            if self._idle and self._soon_free() >= self._dispatch.wanted:
                due_ns = self._dispatch.due_ns(self._patience_ns(patience_over))
                if not patience_over or monotonic_ns() < due_ns:
                    return due_ns
            self._dispatch.gave(monotonic_ns())
            if not self._idle:
                self._start()
            if self._idle:
                self._ask(self._idle[-1])
        return 0

    def _give_now(self, patience_over: bool = False) -> None:
        if self._giving:  # a request may be over as soon as it is given
            return
        self._giving = True
        try:
            due_ns = self._give(patience_over)
        finally:
            self._giving = False
        if due_ns:
            self._looker.keep_in_view(self, due_ns)

    def _patience_ns(self, look_at_them: bool) -> int:
        if look_at_them and monotonic_ns() >= self._dispatch.due_ns(PATIENCE_NS):
            busy = [serving for serving in self._servings if serving.under_way]
            for serving in busy:
                serving.sleeps = not is_runnable(serving.instance.pid)
            if not any(serving.sleeps for serving in busy):
                return COMPUTING_PATIENCE_NS
        return PATIENCE_NS

    def look(self) -> None:
        """As `line.Queue.look`."""
        self._give_now(patience_over=True)

    @property
    def _may_start(self) -> bool:
        """Whether another instance may come for those that wait."""
        count = len(self._servings) + self.starting
        return (
            len(self._waiting) > self.starting * self.function.concurrency
            and count < self.function.max_instances
            and (not count or self._allowance.has(self._descriptors))
        )

    def _soon_free(self) -> int:
        """How many instances will soon have answered, up to as many as are wanted."""
        count, wanted = 0, self._dispatch.wanted
        since_ns = monotonic_ns() - COMPUTING_PATIENCE_NS
        for invocation, serving in reversed(
            self._under_way.items()
        ):  # the last that was sent first
            if count >= wanted or invocation.sent_ns < since_ns:
                break
            count += not serving.sleeps
        return count

    def _ask(self, serving: Serving) -> None:
        invocation = self._waiting.popleft()
        if not serving.under_way:
            self._idle.remove(serving)
            self._roomy.append(serving)
        serving.take()
        if not serving.has_room:
            self._roomy.remove(serving)
        self.served += 1
        invocation.sent_ns = monotonic_ns()
        invocation.instance_id = serving.instance.id
        if not serving.served:
            invocation.start, invocation.phases = serving.mode, serving.instance.phases
        serving.served += 1
        self._deadlines.add(invocation)
        self._under_way[invocation] = serving
        serving.ask(invocation)

    def _finished(
        self, serving: Serving, invocation: Invocation, outcome: Answer | AetherlessError
    ) -> None:
        if self._under_way.pop(invocation, None) is None:  # its time was over before
            return
        if isinstance(outcome, InstanceGoneError | InvocationTimeoutError):
            self._retire(serving, "crash" if isinstance(outcome, InstanceGoneError) else "timeout")
        else:
            handler_ns = invocation.function_ns
            if handler_ns is None:
                handler_ns = invocation.answered_ns - invocation.sent_ns
            self._dispatch.answered(monotonic_ns(), handler_ns)
            if invocation.phases is not None:
                invocation.phases.first_response_ns = invocation.answered_ns
        if serving.has_room:
            self._roomy.remove(serving)
        serving.give_back()
        if serving.has_room:
            (self._roomy if serving.under_way else self._idle).append(serving)
            self._give_now()
            if serving.state is State.IDLE:
                self._plan_eviction()
        invocation.settle(outcome)

    def _timed_out(self, invocation: Invocation) -> None:
        serving = self._under_way.get(invocation)
        if serving is not None:
            late = InvocationTimeoutError(
                f"no answer within {self.function.timeout_ms} ms; the instance was killed"
            )
            self._finished(serving, invocation, late)

    def _waited_too_long(self, invocation: Invocation) -> None:
        if not invocation.sent_ns:
            self._waiting.remove(invocation)
            invocation.settle(
                QueueTimeoutError(f"{self.function.id}: no instance had room in time")
            )

    def _room(self) -> int:
        """How many requests idle instances can take, and such as may yet be started."""
        # One that is ending makes room for another.
        possible = self.function.max_instances - len(self._servings) + self._stopping
        return (len(self._idle) + max(0, possible)) * self.function.concurrency

    # -- instances -------------------------------------------------------------------------------

    def _start(self) -> None:
        self._use(self._descriptors)
        self.starting += 1
        made = self._maker.take()
        if made is not None:
            self._came(made)
        else:
            self._tasks.begin(self._start_one())

    def _use(self, descriptors: int) -> None:
        """Takes descriptors, or gives them back, unless they are those of the only instance."""
        if self._servings or self.starting:
            self._allowance.used += descriptors

    async def _start_one(self) -> None:
        try:
            made = await self._loop.run_in_executor(self._starters, self._maker.make)
        except Exception as error:
            self._start_failed(error)
        else:
            self._came(made)

    def _came(self, made: Made) -> None:
        """Has an instance serve from now on."""
        try:
            serving = self._put_into_service(made)
        except Exception as error:  # as where descriptors are short
            self._tasks.begin(self._discard(made))
            self._start_failed(error)
            return
        self.starting -= 1
        self.counts["started"] += 1
        if self._closing and not self._waiting:
            self._retire(serving, "shutdown")
            return
        if self._waiting and not self._giving:  # it is awake, and was started for one of those
            self._dispatch.gave(monotonic_ns())
            self._ask(serving)
        self._give_now()
        self._plan_eviction()
        # Later: what starts use up is made up for when the first answer is on its way.
        if self._refill is None:
            self._refill = self._loop.call_later(REFILL_S, self._begin_refill)

    async def _discard(self, made: Made) -> None:
        await self._loop.run_in_executor(self._enders, made.discard)

    def _start_failed(self, error: Exception) -> None:
        self.starting -= 1
        self._use(-self._descriptors)
        self.counts["start_failed"] += 1
        log.warning("%s: no instance: %s", self.function.id, error)
        # Who has room before long serves all who wait. Where nobody has, one of them is told: with
        # each failure there is one less.
        if self._waiting and not any(map(_lasts, self._servings)):
            told = error if isinstance(error, AetherlessError) else StartError(str(error))
            self._waiting.popleft().settle(told)
            self._give_now()

    def _begin_refill(self) -> None:
        self._refill = None
        if not self._closing:
            self._tasks.begin(self._run_refill())

    async def _run_refill(self) -> None:
        await self._loop.run_in_executor(self._starters, self._maker.refill)

    def _put_into_service(self, made: Made) -> Serving:
        instance = made.instance
        common = (
            self.function.concurrency,
            self._loop,
            Log(self._log_folder, instance.id),
            self._finished,
            lambda serving: self._retire(serving, "crash"),
            self._timeout_s,
        )
        serving: Serving
        if made.channel is not None:
            serving = PythonServing(instance, *common, self._looker, made.channel)
        else:
            assert isinstance(instance, HttpInstance)
            serving = ExecutableServing(instance, *common, self._proxy)
        serving.become(State.IDLE)
        self._servings.add(serving)
        self._idle.append(serving)
        return serving

    def _retire(self, serving: Serving, why: str) -> None:
        """Ends an instance; those who wait for its answers are told. May be called again."""
        if serving.state in (State.STOPPING, State.STOPPED):
            return
        # One that has gone by itself may be about to say why.
        idle = serving.state is State.IDLE and why in ("idle", "reload", "shutdown")
        graceful = idle or why == "crash"
        serving.become(State.STOPPING)
        serving.why = why
        self.counts[why] += 1
        for those in (self._roomy, self._idle):
            with contextlib.suppress(ValueError):
                those.remove(serving)
        self._stopping += 1
        self._ends.begin(self._end(serving, GRACE_S if graceful else 0))
        serving.close()

    async def _end(self, serving: Serving, grace_s: float) -> None:
        try:
            await self._loop.run_in_executor(self._enders, serving.stop, grace_s)
        except Exception:
            log.exception("%s: instance %s", self.function.id, serving.instance.id)
        serving.become(State.STOPPED)
        self._servings.discard(serving)
        self._use(-self._descriptors)
        self._stopping -= 1
        serving.log.close()
        level = logging.INFO if serving.why in ("idle", "reload", "shutdown") else logging.WARNING
        log.log(
            level,
            "%s: instance %s ended: %s, exit status %s, after %d requests",
            self.function.id,
            serving.instance.id,
            serving.why,
            serving.instance.status,
            serving.served,
        )
        self._give_now()

    def kill(self, instance_id: str, why: str) -> None:
        """Ends the instance of that id, whatever is under way in it, if it is in service."""
        for serving in self._servings:
            if serving.instance.id == instance_id:
                self._retire(serving, why)
                return

    def _plan_eviction(self) -> None:
        if self._eviction is not None or self._closing:
            return
        self._eviction = self._loop.call_later(self.function.keep_alive_s, self._evict)

    def _evict(self) -> None:
        self._eviction = None
        keep_ns = int(self.function.keep_alive_s * 1e9)
        idle = [serving for serving in self._servings if serving.state is State.IDLE]
        now_ns = monotonic_ns()
        left = [serving for serving in idle if now_ns - serving.idle_since_ns < keep_ns]
        for serving in set(idle) - set(left):
            self._retire(serving, "idle")
        if left:
            oldest_ns = min(serving.idle_since_ns for serving in left)
            wait_s = max(0.0, (oldest_ns + keep_ns - now_ns) / 1e9)
            self._eviction = self._loop.call_later(wait_s, self._evict)

    # -- the end, and what can be seen -------------------------------------------------------------

    def hurry(self, deadline_s: float) -> None:
        """What is under way must be done by then, or sooner if that was said before."""
        self._until_ns = min(self._until_ns, monotonic_ns() + deadline_s * 1e9)

    async def close(self, deadline_s: float, why: str) -> None:
        """Takes no more requests, lets those under way finish, and ends all instances.

        Args:
            deadline_s: how long they may take; what is not done by then fails.
            why: "shutdown" or "reload".
        """
        self._closing = True
        for timer in (self._eviction, self._refill):
            if timer is not None:
                timer.cancel()
        self.hurry(deadline_s)
        while self.busy and monotonic_ns() < self._until_ns:
            await asyncio.sleep(0.005)
        while self._waiting:
            closed = ServiceClosedError(f"{self.function.id}: it went out of service")
            self._waiting.popleft().settle(closed)
        for serving in tuple(self._servings):
            self._retire(serving, why)
        await self._ends.ended()  # first: what closes the strategy gives nobody time
        await self._loop.run_in_executor(self._enders, self._maker.close, why == "reload")
        await self._tasks.ended()
        await self._ends.ended()  # of what was started meanwhile
        await self._proxy.close()
        for invocation in tuple(self._under_way):  # an executable's break off on their own time
            del self._under_way[invocation]
            invocation.settle(InstanceGoneError("it was ended before it answered"))
        self._deadlines.close()
        self._queue_deadlines.close()
        for threads in (self._starters, self._enders):
            threads.shutdown(wait=False)

    def seen(self) -> dict[str, Any]:
        """What can be told of it now, for `list`, `stats` and the metrics."""
        states = Counter(serving.state.value for serving in self._servings)
        states[State.STARTING.value] += self.starting
        return {
            "id": self.function.id,
            "kind": self.function.kind,
            "handler": self.function.handler_path,
            "start": self.function.start,
            "trigger_port": self.function.trigger_port,
            "max_instances": self.function.max_instances,
            "concurrency": self.function.concurrency,
            "queue": len(self._waiting),
            "served": self.served,
            "states": {state.value: states[state.value] for state in State},
            "counts": dict(self.counts),
            "pool": self._maker.pool_counts(),
            "instances": [
                {
                    "id": serving.instance.id,
                    "pid": serving.instance.pid,
                    "state": serving.state.value,
                    "mode": serving.mode,
                    "under_way": serving.under_way,
                    "served": serving.served,
                    "log": str(serving.log.path),
                }
                for serving in self._servings
            ],
        }

    def processes(self) -> list[tuple[str, int]]:
        """(id, process id) of each instance that takes requests."""
        return [
            (serving.instance.id, serving.instance.pid)
            for serving in self._servings
            if _lasts(serving)
        ]


def _lasts(serving: Serving) -> bool:
    """Whether it takes requests, now or when it has answered."""
    return serving.state in (State.IDLE, State.BUSY)
