"""Two processes for real: order, and killing either side at random moments."""

from __future__ import annotations

import os
import random
import time
import zlib

import pytest

from aetherless_py import errors
from aetherless_py.shm import Consumer, RingBuffer
from tests.shm.children import Child

KILLS = 200
SEED = int(os.environ.get("AETHERLESS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))

SEND = """
    import random, struct
    choose = random.Random(int(sys.argv[2]))
    producer = ring.producer()
    say("ready")
    number = int(sys.argv[3])
    last = int(sys.argv[4])
    while number < last:
        payloads = [struct.pack("Q", n) + bytes([n % 256]) * choose.randrange(0, 700)
                    for n in range(number, min(last, number + choose.randrange(1, 40)))]
        way = choose.randrange(3)
        if way == 0:
            for payload in payloads:
                producer.write(payload)
        elif way == 1:
            sent = 0
            while sent < len(payloads):
                sent += producer.write_many(payloads[sent:])
        else:
            for payload in payloads:
                producer.reserve(len(payload))[:] = payload
                producer.commit()
        number += len(payloads)
    producer.close()
    """


def number_of(payload: bytes) -> int:
    """The sequence number of a message, after checking the rest of it."""
    number = int.from_bytes(payload[:8], "little")
    assert payload[8:] == bytes([number % 256]) * (len(payload) - 8)
    return number


def receive_all(consumer: Consumer, choose: random.Random) -> list[int]:
    numbers: list[int] = []
    while True:
        try:
            way = choose.randrange(4)
            if way == 0:
                numbers.append(number_of(consumer.read(timeout=60)))
            elif way == 1:
                numbers += map(number_of, consumer.read_many(30, timeout=60))
            elif way == 2:
                numbers.append(number_of(bytes(consumer.peek(timeout=60))))
                consumer.release()
            else:
                buffer = bytearray(1000)
                size = consumer.read_into(buffer, timeout=60)
                numbers.append(number_of(bytes(buffer[:size])))
        except errors.PeerClosedError:
            return numbers


@pytest.mark.parametrize("capacity", [4096, 1 << 16])
def test_numbers_arrive_in_order_by_every_way(capacity: int) -> None:
    with RingBuffer.create(capacity) as ring:
        consumer = ring.consumer()
        with Child(SEND, ring.name, str(SEED), "0", "100000") as child:
            child.line()
            assert receive_all(consumer, random.Random(SEED)) == list(range(100000)), SEED
            child.finish()


# The side to be killed forks itself off a waiting interpreter: a fresh process each time, at the
# price of a fork instead of an interpreter's start.
VICTIMS = """
    import random, struct
    name, side, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for line in sys.stdin:
        number = int(line)
        pid = os.fork()
        if pid == 0:
            ring = RingBuffer.attach(name)
            choose = random.Random(seed + number)
            if side == "producer":
                producer = ring.producer()
                say(str(os.getpid()))
                while True:
                    payload = bytes([number % 256]) * choose.randrange(700)
                    payload = struct.pack("Q", number) + payload
                    if choose.randrange(2):
                        producer.write(payload)
                    else:
                        view = producer.reserve(len(payload))
                        view[:] = payload
                        producer.commit()
                    number += 1
            else:
                consumer = ring.consumer()
                say(str(os.getpid()))
                while True:
                    if choose.randrange(2):
                        consumer.read()
                    else:
                        view = consumer.peek()
                        consumer.release()
        os.waitpid(pid, 0)
        say("dead")
    """


def start_victim(child: Child, number: int) -> int:
    assert child.process.stdin is not None
    child.process.stdin.write(f"{number}\n")
    child.process.stdin.flush()
    return int(child.line())


def test_producers_killed_at_random_moments_leave_a_sound_ring() -> None:
    choose = random.Random(SEED)
    with RingBuffer.create(1 << 14) as ring, ring.consumer() as consumer:
        expected = 0
        with Child(VICTIMS, ring.name, "producer", str(SEED)) as child:
            for _ in range(KILLS // 2):
                pid = start_victim(child, expected)
                ends = time.monotonic() + choose.random() * 0.02
                while time.monotonic() < ends:
                    payload = consumer.try_read()
                    if payload is not None:
                        assert number_of(payload) == expected, SEED
                        expected += 1
                os.kill(pid, 9)
                assert child.line() == "dead"
                with pytest.raises(errors.PeerDiedError):
                    while True:
                        assert number_of(consumer.read(timeout=60)) == expected, SEED
                        expected += 1
                assert ring.fill_bytes == 0
            assert child.process.stdin is not None
            child.process.stdin.close()
            assert child.process.wait(60) == 0
        assert expected > 0


def test_consumers_killed_at_random_moments_leave_a_sound_ring() -> None:
    choose = random.Random(SEED + 1)
    with RingBuffer.create(1 << 14) as ring, ring.producer() as producer:
        sent = 0
        with Child(VICTIMS, ring.name, "consumer", str(SEED)) as child:
            for _ in range(KILLS // 2):
                pid = start_victim(child, 0)
                ends = time.monotonic() + choose.random() * 0.02
                while time.monotonic() < ends:
                    payload = sent.to_bytes(8, "little") + bytes([sent % 256]) * choose.randrange(
                        500
                    )
                    sent += producer.try_write(payload)
                os.kill(pid, 9)
                assert child.line() == "dead"
                with pytest.raises(errors.PeerDiedError):
                    while True:
                        producer.write(sent.to_bytes(8, "little"), timeout=60)
                        sent += 1
            # The last consumer's successor finds an unbroken tail of what was sent.
            consumer = ring.consumer()
            left = [number_of(payload) for payload in consumer.read_many(10000)]
            assert left == list(range(sent - len(left), sent)), SEED
            assert child.process.stdin is not None
            child.process.stdin.close()
            assert child.process.wait(60) == 0


def test_both_directions_at_once() -> None:
    with RingBuffer.create(4096) as there, RingBuffer.create(4096) as back:
        producer, consumer = there.producer(), back.consumer()
        with Child(
            """
            consumer, producer = ring.consumer(), RingBuffer.attach(sys.argv[2]).producer()
            try:
                while True:
                    producer.write(consumer.read())
            except errors.PeerClosedError:
                producer.close()
            """,
            there.name,
            back.name,
        ) as child:
            for i in range(20000):
                payload = zlib.crc32(str(i).encode()).to_bytes(4, "little") * (i % 50)
                producer.write(payload, timeout=60)
                assert consumer.read(timeout=60) == payload
            producer.close()
            child.finish()
