"""The options there are: of the orchestrator, and of each function.

What each is for, and its unit, stands in docs/configuration.md, whose tables a test holds against
these models. What must be true of a value by itself is checked here; what needs the file system,
or other functions, by `config_file.load`.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from aetherless_py.runtime import hosts
from aetherless_py.runtime.wire import HEAD_LIMIT_BYTES
from aetherless_py.start import kinds

_SLACK_BYTES = 4096  # of a message, for what the ring and the channel put around it
_YEAR_S = 365 * 86400
_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_ROUTE = re.compile(r"([A-Z]+ )?(/([^/\s{}]+|\{[\w.-]+\}))*(/|/\{[\w.-]+\+\})?(?<=.)", re.ASCII)


def _absolute(path: str, info: ValidationInfo) -> str:
    """A path that begins at the context, a folder, where there is one."""
    return os.path.normpath(os.path.join(info.context or "", path))


def _variable(name: str) -> str:
    if not re.fullmatch("(?!AETHER_)[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            "a variable's name has letters, digits and '_', and begins with no digit, and not with"
            " AETHER_, which is the runtime's own"
        )
    return name


def _route(text: str) -> str:
    if not _ROUTE.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no route, as '/notes/{{number}}', '/files/{{path+}}' or 'GET /notes'"
        )
    return text


def _module(name: str) -> str:
    if not re.fullmatch(_MODULE, name):
        raise ValueError(f"{name[:80]!r} is no module's name")
    return name


if TYPE_CHECKING:
    Start = str
else:
    Start = Literal[tuple(name for name, kind in kinds().items() if kind.takes == "handler")]
Kind = Literal["python", "executable"]
EventFormat = Literal["1.0", "2.0"]
_Folder = Annotated[str, Field(min_length=1), AfterValidator(_absolute)]
_WarmPool = Annotated[int, Field(ge=0, le=64)]
_SecondsFrom0 = Annotated[float, Field(ge=0, le=_YEAR_S, allow_inf_nan=False)]
_Instances = Annotated[int, Field(ge=1, le=1024)]
_Seconds = Annotated[float, Field(gt=0, le=_YEAR_S, allow_inf_nan=False)]


class _Options(BaseModel):
    """Nothing unknown, nothing converted, nothing changed later.

    A field's description says what its value must be, where pydantic's words would not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class OrchestratorConfig(_Options):
    """What is the same for all functions, and what they have unless they say something else."""

    shm_buffer_size: int = Field(default=1 << 22, ge=1 << 16, le=1 << 30)
    warm_pool_size: _WarmPool = 10
    restore_timeout_ms: float = Field(default=15.0, gt=0, le=900_000, allow_inf_nan=False)
    snapshot_dir: _Folder = Field(default="/dev/shm/aetherless", description="a folder's path")
    start: Start = "zygote"
    keep_alive_s: _SecondsFrom0 = 600.0
    max_instances: _Instances = 16
    queue_limit: int = Field(default=1024, ge=0, le=1_000_000)
    host: str = Field(default="127.0.0.1", description="a host's name or address")
    port: int = Field(default=8080, ge=0, le=65535)
    allowed_hosts: tuple[Annotated[str, AfterValidator(hosts.checked)], ...] | None = Field(
        default=None, strict=False, description="a list of hosts"
    )
    max_body_bytes: int | None = Field(default=None, ge=0, le=1 << 30)
    max_connections: int = Field(default=4096, ge=1, le=1_000_000)
    request_timeout_s: _Seconds = 10.0
    shutdown_timeout_s: _SecondsFrom0 = 10.0
    log_dir: _Folder | None = Field(default=None, description="a folder's path")

    @property
    def head_limit_bytes(self) -> int:
        """What is left for a message's head: what `wire` allows, or half of a small ring."""
        return min(HEAD_LIMIT_BYTES, self.shm_buffer_size // 2)

    @property
    def body_limit_bytes(self) -> int:
        """The largest body: `max_body_bytes`, or what fits into the ring beside a head."""
        if self.max_body_bytes is not None:
            return self.max_body_bytes
        return _room_bytes(self.shm_buffer_size)

    @property
    def served_hosts(self) -> hosts.Hosts:
        """The hosts that clients may name: those allowed, and that on which the gateway listens.

        Where nothing is said these are the names of this machine itself, if the gateway listens
        there, and all where others can reach it, who will have names for it.
        """
        if self.allowed_hosts is not None:
            return hosts.Hosts((*self.allowed_hosts, self.host))
        loopback = hosts.Hosts(hosts.LOOPBACK)
        return loopback if loopback.allow_name(self.host.lower()) else hosts.Hosts((hosts.ALL,))

    @field_validator("shm_buffer_size")
    @classmethod
    def _is_power_of_two(cls, size: int) -> int:
        if size & (size - 1):
            raise ValueError(f"{size} is no power of two, as 1048576 or 4194304")
        return size

    @field_validator("max_body_bytes")
    @classmethod
    def _fits(cls, size: int | None, info: ValidationInfo) -> int | None:
        ring = info.data.get("shm_buffer_size")  # absent when wrong itself
        if size is not None and ring is not None and size > _room_bytes(ring):
            raise ValueError(
                f"{size} does not fit: shm_buffer_size {ring} leaves {_room_bytes(ring)} for a body"
            )
        return size

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str) -> str:
        with contextlib.suppress(UnicodeError):
            host.encode("idna")  # as it is looked up: without labels that are empty or too long
            if re.fullmatch(r"[\w.:%-]+", host):
                return host
        raise ValueError(f"{host[:80]!r} is no host's name or address")


