"""Redaction: what is secret is masked, what only looks like it survives, lengths stay."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.redact import DETECTORS, MASK, custom, detect, fingerprint, mask, merged

HEX32 = "9f86d081884c7d659a2feaa0c55ad015"
HEX64 = HEX32 + "a3bf4f1b2b0b822cd15d6c15b0f00a08"
RANDOM40 = "Zx81LkQ2mVb7TyR4wEs0pHnJ6uGfDcA93KqXtYiB"

# The secret stands between « and »; § splits what scanners of repositories would take for a live key.
SECRETS = (
    "aws key «AKIA§QX7ZP3M5R2T8WV4N» leaked in the build log",
    "AWS_ACCESS_KEY_ID=«ASIA§QX7ZP3M5R2T8WV4N»",
    f"aws_secret_access_key = «{RANDOM40}»",
    f'"SecretAccessKey": "«{RANDOM40}»"',
    f"git clone failed with token «ghp§_{RANDOM40[:36]}», see above",
    f"GITHUB_TOKEN: «github§_pat_11ABCDE0Y0{RANDOM40}»",
    f"ghs token «ghs§_{RANDOM40[:36]}»",
    "remote: HTTP Basic: «glpat§-xYz12_AbCdEfGhIjKlMn» was refused",
    "bot token «xoxb§-219830174-998127364-aB3dE6gH9jK2» no longer works",
    "SLACK_APP_TOKEN=«xapp§-1-A02QWERTY-1234567890-abcdef0123»",
    "curl https://hooks.slack.com/services/«T0§2ABCDEF/B03GHIJKL/a1B2c3D4e5F6g7H8»",
    f"https://discord.com/api/webhooks/123456789012345678/«{RANDOM40}-x_Y»",
    f"telegram bot «612345789:AA§{RANDOM40[:33]}» answers 401",
    f"Stripe says invalid key «sk§_live_{RANDOM40[:24]}»",
    f"restricted «rk§_test_{RANDOM40[:24]}» cannot read charges",
    f"signing secret «whsec§_{RANDOM40[:32]}»",
    f"openai.api_key = '«sk§-proj-{RANDOM40}»'",
    f"x-api-key: «sk§-ant-api03-{RANDOM40}»",
    f"GROQ «gsk§_{RANDOM40}»",
    f"HF_TOKEN=«hf§_{RANDOM40[:34]}»",
    f"maps key «AIza§Sy{RANDOM40[:33]}»",
    f"client secret «GOCSPX§-{RANDOM40[:28]}»",
    f"refresh 1//0 «1//0§{RANDOM40}»",
    f"sendgrid «SG§.{RANDOM40[:22]}.{RANDOM40}»",
    f"mailgun «key§-{HEX32}»",
    f"mailchimp «{HEX32}-us14»",
    f"brevo «xkeysib§-{HEX64}-{RANDOM40[:16]}»",
    f"twilio api key «SK§{HEX32}»",
    f"//npm.example.org/:_authToken=«npm§_{RANDOM40[:36]}»",
    f"twine upload -p «pypi§-AgEIcHlwaS5vcmc{RANDOM40}»",
    f"docker login with «dckr§_pat_{RANDOM40[:27]}»",
    f"curl -u agent@shop.example/token:«{RANDOM40}» https://shop.zendesk.example/api/v2/tickets.json",
    f"shopify «shpat§_{HEX32}»",
    f"square «sq0atp§-{RANDOM40[:22]}»",
    "hubspot «pat§-na1-1f2e3d4c-5b6a-7988-9a0b-1c2d3e4f5a6b»",
    f"DIGITALOCEAN «dop§_v1_{HEX64}»",
    f"databricks «dapi§{HEX32}»",
    f"vault «hvs§.{RANDOM40}»",
    f"atlassian «ATATT3§xFfGF0{RANDOM40}{RANDOM40}»",
    f"supabase «sbp§_{HEX32}{HEX32[:8]}»",
    f"azure app secret «aB1§8Q~{RANDOM40[:34]}»",
    f"linear «lin§_api_{RANDOM40}»",
    f"notion «secret§_{RANDOM40}abc»",
    f"figma «figd§_{RANDOM40}»",
    f"grafana «glsa§_{RANDOM40[:32]}_1a2b3c4d»",
    f"new relic «NRAK§-{'QX7ZP3M5R2T8WV4N' * 2}»"[:-6] + "»",
    "id token «eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU»",
    "Authorization: Bearer «eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOjQyfQ.Q29ycmVjdEhvcnNl»",
    "Authorization: Bearer «6f1cQz77PpLmNo»",
    "Authorization: Basic «YWRtaW46aHVudGVyMg==»",
    'curl -H "Authorization: Token «b7c1d2e3f4a5968778695a4b3c2d1e0f»" https://api.shop.example',
    "'Authorization': 'Bearer «tok_9a8b7c6d5e»',",
    "authorization=«9a8b7c6d5e4f3a2b»",
    "we send Bearer «dGhpcyBpcyBh0LnRva2Vu» in each call",
    "proxy answers 407 to Basic «b3BzOlM0ZmVuZXQh»",
    "Cookie: sid=«s%3AabcDEF123»; theme=«dark»",
    "Set-Cookie: session=«eyAbc.123»; Path=/; HttpOnly; Max-Age=3600",
    "curl -b 'JSESSIONID=«0A1B2C3D4E5F»' https://shop.example",
    "password: «hunter2»",
    "Password = «Tr0ub4dor&3»"[:-4] + "»",
    'login with "password": "«correct horse battery»" fails',
    '{\\"password\\": \\"«Sup3r$ecret»\\"}',
    "DB_PASSWORD=«pa55-w0rd!»",
    "spring.datasource.password=«S3cure#99»",
    "Server=db;User Id=sa;Password=«Yukon900»;Encrypt=true",
    "pwd: «blue42sky»",
    "Passwort: «Geheim123»",
    "mot de passe : «Soleil2024»",
    "contraseña: «MiClave99»",
    "senha: «Verao#2024»",
    "wachtwoord: «Fiets123»",
    "hasło: «Zima2024»",
    "пароль: «Секрет123»",
    "密码：«qwe123!@#»",
    "パスワード: «sakura2024»",
    "비밀번호: «abcd1234»",
    "my password is «Winter2024!» and it does not work",
    "mysql -h db --password=«s3cr3tpw» shop",
    "curl -u admin:«p4ssw0rd» https://shop.example/api",
    "CREATE USER app IDENTIFIED BY '«app-pw-77»'",
    "SMTP_PASS=«mail77Xy12»",
    "mysqldump -u shop -p«S3cret99» shop > dump.sql",
    "deployctl login --token «abc123def4567»",
    "helm install --set auth --api-key=«abc123def4567»",
    f'api_key: "«{HEX32}»"',
    f"X-Api-Key: «{HEX32}»",
    "client_secret=«f3a9c1d7e5b2»&grant_type=client_credentials",
    "export WEBHOOK_SECRET='«k9Jq2mZx81Lk»'",
    "csrf_token = «a8f5f167f44f4964»",
    f"AccountName=shop;AccountKey=«{RANDOM40}aa==»;EndpointSuffix=core.example",
    "our API key is «Qw82Lm19Zx44Tp07» since Monday",
    "密钥: «Ab12Cd34Ef56»",
    "https://api.shop.example/v1/orders?access_token=«6f1cQz77PpLmNo»&page=2",
    "https://blob.example/file.zip?sv=2024&sig=«aB3%2Fd5Gh7Jk9»",
    "callback https://shop.example/cb?code=«4/0AX4XfWh9aBcDeFgHiJ»&state=xyz",
    "postgres://shop:«s3cr3t»@db.internal:5432/shop",
    "could not connect to mongodb+srv://app:«Xk29!m»@cluster0.example.net",
    "redis://:«foobared»@cache:6379/0",
    f"https://«{RANDOM40}»@git.example.com/shop.git",
    "-----BEGIN RSA PRIVATE KEY-----\n«MIIEowIBAAKCAQEA7bq\nZ3Jq0aB9»\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n«MIIEvQIBADANBgkqhkiG9w0BAQ»",
    "card «4111 1111 1111 1111» was declined",
    "card «4242-4242-4242-4242»",
    "amex «378282246310005»",
    "amex «3782 822463 10005» twice",
    "mastercard «5555555555554444», exp 04/29",
    "maestro «6759649826438453»",
)

INNOCENT = (
    "commit 3f2a9c1d7e5b2f3a9c1d7e5b2f3a9c1d7e5b2f3a fixed it",
    "order 4111111111111112 was shipped twice",
    "order number 2024112200001234",
    "trace id 4bf92f3577b34da6a3ce929d0e0e4736",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "request 7d1c5a3e-9b1f-4f57-8a77-0c1d2e3f4a5b failed",
    "x-request-id: 7d1c5a3e-9b1f-4f57-8a77-0c1d2e3f4a5b",
    "charge ch_3NqZ8b2eZvKYlo2C0Xy12345 for customer cus_OabcDEF123456",
    "req_7Qw82Lm19Zx44Tp07",
    "publishable key pk§_live_51Hq82Lm19Zx44Tp07",
    "account AC0123456789abcdef0123456789abcdef",
    "1700000000000 is the timestamp in milliseconds",
    "2026-11-22T03:00:00.123456Z",
    "at com.shop.Cart.add(Cart.java:12)",
    'File "/srv/auth/password.py", line 12, in check_password',
    "TypeError: Cannot read properties of undefined (reading 'token')",
    "javax.net.ssl.SSLHandshakeException: PKIX path building failed",
    "password: ********",
    "password: ••••••••",
    "password: <your-password>",
    "password: ${DB_PASSWORD}",
    "password=$PASSWORD",
    "PASSWORD: {{ vault.password }}",
    "api_key: <your-api-key>",
    "api_key = 'YOUR_API_KEY'",
    "token: xxxxxxxxxxxx",
    "secret: [REDACTED]",
    "token: $TOKEN",
    "api_key=%API_KEY%",
    "apiKey: process.env.API_KEY",
    "token = os.environ['TOKEN']",
    "token = get_token(user)",
    "password: string",
    "password VARCHAR(255) NOT NULL",
    "password: required",
    "The password is wrong",
    "the password is not accepted any more",
    "Forgot password: the link leads nowhere",
    "How do I reset my password?",
    "reset link: https://shop.example/password/reset",
    "password reset: https://shop.example/reset",
    "PWD=/var/www/shop",
    "bearer token authentication does not work",
    "we use Bearer authentication",
    "Basic authentication is disabled",
    "Basic subscription costs 20 EUR",
    "Authorization: required",
    "Cookie: please accept them",
    "cookie settings are lost",
    "max_tokens: 4096",
    "total tokens: 123456",
    '"error": "invalid_token"',
    '"token_type": "bearer"',
    "token: expired",
    "Secret Santa: 24 December",
    "the secret to success",
    "key=value pairs",
    "https://shop.example/search?q=shoes&page=2&key=size",
    "https://shop.example/tickets?ticket=12345678",
    "git@github.com:shop/cart.git",
    "mail me at ada@shop.example",
    "https://ada@shop.example/path",
    "ssh://git@git.shop.example:22/cart.git",
    "postgres://user:${PG_PASSWORD}@db/shop",
    "version 10.0.26100.1234 build 4111111111111",
    "IBAN DE89 3704 0044 0532 0130 00",
    "phone +49 170 1234 5678 90",
    "ISBN 978-3-16-148410-0",
    "snowflake id 1234567890123456789",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0B\n-----END PUBLIC KEY-----",
    "sk-learn and task-runner-with-a-long-name-of-words",
    "pass: 12, fail: 3",
    "ERROR 1045 (28000): Access denied for user 'app'@'10.0.0.7' (using password: YES)",
    "cookie banner = broken",
    "the API key is missing",
    "IdentityServer: invalid_client",
    "-b main --password-stdin",
    'ldapsearch -x -b "dc=shop,dc=example"',
    "credentials: com.shop.auth.LoginException: none given",
    "password = Vault.lookup(NAME)",
    "session credentials: code=82",
    "mysql -h db -p shop",
)


def read(marked: str) -> tuple[str, str]:
    """A corpus line as the text and as it should stand after redaction."""
    plain = marked.replace("§", "")
    hidden = re.sub("«([^»]*)»", lambda found: re.sub(r"[^\r\n]", MASK, found[1]), plain)
    return plain.replace("«", "").replace("»", ""), hidden


def redacted(text: str) -> str:
    """The text as `detect` and `mask` leave it."""
    data = text.encode("utf-8", "surrogatepass")
    places = [
        (len(data[:start].decode("utf-8", "surrogatepass")), len(data[:end].decode("utf-8", "surrogatepass")))
        for _, start, end in detect(data)
    ]
    return mask(text, places)


@pytest.mark.parametrize("marked", SECRETS)
def test_a_secret_is_masked_and_its_label_stays(marked: str) -> None:
    """Exactly the secret is masked, in the customer's own context."""
    text, hidden = read(marked)

    assert redacted(text) == hidden


