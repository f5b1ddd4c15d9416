"""Kill Rung at random moments and show that nothing answered was lost or doubled.

``python -m tests.crash.kill_at_random`` streams 2,000 tickets through the API and signed webhooks, kills
`rung serve` 50 times and PostgreSQL once with SIGKILL, restarts, and compares what was answered with what is
stored. Exit code 0: all of it held; 1: the summary names what did not. The seed is printed; the same seed kills
at the same points of the same stream.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import orjson

from rung.store.embedded import ADMIN
from rung.store.embedded import start as start_database
from tests.crash.checks import check_store, listed
from tests.crash.helpdesk import API, HOOK, Answered, Delivery, Helpdesk, stream
from tests.rig.server import Installation, Serving, free_port, throwaway

AT_ONCE = 20
"""How often one webhook is delivered at the same time."""
STARTING = 0.2
"""Share of kills that hit a server while it starts."""


@dataclass(slots=True)
class Killer:
    """Kills the server, and the database, when the stream has come to certain points; starts the server again.

    Args:
        installation: what runs.
        port: the server's, the same after each restart.
        random: when and what to kill.
    """

    installation: Installation
    port: int
    random: Random
    serving: Serving | None = None
    answers: int = 0
    kills: int = 0
    early_kills: int = 0
    database_kills: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def answered(self) -> None:
        """One more good answer."""
        self.answers += 1
        self._news.set()

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        self.serving = self.installation.serve(port=self.port)
        await asyncio.to_thread(self.serving.wait_ready)

    async def run(self, kills: int, database_kills: int, answers: int) -> None:
        """Kill at random points of a stream of about ``answers`` answers; returns after the last restart."""
        early = sum(self.random.random() < STARTING for _ in range(kills))
        what = ["server"] * (kills - early) + ["database"] * database_kills
        self.random.shuffle(what)
        points = sorted(self.random.sample(range(2, max(answers, len(what) + 3)), len(what)))
        followers = [self.random.randrange(len(what)) for _ in range(early)] if what else []
        for number, (point, target) in enumerate(zip(points, what, strict=True)):
            while self.answers < point:
                self._news.clear()
                await self._news.wait()
            await asyncio.sleep(self.random.uniform(0, 0.02))
            if target == "database":
                await self.kill_database()
            else:
                await self.kill_server(again=followers.count(number))
            say(
                f"{self.answers:>6,} answered   killed: server {self.kills}, of these while starting "
                f"{self.early_kills}; database {self.database_kills}"
            )
        # Early kills that fell on the database's turn are made up for at the end.
        while self.kills < kills:
            await self.kill_server()

    async def kill_server(self, again: int = 0) -> None:
        """SIGKILL the server and start it; ``again``: kill it so often while it starts."""
        await self._kill()
        for _ in range(again):
            self.serving = self.installation.serve(port=self.port)
            await asyncio.sleep(self.random.uniform(0, 1.0))
            await self._kill()
            self.early_kills += 1
        await self.start()

    async def _kill(self) -> None:
        if self.serving is not None:
            await asyncio.to_thread(self.serving.kill)
            self.serving.log.unlink()
            self.kills += 1

    async def kill_database(self) -> None:
        """SIGKILL the first process of PostgreSQL."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.installation.postmaster(), signal.SIGKILL)
            self.database_kills += 1


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)  # noqa: T201 - a script that reports


async def at_once(helpdesk: Helpdesk, seed: int) -> list[str]:
    """The same webhook, delivered at the same time from many connections, makes one ticket."""
    identity = f"crash-{seed}-at-once"
    body = orjson.dumps(
        {"id": identity, "subject": "Orders API answers 500", "body": "HTTP 500 on /v2/orders"}
    )
    delivery = Delivery(HOOK, body, (identity,), f"msg_{identity}")

    async def one() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=30.0) as client:
            return await helpdesk.send(client, delivery)

    answers = await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    helpdesk.answered.append(Answered(delivery, answers[0]))
    helpdesk.repeated.extend(Answered(delivery, a) for a in answers[1:])
    created = sum(result["created"] for answer in answers for result in answer)
    return [] if created == 1 else [f"{AT_ONCE} deliveries at once: {created} of them made a ticket"]


