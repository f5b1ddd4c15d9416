"""The tiny valid policy that the tests of this folder start from."""

from __future__ import annotations

from pathlib import Path

import pytest

BASE = Path(__file__).parent / "base"


@pytest.fixture
def base_folder() -> Path:
    """The folder of the tiny valid policy."""
    return BASE


@pytest.fixture
def base_files() -> dict[str, str]:
    """The tiny valid policy as text; a test may change its copy."""
    paths = sorted(BASE.rglob("*.yaml"))
    return {path.relative_to(BASE).as_posix(): path.read_text(encoding="utf-8") for path in paths}
