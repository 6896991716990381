"""Runs as one: nothing of any of them is lost."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.load.arrivals import poisson
from benchmarks.load.pooled import pooled
from benchmarks.load.request import Request
from benchmarks.load.run import Closed, Load, run
from tests.load.histograms import Decoded
from tests.load.servers import HELLO, answering, serving

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
GREETS = "tests.load.checks:Greets"


def test_all_requests_of_all_runs_are_in_it() -> None:
    with serving(answering(*[HELLO] * 9, BUSY)) as port:
        asked = Request("127.0.0.1", port)
        loads = [
            Load(
                request=asked,
                arrivals=poisson(400, 0.5, seed),
                check=GREETS,
                check_arguments={"word": "hello"},
            )
            for seed in (1, 2, 3)
        ]
        runs = [run(load) for load in loads]
    came = pooled(runs)
    requests = sum(each.requests for each in runs)
    assert came.requests == requests == len(came.latency_ns)
    assert came.succeeded + came.failures["status 503"] == requests
    assert came.failures["status 503"] == sum(each.failures["status 503"] for each in runs)
    assert came.labelled == {"greeting": came.succeeded}
    assert came.connections_opened == sum(each.connections_opened for each in runs)
    assert came.offered_per_s == pytest.approx(requests / 1.5)
    assert came.elapsed_ns == sum(each.elapsed_ns for each in runs)
    assert sorted(came.latency_ns) == sorted(np.concatenate([each.latency_ns for each in runs]))
    # The starts go on where the schedule before ended.
    first = runs[0].requests
    assert came.intended_ns[first] == runs[1].intended_ns[0] + 500_000_000
    merged = Decoded(*(each.as_dict()["histogram"] for each in runs))
    assert came.as_dict()["histogram"] == merged.encoded()
    assert merged.count == came.succeeded
    assert pooled(runs[:1]) is runs[0]


def test_labels_stay_with_their_answers() -> None:
    with serving(answering(HELLO)) as port:
        runs = [
            run(
                Load(
                    request=Request("127.0.0.1", port),
                    arrivals=Closed(1, 4),
                    check="tests.load.checks:counting",
                    check_arguments={"start": start},
                )
            )
            for start in (2, 1, 4)  # whose labels come in another order
        ]
    came = pooled(runs)
    assert [came.labels[at] for at in came.label_at] == [
        *("number 2", "", "number 0", ""),
        *("", "number 2", "", "number 0"),
        *("number 0", "", "number 2", ""),
    ]
    assert came.labelled == {"number 2": 3, "number 0": 3}


def test_what_is_not_one_load_is_refused() -> None:
    with serving(answering(HELLO)) as port:
        asked = Request("127.0.0.1", port)
        runs = [
            run(Load(request=asked, arrivals=each)) for each in (poisson(100, 0.2), Closed(1, 5))
        ]
    for bad in (runs, []):
        with pytest.raises(ValueError, match="kinds"):
            pooled(bad)
