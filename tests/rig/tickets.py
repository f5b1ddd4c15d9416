"""Tickets as customers write them, made up from parts by a seed: prose, logs and traces of 1 to 4 kB.

The same seed gives the same tickets everywhere; nothing here comes from real customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

SMALLEST, LARGEST = 1_000, 4_000
"""Bytes of a ticket's body, about."""

_OPENINGS = (
    ("Orders API answers 500", "Since this morning our nightly export gets HTTP 500 from your API on every call."),
    ("Webhooks stopped", "We stopped receiving webhooks around lunch. Nothing was changed on our endpoint."),
    ("Numbers do not match", "The revenue on the dashboard and the CSV export differ by 1,284.50 for the same day."),
    ("Button does nothing in Firefox", "Clicking Save in the editor does nothing in Firefox 140, Chrome is fine."),
    ("Very slow since Tuesday", "Every page takes 20 to 40 seconds to load for all of us in the Lisbon office."),
    ("SSO login fails", "Nobody can sign in through our identity provider, the SAML response is said to be invalid."),
    ("Certificate problem", "Our Java client dies with an SSL handshake error when it talks to your gateway."),
    ("Database connection refused", "The import job logs ECONNREFUSED against 10.0.45.2:5432 and then gives up."),
    ("Question about page size", "How can I raise the number of rows in a list? We would like 500 items per page."),
    ("How do I set up webhooks?", "We are new here and would like to know where webhooks are configured."),
    ("Feature wish", "It would be great if exports could be scheduled for the first working day of a month."),
    ("Mails do not arrive", "Password reset mails have not arrived at any mailbox since yesterday evening."),
    ("Invoice is wrong", "The last invoice lists 40 seats although we cancelled ten of them in time."),
    ("Worker keeps crashing", "The agent is killed again and again, the log ends with an out-of-memory message."),
    ("Sync is stuck", "The CRM synchronisation has been standing at 63 percent for nine hours."),
    ("It does not work", "Hi, it does not work any more. Please fix this quickly, we pay a lot of money for it!!!"),
    ("After last night's release", "Since the release of last night our configuration page shows old values."),
    ("Time-outs from our data centre", "Connections from our network to your API time out after the TCP handshake."),
    ("Strange sign-in", "An administrator account was used from a country in which we have no staff at all."),
    ("Predictions look off", "The model labels nearly everything as low priority since the retraining on Monday."),
)  # fmt: skip
_DETAILS = (
    "We tried it with two other accounts and on another network, the result is the same.",
    "It worked without any trouble until the end of last week.",
    "Our own monitoring shows no change on our side, neither load nor deployments.",
    "About one call in seven still gets through, without a pattern that we could see.",
    "The status page is green, which does not help our people who cannot work.",
    "I have attached the browser's console output and the request id of the last attempt.",
    "Three of our branches report it, the others have not noticed anything yet.",
    "We need this for the month-end closing, so a first estimate would help already.",
    "Restarting the service helped for ten minutes, then it started again.",
    "Could somebody technical have a look, please? This is the second time that we ask.",
    "Our time zone is Europe/Lisbon, all times in the log below are UTC.",
    "The colleague who set it up has left, so please bear with our wording.",
    "Wir haben es auch mit dem alten Schlüssel versucht, ohne Erfolg.",
    "Depuis hier soir, personne de l'équipe n'arrive à terminer une commande.",
    "We run version 4.12.3 of the agent on Ubuntu 24.04 with the default configuration.",
    "Thanks a lot for looking into it so quickly last time 🙂",
)
_HOSTS = (
    "api.shop.example.com",
    "hooks.example.net",
    "gateway-2.eu.example.com",
    "10.0.45.2",
    "db-3.internal",
)
_PATHS = ("/v2/orders", "/v2/orders/export", "/hooks/stripe", "/oauth/token", "/v1/reports/revenue", "/login")
_WORDS = (
    "order",
    "session",
    "invoice",
    "report",
    "tenant",
    "customer",
    "payload",
    "retry",
    "batch",
    "cursor",
)


def _time(random: Random) -> str:
    return (
        f"2026-11-{random.randint(1, 28):02}T{random.randint(0, 23):02}:"
        f"{random.randint(0, 59):02}:{random.randint(0, 59):02}.{random.randint(0, 999):03}Z"
    )


