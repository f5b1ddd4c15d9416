from __future__ import annotations

import json
from pathlib import Path

import pytest

from rung.store.embedded import throwaway_data_dir
from tests.cli.conftest import Rung, run_rung


def test_publish_log_and_rollback(stored: Rung, tmp_path: Path) -> None:
    """Two versions, the pointer forth and back; a broken policy is not published."""
    folder = tmp_path / "policy"
    run_rung("init", folder)
    assert stored("publish", "--note", "first", "--author", "ann").code == 0
    assert "published already" in stored("publish").talk
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("window_minutes: 60", "window_minutes: 45"))
    assert stored("publish", folder, "--note", "shorter window").code == 0

    log = stored("policy", "log").out.splitlines()
    assert len(log) == 2
    assert log[0].startswith("* sha256:")
    assert "shorter window" in log[0]
    assert "ann" in log[1]
    assert "window_minutes: 45" in stored("policy", "diff", "starter").out
    assert stored("policy", "rollback").code == 0
    assert stored("policy", "diff", "starter").out.strip() in ("", "no difference")

    policy.write_text(policy.read_text().replace("mode: observe", "mode: obsrve"))
    refused = stored("publish", folder)
    assert (refused.code, "policy.yaml:" in refused.talk, "observe" in refused.talk) == (1, True, True)


def test_tokens(stored: Rung) -> None:
    """Shown once, listed without the secret, revoked; an unknown scope is refused."""
    made = stored("token", "create", "helpdesk", "--scope", "tickets:write")
    assert made.out.startswith("rung_")
    listed = stored("token", "list").out
    assert "helpdesk" in listed
    assert made.out.strip() not in listed
    identity = next(line.split()[0] for line in listed.splitlines() if "helpdesk" in line)
    assert stored("token", "revoke", identity).code == 0
    assert "revoked" in stored("token", "list").out
    refused = stored("token", "create", "x", "--scope", "everything")
    assert (refused.code, "tickets:write" in refused.talk) == (1, True)


def test_connect_keeps_the_secret_out_of_sight(stored: Rung, tmp_path: Path) -> None:
    """From an environment variable, never an argument; wrong names are told."""
    settings = tmp_path / "zendesk.yaml"
    settings.write_text("groups: {Backend: backend/product/L2}\n")
    ran = stored("connect", "zendesk", "--secret-env", "MY_SECRET", "--settings", settings, MY_SECRET="hush")
    assert (ran.code, "hush" in ran.out + ran.talk) == (0, False)
    assert "MISSING" in stored("connect", "zendesk", "--secret-env", "MISSING").talk
    assert "zendesk" in stored("connect", "zendeks").talk


def test_modes(stored: Rung) -> None:
    """A switch for everything, a connector or a signature; nonsense is refused."""
    assert stored("mode", "suggest", "signature:tls_certificate").code == 0
    assert stored("mode", "unset", "signature:tls_certificate").code == 0
    assert stored("mode", "act", "tls_certificate").code == 1


def test_doctor_and_redrive_on_a_healthy_installation(stored: Rung) -> None:
    """Everything is ok, and nothing is stuck."""
    stored("publish")
    checked = stored("doctor")
    assert checked.code == 0, checked.out
    assert "problem" not in checked.out
    assert "nothing is kept" in stored("redrive", "--list").talk


def test_backup_and_restore(stored: Rung, tmp_path: Path) -> None:
    """A restored installation has the same policy; one that holds something is refused, and so is nonsense."""
    stored("publish")
    dump = tmp_path / "rung.dump"
    assert stored("backup", dump).code == 0
    assert stored("backup", dump).code == 1
    assert stored("restore", dump).code == 1
    with throwaway_data_dir() as other:
        assert run_rung("restore", dump, RUNG_DATA_DIR=str(other)).code == 0
        before, after = stored("policy", "log").out, run_rung("policy", "log", RUNG_DATA_DIR=str(other)).out
        assert before == after
    nonsense = tmp_path / "nonsense"
    nonsense.write_text(json.dumps({"not": "a dump"}))
    with throwaway_data_dir() as other:
        assert run_rung("restore", nonsense, RUNG_DATA_DIR=str(other)).code == 4


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_does_not_answer(url: str) -> None:
    """Exit code 3 and one clear line, no traceback."""
    ran = run_rung("policy", "log", RUNG_DATABASE_URL=url)

    assert ran.code == 3
    assert "does not answer" in ran.talk
    assert "Traceback" not in ran.talk


def test_the_demo() -> None:
    """Ends with the table and exit code 0, and leaves nothing behind."""
    with throwaway_data_dir() as folder:
        ran = run_rung("demo", "--exit", TMPDIR=str(folder))

        assert ran.code == 0, ran.talk
        assert ran.out.count("zendesk-48") + ran.out.count("case-48") >= 40
        assert list(folder.iterdir()) == []
