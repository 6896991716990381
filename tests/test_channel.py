"""The channel: answers find their caller, and whatever goes wrong is said to the right one."""

from __future__ import annotations

import os
import signal
import struct
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetherless_py import errors
from aetherless_py.channel import Channel
from aetherless_py.shm import layout
from aetherless_py.shm.side import WAITS, Wait
from tests.shm.children import Child

WATCHDOG_S = 60.0
SERVER = """
from aetherless_py.channel import Channel
channel = Channel.attach(sys.argv[2])
def handle(request):
    if request.startswith(b"slow"):
        time.sleep(0.3)
    if request == b"slow error" or request == b"error":
        raise KeyError("no such thing")
    if request == b"die":
        os.kill(os.getpid(), 9)
    if request == b"large":
        return bytes(1 << 20)
    if request == b"text":
        return "no buffer"
    return request[::-1]
"""
# Ready when it has its part: before that, a caller still sees its dead predecessor.
READY = """
try:
    channel.serve(bytes, timeout=0)
except errors.RingTimeoutError:
    say("ready")
"""
SERVE = SERVER + READY + "print(channel.serve(handle))"
# Tells when it has been asked, and answers when it is told to.
HOLDING = """
from aetherless_py.channel import Channel
channel = Channel.attach(sys.argv[2])
def handle(request):
    if request.startswith(b"hold"):
        say("asked")
        sys.stdin.readline()
    return b"for " + request
say(str(channel.serve(handle)))
"""
# Gives up after so many seconds, and closes when it is told to.
ALICE = """
from aetherless_py.channel import Channel
channel = Channel.attach(sys.argv[2])
try:
    channel.call(sys.argv[3].encode(), timeout=float(sys.argv[4]))
    say("answered")
except errors.RingTimeoutError:
    say("gave up")
sys.stdin.readline()
channel.close()
"""


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel.create(1 << 16) as made:
        yield made


def serving(channel: Channel, code: str = SERVE) -> Child:
    child = Child(code, "", channel.name)
    assert child.line() == "ready"
    return child


def tell(child: Child) -> None:
    assert child.process.stdin is not None
    print(file=child.process.stdin, flush=True)


def until_written(name: str, messages: int) -> None:
    """Waits until the ring of that name has had so many messages of one line each."""
    with Path("/dev/shm", name.lstrip("/")).open("rb", buffering=0) as segment:
        while struct.unpack("Q", os.pread(segment.fileno(), 8, layout.OFFSET_HEAD)) != (
            messages * layout.FRAME_ALIGN_BYTES,
        ):
            time.sleep(0.001)


@pytest.mark.parametrize("wait", list(WAITS))
def test_calls_of_every_size(wait: Wait) -> None:
    with Channel.create(1 << 16, wait=wait) as channel, serving(channel) as child:
        for size in (0, 1, 47, 48, 49, 1000, 60_000):
            payload = np.random.default_rng(size).bytes(size)
            assert channel.call(payload, timeout=WATCHDOG_S) == payload[::-1]
        assert channel.call(bytearray(b"abc")) == b"cba"
        channel.close()
        assert child.finish() == "8\n"


