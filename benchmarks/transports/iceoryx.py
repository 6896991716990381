"""iceoryx2 from Python: publish-subscribe through shared memory, polled."""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import shutil
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.transports.base import Link, LinkTransport, Payload, cannot_import

QUEUE = 64  # messages that a subscriber holds


class Iceoryx2(LinkTransport):
    """A service in each direction, polled without rest: what its users do for least latency.

    The payload is copied into loaned memory and out of the received sample, as bytes: two copies a
    message, four a round trip.
    """

    name = "iceoryx2"
    quick = ("echo",)
    wait = "spin"
    in_place: ClassVar[bool] = False

    @classmethod
    def missing(cls) -> str | None:
        return cannot_import("iceoryx2")

    def __post_init__(self) -> None:
        self._prefix = f"iox2_{secrets.token_hex(6)}_"

    def accept(self, ready: Connection) -> Link:
        link = Iceoryx2Link(self, "there", "back")
        ready.send(None)
        link.wait_for_peer()
        return link

    def connect(self, address: Any) -> Link:
        link = Iceoryx2Link(self, "back", "there")
        link.wait_for_peer()
        return link

    def node(self) -> Any:
        """A node whose files are this transport's own."""
        import iceoryx2 as iox2

        iox2.set_log_level(iox2.LogLevel.Error)
        config = iox2.config.default()
        config.global_cfg.root_path = iox2.Path.new(f"{self.folder}/iceoryx2")
        config.global_cfg.prefix = iox2.FileName.new(self._prefix)
        builder = iox2.NodeBuilder.new().config(config)
        return builder.signal_handling_mode(iox2.SignalHandlingMode.Disabled).create(
            iox2.ServiceType.Ipc
        )

    def close(self) -> None:
        shutil.rmtree(f"{self.folder}/iceoryx2", ignore_errors=True)
        for path in Path("/dev/shm").glob(f"{self._prefix}*"):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


class Iceoryx2ZeroCopy(Iceoryx2):
    """As Iceoryx2; a received sample is looked at where it lies, and the echo is copied from there
    into the loan: one copy a message, as in the ring's zero-copy form.
    """

    name = "iceoryx2_zero_copy"
    in_place = True


class Iceoryx2Link(Link):
    """Whole messages over a publisher and a subscriber."""

    def __init__(self, transport: Iceoryx2, incoming: str, outgoing: str) -> None:
        import iceoryx2 as iox2

        self._node = transport.node()
        self._in_place = transport.in_place
        self._held: Any = None  # the sample whose payload was given away in place
        self._view: memoryview | None = None
        self._services = [self._service(iox2, name) for name in (incoming, outgoing)]
        self._subscriber: Any = self._services[0].subscriber_builder().create()
        # A slow reader makes the writer wait: nothing is lost.
        self._publisher: Any = (
            self._services[1].publisher_builder()
            .initial_max_slice_len(max(transport.message_bytes, 64))
            .allocation_strategy(iox2.AllocationStrategy.PowerOfTwo)
            .backpressure_strategy(iox2.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )  # fmt: skip

    def _service(self, iox2: Any, name: str) -> Any:
        return (
            self._node.service_builder(iox2.ServiceName.new(f"aetherless/{name}"))
            .publish_subscribe(iox2.Slice[ctypes.c_uint8])
            .enable_safe_overflow(False)
            .max_publishers(1).max_subscribers(1)
            .subscriber_max_buffer_size(QUEUE)
            .open_or_create()
        )  # fmt: skip

    def wait_for_peer(self) -> None:
        """Until both sides have both ports: what is published before is lost."""
        while any(
            service.dynamic_config.number_of_publishers < 1
            or service.dynamic_config.number_of_subscribers < 1
            for service in self._services
        ):
            time.sleep(0.001)

    def send(self, payload: Payload) -> None:
        size = len(payload)
        source: Any = payload
        if payload is self._view:
            source = self._view.obj
        elif not isinstance(payload, bytes):
            source = bytes(payload)
        while True:
            sample = self._publisher.loan_slice_uninit(size)
            ctypes.memmove(sample.payload_ptr, source, size)
            # It says how many subscribers have it. With a full queue that is 0 now and then, in
            # spite of RetryUntilDelivered.
            if sample.assume_init().send():
                return

    def receive(self) -> Payload:
        if self._held is not None:
            self._give_back()
        receive = self._subscriber.receive
        while (sample := receive()) is None:
            pass
        size = sample.header.number_of_elements
        if self._in_place:
            self._held = sample
            lies = (ctypes.c_uint8 * size).from_address(sample.payload_ptr)
            self._view = memoryview(lies).cast("B")
            return self._view
        message = ctypes.string_at(sample.payload_ptr, size)
        sample.delete()
        return message

    def _give_back(self) -> None:
        self._held.delete()
        self._held = self._view = None

    def close(self) -> None:
        if self._held is not None:
            self._give_back()
        self._publisher.delete()
        self._subscriber.delete()
        self._services.clear()
        self._node = None
