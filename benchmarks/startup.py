"""`rung serve` from nothing to its first decision on a warm data directory; `python -m benchmarks.startup`.

Each run starts the process, which starts the embedded database and loads the published policy, and sends one
ticket as soon as the port accepts. The baseline is Python itself importing nothing of ours.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from statistics import median

import httpx
from tests.rig.server import Installation, free_port, throwaway
from tests.rig.tickets import written

from benchmarks.figures import Figure, parser, show, talk

GOAL = 2.0
SEED = 7
_PARTS = {
    "importing": "import rung.app, rung.cli, uvloop",
    "loading the starter policy's YAML": (
        "from rung.policy.load import load_files; from rung.policy.source import starter_files;"
        "files = starter_files(); begin(); load_files(files)"
    ),
    "compiling its patterns": (
        "from rung.policy.load import load_files; from rung.policy.source import starter_files;"
        "from rung.core.compiled import compile_policy;"
        "policy = load_files(starter_files()); begin(); compile_policy(policy)"
    ),
    "starting the embedded database": (
        "import os, pathlib; from rung.store.embedded import start;"
        "begin(); used = start(pathlib.Path(os.environ['RUNG_DATA_DIR'])); end(); used.release()"
    ),
}
_TIMED = """
import time
marks = [time.perf_counter()]
def begin(): marks[0] = time.perf_counter()
def end(): marks.append(time.perf_counter())
{code}
print((marks[1] if len(marks) > 1 else time.perf_counter()) - marks[0])
"""


def _python(installation: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=installation.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip


def part(installation: Installation, code: str) -> float:
    """Seconds of one part, alone in a process of its own."""
    spent = float(_python(installation, "-c", _TIMED.format(code=code)).stdout)
    installation.wait_stopped()
    return spent


def first_decision(installation: Installation, token: str, number: int) -> float:
    """Seconds from starting the process to the reply that holds the first ticket's decision."""
    port = free_port()
    ticket = next(islice(written(SEED + number), 1))
    begin = time.perf_counter()
    serving = installation.serve(port=port)
    try:
        with httpx.Client() as client:
            while True:
                try:
                    reply = client.post(
                        f"http://127.0.0.1:{port}/api/v1/tickets", json={**ticket, "id": f"start-{number}"},
                        headers={"authorization": f"Bearer {token}"},
                    )  # fmt: skip
                    break
                except httpx.TransportError:
                    if serving.process.poll() is not None:
                        serving.wait_ready()  # says why it ended
                    time.sleep(0.002)
        spent = time.perf_counter() - begin
        assert reply.json()["decision"], reply.text
    finally:
        with serving:
            pass
        serving.log.unlink()
    installation.wait_stopped()
    return spent


def slowest_imports(installation: Installation) -> str:
    """The modules that take longest to import, by ``-X importtime``."""
    told = _python(installation, "-X", "importtime", "-c", _PARTS["importing"]).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in told if line.count("|") == 2]
    timed = [(int(own), int(total), name.strip()) for own, total, name in rows if own.strip().isdigit()]
    own = sorted(timed, reverse=True)[:12]
    lines = [
        f"{own_us / 1_000:8.1f} ms itself  {total / 1_000:8.1f} ms with all  {name}"
        for own_us, total, name in own
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 0 whether or not the goal is met."""
    options = parser(__doc__ or "").parse_args(arguments)
    runs = 3 if options.quick else 7
    with throwaway() as installation:
        token = installation.token()
        first_decision(installation, token, 0)  # publishes the starter policy and warms the disk cache
        python = median(part(installation, "import asyncio, ssl, json") for _ in range(runs))
        total = median(first_decision(installation, token, n + 1) for n in range(runs))
        figures = [
            Figure(
                "rung serve to its first decision, warm", total, "s", "Python importing asyncio", total / python,
                f"< {GOAL:.0f} s", total < GOAL,
            )
        ]  # fmt: skip
        for name, code in _PARTS.items():
            spent = median(part(installation, code) for _ in range(runs))
            figures.append(Figure(f"  of it, alone: {name}", spent, "s", "the whole", spent / total))
        if options.profile or not figures[0].met:
            talk(slowest_imports(installation))
    show(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