def test_calls_without_copies(channel: Channel) -> None:
    code = SERVER + (
        "def fill(request, reserve):\n"
        "    if request[:5] == b'error':\n"
        "        reserve(10)\n"
        "        raise KeyError('no such thing')\n"
        "    answer = reserve(len(request) + 5)\n"
        "    answer[:len(request)] = request\n"
        "    return len(request) if len(request) % 2 else None\n"
        + READY
        + "print(channel.serve_views(fill))"
    )
    with serving(channel, code) as child:
        for size in (1, 100, 1001, 30_000):
            view = channel.reserve(size + 10)
            np.frombuffer(view, np.uint8)[:size] = 7
            answer = channel.call_reserved(size, timeout=WATCHDOG_S)
            assert len(answer) == (size if size % 2 else size + 5)
            assert bytes(answer[:size]) == b"\7" * size
            assert answer.readonly
            channel.release()
            with pytest.raises(ValueError, match="released"):
                answer[0]
        channel.reserve(5)[:] = b"error"
        with pytest.raises(errors.HandlerError, match="KeyError: 'no such thing'"):
            channel.call_reserved(timeout=WATCHDOG_S)
        channel.reserve(9)
        channel.abort()
        channel.reserve(3)[:] = b"abc"
        assert bytes(channel.call_reserved(timeout=WATCHDOG_S)) == b"abc"
        with pytest.raises(errors.ReservationError):
            channel.call(b"while a view is out", timeout=1)
        channel.release()
        channel.close()
        child.finish()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (b"error", "KeyError: 'no such thing'"),
        (b"large", "MessageTooLargeError"),
        (b"text", "TypeError"),
    ],
)
def test_what_the_handler_does_wrong_reaches_the_caller(
    channel: Channel, request_: bytes, words: str
) -> None:
    with serving(channel) as child:
        for _ in range(3):
            with pytest.raises(errors.HandlerError, match=words):
                channel.call(request_, timeout=WATCHDOG_S)
            assert channel.call(b"ab", timeout=WATCHDOG_S) == b"ba"
        channel.close()
        assert child.finish() == "6\n"


@pytest.mark.parametrize("views", [False, True])
def test_a_handler_that_ends_the_server_ends_the_call_too(channel: Channel, views: bool) -> None:
    with Channel.attach(channel.name) as server, ThreadPoolExecutor(1) as pool:

        def end(*_: object) -> bytes:
            raise SystemExit("enough")

        asked = pool.submit(channel.call, b"abc", WATCHDOG_S)
        with pytest.raises(SystemExit):
            if views:
                server.serve_views(end, timeout=WATCHDOG_S)  # type: ignore[arg-type]
            else:
                server.serve(end, timeout=WATCHDOG_S)
        with pytest.raises(errors.HandlerError, match="SystemExit: enough"):
            asked.result(WATCHDOG_S)


@pytest.mark.parametrize("late", [b"slow", b"slow error"])
def test_a_late_answer_never_reaches_the_next_call(channel: Channel, late: bytes) -> None:
    with serving(channel) as child:
        for _ in range(2):
            with pytest.raises(errors.RingTimeoutError):
                channel.call(late, timeout=0.05)
        assert channel.call(b"first", timeout=WATCHDOG_S) == b"tsrif"
        with pytest.raises(errors.RingTimeoutError):
            channel.call(late, timeout=0.05)
        view = channel.reserve(6)
        view[:] = b"second"
        assert bytes(channel.call_reserved(timeout=WATCHDOG_S)) == b"dnoces"
        channel.release()
        channel.close()
        child.finish()


# The channel's own process is the second caller, bob, in what follows: three processes in all.


@pytest.mark.parametrize("views", [False, True])
def test_the_request_of_a_caller_that_gave_up_and_closed(channel: Channel, views: bool) -> None:
    """Nobody serves yet: both requests lie in the ring when the server comes."""
    with Child(ALICE, "", channel.name, "alice", "0.1") as alice, ThreadPoolExecutor(1) as pool:
        assert alice.line() == "gave up"
        tell(alice)
        alice.finish()
        if views:
            channel.reserve(3)[:] = b"bob"
            asked = pool.submit(lambda: bytes(channel.call_reserved(timeout=WATCHDOG_S)))
        else:
            asked = pool.submit(channel.call, b"bob", WATCHDOG_S)
        until_written(channel.name, 2)
        with Child(HOLDING, "", channel.name) as server:
            assert asked.result(WATCHDOG_S) == b"for bob"
            if views:
                channel.release()
            channel.close()
            assert server.finish() == "2\n"


