"""A host that is far away: a way to its sshd on which every byte takes so long.

    python -m tests.bench.far_host ADDRESS PORT SECONDS

It says the port it listens on, and ends with its standard input. `SECONDS` is one way.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Hand on what comes, each piece so much later, in order."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        with suppress(OSError):
            while piece := await reader.read(1 << 16):
                pieces.put_nowait((loop.time() + seconds, piece))
        pieces.put_nowait((loop.time() + seconds, b""))

    taking = asyncio.create_task(take())
    with suppress(OSError):
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
    writer.close()
    taking.cancel()


async def serve(address: str, port: int, seconds: float) -> None:
    """Serve connections until the standard input ends."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(address, port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(carry(reader, there_writer, seconds), carry(there_reader, writer, seconds))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
