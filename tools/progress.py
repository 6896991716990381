"""How far a session is: a bar with the time left on a terminal, a line a minute elsewhere.

It draws between turns only: whoever draws takes time from what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tools.durations import in_words

LINE_S = 60.0
# The estimate is corrected by what was measured, as soon as that is more than a moment.
_TRUST_S = 10.0


class SessionProgress(Progress):
    """A `Tell` for a session; as a context, it draws as long as it is open.

    Args:
        turn_s: what a turn of the trial of that name takes, probably, in s.
        total_s: what the session takes, probably, in s.
        console: where; standard error where none is given.
    """

    def __init__(
        self, turn_s: Callable[[str], float], total_s: float, console: Console | None = None
    ) -> None:
        console = console or Console(stderr=True)
        name, left = TextColumn("{task.description:28.28}"), TextColumn("{task.fields[left]}")
        super().__init__(
            name, BarColumn(16), left,
            console=console, transient=True, auto_refresh=False, disable=not console.is_terminal,
        )  # fmt: skip
        self._turn_s, self._total_s = turn_s, total_s
        self._row = self.add_task("", total=total_s, left="")
        self._done_s = self._next_s = 0.0
        self._began_s = self._line_s = time.monotonic()

    def __call__(self, done: int, total: int, name: str) -> None:
        """As the session tells it: that many turns are over, of how many, and what comes next."""
        self._done_s += self._next_s
        self._next_s = self._turn_s(name) if done < total else 0.0
        now_s = time.monotonic()
        pace = (now_s - self._began_s + _TRUST_S) / (self._done_s + _TRUST_S)
        left = f"{in_words(max(0.0, self._total_s - self._done_s) * pace)} left"
        if not self.disable:
            self.update(self._row, completed=self._done_s, description=name, left=left)
            self.refresh()
        elif now_s - self._line_s >= LINE_S:
            self._line_s = now_s
            line = f"{done} of {total} turns measured, about {left}; next: {name}"
            self.console.print(line, soft_wrap=True)
