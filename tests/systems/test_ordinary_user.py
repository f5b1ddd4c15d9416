from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rig.server import ROOT

NAME = "rung-visitor"


@pytest.fixture(scope="module")
def visitor() -> Iterator[pwd.struct_passwd]:
    """An ordinary user: a new one when we are root, else ourselves."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.geteuid())
        return
    subprocess.run(["/usr/sbin/useradd", "--create-home", "--shell", "/bin/bash", NAME], check=True)
    try:
        yield pwd.getpwnam(NAME)
    finally:
        subprocess.run(["/usr/sbin/userdel", "--remove", NAME], check=True, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def clone(visitor: pwd.struct_passwd) -> Iterator[Path]:
    """The project's files, and nothing that was installed or built, in a folder of that user."""
    folder = Path(tempfile.mkdtemp(prefix="rung-clone-"))
    names = subprocess.run(
        ["/usr/bin/git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if os.geteuid() == 0:
        for entry in (folder, *folder.rglob("*")):
            os.chown(entry, visitor.pw_uid, visitor.pw_gid)
    yield folder
    shutil.rmtree(folder)


def python_of(visitor: pwd.struct_passwd) -> str:
    """A Python that this user can run: ours, else the distribution's."""
    ours = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    reachable = all(p.stat().st_mode & 1 for p in ours.resolve().parents)
    return str(ours) if reachable or visitor.pw_uid == os.geteuid() else "/usr/bin/python3"


def test_make_demo_works_for_an_ordinary_user(visitor: pwd.struct_passwd, clone: Path) -> None:
    """From the bare files to the table of decisions, without any right; afterwards no process of it is left."""
    kept = {
        k: v for k, v in os.environ.items() if k.startswith(("PIP_", "LANG")) or k.lower().endswith("_proxy")
    }
    as_other = {} if visitor.pw_uid == os.geteuid() else {
        "user": visitor.pw_uid, "group": visitor.pw_gid, "extra_groups": [],
    }  # fmt: skip
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload] # user and group
        ["/usr/bin/make", "demo", "EXIT=1", f"PYTHON={python_of(visitor)}"],
        cwd=clone,
        env={**kept, "HOME": visitor.pw_dir, "USER": visitor.pw_name, "PATH": os.defpath + ":/usr/local/bin"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        **as_other,
    )

    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "webhook_delivery" in done.stdout
    assert processes_in(clone) == []


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that run something from this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in line:
            found.append(line.decode(errors="replace"))
    return found
