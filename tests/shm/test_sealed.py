"""Rings without a name: handed over by descriptor, of a size that nobody changes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aetherless_py.channel import Channel
from aetherless_py.errors import SegmentFormatError, SegmentNoSpaceError, SegmentSizeError
from aetherless_py.shm.ring import RingBuffer

SERVES = """
import socket, sys
from aetherless_py.channel import Channel
connection = socket.socket(fileno=int(sys.argv[1]))
_, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
with Channel.adopt(descriptors) as channel:
    channel.serve(lambda request: request[::-1])
"""


def test_a_message_goes_through_and_no_name_is_seen() -> None:
    names = set(os.listdir("/dev/shm"))
    with RingBuffer.create_sealed(1 << 16) as ring:
        assert set(os.listdir("/dev/shm")) == names
        with RingBuffer.adopt(ring.descriptor) as other:
            assert other.capacity_bytes == 1 << 16 and other.checksum
            with ring.producer() as producer, other.consumer() as consumer:
                producer.write(b"hello")
                assert consumer.read(timeout=10) == b"hello"
        ring.unlink()  # there is nothing to be removed, and nothing is


def test_another_process_serves_what_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, Channel.create_sealed(1 << 16) as channel:
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            program = [sys.executable, "-c", SERVES, str(theirs.fileno())]
            child = subprocess.Popen(program, close_fds=False)
        socket.send_fds(ours, [b"C"], channel.descriptors)
        assert channel.call(b"abc", timeout=60) == b"cba"
        channel.close()
        assert child.wait(60) == 0


@pytest.mark.parametrize("size", [0, 4096, 1 << 30])
def test_whoever_has_the_descriptor_cannot_change_the_size(size: int) -> None:
    with RingBuffer.create_sealed(1 << 16) as ring:
        again = os.open(f"/proc/self/fd/{ring.descriptor}", os.O_RDWR)
        try:
            for descriptor in (ring.descriptor, again):
                with pytest.raises(PermissionError):
                    os.ftruncate(descriptor, size)
        finally:
            os.close(again)


def test_memory_comes_with_the_first_touch() -> None:
    with RingBuffer.create_sealed(1 << 26, populate=False) as ring:
        status = os.fstat(ring.descriptor)
        assert status.st_size > 1 << 26 and status.st_blocks * 512 < 1 << 20


def test_a_ring_that_can_be_shrunk_is_not_adopted(tmp_path: Path) -> None:
    with (
        RingBuffer.create(1 << 16) as named,
        pytest.raises(SegmentFormatError, match="not a sealed ring"),
    ):
        RingBuffer.adopt(named.descriptor)
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    reading, writing = os.pipe()
    try:
        for descriptor in (file, reading):
            with pytest.raises((SegmentFormatError, OSError)):
                RingBuffer.adopt(descriptor)
    finally:
        for descriptor in (file, reading, writing):
            os.close(descriptor)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(SegmentSizeError):
        RingBuffer.create_sealed(1000)
    with pytest.raises(SegmentSizeError):
        Channel.create_sealed(3 << 20)
    with pytest.raises(OSError) as told:
        RingBuffer.adopt(1 << 20)
    assert told.value.errno == errno.EBADF


def test_no_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(SegmentNoSpaceError, match="no memory for a ring of 65536 bytes"):
        RingBuffer.create_sealed(1 << 16)


def test_nothing_is_left_open() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(20):
        with contextlib.closing(Channel.create_sealed(1 << 16)) as channel:
            Channel.adopt(channel.descriptors).close()
        del channel
    assert descriptors() == before
