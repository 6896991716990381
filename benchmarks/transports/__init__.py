"""Ways between two processes, real ones, behind one contract: see `base`."""

from __future__ import annotations

import importlib

from benchmarks.transports.base import Transport

# Imported when asked for: what a way needs may be missing here, and the rest must not suffer.
_PLACES = {
    "shared_memory": "shared_memory:SharedMemory",
    "shared_memory_zero_copy": "shared_memory:SharedMemoryZeroCopy",
    "unix_socket": "unix_socket:UnixSocket",
    "unix_seqpacket": "unix_seqpacket:UnixSeqpacket",
    "tcp": "tcp:Tcp",
    "pipe": "pipe:Pipe",
    "multiprocessing_pipe": "multiprocessing_pipe:MultiprocessingPipe",
    "multiprocessing_queue": "multiprocessing_queue:MultiprocessingQueue",
    "posix_mq": "posix_mq:PosixMq",
    "zeromq": "zeromq:ZeroMq",
    "grpc": "grpc_unix:Grpc",
    "iceoryx2": "iceoryx:Iceoryx2",
    "iceoryx2_zero_copy": "iceoryx:Iceoryx2ZeroCopy",
    "http_json": "http_json:HttpJson",
    "http_json_keepalive": "http_json:HttpJsonKeepalive",
    "http_json_uvicorn": "http_json_uvicorn:HttpJsonUvicorn",
    "shared_memory_spin": "shared_memory:SharedMemorySpin",
    "shared_memory_park": "shared_memory:SharedMemoryPark",
    "shared_memory_zero_copy_unchecked": "shared_memory:SharedMemoryZeroCopyUnchecked",
    "shared_memory_json": "shared_memory:SharedMemoryJson",
}

METHODS = tuple(_PLACES)


def transport(method: str) -> type[Transport]:
    """The transport of that name.

    Raises:
        NotImplementedError: this machine, or this commit's package, lacks what it needs.
    """
    module, _, name = _PLACES[method].partition(":")
    try:
        place = importlib.import_module(f"benchmarks.transports.{module}")
    except (ImportError, OSError) as error:  # one way less must not cost the others
        raise NotImplementedError(f"{method}: {type(error).__name__}: {error}") from error
    found: type[Transport] = getattr(place, name)
    missing = found.missing()
    if missing is not None:
        raise NotImplementedError(f"{method}: {missing}")
    return found
