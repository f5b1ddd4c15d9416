from __future__ import annotations

from typing import get_args

import pytest

from rung.core.compiled import Compiled, compile_policy
from rung.core.rules import Policy
from rung.model import EvidenceId
from rung.policy.lint import check_files
from rung.policy.load import load_files, starter_files
from rung.policy.stories import load_stories, run_examples, run_stories

SIGNATURES = {
    *("api_error", "webhook_delivery", "data_discrepancy", "ui_browser"),
    *("performance", "sso_saml", "tls_certificate", "db_connectivity"),
    *("network_connectivity", "deployment_config", "data_sync", "email_delivery"),
    *("billing_account", "memory_crash", "security_access", "ml_model"),
    *("service_request", "howto_question", "feature_request", "not_enough_info"),
}
TEAMS = {
    *("devops", "backend/product", "backend/delivery", "frontend", "ai", "integrations", "data", "sre"),
    *("security", "customer_success"),
}


@pytest.fixture(scope="module")
def starter() -> Policy:
    """The policy that ships."""
    return load_files(starter_files())


@pytest.fixture(scope="module")
def ready(starter: Policy) -> Compiled:
    """The same, compiled."""
    return compile_policy(starter)


def test_the_starter_policy_has_no_problem() -> None:
    """Not even a warning, when every evidence id is collected."""
    assert [str(p) for p in check_files(starter_files(), collected=get_args(EvidenceId))] == []


def test_every_example_and_story_comes_out_as_written(starter: Policy, ready: Compiled) -> None:
    """What `rung test` runs."""
    stories = load_stories(starter_files())

    assert [str(r) for r in run_examples(starter, compiled=ready) if not r.passed] == []
    assert [str(r) for r in run_stories(starter, stories, compiled=ready) if not r.passed] == []


def test_the_names_are_those_others_rely_on(starter: Policy) -> None:
    """Twenty signatures, ten teams with three levels each, the last one terminal."""
    assert {s.id for s in starter.signatures} == SIGNATURES
    assert set(starter.teams) == TEAMS
    for team in starter.teams.values():
        assert list(team.levels) == ["L1", "L2", "L3"]
        assert [level.next for level in team.levels.values()] == [f"{team.id}/L2", f"{team.id}/L3", ""]


def test_every_scope_item_of_every_cell_has_a_story_that_reaches_it(starter: Policy) -> None:
    """A story names the item, its team and its level."""
    told = {
        s.expect.get("scope") for s in load_stories(starter_files()) if {"team", "level"} <= s.expect.keys()
    }
    items = {i.id for t in starter.teams.values() for level in t.levels.values() for i in level.scope}

    assert len(items) >= 60
    assert items - told == set()


def test_everything_starts_in_observe(starter: Policy) -> None:
    """Nobody's first run acts on anything."""
    assert starter.mode == "observe"
    assert {s.mode for s in starter.signatures} == {"observe"}


def test_triggers_are_a_living_list_of_twenty_to_thirty(starter: Policy) -> None:
    """Each has an owner and a date."""
    assert 20 <= len(starter.triggers) <= 30
    for trigger in starter.triggers:
        assert trigger.owner in TEAMS
        assert trigger.added


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_every_signature_has_its_examples(starter: Policy, name: str) -> None:
    """At least 15 that match and 10 that do not, none of them twice."""
    signature = next(s for s in starter.signatures if s.id == name)

    assert len(set(signature.matching)) == len(signature.matching) >= 15
    assert len(set(signature.not_matching)) == len(signature.not_matching) >= 10
