"""The options there are: of the orchestrator, and of each function.

`config_file.load` makes them from a file. What must be true of a value by itself is checked here;
what needs the file system, or other functions, there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from aetherless_py.runtime.wire import HEAD_LIMIT_BYTES
from aetherless_py.start import kinds

_SLACK_BYTES = 4096  # of a message, for what the ring and the channel put around it
_YEAR_S = 365 * 86400
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_HANDLER = re.compile(_MODULE.pattern + r":[A-Za-z_]\w*")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it has a NUL character, which no path and no variable can hold")
    return text


def _path(text: str) -> str:
    if not text:
        raise ValueError("it is empty: it must be a folder's path")
    return _without_nul(text)


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            "that is no variable's name: letters, digits and '_', beginning with no digit"
        )
    if name.startswith("AETHER_"):
        raise ValueError("names that begin with AETHER_ are the runtime's own")
    return name


def _module(name: str) -> str:
    if not _MODULE.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no module's name")
    return name


if TYPE_CHECKING:
    Start = str
else:
    Start = Literal[tuple(name for name, kind in kinds().items() if kind.takes == "handler")]
Kind = Literal["python", "executable"]
_Folder = Annotated[str, AfterValidator(_path)]
_WarmPool = Annotated[int, Field(ge=0, le=64)]
_SecondsFrom0 = Annotated[float, Field(ge=0, le=_YEAR_S, allow_inf_nan=False)]
_Instances = Annotated[int, Field(ge=1, le=1024)]
_Seconds = Annotated[float, Field(gt=0, le=_YEAR_S, allow_inf_nan=False)]


class _Options(BaseModel):
    """Nothing unknown, nothing converted, nothing changed later.

    A field's description says what its value must be, where its type and bounds do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class OrchestratorConfig(_Options):
    """What is the same for all functions, and what they have unless they say something else.

    Attributes:
        shm_buffer_size: bytes of each of the two rings of an instance's channel.
        warm_pool_size: instances that are made ahead, for each function.
        restore_timeout_ms: how long an instance may take to be made ahead.
        snapshot_dir: where images of instances are kept.
        start: how instances are started.
        keep_alive_s: how long an instance that has nothing to do is kept.
        max_instances: how many there may be, of each function.
        queue_limit: requests that may wait for an instance, for each function.
        host, port: where the gateway listens; port 0 is any that is free.
        max_body_bytes: of a request; None for what fits. See `body_limit_bytes`.
        max_connections: of clients at a time.
        request_timeout_s: how long a client may take to send head and body.
        shutdown_timeout_s: how long requests have to end when the runtime is told to.
        log_dir: where functions' output goes; None for a folder of the runtime's own.
    """

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
        try:
            host.encode("idna")  # as it is looked up: without labels that are empty or too long
        except UnicodeError:
            fits = False
        else:
            fits = re.fullmatch(r"[\w.:%-]+", host) is not None
        if not fits:
            raise ValueError(f"{host[:80]!r} is no host's name or address")
        return host


class FunctionOptions(_Options):
    """What a file may say of a function; None is the orchestrator's.

    Attributes: see `FunctionConfig`.
    """

    id: str = Field(
        description="letters, digits, '_' and '-', at most 64, beginning with a letter or digit"
    )
    handler_path: str = Field(description="'module:function' or an executable's path")
    memory_limit_mb: int = Field(default=128, ge=1, le=16384)
    trigger_port: int | None = Field(default=None, ge=1, le=65535)
    timeout_ms: int = Field(default=30_000, ge=1, le=900_000)
    environment: dict[
        Annotated[str, AfterValidator(_variable)], Annotated[str, AfterValidator(_without_nul)]
    ] = Field(default_factory=dict, description="a mapping of names to texts")
    imports: tuple[Annotated[str, AfterValidator(_module)], ...] = Field(
        default=(), strict=False, description="a list of modules' names"
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

    @field_validator("id")
    @classmethod
    def _is_id(cls, name: str) -> str:
        if not _ID.fullmatch(name):
            allowed = cls.model_fields["id"].description
            raise ValueError(f"{name[:80]!r} is no id: it must be {allowed}")
        return name

    @field_validator("handler_path")
    @classmethod
    def _is_handler(cls, path: str) -> str:
        if not path:
            raise ValueError("it is empty: it must be 'module:function' or an executable's path")
        if kind_of(path) == "python" and not _HANDLER.fullmatch(path):
            raise ValueError(
                f"{path[:80]!r} is not 'module:function'; an executable's path with ':' needs a '/'"
            )
        return _without_nul(path)


class FunctionConfig(FunctionOptions):
    """A function, with everything decided.

    Attributes:
        id: its name in paths and logs.
        handler_path: "module:function", or the absolute path of an executable.
        memory_limit_mb: of each instance, in MiB.
        trigger_port: a port of its own, beside the gateway's; None for none.
        timeout_ms: how long a request may take.
        environment: variables of its instances; PYTHONPATH with absolute folders.
        imports: modules beside the handler's that are imported before an instance says READY.
        concurrency: requests that an instance has at the same time.
        ready_timeout_s: how long a start may take.
        start, warm_pool_size, keep_alive_s, max_instances: as the orchestrator's.
        search_path: absolute folders in which modules are looked for first: the configuration
            file's, then PYTHONPATH's.
    """

    start: Start
    warm_pool_size: _WarmPool
    keep_alive_s: _SecondsFrom0
    max_instances: _Instances
    search_path: tuple[str, ...] = ()


class Config(_Options):
    """A whole configuration.

    Attributes:
        orchestrator: what is the same for all functions.
        functions: each with an id and a trigger port of its own.
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
