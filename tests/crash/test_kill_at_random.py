from __future__ import annotations

import subprocess
import sys

from tests.rig.server import ROOT, Installation


def test_nothing_answered_is_lost_or_doubled_when_the_server_is_killed() -> None:
    """Four kills of the server and one of PostgreSQL within 150 tickets; the full size is a systems test."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.crash.kill_at_random"),
            *("--tickets", "150", "--kills", "4", "--seed", "1", "--clients", "8"),
        ],
        cwd=ROOT,
        env=Installation(ROOT).environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing answered was lost or doubled" in done.stdout
