"""What is kept of each request, in arrays that are there before the run."""

from __future__ import annotations

import base64
from array import array
from typing import Any

# Their types, by the names that `array` and numpy both have for them.
_KINDS = {
    "intended_ns": "q", "lag_ns": "q", "connect_ns": "q", "service_ns": "q",
    "outcome": "h", "label_at": "i",
}  # fmt: skip


class Record:
    """One place for each request of a run. Their sum from lag to service is the latency.

    Attributes:
        intended_ns: the intended start, from the run's.
        lag_ns: from the intended start until the generator turned to the request.
        connect_ns: from then until its new connection was up; 0 on a kept one.
        service_ns: from the send until the whole answer, or until the failure, was there.
        outcome: of `outcomes`.
        label_at: where in `labels` the one is that the check gave.
        labels: each once; the first one is that of none.
    """

    def __init__(self, count: int) -> None:
        self.intended_ns = array("q", bytes(8 * count))
        self.lag_ns = array("q", bytes(8 * count))
        self.connect_ns = array("q", bytes(8 * count))
        self.service_ns = array("q", bytes(8 * count))
        self.outcome = array("h", bytes(2 * count))
        self.label_at = array("i", bytes(4 * count))
        self.labels: dict[str, int] = {"": 0}

    def label(self, request: int, label: str) -> None:
        """Keeps the label of a request's answer."""
        self.label_at[request] = self.labels.setdefault(label, len(self.labels))

    def packed(self, count: int) -> dict[str, str]:
        """The first `count` places as texts that JSON can carry."""
        return {
            name: base64.b64encode(getattr(self, name)[:count].tobytes()).decode()
            for name in _KINDS
        }


def unpacked(packed: dict[str, str]) -> dict[str, Any]:
    """The arrays of `Record.packed`, as numpy's."""
    # Here: in the generator's process the threads of numpy's OpenBLAS would take a processor from
    # the server for as long as they look for work, which is longer than a short run.
    import numpy as np

    return {
        name: np.frombuffer(base64.b64decode(packed[name]), dtype=kind)
        for name, kind in _KINDS.items()
    }
