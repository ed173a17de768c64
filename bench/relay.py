"""A TCP relay in a process of its own, so that delaying costs the measured process nothing.

Every packet is held for half a round trip, and the first ones as long as TCP's own handshake would
have taken on such a line. What a relay cannot imitate is Nagle's algorithm and the size of the
window: a client that suffers from these (paramiko as it comes, OpenSSH) looks better here than on a
real line.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass
class Relaying:
    """One relay process; `ports` has one port for each target, `round_trips` is filled in when it ends:
    for each connection TCP's own, and one for each time the server spoke after the client had."""

    ports: list[int]
    round_trips: list[int] = field(default_factory=list[int])


@contextmanager
def relaying(targets: Sequence[Address], round_trip_s: float) -> Iterator[Relaying]:
    """Relays each target's port on the target's own address."""
    command = [sys.executable, "-m", "bench.relay", json.dumps({"delay": round_trip_s / 2, "to": targets})]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        running = Relaying(json.loads(process.stdout.readline()))
        yield running
        process.stdin.close()
        running.round_trips += json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@dataclass(eq=False)
class _Talk:
    """One connection: who spoke last, and how often that changed to the server."""

    delay_s: float
    opened_at: float  # when the server would have seen the connection
    speaker: str = ""
    round_trips: int = 1

    def hears(self, side: str) -> None:
        self.round_trips += (self.speaker, side) == ("client", "server")
        self.speaker = side


async def _carry(
    side: str, talk: _Talk, source: asyncio.StreamReader, sink: asyncio.Future[asyncio.StreamWriter]
) -> None:
    """Hand on what one side says, each piece half a round trip after it came."""
    now = asyncio.get_running_loop().time
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        writer = await sink
        while True:
            due, data = await line.get()
            if due > now():
                await asyncio.sleep(due - now())
            if not data:
                writer.write_eof()
                return
            writer.write(data)

    async with asyncio.TaskGroup() as both:
        both.create_task(deliver())
        data = b"-"
        while data:
            data = await source.read(65536)
            if data:
                talk.hears(side)
            line.put_nowait((max(now() + talk.delay_s, talk.opened_at), data))


async def _serve(delay_s: float, targets: Sequence[Address]) -> None:
    loop = asyncio.get_running_loop()
    talks: list[_Talk] = []

    async def accept(target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(delay_s, loop.time() + 3 * delay_s)
        talks.append(talk)
        to_client: asyncio.Future[asyncio.StreamWriter] = loop.create_future()
        to_client.set_result(writer)
        to_server: asyncio.Future[asyncio.StreamWriter] = loop.create_future()
        with suppress(OSError, ExceptionGroup):
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry("client", talk, reader, to_server))
                await asyncio.sleep(3 * delay_s)
                answers, server = await asyncio.open_connection(*target)
                to_server.set_result(server)
                both.create_task(_carry("server", talk, answers, to_client))
            server.close()
        writer.close()

    def accepting(target: Address):
        return lambda reader, writer: accept(target, reader, writer)

    servers = [await asyncio.start_server(accepting(target), target[0], 0) for target in targets]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps([talk.round_trips for talk in talks]), flush=True)


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    asyncio.run(_serve(request["delay"], [(host, port) for host, port in request["to"]]))
