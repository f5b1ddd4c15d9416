"""Run every benchmark and print one table; ``--quick`` for a first look, ``--json`` for machines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it also runs as a script

from benchmarks.figures import Figure, parser, show, talk  # noqa: E402

ALL = ("decide", "startup", "intake")


def run(name: str, options: Sequence[str]) -> list[Figure]:
    """One benchmark in a process of its own; what it says on the way goes to our standard error."""
    talk(f"=== {name}")
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--json", *options],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"the benchmark {name} failed")
    return [Figure(**found) for found in json.loads(done.stdout)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; exit code 0 whether or not the goals are met."""
    made = parser(__doc__ or "")
    made.add_argument("only", nargs="*", help=f"some of {', '.join(ALL)}; without it all")
    options = made.parse_args(arguments)
    passed = [f"--{o}" for o in ("quick", "profile") if getattr(options, o)]
    figures = [figure for name in options.only or ALL for figure in run(name, passed)]
    talk(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.platform()}")
    show(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
