"""What a benchmark measured: figures with their goals, as a table for people and JSON for machines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value.

    ``baseline`` names what ``ratio`` compares with, measured in the same run; ``met`` is None without a goal.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


def parser(about: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    made.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    made.add_argument(
        "--profile", action="store_true", help="show where the time goes, even if goals are met"
    )
    return made


def talk(text: str) -> None:
    """Progress and profiles, on standard error."""
    print(text, file=sys.stderr, flush=True)


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures as JSON or as a table."""
    if as_json:
        print(json.dumps([asdict(f) for f in figures], indent=1))
        return
    rows = [("figure", "value", "ratio", "baseline", "goal", "")]
    rows += [
        (
            f.name,
            f"{f.value:,.{2 if f.value < 10 else 0}f} {f.unit}",
            "" if f.ratio is None else f"{f.ratio:.2f}",
            f.baseline,
            f.goal,
            "" if f.met is None else "met" if f.met else "MISSED",
        )
        for f in figures
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