def test_the_damaged_request_of_a_former_caller(channel: Channel) -> None:
    """What was wrong with it is no more bob's than its answer would be."""
    with Child(ALICE, "", channel.name, "alice", "0.1") as alice, ThreadPoolExecutor(1) as pool:
        assert alice.line() == "gave up"
        tell(alice)
        alice.finish()
        _spoil(channel.name, 2)
        asked = pool.submit(channel.call, b"bob", WATCHDOG_S)
        until_written(channel.name, 2)
        with Child(HOLDING, "", channel.name) as server:
            assert asked.result(WATCHDOG_S) == b"for bob"
            channel.close()
            assert server.finish() == "1\n"


@pytest.mark.parametrize("end", ["killed", "closed"])
def test_a_caller_that_is_replaced_while_the_handler_runs(channel: Channel, end: str) -> None:
    timeout = "0.1" if end == "closed" else str(WATCHDOG_S)
    with (
        Child(HOLDING, "", channel.name) as server,
        Child(ALICE, "", channel.name, "hold alice", timeout) as alice,
        ThreadPoolExecutor(1) as pool,
    ):
        assert server.line() == "asked"
        if end == "closed":
            assert alice.line() == "gave up"
            tell(alice)
            alice.finish()
        else:
            alice.kill()
        asked = pool.submit(channel.call, b"bob", WATCHDOG_S)
        until_written(channel.name, 2)  # bob has taken alice's place
        tell(server)
        assert asked.result(WATCHDOG_S) == b"for bob"
        channel.close()
        assert server.finish() == "2\n"


def test_an_answer_that_lies_there_when_the_next_caller_comes(channel: Channel) -> None:
    code = HOLDING + "sys.stdin.readline(); print(channel.serve(handle))"
    with (
        Child(code, "", channel.name) as server,
        Child(ALICE, "", channel.name, "hold alice", "0.1") as alice,
        ThreadPoolExecutor(1) as pool,
    ):
        assert server.line() == "asked"
        assert alice.line() == "gave up"
        tell(server)
        until_written(channel.name + ".responses", 1)
        tell(alice)
        alice.finish()
        assert server.line() == "1"
        asked = pool.submit(channel.call, b"bob", WATCHDOG_S)
        until_written(channel.name, 2)
        tell(server)
        assert asked.result(WATCHDOG_S) == b"for bob"
        channel.close()
        assert server.finish() == "1\n"


def test_the_numbers_of_calls_begin_again_after_64_gib(channel: Channel) -> None:
    with Path("/dev/shm", channel.name.lstrip("/")).open("r+b") as segment:
        for offset in (layout.OFFSET_HEAD, layout.OFFSET_TAIL):
            segment.seek(offset)
            segment.write(struct.pack("Q", (64 << 30) - 3 * 64))
    with serving(channel) as child:
        for text in (b"ab", b"cd", b"ef", b"gh", b"ij"):
            assert channel.call(text, timeout=WATCHDOG_S) == text[::-1]
            with pytest.raises(errors.HandlerError):
                channel.call(b"error", timeout=WATCHDOG_S)
        channel.close()
        child.finish()


# Two answers of 1,500 bytes fill the response ring of `crowded`.
LATE_ANSWERS = {
    "serve": "channel.serve(lambda request: bytes(1500) if request == b'late' else request[:3])",
    "serve_views": """
        def fill(request, reserve):
            if bytes(request[:4]) == b"late":
                reserve(1500)
            else:
                reserve(3)[:] = request[:3]
        channel.serve_views(fill)
    """,
    # Its answers come when it takes nothing: the caller is not woken by it.
    "receive": """
        try:
            while True:
                taken = []
                while len(taken) < 10 and b"now" not in [text for _, text in taken]:
                    number, view = channel.receive()
                    taken.append((number, bytes(view[:4]).rstrip(b"!")))
                    view.release()
                    channel.release()
                for number, text in taken:
                    channel.answer(number, bytes(1500) if text == b"late" else text[:3])
        except errors.PeerClosedError:
            pass
    """,
}