class FunctionOptions(_Options):
    """What a file may say of a function; None is the orchestrator's."""

    id: str = Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="1 to 64 letters, digits, '_' and '-', beginning with a letter or digit",
    )
    handler_path: str = Field(
        pattern=rf"^{_MODULE}:[A-Za-z_]\w*$|^[^:]+$|/",
        description="'module:function' or an executable's path, which has a '/' or no ':'",
    )
    memory_limit_mb: int = Field(default=128, ge=1, le=16384)
    trigger_port: int | None = Field(default=None, ge=1, le=65535)
    timeout_ms: int = Field(default=30_000, ge=1, le=900_000)
    environment: dict[Annotated[str, AfterValidator(_variable)], str] = Field(
        default_factory=dict, description="a mapping of names to texts"
    )
    imports: tuple[Annotated[str, AfterValidator(_module)], ...] = Field(
        default=(), strict=False, description="a list of modules' names"
    )
    event_format: EventFormat = "2.0"
    routes: tuple[Annotated[str, AfterValidator(_route)], ...] = Field(
        default=(), strict=False, description="a list of paths"
    )
    concurrency: int = Field(default=1, ge=1, le=1000)
    ready_timeout_s: _Seconds = 10.0
    start: Start | None = None
    warm_pool_size: _WarmPool | None = None
    keep_alive_s: _SecondsFrom0 | None = None
    max_instances: _Instances | None = None

    @property
    def kind(self) -> Kind:
        """What handler_path names: "module:function", or a file."""
        return kind_of(self.handler_path)

    @field_validator("event_format", mode="before")
    @classmethod
    def _is_version(cls, said: object) -> object:
        return str(said) if isinstance(said, float) else said  # without quotes it is a number


class FunctionConfig(FunctionOptions):
    """A function, with everything decided.

    An executable's path is absolute, and so are PYTHONPATH's folders.

    Attributes:
        search_path: absolute folders in which modules are looked for first: the configuration
            file's, then PYTHONPATH's.
    """

    start: Start
    warm_pool_size: _WarmPool
    keep_alive_s: _SecondsFrom0
    max_instances: _Instances
    search_path: tuple[str, ...] = ()


class FileOptions(_Options):
    """What a file may say; its options become `OrchestratorConfig` and `FunctionOptions`."""

    orchestrator: dict[str, Any] | None = Field(default=None, description="a mapping of options")
    functions: list[Any] = Field(min_length=1, description="a list of at least one function")


class Config(_Options):
    """A whole configuration: each function has an id and a trigger port of its own.

    Attributes:
        path: of the file, absolute.
    """

    orchestrator: OrchestratorConfig
    functions: tuple[FunctionConfig, ...] = Field(min_length=1)
    path: Path


def kind_of(handler_path: str) -> Kind:
    """What a handler_path names; an executable's has a '/' or no ':'."""
    return "python" if ":" in handler_path and "/" not in handler_path else "executable"


def _room_bytes(ring_bytes: int) -> int:
    return ring_bytes - min(HEAD_LIMIT_BYTES, ring_bytes // 2) - _SLACK_BYTES
