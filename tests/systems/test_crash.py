from __future__ import annotations

import subprocess
import sys

from tests.rig.server import ROOT, Installation


def test_fifty_kills_in_two_thousand_tickets_lose_and_double_nothing() -> None:
    """The whole crash proof: 50 times `kill -9` of the server and once of PostgreSQL."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.kill_at_random"],
        cwd=ROOT,
        env=Installation(ROOT).environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    assert "nothing answered was lost or doubled" in done.stdout
