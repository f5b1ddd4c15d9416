"""What the console script `rung` and `python -m rung` start."""

from __future__ import annotations

import gc


def main() -> None:
    """Import the command line and run it.

    Nothing that imports make is ever garbage, so the collector rests meanwhile: a sixth of the start.
    """
    gc.disable()
    from rung.cli import main as run

    gc.enable()
    run()


if __name__ == "__main__":
    main()
