"""What an instance in service can be, and what it can become."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """The states of an instance in service.

    starting: asked for, not ready yet. idle: nothing under way. busy: requests under way.
    stopping: takes no more requests, and is being ended. stopped: its process is gone.
    """

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    STOPPED = "stopped"


_NEXT = {
    State.STARTING: {State.IDLE, State.STOPPING, State.STOPPED},
    State.IDLE: {State.BUSY, State.STOPPING},
    State.BUSY: {State.IDLE, State.STOPPING},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: set(),
}


def follow(state: State, following: State) -> State:
    """The following state.

    Raises:
        RuntimeError: it does not follow: a defect of the orchestrator's.
    """
    if following not in _NEXT[state]:
        raise RuntimeError(f"an instance that is {state.value} cannot become {following.value}")
    return following
