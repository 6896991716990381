"""Whose turn it is to wait for the next request, among the threads of an instance.

One thread waits, the leader; the others follow. Handing the lead over costs two switches between
threads, more than a short handler takes. So a leader whose handlers have been short keeps the lead
while it runs the next one, and a warden takes it away if that one is not short after all: nobody
waits longer than two of its looks behind somebody else's request.
"""

from __future__ import annotations

import threading
import time

SHORT_NS = 200_000  # a handler's time up to which the lead is kept
LOOK_S = 0.001
LOOKS = 50  # in vain, before the warden sleeps


class Turns:
    """The lead, for threads that each `take` it, receive a request, and `run` its handler.

    Args:
        threads: how many there are; one alone needs nobody to follow.
    """

    def __init__(self, threads: int) -> None:
        self._lead = threading.Lock()
        self._kept: list[int] = []  # who runs a handler with the lead in hand, if anybody
        self._runs = 0
        self._usual_ns = SHORT_NS + 1  # of late; the first is not trusted to be short
        self._alone = threads == 1
        self._awake = threading.Event()
        self._sleeps = True

    def start(self) -> None:
        """Has the warden begin, in a thread of its own."""
        if not self._alone:
            threading.Thread(target=self._watch, name="warden", daemon=True).start()

    def take(self) -> None:
        """Waits for the lead."""
        self._lead.acquire()

    def leave(self) -> None:
        """Gives the lead up, for good."""
        self._lead.release()

    def begin(self) -> bool:
        """A handler is about to run; whether the lead is kept meanwhile."""
        if self._alone:
            return True
        if self._usual_ns > SHORT_NS:
            self._lead.release()
            return False
        self._runs += 1
        self._kept.append(self._runs)
        if self._sleeps:
            self._awake.set()
        return True

    def end(self, kept: bool, took_ns: int) -> bool:
        """The handler has run; whether this thread still has the lead."""
        # Slow to trust, quick to distrust.
        self._usual_ns = max(took_ns, (7 * self._usual_ns + took_ns) // 8)
        if self._alone:
            return True
        if not kept:
            return False
        try:
            self._kept.pop()
        except IndexError:  # the warden was first
            return False
        return True

    def _watch(self) -> None:
        seen = quiet = 0
        while True:
            time.sleep(LOOK_S)
            kept = self._kept[:1]
            if kept and kept[0] == seen:
                try:
                    self._kept.pop()
                except IndexError:  # it has just ended
                    continue
                self._lead.release()
            quiet = quiet + 1 if not kept or kept[0] == seen else 0
            seen = kept[0] if kept else seen
            if quiet > LOOKS:
                quiet = 0
                self._awake.clear()
                self._sleeps = True
                if not self._kept:
                    self._awake.wait()
                self._sleeps = False