def _access_log(random: Random) -> str:
    rows = [
        f"{_time(random)} {random.choice(_HOSTS)} {random.choice(('GET', 'POST', 'PUT'))} {random.choice(_PATHS)}"
        f" {random.choice((200, 200, 201, 304, 401, 404, 500, 502, 503))} {random.randint(3, 30_000)}ms"
        f" req_{random.getrandbits(64):016x}"
        for _ in range(random.randint(4, 9))
    ]
    return "\n".join(rows)


def _java_trace(random: Random) -> str:
    name = random.choice((
        "javax.net.ssl.SSLHandshakeException: PKIX path building failed",
        "java.net.ConnectException: Connection refused",
        "java.lang.IllegalStateException: cursor was closed",
        "java.lang.OutOfMemoryError: Java heap space",
    ))  # fmt: skip
    frames = [
        f"\tat com.example.{random.choice(_WORDS)}.{random.choice(_WORDS).title()}Service."
        f"{random.choice(_WORDS)}({random.choice(_WORDS).title()}Service.java:{random.randint(12, 900)})"
        for _ in range(random.randint(4, 10))
    ]
    return "\n".join((f'Exception in thread "worker-{random.randint(1, 64)}" {name}', *frames))


def _python_trace(random: Random) -> str:
    rows = ["Traceback (most recent call last):"]
    for _ in range(random.randint(2, 5)):
        word = random.choice(_WORDS)
        rows += [
            f'  File "/srv/app/{word}/{random.choice(_WORDS)}.py", line {random.randint(5, 700)}, in {word}',
            f"    return self.{random.choice(_WORDS)}.{random.choice(_WORDS)}({word})",
        ]
    rows.append(
        random.choice((
            "TimeoutError: [Errno 110] Connection timed out",
            "KeyError: 'account_id'",
            "requests.exceptions.HTTPError: 502 Server Error: Bad Gateway",
        ))
    )  # fmt: skip
    return "\n".join(rows)


def _json_log(random: Random) -> str:
    rows = [
        f'{{"ts":"{_time(random)}","level":"{random.choice(("info", "warn", "error"))}",'
        f'"msg":"{random.choice(_WORDS)} {random.choice(("queued", "failed", "skipped", "done"))}",'
        f'"trace_id":"{random.getrandbits(128):032x}","attempt":{random.randint(1, 9)}}}'
        for _ in range(random.randint(3, 8))
    ]
    return "\n".join(rows)


def _console(random: Random) -> str:
    return (
        f"Uncaught TypeError: Cannot read properties of undefined (reading '{random.choice(_WORDS)}')\n"
        f"    at {random.choice(_WORDS)} (https://app.example.com/assets/main.{random.getrandbits(32):08x}.js:"
        f"{random.randint(1, 9)}:{random.randint(100, 99_999)})\n"
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    )


def _secret(random: Random) -> str:
    return (
        f"Authorization: Bearer {random.getrandbits(160):040x}\nX-Request-Id: {random.getrandbits(64):016x}"
    )


def _code(random: Random) -> str:
    return f"The tool prints E-{random.randint(0, 40_000):05} and stops."


_EXCERPTS: tuple[Callable[[Random], str], ...] = (
    _access_log, _java_trace, _python_trace, _json_log, _console, _code,
)  # fmt: skip


def body_of(random: Random, opening: str) -> str:
    """Prose and excerpts after ``opening`` until a size between ``SMALLEST`` and ``LARGEST`` is reached.

    One in ten holds a secret that must be masked.
    """
    wanted = random.randint(SMALLEST, LARGEST - 300)
    parts = [opening]
    if random.random() < 0.1:
        parts.append(_secret(random))
    size = len(opening)
    while size < wanted:
        part = random.choice(_EXCERPTS)(random) if random.random() < 0.4 else random.choice(_DETAILS)
        part = part[: LARGEST - size]
        parts.append(part)
        size += len(part.encode()) + 2
    return "\n\n".join(parts)


def written(seed: int, *, prefix: str = "T") -> Iterator[dict[str, Any]]:
    """Endless ticket JSON objects with ids ``<prefix>-000000`` and up; accounts and people repeat."""
    random = Random(seed)  # noqa: S311 - made-up prose, nothing secret
    number = 0
    while True:
        subject, opening = random.choice(_OPENINGS)
        account = random.randint(1, 400)
        yield {
            "id": f"{prefix}-{number:06}",
            "source": "rig",
            "subject": subject,
            "body": body_of(random, opening),
            "requester": {"email": f"person{random.randint(1, 3)}@account{account}.example.com"},
            "account": {"id": f"account-{account}", "plan": random.choice(("free", "team", "enterprise"))},
        }
        number += 1