async def echo(helpdesk: Helpdesk, client: httpx.AsyncClient) -> list[str]:
    """Our own note, coming back as a webhook, changes nothing that was decided."""
    ticket = helpdesk.answered[0].delivery.tickets[0]
    address = f"{helpdesk.url}{API}/{ticket}"
    headers = {"authorization": f"Bearer {helpdesk.token}"}
    before = (await client.get(address, headers=headers)).raise_for_status().json()
    note = {
        "id": "our-note",
        "author": "rung",
        "body": "ECONNREFUSED 10.0.45.2:5432, java.lang.OutOfMemoryError",
    }
    body = orjson.dumps({"id": ticket, "subject": "note", "messages": [note]})
    echoed = Delivery(HOOK, body, (ticket,), f"msg_{ticket}_echo", "our-note")
    results = await helpdesk.send(client, echoed)
    after = (await client.get(address, headers=headers)).raise_for_status().json()
    wrong = []
    if before["decision"] != after["decision"] or results[0]["decision"] != before["decision"]:
        wrong.append(f"{ticket}: our own note changed the decision")
    decided = [[line for line in r["ledger"] if line["kind"] == "decided"] for r in (before, after)]
    if decided[0] != decided[1]:
        wrong.append(f"{ticket}: our own note was decided on")
    return wrong


async def prove(installation: Installation, options: argparse.Namespace) -> list[str]:
    """The whole story on one data directory; what is wrong in the end."""
    token = installation.token()
    installation.connect()
    killer = Killer(installation, free_port(), Random(options.seed))  # noqa: S311 - reproducible, not secret
    await killer.start()
    helpdesk = Helpdesk(f"http://127.0.0.1:{killer.port}", token, on_answer=killer.answered)
    jobs = stream(options.seed, options.tickets)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(killer.run(options.kills, options.database_kills, options.tickets))
        for number in range(options.clients):
            group.create_task(helpdesk.work(jobs, Random(f"{options.seed}-{number}")))  # noqa: S311 - same
    say(f"streamed in {time.monotonic() - began:.1f} s; the clients sent again {helpdesk.retries:,} times")
    wrong = list(helpdesk.wrong)
    wrong += await at_once(helpdesk, options.seed)
    wrong += await check_end(installation, killer, helpdesk)
    if killer.kills < options.kills or killer.database_kills < options.database_kills:
        wrong.append(f"only {killer.kills} servers and {killer.database_kills} databases were killed")
    return wrong


async def check_end(installation: Installation, killer: Killer, helpdesk: Helpdesk) -> list[str]:
    """Compare lists, store and answers; then stop and look for processes that were left."""
    with await asyncio.to_thread(start_database, installation.data_dir) as database:
        wrong, counts = await check_store(database.dsn(ADMIN), helpdesk.answered, helpdesk.repeated)
    say("stored: " + ", ".join(f"{count:,} {table}" for table, count in counts.items()))
    async with httpx.AsyncClient(timeout=30.0) as client:
        found = await listed(client, helpdesk.url, helpdesk.token)
        sent = {t for a in helpdesk.answered for t in a.delivery.tickets}
        wrong += [f"{ticket} is not in the list" for ticket in sent - found.keys()]
        wrong += [
            f"{ticket} stands {count} times in the list" for ticket, count in found.items() if count > 1
        ]
        wrong += await echo(helpdesk, client)
    say(
        f"checked: {len(sent):,} tickets from {len(helpdesk.answered):,} deliveries "
        f"and {len(helpdesk.repeated):,} repetitions"
    )
    return wrong + await asyncio.to_thread(check_stop, installation, killer)


def check_stop(installation: Installation, killer: Killer) -> list[str]:
    """After a kill -9, a start and a normal stop, no database process is left."""
    assert killer.serving is not None
    killer.serving.kill()
    last = installation.serve(port=killer.port)
    with last:
        running = len(installation.database_processes())
    code = last.process.returncode
    left = installation.wait_stopped()
    say(f"stopped normally with exit code {code}: {running} database processes before, {len(left)} after")
    wrong = [f"the server ended with exit code {code} on SIGTERM"] if code else []
    if not running:
        wrong.append("no database process was seen while the server ran: this check looks in the wrong place")
    return wrong + [f"database process {pid} is left" for pid in left]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof; 0 if all of it held."""
    about = (__doc__ or "").strip().splitlines()[0]
    parser = argparse.ArgumentParser(prog="kill_at_random", description=about)
    parser.add_argument("--tickets", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs of the server")
    parser.add_argument("--database-kills", type=int, default=1, help="SIGKILLs of PostgreSQL")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    say(f"seed {options.seed}: {options.tickets:,} tickets, {options.kills} + {options.database_kills} kills")
    began = time.monotonic()
    with throwaway() as installation:
        wrong = asyncio.run(prove(installation, options))
    for line in wrong[:50]:
        say(f"WRONG: {line}")
    verdict = f"{len(wrong)} things are wrong" if wrong else "nothing answered was lost or doubled"
    say(f"{verdict} (seed {options.seed}, {time.monotonic() - began:.0f} s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
