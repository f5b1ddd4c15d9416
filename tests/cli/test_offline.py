from __future__ import annotations

import json
from pathlib import Path

import pytest

from rung.cli import EXIT_CODES
from tests.cli.conftest import Rung

TICKETS = [
    {"id": "T-1", "subject": "Checkout is down", "body": "javax.net.ssl.SSLHandshakeException: closed"},
    {"id": "T-2", "subject": "How do I configure webhooks?", "body": "Where is the page?"},
    {
        "id": "T-3",
        "subject": "שלום 🙈",
        "body": "API returns HTTP/1.1 500 Internal Server Error\r\n\ud83d end",
    },
]
KEYS = [
    *(
        "ticket_id",
        "policy",
        "engine",
        "decided_at",
        "outcome",
        "mode",
        "duplicate_of",
        "signature",
        "secondary",
    ),
    *(
        "confidence",
        "deterministic",
        "bypass_l1",
        "team",
        "level",
        "channel",
        "severity",
        "because",
        "entities",
    ),
    *("facts", "evidence_required", "articles", "next_check_at", "handoff"),
]


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """A file with one ticket a line."""
    file = tmp_path / "tickets.jsonl"
    file.write_text("".join(json.dumps(t) + "\n" for t in TICKETS), encoding="ascii")
    return file


def test_decide_prints_a_line_for_each_ticket_with_every_key(rung: Rung, tickets: Path) -> None:
    """The contract of the command line, in its order."""
    ran = rung("decide", tickets)

    assert (ran.code, ran.talk) == (0, "")
    assert [d["ticket_id"] for d in ran.lines] == ["T-1", "T-2", "T-3"]
    for decision in ran.lines:
        assert list(decision)[: len(KEYS)] == KEYS
    assert [d["outcome"] for d in ran.lines] == ["escalate", "stay", "escalate"]
    assert ran.lines[0]["decided_at"] == "1970-01-01T00:00:00Z"


def test_decide_is_the_same_in_every_process(rung: Rung, tickets: Path) -> None:
    """Byte for byte, whatever the hash seed."""
    outputs = {rung("decide", tickets, PYTHONHASHSEED=seed).out for seed in ("0", "1", "4711")}

    assert len(outputs) == 1


def test_offsets_hold_in_the_text_as_given(rung: Rung, tickets: Path) -> None:
    """Code points, with emoji, right-to-left text, CRLF and a lone surrogate around."""
    decision = rung("decide", tickets).lines[2]
    ticket = TICKETS[2]

    places = [*decision["because"], *[{**e, "quote": e["value"]} for e in decision["entities"]]]
    assert places
    for place in places:
        if place["quote"] is not None:
            assert ticket[place["field"]][place["start"] : place["end"]] == place["quote"]


def test_a_bad_line_is_reported_with_its_place_and_the_others_are_decided(rung: Rung, tmp_path: Path) -> None:
    """Nothing is lost, and the exit code says that something was wrong."""
    file = tmp_path / "mixed.jsonl"
    good = json.dumps(TICKETS[0]).encode()
    deep = b"[" * 10_000 + b"]" * 10_000
    file.write_bytes(
        b"\n".join([good, b"{not json", b'{"id": "x"}', b'{"subject": "\xff"}', deep, b"", good])
    )

    ran = rung("decide", file)

    assert ran.code == 1
    assert len(ran.lines) == 2
    told = ran.talk.splitlines()
    for number, words in (
        (2, "is not JSON"),
        (3, "needs a subject or a body"),
        (4, "not UTF-8"),
        (5, "too deep"),
    ):
        assert any(f"mixed.jsonl:{number}" in line and words in line for line in told), (number, ran.talk)


def test_a_pipe_and_a_given_time(rung: Rung) -> None:
    """- is standard input; --now is the time of the decision."""
    ran = rung("decide", "-", "--now", "2026-11-22T03:00:00+01:00", stdin=json.dumps(TICKETS[0]).encode())

    assert ran.lines[0]["decided_at"] == "2026-11-22T02:00:00Z"
    assert rung("decide", "-", "--now", "soon", stdin=b"{}").code == 1


def test_a_table_for_people(rung: Rung, tickets: Path) -> None:
    """The same decisions, readable."""
    ran = rung("decide", tickets, "--output", "table")

    assert "SSLHandshakeException" in ran.out
    assert "backend/product" in ran.out


def test_explain_shows_every_route_tried(rung: Rung, tickets: Path) -> None:
    """The first ticket of the file, with reasons, routes and hand-off."""
    ran = rung("explain", tickets)
    value = json.loads(rung("explain", tickets, "--output", "jsonl").out)

    assert "trigger:ssl-handshake" in ran.out
    assert "Hand over to Backend" in ran.out
    assert [r["matched"] for r in value["routes"]][-1] is True
    assert all(r["why"] for r in value["routes"])


def test_a_policy_of_ones_own(rung: Rung, tmp_path: Path) -> None:
    """Init writes it, check and test accept it, a mistake is found with its place, diff shows it."""
    folder = tmp_path / "policy"
    assert rung("init", folder).code == 0
    assert rung("init", folder).code == 1
    assert rung("check", folder).code == 0
    assert rung("test", folder).code == 0
    routes = folder / "routes.yaml"
    routes.write_text(
        routes.read_text().replace("to: customer_success/L1/queries", "to: customer_succes/L1/queries")
    )

    checked = rung("check", folder)

    assert checked.code == 1
    assert "routes.yaml:" in checked.out
    assert "customer_success/L1/queries" in checked.out
    assert "customer_succes/" in rung("policy", "diff", "starter", folder).out
    assert rung("decide", "--policy", folder, "-", stdin=b'{"subject": "x"}').code == 1


def test_a_story_that_differs_is_told(rung: Rung, tmp_path: Path) -> None:
    """What was expected, what came out, and why."""
    (tmp_path / "mine.yaml").write_text(
        "- story: Mine\n  ticket: {subject: How do I configure webhooks?}\n  expect: {team: integrations}\n"
    )

    ran = rung("test", "--stories", tmp_path)

    assert ran.code == 1
    assert "Mine" in ran.out
    assert "customer_success" in ran.out


def test_a_missing_file_and_an_unknown_command(rung: Rung) -> None:
    """Clear words, documented exit codes."""
    missing = rung("decide", "nowhere.jsonl")
    assert (missing.code, "nowhere.jsonl" in missing.talk) == (1, True)
    assert rung("decode").code == 2
    assert set(EXIT_CODES) == {0, 1, 2, 3, 4}


def test_every_command_has_help_with_an_example(rung: Rung) -> None:
    """The generated page holds the help of all of them."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = page.split("\n## ")[1:]

    assert len(sections) > 20
    for section in sections:
        assert "Example: " in section or "Commands:" in section, section.splitlines()[0]
    assert "Example: rung decide" in rung("decide", "--help").out