@pytest.fixture
def crowded() -> Iterator[Channel]:
    """A channel whose small request ring holds 60 requests that nobody waits for any more."""
    with Channel.create(1 << 12) as made:
        for _ in range(60):
            with pytest.raises(errors.RingTimeoutError):
                made.call(b"late", timeout=0)
        yield made


@pytest.mark.parametrize("reserves", [False, True])
@pytest.mark.parametrize("server", LATE_ANSWERS)
def test_a_caller_without_room_takes_the_late_answers_that_the_server_has_no_room_for(
    crowded: Channel, server: str, reserves: bool
) -> None:
    code = "from aetherless_py.channel import Channel\nchannel = Channel.attach(sys.argv[2])\n"
    with Child(code + textwrap.dedent(LATE_ANSWERS[server]), "", crowded.name) as child:
        for _ in range(2):
            request = b"now" + b"!" * 3000  # room for it is there when 48 are taken
            if reserves:
                crowded.reserve(len(request), timeout=WATCHDOG_S)[:] = request
                assert bytes(crowded.call_reserved(timeout=WATCHDOG_S)) == b"now"
                crowded.release()
            else:
                assert crowded.call(request, timeout=WATCHDOG_S) == b"now"
        crowded.close()
        child.finish()


def test_a_caller_without_room_times_out(crowded: Channel) -> None:
    for timeout in (0, 0.001, 0.1):
        with pytest.raises(errors.RingTimeoutError):
            crowded.call(bytes(3000), timeout=timeout)
        with pytest.raises(errors.RingTimeoutError):
            crowded.reserve(3000, timeout=timeout)