def test_the_corpus_is_found_completely() -> None:
    """Recall over the whole corpus is one; the message shows the figure and what was missed."""
    missed = [marked for marked in SECRETS if redacted(read(marked)[0]) == read(marked)[0]]

    assert len(SECRETS) >= 80
    assert not missed, f"recall {1 - len(missed) / len(SECRETS):.3f} of {len(SECRETS)}; missed {missed}"


@pytest.mark.parametrize("line", INNOCENT)
def test_what_only_looks_like_a_secret_survives(line: str) -> None:
    """Ids, hashes, stack traces, placeholders and prose are left as they are."""
    text = line.replace("§", "")

    assert redacted(text) == text
    assert len(INNOCENT) >= 60


@pytest.mark.parametrize("marked", SECRETS)
def test_each_detector_opens_its_own_gate(marked: str) -> None:
    """No detector finds anything in a text that its gate keeps from it."""
    data = read(marked)[0].encode()

    for detector in DETECTORS:
        if list(detector.find(data)):
            assert re2.search(detector.gate, data), detector.kind


AROUND = st.text(alphabet="aZ5 \r\n\t,;\"'&=🙂e\u0301שלום\u202e漢字\ud800", max_size=12)


@given(before=AROUND, marked=st.sampled_from(SECRETS), after=AROUND)
@settings(max_examples=300, deadline=None)
def test_redacting_twice_changes_nothing(before: str, marked: str, after: str) -> None:
    """Masked text holds nothing to find, whatever stands around, and its length is the original's."""
    text = f"{before}\n{read(marked)[0]}\n{after}"
    once = redacted(text)

    assert len(once) == len(text)
    assert redacted(once) == once
    assert once.count("\n") == text.count("\n")


