"""What the user asks for: the arguments, and the load that they make together."""

from __future__ import annotations

import argparse
import math
import re
import resource
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Annotated, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticUndefined

from benchmarks.load.arrivals import MOST_REQUESTS, Schedule, burst, constant, poisson, replayed
from benchmarks.load.engine import SPARE_FILES
from benchmarks.load.request import Request
from benchmarks.load.result import LAG_BOUND_NS
from benchmarks.load.run import LONGEST_TIMEOUT_S, MOST_CONNECTIONS, Closed, Load
from benchmarks.workloads.registry import WORKLOADS
from tools.command import Parser
from tools.e2e import answers, target

NONE = "none"
_ANY_SIZE = ("noop", "echo", NONE)  # what takes a body of any
_CLOSED_PER_S = 100_000  # beyond what a generator can do; the room that a closed loop's run needs
_NOT_WITH = {"closed": ("rate",), "trace": ("rate", "duration")}


_Target: TypeAlias = Annotated[Request, PlainValidator(target.parsed)]
_Header: TypeAlias = Annotated[str, Field(pattern="^[^:]+:")]
_Expectation: TypeAlias = Annotated[str, Field(pattern=answers.EXPECTATION)]


class Options(BaseModel):
    """The arguments, with their bounds and what --help says of them, and what they make together.

    Raises:
        ValidationError: one is wrong, or they do not fit each other.
    """

    model_config = ConfigDict(
        frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    target: _Target = Field(title="URL")
    """http(s)://HOST[:PORT]/PATH; for the loopback :PORT/PATH, or /PATH at port 8080"""
    workload: str | None = Field(None, title="NAME[:VARIANT]")
    """which of benchmarks/workloads it serves ({workloads}), or none: only the HTTP answer is
    looked at; default: noop, or none with --expect"""
    payload: int | None = Field(None, ge=0, le=64 << 20, title="BYTES")
    """so many seeded bytes as the body, by POST; with noop, echo or none"""
    header: list[_Header] = Field([], title="'NAME: VALUE'")
    """sent with each request; only its name is written down; repeatable"""
    expect: list[_Expectation] = Field([], title="KIND=VALUE")
    """status=N (200 to 399: from 400 on an answer counts as failed), text=TEXT or regex=PATTERN in
    the body, sha256=HEX of the body; repeatable; default: a 2xx, and the answer of the workload"""
    arrivals: str | None = Field(
        None, title="KIND", pattern="^(constant|poisson|burst|closed|trace:.+)$"
    )
    """constant, poisson, burst, closed, trace:FILE; default: constant"""
    rate: float = Field(100, gt=0, le=1e6, title="R")
    """requests a second, in the mean"""
    duration: float = Field(10, gt=0, le=7 * 86_400, title="S")
    """seconds that each run sends"""
    burst: int | None = Field(None, ge=1, le=MOST_REQUESTS, title="SIZE")
    """requests at the same time, every SIZE / R seconds"""
    connections: int | None = Field(None, ge=1, le=MOST_CONNECTIONS, title="N")
    """the most at a time (1000); of a closed loop all (10)"""
    timeout: float = Field(10, gt=0, le=LONGEST_TIMEOUT_S, title="S")
    """seconds for a request, the connecting included"""
    seed: int = Field(default_factory=lambda: secrets.randbits(32), ge=0, le=2**53 - 1, title="N")
    """of bodies and arrivals; drawn and written down unless given"""
    runs: int = Field(1, ge=1, le=100, title="N")
    """fresh generator processes, one after the other; Poisson arrivals differ"""
    lag_bound: float = Field(LAG_BOUND_NS // 1_000_000, gt=0, le=1e6, title="MS")
    """a run is invalid where the p99 of the generator's lag is above"""
    ca_file: str | None = Field(None, title="FILE")
    """certificates to trust in place of the system's"""
    output: Path = Field(Path("data"), title="DIR")
    """where the result is written"""

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        if (self.kind == "burst") != (self.burst is not None):
            raise ValueError(
                f"--arrivals {self.kind}: --burst SIZE goes with burst, and with nothing else"
            )
        for name in _NOT_WITH.get(self.kind, ()):
            if name in self.model_fields_set:
                raise ValueError(f"--{name}: {self.kind} arrivals have none of their own to set")
        for written in self.expect:
            kind, _, value = written.partition("=")
            same = sum(each.startswith(f"{kind}=") for each in self.expect)
            if same > 1 and kind in ("status", "sha256"):
                raise ValueError(f"--expect: {kind} is given more than once")
            if kind == "status" and value != "200" and self.served[0] != NONE:
                raise ValueError(f"--expect {written}: answers of workloads have 200; "
                                 f"--workload {NONE} leaves that open")  # fmt: skip
            try:
                re.compile(value if kind == "regex" else "")
            except re.error as error:
                raise ValueError(f"--expect {written}: {error}") from error
        if self.ca_file is not None and not self.target.tls:
            raise ValueError("--ca-file: the target is not HTTPS")
        try:
            self.request.context()
        except OSError as error:
            raise ValueError(f"--ca-file {self.ca_file}: cannot be used: {error}") from error
        most = self.loads()[0].connections
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY and most + SPARE_FILES > files:
            raise ValueError(
                f"--connections {most}: this process may have {files} files open, and "
                f"{SPARE_FILES} are needed beside them; give less, or raise ulimit -n"
            )
        return self

    @cached_property
    def kind(self) -> str:
        """Of the arrivals."""
        asked = self.arrivals or ("constant" if self.burst is None else "burst")
        return asked.partition(":")[0]

    @cached_property
    def served(self) -> tuple[str, str, int]:
        """Name, variant and size of the workload; `NONE` where only the answer is looked at."""
        # Who says what is to come has another function than noop in mind.
        written = self.workload or (NONE if self.expect else "noop")
        name, colon, variant = written.partition(":")
        if self.payload is not None:
            if written not in _ANY_SIZE:
                raise ValueError(
                    f"--payload: the body is that of the workload {written}; it goes with "
                    f"{', '.join(_ANY_SIZE)}, without a variant"
                )
            return name, f"bytes={self.payload}", self.payload
        if written == NONE:
            return NONE, "empty", 0
        if (found := WORKLOADS.get(name)) is None:
            known = ", ".join((*WORKLOADS, NONE))
            raise ValueError(f"--workload {written}: there is none; give one of {known}")
        if (reason := found.missing()) is not None:
            raise ValueError(f"--workload {name}: {reason}")
        variant = variant if colon else next(iter(found.variants))
        if variant not in found.variants:
            raise ValueError(f"--workload {written}: the variants are {', '.join(found.variants)}")
        return name, variant, found.variants[variant]

    @cached_property
    def expected(self) -> str:
        """Of answers, in words."""
        name, variant, _ = self.served
        words = [f"the answer of {name}, {variant}"] if name != NONE else []
        if not words and not any(each.startswith("status=") for each in self.expect):
            words = ["a 2xx"]
        return " and ".join([*words, *self.expect])

    @cached_property
    def request(self) -> Request:
        """That all runs send."""
        name, variant, size = self.served
        method, path, headers, body = "GET", "/", dict[str, str](), b""
        if name != NONE:
            sized = answers.sized(name, variant, size)
            method, path, headers, body = sized.request(variant, self.seed)
        if self.payload is not None and name != "echo":
            method, headers = "POST", {"content-type": "application/octet-stream"}
            body = Random(self.seed).randbytes(size)
        own = [
            (name, value.strip())
            for name, _, value in (each.partition(":") for each in self.header)
        ]
        given = {name.lower() for name, _ in own}
        return replace(
            self.target,
            path=self.target.path if path == "/" else self.target.path.rstrip("/") + path,
            method=method,
            headers=[*(each for each in headers.items() if each[0] not in given), *own],
            body=body,
            ca_file=self.ca_file,
        )

    @cached_property
    def schedules(self) -> Sequence[Schedule | Closed]:
        """The arrivals of each run."""
        made: Schedule | Closed
        match self.kind:
            case "poisson":
                seeds = range(self.seed, self.seed + self.runs)
                return [poisson(self.rate, self.duration, each) for each in seeds]
            case "constant":
                made = constant(self.rate, self.duration)
            case "burst":
                assert self.burst is not None
                made = burst(self.burst, self.burst / self.rate, self.duration)
            case "trace":
                made = replayed(Path(str(self.arrivals).partition(":")[2]))
            case _:
                connections = self.connections or 10
                room = connections + math.ceil(self.duration * _CLOSED_PER_S)
                made = Closed(connections, min(MOST_REQUESTS, room), self.duration)
        return [made] * self.runs

    def loads(self, address: str | None = None) -> list[Load]:
        """One for each run, to that address of the target's."""
        asked = None if self.served[0] == NONE else [*self.served, self.seed]
        return [
            Load(
                request=replace(self.request, address=address),
                arrivals=each,
                check=answers.CHECK,
                check_arguments={"workload": asked, "expected": self.expect},
                timeout_s=self.timeout,
                most_connections=self.connections or 1000,
                lag_bound_ns=max(1, round(self.lag_bound * 1e6)),
            )
            for each in self.schedules
        ]


def read(arguments: Sequence[str] | None) -> Options:
    """Reads them; what is wrong with them is said in one line, and the status is 2."""
    parser = Parser(
        prog="python -m tools.e2e",
        description="Put an HTTP endpoint under load, whoever runs it, and write the standard "
        "JSON. Nothing but the target is contacted; no redirect is followed, no proxy is used.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    for name, field in Options.model_fields.items():
        says = (field.description or "").format(workloads=", ".join(WORKLOADS))
        has_default = field.default not in (PydanticUndefined, None, [])
        parser.add_argument(
            f"--{name}".replace("_", "-"),
            required=field.is_required(),
            action="append" if field.default == [] else "store",
            metavar=field.title,
            help=says + (f"; default {field.default}" if has_default else ""),
        )
    try:
        return Options.model_validate(vars(parser.parse_args(arguments)))
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{first['loc'][0]}: ".replace("_", "-") if first["loc"] else ""
        parser.error(option + first["msg"].removeprefix("Value error, "))