@pytest.mark.parametrize("reserves", [False, True])
@pytest.mark.parametrize("wait", list(WAITS))
def test_a_server_that_dies_while_a_caller_waits_for_room(wait: Wait, reserves: bool) -> None:
    with (
        Channel.create(1 << 12, wait=wait) as channel,
        Child(HOLDING, "", channel.name) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        for _ in range(60):
            with pytest.raises(errors.RingTimeoutError):
                channel.call(b"hold", timeout=0)
        assert server.line() == "asked"
        ask = channel.reserve if reserves else channel.call
        asked = pool.submit(ask, 3000 if reserves else bytes(3000), WATCHDOG_S)  # type: ignore[arg-type]
        time.sleep(0.1)
        assert not asked.done()
        server.kill()
        with pytest.raises(errors.PeerDiedError):
            asked.result(WATCHDOG_S)


def test_a_damaged_late_answer_is_nobodys(crowded: Channel) -> None:
    with Channel.attach(crowded.name) as server, ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            number, _view = server.receive(WATCHDOG_S)
            server.release()
            server.answer(number, b"late", WATCHDOG_S)
        _spoil(crowded.name + ".responses", 2)
        with pytest.raises(errors.RingTimeoutError):
            crowded.call(bytes(3000), timeout=0)
        served = pool.submit(server.serve, bytes, WATCHDOG_S)
        assert crowded.call(bytes(3000), timeout=WATCHDOG_S) == bytes(3000)
        crowded.close()
        assert served.result(WATCHDOG_S) == 59


def test_room_for_the_next_request_while_an_answer_is_out() -> None:
    """The server has only to release the request that it has answered: that is waited for."""
    with (
        Channel.create(1 << 12) as channel,
        Channel.attach(channel.name) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        channel.reserve(3000)[:] = b"x" * 3000
        asked = pool.submit(channel.call_reserved, timeout=WATCHDOG_S)
        number, _ = server.receive(WATCHDOG_S)
        server.answer(number, b"answer")
        answer = asked.result(WATCHDOG_S)
        reserved = pool.submit(channel.reserve, 3000, WATCHDOG_S)
        time.sleep(0.1)
        assert not reserved.done()
        server.release()
        assert len(reserved.result(WATCHDOG_S)) == 3000
        assert bytes(answer) == b"answer"


def test_no_room_behind_an_answer_that_is_out_is_said() -> None:
    """A later request may have an answer that waits for the room that this one takes."""
    with (
        Channel.create(1 << 12) as channel,
        Channel.attach(channel.name) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        channel.reserve(3)[:] = b"one"
        asked = pool.submit(channel.call_reserved, timeout=WATCHDOG_S)
        number, _ = server.receive(WATCHDOG_S)
        server.release()
        server.answer(number, b"answer")
        answer = asked.result(WATCHDOG_S)
        while channel.post(b"another" * 100) is not None:
            pass
        with pytest.raises(errors.ReservationError, match="release it first"):
            channel.reserve(3000, WATCHDOG_S)
        assert bytes(answer) == b"answer"
        channel.release()
        served = pool.submit(server.serve, bytes, WATCHDOG_S)
        assert len(channel.reserve(3000, WATCHDOG_S)) == 3000
        channel.abort()
        channel.close()
        served.result(WATCHDOG_S)


def test_a_server_that_dies_in_a_call(channel: Channel) -> None:
    with serving(channel), pytest.raises(errors.PeerDiedError):
        channel.call(b"die", timeout=WATCHDOG_S)
    with serving(channel) as successor:
        assert channel.call(b"ab", timeout=WATCHDOG_S) == b"ba"
        channel.close()
        assert successor.finish() == "1\n"


ONCE = """
from aetherless_py.channel import Channel
channel = Channel.attach(sys.argv[2])
log = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND)
def act(request):
    os.write(log, request + b"\\n")
    if request == b"die":
        os.kill(os.getpid(), 9)
    if request == b"close":
        channel.close()
        sys.exit()
    time.sleep(0.001)
    return request
def fill(request, reserve):
    text = act(bytes(request))
    reserve(len(text))[:] = text
def receive():
    while True:
        number, request = channel.receive()
        text = bytes(request)
        request.release()
        act(text)
        channel.answer(number, text)
        channel.release()
channel.bell(-1)  # takes the part of a server, and no request yet
say("ready")
"""
WAYS_OF_SERVING = {
    "serve": "channel.serve(act)",
    "serve_views": "channel.serve_views(fill)",
    "receive": "receive()",
}


@pytest.mark.parametrize("end", [b"die", b"close"])
@pytest.mark.parametrize("way", WAYS_OF_SERVING)
def test_a_successor_does_not_repeat_what_its_predecessor_was_at(
    channel: Channel, tmp_path: Path, way: str, end: bytes
) -> None:
    log = tmp_path / "log"
    log.touch()
    code = ONCE + WAYS_OF_SERVING[way]
    for text in (b"one", b"two"):
        with Child(code, "", channel.name, str(log)) as child:
            assert child.line() == "ready"
            assert channel.call(text, timeout=WATCHDOG_S) == text
            with pytest.raises((errors.PeerDiedError, errors.PeerClosedError)):
                channel.call(end, timeout=WATCHDOG_S)
    assert log.read_bytes().split() == [b"one", end, b"two", end]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS_OF_SERVING)
def test_no_request_is_handled_twice_whenever_servers_are_killed(
    channel: Channel, tmp_path: Path, way: str
) -> None:
    choose = np.random.default_rng(12)
    log = tmp_path / "log"
    log.touch()
    number = answered = 0
    for _ in range(25):  # each answers something before it is killed
        code = ONCE + WAYS_OF_SERVING[way]
        with Child(code, "", channel.name, str(log)) as child:
            assert child.line() == "ready"
            killer = threading.Timer(float(choose.uniform(0, 0.03)), child.process.kill)
            with pytest.raises(errors.PeerDiedError):
                while True:
                    number += 1
                    text = b"%d" % number
                    assert channel.call(text, timeout=WATCHDOG_S) == text
                    answered += 1
                    if killer.ident is None:
                        killer.start()
            killer.join()
    handled = [int(line) for line in log.read_bytes().split()]
    assert handled == sorted(set(handled))
    assert len(handled) >= answered >= 25


@pytest.mark.parametrize("mark", [1, 64, 127, 128, 192, 256, 1 << 63, (1 << 64) - 64])
def test_a_mark_that_makes_no_sense_is_not_believed(channel: Channel, mark: int) -> None:
    """Of what was given out: it lies behind the index of the side that takes."""
    for text in (b"one", b"two"):
        with pytest.raises(errors.RingTimeoutError):
            channel.call(text, timeout=0)
    with Path("/dev/shm", channel.name.lstrip("/")).open("r+b") as segment:
        segment.seek(layout.OFFSET_TAIL + 8)
        segment.write(struct.pack("Q", mark))
    with Channel.attach(channel.name) as server, ThreadPoolExecutor(1) as pool:
        served = pool.submit(server.serve, bytes, WATCHDOG_S)
        assert channel.call(b"three", timeout=WATCHDOG_S) == b"three"
        channel.close()
        assert served.result(WATCHDOG_S) == {64: 2, 128: 1}.get(mark, 3)


def test_a_server_that_is_replaced_in_a_call(channel: Channel) -> None:
    """The caller sleeps while one server dies and another one comes: it still hears of it."""
    with serving(channel) as first, ThreadPoolExecutor(1) as pool:
        assert channel.call(b"ab", timeout=WATCHDOG_S) == b"ba"
        asked = pool.submit(channel.call, b"slow", WATCHDOG_S)
        time.sleep(0.1)
        first.kill()
        with Channel.attach(channel.name) as second:
            with pytest.raises(errors.RingTimeoutError):
                second.serve(bytes, timeout=0.5)
            with pytest.raises(errors.PeerDiedError):
                asked.result(WATCHDOG_S)


def test_the_first_server_is_replaced_in_a_call_that_was_there_before_it(
    channel: Channel,
) -> None:
    """The caller has seen neither of them come, and one has taken its request with it."""
    takes_over = (
        "from aetherless_py.channel import Channel\n"
        "channel = Channel.attach(sys.argv[2])\n"
        "waits = False\n"
        "while True:\n"
        "    try:\n"
        "        channel.serve(bytes)\n"
        "        break\n"
        "    except errors.RoleTakenError:\n"
        "        waits or say('waits')\n"
        "        waits = True\n"
    )
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(channel.call, b"hold", WATCHDOG_S)
        until_written(channel.name, 1)
        with Child(HOLDING, "", channel.name) as first:
            assert first.line() == "asked"
            with Child(takes_over, "", channel.name) as second:
                assert second.line() == "waits"
                first.kill()
                with pytest.raises(errors.PeerDiedError):
                    asked.result(WATCHDOG_S)
                channel.close()
                second.finish()


def test_a_server_that_closes_in_a_call(channel: Channel) -> None:
    code = SERVER + READY + "channel.serve(lambda request: channel.close())"
    with serving(channel, code) as child, pytest.raises(errors.PeerClosedError):
        channel.call(b"x", timeout=WATCHDOG_S)
    assert child.process.returncode in (0, -signal.SIGKILL)


@pytest.mark.parametrize("end", ["close\n", "die"])
def test_a_caller_that_dies_or_closes_ends_the_server(channel: Channel, end: str) -> None:
    code = (
        "from aetherless_py.channel import Channel\n"
        "channel = Channel.attach(sys.argv[2])\n"
        "channel.call(b'one')\n"
        "say('called')\n"
        "if sys.stdin.readline() == 'close\\n': channel.close()\n"
        "sys.stdin.readline()"
    )
    with Child(code, "", channel.name) as caller, ThreadPoolExecutor(1) as pool:
        served = pool.submit(channel.serve, bytes)
        assert caller.line() == "called"
        if end == "die":
            caller.kill()
            with pytest.raises(errors.PeerDiedError):
                served.result(WATCHDOG_S)
        else:
            assert caller.process.stdin is not None
            print(end, file=caller.process.stdin, end="", flush=True)
            assert served.result(WATCHDOG_S) == 1


@pytest.mark.parametrize("end", ["killed", "closed"])
def test_the_end_of_a_caller_is_told_once(channel: Channel, end: str) -> None:
    """Afterwards, the server waits for the next one."""
    for _ in range(2):
        with (
            Child(ALICE, "", channel.name, "alice", str(WATCHDOG_S)) as alice,
            ThreadPoolExecutor(1) as pool,
        ):
            served = pool.submit(channel.serve, bytes, WATCHDOG_S)
            assert alice.line() == "answered"
            if end == "closed":
                tell(alice)
                assert served.result(WATCHDOG_S) == 1
            else:
                alice.kill()
                with pytest.raises(errors.PeerDiedError):
                    served.result(WATCHDOG_S)
        for _ in range(2):
            with pytest.raises(errors.RingTimeoutError):
                channel.serve(bytes, timeout=0.1)


def test_a_handler_that_ends_the_server_ends_it_without_a_caller_too(channel: Channel) -> None:
    def end(_: bytes) -> bytes:
        channel.close()
        raise SystemExit("enough")

    with Channel.attach(channel.name) as server:
        with pytest.raises(errors.RingTimeoutError):
            channel.call(b"abc", timeout=0)
        with pytest.raises(SystemExit):
            server.serve(end, timeout=WATCHDOG_S)


def test_a_server_that_waits_can_be_closed_by_another_thread(channel: Channel) -> None:
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(channel.serve, bytes)
        time.sleep(0.2)
        channel.close()
        assert served.result(WATCHDOG_S) == 0


def test_two_threads_do_not_share_a_call(channel: Channel) -> None:
    with serving(channel) as child, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(channel.call, b"slow", WATCHDOG_S)
        time.sleep(0.1)
        with pytest.raises(errors.RingBusyError):
            channel.call(b"other", timeout=WATCHDOG_S)
        assert asked.result(WATCHDOG_S) == b"wols"
        assert channel.call(b"other", timeout=WATCHDOG_S) == b"rehto"
        channel.close()
        child.finish()


def test_two_threads_do_not_share_a_server(channel: Channel) -> None:
    """The answers of both would go by the number that one of them has set."""
    with Channel.attach(channel.name) as server, ThreadPoolExecutor(2) as pool:
        asked = threading.Event()
        go_on = threading.Event()

        def handle(request: bytes) -> bytes:
            asked.set()
            go_on.wait(WATCHDOG_S)
            return request

        answer = pool.submit(channel.call, b"abc", WATCHDOG_S)
        served = pool.submit(server.serve, handle, WATCHDOG_S)
        assert asked.wait(WATCHDOG_S)
        try:
            with pytest.raises(errors.RingBusyError):
                server.serve(bytes, timeout=0)
        finally:
            go_on.set()
        assert answer.result(WATCHDOG_S) == b"abc"
        channel.close()
        assert served.result(WATCHDOG_S) == 1


def _spoil(name: str, at: int) -> None:
    with Path("/dev/shm", name.lstrip("/")).open("r+b") as segment:
        segment.seek(layout.DATA_OFFSET + layout.FRAME_HEADER_BYTES + at)
        segment.write(b"\xff")


def test_damage_in_either_direction_is_said_to_the_caller(channel: Channel) -> None:
    with Channel.attach(channel.name) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(channel.call, b"request", WATCHDOG_S)
        time.sleep(0.2)
        _spoil(channel.name, 2)
        serving_ = threading.Thread(target=server.serve, args=(bytes,))
        serving_.start()
        with pytest.raises(errors.DamagedFrameError, match="request was damaged"):
            asked.result(WATCHDOG_S)
        assert channel.call(b"sound", timeout=WATCHDOG_S) == b"sound"
        channel.close()
        serving_.join(WATCHDOG_S)


def test_damaged_requests_side_by_side_are_said_to_who_still_waits(channel: Channel) -> None:
    """The server skips both at once, as neither header says where the next one begins."""
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(errors.RingTimeoutError):
            channel.call(b"given up", timeout=0)
        asked = pool.submit(channel.call, b"request", WATCHDOG_S)
        until_written(channel.name, 2)
        for end_of_header in (-1, layout.FRAME_ALIGN_BYTES - 1):
            _spoil(channel.name, end_of_header)
        with Child(HOLDING, "", channel.name) as server:
            with pytest.raises(errors.DamagedFrameError, match="request was damaged"):
                asked.result(WATCHDOG_S)
            assert channel.call(b"sound", timeout=WATCHDOG_S) == b"for sound"
            channel.close()
            server.finish()


def test_a_damaged_answer_is_said_and_the_next_is_sound() -> None:
    with Channel.create(1 << 16) as channel, Channel.attach(channel.name) as server:
        serving_ = threading.Thread(target=server.serve, args=(bytes,))
        with pytest.raises(errors.RingTimeoutError):
            channel.call(b"nobody there", timeout=0)
        serving_.start()
        time.sleep(0.2)  # the late answer lies in the response ring
        _spoil(channel.name + ".responses", 2)
        with pytest.raises(errors.DamagedFrameError):
            channel.call(b"next", timeout=WATCHDOG_S)
        assert channel.call(b"sound", timeout=WATCHDOG_S) == b"sound"
        channel.close()
        serving_.join(WATCHDOG_S)


def test_a_handler_that_keeps_a_view_is_told(channel: Channel) -> None:
    with Channel.attach(channel.name) as server, ThreadPoolExecutor(1) as pool:
        kept = []

        def keep(request: memoryview, reserve: object) -> None:
            kept.append(request[:2])
            raise KeyError("after keeping")

        asked = pool.submit(channel.call, b"abc", WATCHDOG_S)
        with pytest.raises(errors.ViewInUseError):
            server.serve_views(keep, timeout=WATCHDOG_S)
        with pytest.raises(errors.HandlerError, match="after keeping"):
            asked.result(WATCHDOG_S)
        kept.clear()


def test_an_end_has_one_part(channel: Channel) -> None:
    with pytest.raises(errors.RingTimeoutError):
        channel.serve(bytes, timeout=0)
    with pytest.raises(errors.ReservationError, match="this end serves"):
        channel.call(b"x")
    with (
        Channel.attach(channel.name) as other,
        pytest.raises(errors.RoleTakenError),
    ):
        other.serve(bytes, timeout=0)


def test_a_capacity_of_numpys() -> None:
    with Channel.create(np.int64(1 << 13)) as channel:
        assert len(channel.reserve((1 << 13) - layout.FRAME_HEADER_BYTES)) == 8176


def test_bad_arguments_leave_nothing() -> None:
    wrong: list[Any] = ["sleep", []]
    for wait in wrong:
        with pytest.raises(ValueError, match="one of spin, adaptive, yield, park"):
            Channel.create(wait=wait)
    with pytest.raises(errors.SegmentSizeError):
        Channel.create(1000)
    with pytest.raises(errors.SegmentNotFoundError):
        Channel.attach("no-such-channel")
    channel = Channel.create()
    channel.close()
    channel.close()
    with pytest.raises(errors.RingClosedError):
        channel.call(b"x")
    channel.unlink()


@pytest.mark.slow
def test_a_hundred_kills_in_the_middle_of_calls(channel: Channel) -> None:
    """Each call is answered rightly or raises; none hangs, and the channel stays sound."""
    choose = np.random.default_rng(11)
    answered = died = 0
    for _ in range(100):
        with serving(channel) as child:
            killer = threading.Timer(float(choose.uniform(0, 0.02)), child.process.kill)
            killer.start()
            try:
                while True:
                    payload = choose.bytes(int(choose.integers(0, 3000)))
                    assert channel.call(payload, timeout=WATCHDOG_S) == payload[::-1]
                    answered += 1
            except errors.PeerDiedError:
                died += 1
            killer.join()
    assert died == 100
    assert answered > 100