@given(
    st.lists(st.sampled_from((*SECRETS, *INNOCENT)), max_size=5),
    st.sampled_from((" ", "\n", ", ", "; ", "&", '"')),
)
@settings(max_examples=300, deadline=None)
def test_redacting_a_mixture_twice_changes_nothing(lines: list[str], between: str) -> None:
    """Secrets side by side do not uncover one another."""
    once = redacted(read(between.join(lines))[0])

    assert redacted(once) == once


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_searched_without_a_crash(data: bytes) -> None:
    """Invalid UTF-8 is searched like any other; spans lie inside and in order."""
    for detector in DETECTORS:
        for start, end in detector.find(data):
            assert 0 <= start < end <= len(data)
    assert detect(data) == merged(detect(data))


@given(
    st.text(alphabet=st.characters(), max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
def test_masking_keeps_the_length_and_all_outside(text: str, spans: list[tuple[int, int]]) -> None:
    """Each code point inside a span becomes one mark, line breaks and the rest stay."""
    hidden = mask(text, [(start, min(end, len(text))) for start, end in spans])

    assert len(hidden) == len(text)
    for at, sign in enumerate(text):
        inside = any(start <= at < end for start, end in spans)
        assert hidden[at] == (MASK if inside and sign not in "\r\n" else sign)


def test_overlapping_secrets_become_one() -> None:
    """A key inside a password's value is one secret, under the kind that begins first."""
    assert merged([("b", 4, 9), ("a", 2, 6), ("c", 12, 14), ("d", 14, 15)]) == [
        ("a", 2, 9),
        ("c", 12, 14),
        ("d", 14, 15),
    ]


def test_a_fingerprint_tells_secrets_apart_and_depends_on_the_key() -> None:
    """Same secret and key, same hash; another key or secret, another one; always twelve hex digits."""
    first = fingerprint("hunter2", b"one")

    assert first == fingerprint("hunter2", b"one")
    assert first != fingerprint("hunter2", b"two")
    assert first != fingerprint("hunter3", b"one")
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert fingerprint("\ud800", b"one") != first


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("acme_[A-Z]{4}", "key acme_ABCD here", [(4, 13)]),
        ("badge ([0-9]{4})", "badge 1234", [(6, 10)]),
        ("(a)|(b)", "xb", [(1, 2)]),
        ("badge ([0-9]{4})", "badge none", []),
    ],
)
def test_an_organisation_adds_its_own_secrets(
    pattern: str, text: str, expected: list[tuple[int, int]]
) -> None:
    """The first group is masked, or the whole match; the pattern is its own gate."""
    detector = custom("acme", pattern)

    assert (detector.kind, detector.gate) == ("acme", pattern)
    assert list(detector.find(text.encode())) == expected


def test_what_an_organisation_masks_is_masked_once() -> None:
    """A pattern that also matches the marks finds nothing in masked text."""
    detector = custom("acme", "badge (.{4})")

    assert list(detector.find(f"badge {MASK * 4}".encode())) == []
