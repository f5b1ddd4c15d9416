"""SQL by name: every statement stands in ``sql/*.sql`` under a ``-- name:`` line and is loaded once."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Every named statement of the package.

    Raises:
        ValueError: two statements share a name.
    """
    found: dict[str, str] = {}
    for entry in sorted(files("rung.store").joinpath("sql").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        parts = _NAME.split(entry.read_text(encoding="utf-8"))[1:]
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{entry.name}: a second statement is named {name}")
            found[name] = text.strip()
    return found


def sql(name: str) -> str:
    """The statement of that name."""
    return queries()[name]
