"""The text to paste: where to, why with quotes, what to attach. Internal; it never goes to a customer."""

from __future__ import annotations

from collections.abc import Sequence

from rung.core.rules import Level, Policy, Route, Signature
from rung.model import Because, Facts, Outcome, Reading, Severity

EVIDENCE_WORDS: dict[str, str] = {
    "api_calls": "the account's last API calls with request and response headers and the API key's hash",
    "deployments": "deployments of the services concerned",
    "console_errors": "browser version and console errors",
    "webhook_deliveries": "retry logs of the deliveries and response times of the customer's endpoint",
    "query_results": "the customer's query, expected and actual result, time zone",
    "metrics": "metrics of the services concerned",
    "trace_links": "APM trace links",
    "account_snapshot": "the account's configuration and what changed since it last worked",
    "sign_ins": "last successful and failed sign-ins",
    "ticket_history": "earlier tickets of this account",
    "similar_tickets": "the three most similar resolved tickets",
    "attachments": "screen recording, HAR file, logs",
    "status_page": "status page of the provider",
    "tls_probe": "certificate chain and validity",
    "saml_probe": "IdP metadata, certificate dates, ACS URL",
    "oidc_probe": "discovery document, keys, redirect URI",
    "dns_probe": "DNS answers",
    "http_probe": "answer of the endpoint",
}
_QUOTES = 4
_QUOTE_LENGTH = 160


def _target(policy: Policy, cell: Level) -> str:
    parent = cell.team.split("/")[0].capitalize() if "/" in cell.team else ""
    title = policy.teams[cell.team].title
    return f"{parent} {title} {cell.name}".strip()


def _reason(because: Because, facts: Facts) -> str:
    if because.quote is None:
        name = because.field.removeprefix("facts.")
        return f"- {because.rule}: {name} = {facts.get(name)}"
    quote = " ".join(because.quote.split())
    if len(quote) > _QUOTE_LENGTH:
        quote = quote[:_QUOTE_LENGTH] + "…"
    return f'- {because.rule}: "{quote}"'


def handoff_text(
    policy: Policy,
    reading: Reading,
    cell: Level,
    route: Route,
    *,
    outcome: Outcome,
    severity: Severity,
    channel: str,
    because: Sequence[Because],
    evidence: Sequence[str],
    facts: Facts,
    signature: Signature | None,
) -> str:
    """The hand-off of one decision as plain text; empty for a ticket that stays or is a duplicate."""
    if outcome in ("stay", "duplicate"):
        return ""
    verb = "Hand over" if outcome == "escalate" else "Suggested: hand over"
    lines = [
        f"{verb} to {_target(policy, cell)} in {channel}",
        f"Ticket {reading.ticket_id}, {severity}: {signature.title if signature else 'symptom not recognised'}",
    ]
    if because:
        lines += ["Why:", *(_reason(b, facts) for b in because[:_QUOTES])]
    if evidence:
        lines += ["Attach:", *(f"- {EVIDENCE_WORDS.get(e, e)}" for e in evidence)]
    if route.paste:
        lines.append(route.paste.strip())
    return "\n".join(lines)
