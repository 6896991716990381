"""A server that stops answering once: ``python -m tests.load.stalling AFTER STALL_S``

It answers every request with an empty 200, but for the one after so many, before which it does
nothing at all for a while. Prints its port, then when the stall began and ended, in ns of the clock
that the generator uses. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

from benchmarks.harness.clock import now_ns

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Stalling(asyncio.Protocol):
    """One connection."""

    left = int(sys.argv[1])
    stall_s = float(sys.argv[2])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, _data: bytes) -> None:
        if Stalling.left == 0:
            began_ns = now_ns()
            time.sleep(self.stall_s)
            print(began_ns, now_ns(), flush=True)
        Stalling.left -= 1
        self.transport.write(ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stalling, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    over = asyncio.Event()
    loop.add_reader(sys.stdin, over.set)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
