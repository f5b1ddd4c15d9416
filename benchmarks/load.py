"""A cheap HTTP client: keep-alive connections, prebuilt request bytes, answers counted; loopback only.

It shares two cores with the server and the database, so it does next to nothing for each request: it puts a
ticket id of fixed width between two prebuilt halves, and of an answer reads the status and the length. Run as a
process of its own: ``python -m benchmarks.load --port 8787 --token … --clients 16 --seconds 5 --prefix a``.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import orjson
import uvloop
from tests.rig.tickets import written

POOL = 400
"""Different tickets, used over and over under new ids."""
DIGITS = 9
MARK = b"@" * DIGITS


def requests(*, token: str, seed: int, prefix: str, batch: int) -> Iterator[bytes]:
    """Endless requests with new ticket ids; ``batch`` tickets in each."""
    source = written(seed)
    pool = [
        orjson.dumps({**ticket, "id": f"{prefix}-{MARK.decode()}"}).split(MARK)
        for ticket in itertools.islice(source, POOL)
    ]
    head = (
        "POST /api/v1/tickets HTTP/1.1\r\nHost: rung\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: "
    )
    start = head.encode()
    numbers = itertools.count()
    if batch == 1:
        halves = [
            (start + b"%d\r\n\r\n" % (len(a) + len(b) + DIGITS) + a, b) for a, b in pool
        ]  # fmt: skip
        for number, (front, rear) in zip(numbers, itertools.cycle(halves), strict=False):
            yield b"%b%09d%b" % (front, number, rear)
    parts = itertools.cycle(pool)
    while True:
        body = b",".join(
            b"%b%09d%b" % (front, next(numbers), rear) for front, rear in itertools.islice(parts, batch)
        )
        yield start + b"%d\r\n\r\n[%b]" % (len(body) + 2, body)


@dataclass(slots=True)
class Tally:
    """What was answered from ``begin`` on; nothing is sent after ``end``, both by the loop's clock."""

    begin: float
    end: float
    last: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    sample: bytes = b""


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered, until the time is over."""

    def __init__(self, source: Iterator[bytes], tally: Tally, done: asyncio.Future[None]) -> None:
        self._source = source
        self._tally = tally
        self._done = done
        self._clock = asyncio.get_running_loop().time
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """The end, wanted or not."""
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._sent = self._clock()
        self._transport.write(next(self._source))

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; when it is whole, count it and go on."""
        if self._buffer:
            data = self._buffer + data
        ends = data.find(b"\r\n\r\n")
        if ends < 0:
            self._buffer = data
            return
        at = data.lower().find(b"content-length:", 0, ends) + 15
        if len(data) < ends + 4 + int(data[at : data.index(b"\r\n", at)]):
            self._buffer = data
            return
        self._buffer = b""
        now, tally = self._clock(), self._tally
        if data[9:11] != b"20":
            tally.refused += 1
            tally.sample = tally.sample or data[:2_000]
        elif now >= tally.begin:
            tally.last = now
            tally.latencies.append(now - self._sent)
        if now < tally.end:
            self._send()
        else:
            self._transport.close()


async def load(
    ports: Sequence[int], source: Iterator[bytes], *, clients: int, warm: float, seconds: float
) -> Tally:
    """Send from ``clients`` connections, spread over the ports, for ``warm`` and then ``seconds``."""
    loop = asyncio.get_running_loop()
    tally = Tally(loop.time() + warm, loop.time() + warm + seconds)
    ends = [loop.create_future() for _ in range(clients)]
    for number, done in enumerate(ends):
        connect = partial(Connection, source, tally, done)
        await loop.create_connection(connect, "127.0.0.1", ports[number % len(ports)])
    await asyncio.wait_for(asyncio.gather(*ends), warm + seconds + 60)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a server; the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--port", type=int, action="append", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warm", type=float, default=0.5)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    source = requests(token=options.token, seed=options.seed, prefix=options.prefix, batch=options.batch)
    next(source)  # the pool is made before the clock runs
    tally = uvloop.run(
        load(options.port, source, clients=options.clients, warm=options.warm, seconds=options.seconds)
    )
    if tally.refused or not tally.latencies:
        sys.exit(f"{tally.refused} requests were refused: {tally.sample.decode(errors='replace')}")
    spent = resource.getrusage(resource.RUSAGE_SELF)
    ordered = sorted(tally.latencies)
    print(
        json.dumps(
            {
                "tickets": len(ordered) * options.batch,
                "tickets_per_second": len(ordered) * options.batch / (tally.last - tally.begin),
                "p50_ms": ordered[len(ordered) // 2] * 1_000,
                "p99_ms": ordered[len(ordered) * 99 // 100] * 1_000,
                "cpu_seconds": spent.ru_utime + spent.ru_stime,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
