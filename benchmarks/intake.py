"""HTTP intake against bare pgbench that inserts the same rows; ``python -m benchmarks.intake``.

`rung serve` with the starter policy, facts query, jobs and fsync; one process, then two on the same database;
16 and 64 clients; tickets of 1 to 4 kB. pgbench works on the same embedded server through the same socket.
They take turns, and the medians of the turns are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pstats
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from tests.rig.server import ROOT, Installation, Serving, throwaway

from benchmarks.baseline import Script, pgbench, scripts
from benchmarks.figures import Figure, parser, show, talk
from rung.store.embedded import ADMIN, Embedded
from rung.store.embedded import start as start_database

CLIENTS = (16, 64)
ONE, TWO, BATCH = 0.3, 0.45, 2.0
"""The goals: one server, two servers, batches of 100, each against pgbench with as many clients."""
PROFILED = (
    "import cProfile, sys; from rung.__main__ import main; profile = cProfile.Profile()\n"
    "try: profile.runcall(main)\nfinally: profile.dump_stats({file!r})"
)


@dataclass(slots=True)
class Bench:
    """Everything that runs: two servers, the database, a token; and what each turn gave."""

    installation: Installation
    database: Embedded
    token: str
    servers: tuple[Serving, Serving]
    seconds: float
    turns: int = 0
    rates: dict[str, list[float]] = field(default_factory=dict)
    told: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def ports(self, servers: int) -> list[int]:
        """The ports of the first servers."""
        return [int(s.url.rsplit(":", 1)[1]) for s in self.servers[:servers]]

    def http(self, name: str, *, clients: int, servers: int = 1, batch: int = 1) -> None:
        """One turn of the load generator; its figures with the CPU that everybody spent."""
        self.checkpoint()
        before = self.cpu()
        found = generate(
            self.installation, self.ports(servers), self.token, clients=clients, batch=batch,
            seconds=self.seconds, prefix=f"h{self.turns}",
        )  # fmt: skip
        after = self.cpu()
        self.turns += 1
        tickets = found.pop("tickets") / 1_000
        found["server_ms"] = spent_since(before[0], after[0]) / tickets
        found["database_ms"] = spent_since(before[1], after[1]) / tickets
        found["client_ms"] = found.pop("cpu_seconds") / tickets
        self.rates.setdefault(name, []).append(found["tickets_per_second"])
        self.told.setdefault(name, []).append(found)
        talk(f"{name:<34}{found['tickets_per_second']:>9,.0f}/s")

    def bare(self, name: str, made: Sequence[Script], *, clients: int, pipeline: bool = False) -> None:
        """One turn of pgbench."""
        self.checkpoint()
        rate = pgbench(self.database, made, clients=clients, seconds=self.seconds, pipeline=pipeline)
        self.rates.setdefault(name, []).append(rate)
        talk(f"{name:<34}{rate:>9,.0f}/s")

    def checkpoint(self) -> None:
        """Write out what the last turn left, so that each turn pays for its own rows only."""

        async def run() -> None:
            connection = await asyncpg.connect(self.database.dsn(ADMIN))
            await connection.execute("CHECKPOINT")
            await connection.close()

        asyncio.run(run())

    def cpu(self) -> tuple[dict[int, float], dict[int, float]]:
        """CPU seconds so far of each process: the servers, and the database."""
        return (
            {s.pid: cpu_seconds(s.pid) for s in self.servers},
            {pid: cpu_seconds(pid) for pid in self.installation.database_processes()},
        )

    def rate(self, name: str) -> float:
        """The median of the turns."""
        return median(self.rates[name])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 when it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def spent_since(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds between two looks, of the processes that are still there."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def generate(
    installation: Installation, ports: Sequence[int], token: str, *, clients: int, batch: int, seconds: float,
    prefix: str,
) -> dict[str, Any]:  # fmt: skip
    """Run the load generator in a process of its own; its figures."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.load", "--token", token, "--prefix", prefix),
            *("--clients", str(clients), "--batch", str(batch), "--seconds", str(seconds)),
            *(part for port in ports for part in ("--port", str(port))),
        ],
        env=installation.environment(), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def running(seconds: float) -> Iterator[Bench]:
    """Two servers on one fresh embedded database."""
    with throwaway() as installation, start_database(installation.data_dir) as database:
        token = installation.token()
        with installation.serve() as first, installation.serve() as second:
            yield Bench(installation, database, token, (first, second), seconds)


def profile(seconds: float) -> str:
    """The functions of `rung serve` that take most of the time under load, by cProfile."""
    with throwaway() as installation, tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "profile"))
        token = installation.token()
        installation.command = (sys.executable, "-c", PROFILED.format(file=file))
        with installation.serve() as serving:
            port = int(serving.url.rsplit(":", 1)[1])
            generate(installation, [port], token, clients=16, batch=1, seconds=seconds, prefix="p")
        out = StringIO()
        pstats.Stats(file, stream=out).sort_stats("tottime").print_stats(40)
        return out.getvalue()


def figures(bench: Bench) -> list[Figure]:
    """The medians with their ratios and goals."""
    made = []
    for clients in CLIENTS:
        base = f"pgbench, {clients} clients"
        made.append(Figure(base, bench.rate(base), "tickets/s"))
        for name, goal in (("one server", ONE), ("two servers", TWO), ("batches of 100", BATCH)):
            full = f"{name}, {clients} clients"
            if full not in bench.rates:
                continue
            ratio = bench.rate(full) / bench.rate(base)
            made.append(Figure(full, bench.rate(full), "tickets/s", base, ratio, f"≥ {goal}", ratio >= goal))
            for key, unit in (
                ("p50_ms", "ms"), ("p99_ms", "ms"), ("server_ms", "ms CPU/ticket"),
                ("database_ms", "ms CPU/ticket"), ("client_ms", "ms CPU/ticket"),
            ):  # fmt: skip
                value = median(t[key] for t in bench.told[full])
                made.append(Figure(f"  {key.removesuffix('_ms')}", value, unit))
    extra = f"pgbench pipelined, {CLIENTS[0]} clients"
    made.append(Figure(extra, bench.rate(extra), "tickets/s"))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 0 whether or not the goals are met."""
    options = parser(__doc__ or "").parse_args(arguments)
    seconds, rounds = (2.0, 2) if options.quick else (5.0, 5)
    with running(seconds) as bench:
        for _ in range(2):  # the first load compiles searches and fills caches
            generate(
                bench.installation, bench.ports(2), bench.token, clients=16, batch=1, seconds=2, prefix="warm"
            )
        made = asyncio.run(scripts(bench.database, "warm"))
        for _ in range(rounds):
            for clients in CLIENTS:
                bench.bare(f"pgbench, {clients} clients", made, clients=clients)
                bench.http(f"one server, {clients} clients", clients=clients)
                bench.http(f"two servers, {clients} clients", clients=clients, servers=2)
            bench.http(f"batches of 100, {CLIENTS[0]} clients", clients=CLIENTS[0], batch=100)
            bench.bare(f"pgbench pipelined, {CLIENTS[0]} clients", made, clients=CLIENTS[0], pipeline=True)
        found = figures(bench)
    if options.profile or any(f.met is False for f in found):
        talk(profile(seconds))
    show(found, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
