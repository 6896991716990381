"""The goals: one table of what is compared, and the bound. A goal more is a row more."""

from __future__ import annotations

from dataclasses import dataclass

MEDIAN, P99, TAIL_TO_MEDIAN = "median", "p99", "tail_to_median"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and the bound that it must keep."""

    part: str
    name: str
    row: str  # the name of the result that it is of
    bound: float  # in ns or bytes, or a ratio
    to: str | None = None  # the name of the result that it is the ratio to, if any
    figure: str = MEDIAN  # or another of these, of each round's samples; or the key of a fact
    at_least: bool = False  # whether the bound is the least that is wanted, else the most
    samples: int | None = None  # of each round, where the row's own number is too few

    @property
    def rows(self) -> tuple[str, ...]:
        """The results that it takes."""
        return (self.row,) if self.to is None else (self.row, self.to)


def _faster(slow: str, fast: str, size_bytes: int, bound: float) -> Goal:
    """How many times as long a round trip takes by another way as by the ring."""
    rows = f"ipc_{slow}_{size_bytes}", f"ipc_{fast}_{size_bytes}"
    name = f"{slow} to {fast}, {size_bytes} B"
    return Goal("ipc", name, rows[0], bound, rows[1], at_least=True)


def _bare(pair: str, size_bytes: int, bound: float, calls: str) -> Goal:
    """How many times as long a round trip takes by two bare rings as in C without checks."""
    name = f"two processes, round trip, {size_bytes} B, {calls}"
    return Goal("ring", name, f"ipc_{pair}_{size_bytes}", bound, f"ipc_floor_{size_bytes}")


# Of the ring's zero-copy form.
_IN_PLACE = "shared_memory_zero_copy"
# The smallest of Python's objects takes so much: what is kept once, and pages that come and go, are
# less for each of so many requests.
_SMALLEST_OBJECT_BYTES = 16

GOALS = (
    _bare("ring_pair", 64, 1.5, "write/read"),
    _bare("ring_pair", 1024, 1.5, "write/read"),
    _bare("ring_pair", 65536, 1.7, "write/read"),
    _bare("ring_pair_zero_copy", 65536, 1.3, "reserve/peek"),
    _bare("ring_pair_zero_copy_unchecked", 65536, 0.8, "reserve/peek, no checksum"),
    Goal("ring", "one thread, write + read, 64 B",
         "ring_buffer_roundtrip_64", 12, "ring_buffer_floor_64"),
    # 6 million a second where the floor has 75 million.
    Goal("ring", "two processes, one way, 64 B",
         "ipc_oneway_shared_memory_64", 12.5, "ipc_oneway_floor_64"),

    _faster("unix_socket", "shared_memory", 64, 60),
    _faster("unix_socket", "shared_memory", 1024, 60),
    _faster("iceoryx2", "shared_memory", 64, 7),
    _faster("iceoryx2_zero_copy", _IN_PLACE, 64, 7),
    _faster("iceoryx2", _IN_PLACE, 65536, 1.3),
    _faster("iceoryx2_zero_copy", _IN_PLACE, 65536, 1.3),
    _faster("iceoryx2_zero_copy", f"{_IN_PLACE}_unchecked", 65536, 1.3),
    _faster("http_json_uvicorn", "shared_memory", 1024, 200),
    Goal("ipc", "shared_memory to shared_memory_spin, 64 B",
         "ipc_shared_memory_64", 1.15, "ipc_shared_memory_spin_64"),
    Goal("ipc", "adaptive, idle for a second: processor time", "ipc_idle_adaptive", 10e6),

    Goal("cold_start", "zygote to READY, http stack", "cold_start_zygote_http", 0.5e6),
    Goal("cold_start", "zygote to READY, numpy", "cold_start_zygote_numpy", 0.6e6),
    Goal("cold_start", "warm pool, hand-over to READY", "cold_start_warm_pool_http", 0.1e6),
    Goal("cold_start", "CRIU to READY, http stack", "cold_start_criu_http", 12e6),
    Goal("cold_start", "burst of 16 by zygote, last READY",
         "cold_start_last_ready_zygote_http_burst16", 12e6),
    Goal("cold_start", "spawn to zygote, READY, http stack",
         "cold_start_spawn_http", 60, "cold_start_zygote_http", at_least=True),
    Goal("cold_start", "spawn to zygote, READY, numpy",
         "cold_start_spawn_numpy", 120, "cold_start_zygote_numpy", at_least=True),
    Goal("cold_start", "spawn to CRIU, READY, http stack",
         "cold_start_spawn_http", 4, "cold_start_criu_http", at_least=True),
    Goal("cold_start", "CRIU to READY, http stack, p99 of 1,000 starts",
         "cold_start_criu_http", 20e6, figure=P99, samples=1000),

    Goal("serving", "10 connections: requests a second to uvicorn's",
         "e2e_serving_noop_c10_aetherless", 0.5, "e2e_serving_noop_c10_uvicorn",
         figure="per_second", at_least=True),
    Goal("serving", "10 connections: requests a second to functions-framework's",
         "e2e_serving_noop_c10_aetherless", 8, "e2e_serving_noop_c10_functions_framework",
         figure="per_second", at_least=True),
    Goal("serving", "10 connections: p99 to uvicorn's",
         "e2e_serving_noop_c10_aetherless", 3, "e2e_serving_noop_c10_uvicorn", figure="p99_ns"),
    Goal("serving", "1 connection: p50 to uvicorn's",
         "e2e_serving_noop_c1_aetherless", 1.8, "e2e_serving_noop_c1_uvicorn", figure="p50_ns"),
    Goal("serving", "1 MiB echoed: requests a second to the proxied kind's",
         "e2e_serving_echo_bytes1048576_c4_aetherless", 2,
         "e2e_serving_echo_bytes1048576_c4_aetherless_proxied",
         figure="per_second", at_least=True),
    Goal("serving", "1 connection: p50", "e2e_serving_noop_c1_aetherless", 250e3, figure="p50_ns"),
    Goal("serving", "first request from zero, zygote, http stack, p50",
         "e2e_cold_noop_http_zygote", 2e6, samples=200),
    Goal("serving", "first request from zero, zygote, http stack, p99 of 200",
         "e2e_cold_noop_http_zygote", 6e6, figure=P99, samples=200),
    Goal("serving", "memory of the orchestrator: growth a request",
         "e2e_long_run_noop_c10_aetherless", _SMALLEST_OBJECT_BYTES,
         figure="memory_growth_bytes_per_request"),

    Goal("e2e", "generator, 5,000/s at a constant rate to a server in C, lag p99",
         "e2e_generator_noop_rate5000_lag", 1e6, figure=P99),
    Goal("e2e", "warm echo of 64 KiB, shared memory to proxied HTTP, p50",
         "e2e_payload_echo_bytes65536_aetherless", 0.5,
         "e2e_payload_echo_bytes65536_aetherless_proxied", samples=1000),
    Goal("e2e", "warm echo of 64 KiB, shared memory to proxied HTTP, p99",
         "e2e_payload_echo_bytes65536_aetherless", 0.5,
         "e2e_payload_echo_bytes65536_aetherless_proxied", figure=P99, samples=1000),
    Goal("e2e", "chain of 8, 1 KiB, over shared memory to HTTP hops",
         "e2e_chain_chain_bytes1024_tail_8", 0.2, "e2e_chain_chain_bytes1024_http_8"),
    Goal("e2e", "warm noop at half of its capacity, p99 to median",
         "e2e_load_curve_noop_empty_load50_aetherless", 4, figure=TAIL_TO_MEDIAN, samples=1000),
)  # fmt: skip
PARTS = tuple(dict.fromkeys(goal.part for goal in GOALS))
