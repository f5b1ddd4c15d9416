"""Secrets: found before anything else looks at a text, and masked without changing its length.

A detector finds the secret alone, never its label, so that a reader still sees what stood there:
``password: ••••••••``. What only looks like a secret stays: placeholders, variables, ids, hashes of commits,
order numbers. Masked text holds nothing to find, so redacting twice changes nothing.
"""

# ruff: noqa: PLR2004 (lengths of codes, years, octets and issuers are what this file is about)

from __future__ import annotations

import binascii
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import re2

from rung.core.found import Detector, Span

__all__ = ["DETECTORS", "MASK", "custom", "detect", "fingerprint", "mask", "merged"]

MASK = "•"
"""What stands for one code point of a secret."""

_Check = Callable[[bytes, int, int], bool]
"""Says of ``data[start:end]`` whether it is a secret after all."""

_CALL = re2.compile(r"[A-Za-z_][\w.]*\(")
_HIDDEN = re2.compile(
    r"(?i)(?:[*•·.xX#_?–—-]+|…+|<[^>]*>?|\[[^\]]*\]?|\{\{?[^}]*\}?\}?|\$\{?\w*[^}]*\}?|\$\(.*|%\w+%?|@\w+@|"
    r"(?:process\.env|os\.|env\.|env\[|config\.|settings\.|self\.|this\.|request\.|req\.|"
    r"secrets\.|vault:|var\.|ENV\[|getenv).*|"
    r"(?:your|my|the|some|example|sample|dummy|fake|test|insert|replace|enter|"
    r"put)[ _-](?:[\w -]*[ _-])?(?:key|token|secret|password|passwd|pwd|pass|here|value|id|"
    r"code)s?(?:[ _-]here)?|"
    r"\[?(?:redacted|hidden|masked|removed|omitted|censored|filtered|secret|placeholder)\]?|"
    r"(?:null|none|nil|undefined|true|false|yes|no|empty|unset|missing|blank|n/a|na|tbd|todo|"
    r"string|str|text|varchar.*|number|integer|int|"
    r"bool|boolean|any|object|optional|required|invalid|incorrect|wrong|expired|valid|reset|"
    r"changed|correct|set|ok|field|option|is|not|the|and|was|"
    r"has|in|of|to|as|be|a|an|i|or|it|my|we|does|can|cannot|must|should|failed|error|empty|"
    r"unknown|default|same|above|below|here|with|for|please|protected|disabled|enabled|"
    r"verified|all|include|omit|same-origin|ungültig|falsch|abgelaufen|incorrecto|inválida?|"
    r"incorrecta|incorrect[eo]?|invalide|错误|不正确|无效|过期))"
    r"[.,;:!?)\]}\"'`]*"
)


def _worth_hiding(data: bytes, start: int, end: int) -> bool:
    """False for what is masked already, for placeholders, variables and the words that describe a secret."""
    return _HIDDEN.fullmatch(data, start, end) is None


def _random(data: bytes, start: int, end: int) -> bool:
    """Whether a value after ``token:`` and the like is drawn at random rather than written by a person."""
    value = data[start:end]
    if len(value) < 6 or not _worth_hiding(data, start, end):
        return False
    if data[end : end + 1] in (b"(", b"[") and value[:1].isalpha():
        return False
    digits = sum(sign in b"0123456789" for sign in value)
    if digits == len(value):
        return len(value) > 11
    if digits:
        return len(value) >= 8 or (digits > 1 and value.isalnum())
    return _mixed(value) or (len(value) >= 16 and not _identifier(value.replace(b"-", b"")))


def _mixed(value: bytes) -> bool:
    """Letters whose case changes more often than in any name: ``aGkLmPqRsTvW``."""
    if len(value) < 16 or not value.isalnum():
        return False
    changes = sum(
        one.islower() != two.islower() for one, two in zip(value.decode(), value.decode()[1:], strict=False)
    )
    return changes * 3 > len(value)


def _written_or_random(data: bytes, start: int, end: int) -> bool:
    """As `_random`; a quoted value may also be words: ``"secret": "correct-horse"``."""
    if _random(data, start, end):
        return True
    quoted = start > 0 and data[start - 1] in b"\"'" and data[end : end + 1] in (b'"', b"'", b"\\")
    value = data[start:end]
    return (
        quoted
        and len(value) >= 12
        and b" " not in value
        and not _identifier(value)
        and _worth_hiding(data, start, end)
    )


def _identifier(value: bytes) -> bool:
    """``invalid_token``, ``api.key.name``: names of things, not their values."""
    return value.rstrip(b":;,.").replace(b"_", b"").replace(b".", b"").isalpha()


def _has_password(data: bytes, start: int, end: int) -> bool:
    """Whether the value after a password's label is one, and no call, type or sentence."""
    value = data[start:end]
    if not _worth_hiding(data, start, end) or (data[end : end + 1] == b"(" and _identifier(value)):
        return False
    if data[start - 1] not in b"\"'`" and _CALL.match(value):
        return False
    # PWD=/var/www is where somebody stood.
    return not value.startswith((b"http://", b"https://", b"//")) and not (
        value[:1] == b"/" and value.count(b"/") > 1
    )


def _said_password(data: bytes, start: int, end: int) -> bool:
    """Whether ``password is X`` says it: X then has a digit or sign that words have not."""
    value = data[start:end].rstrip(b".,;:!?)")
    telling = any(sign in b"0123456789!@#$%^&*" for sign in value) or data[start - 1] in b"\"'`"
    return telling and len(value) > 3 and _worth_hiding(data, start, end)


def _credentials(data: bytes, start: int, end: int) -> bool:
    """Whether a value after ``Basic`` is the base64 of ``user:password``."""
    value = data[start:end].rstrip(b"=")
    try:
        return b":" in binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return False


_ZERO = ord("0")
_CARD_RANGES = (
    # first digits from, to, lengths
    (b"34", b"34", (15,)),
    (b"37", b"37", (15,)),
    (b"300", b"305", (14,)),
    (b"36", b"36", (14,)),
    (b"38", b"39", (14,)),
    (b"3528", b"3589", (16,)),
    (b"4", b"4", (13, 16, 19)),
    (b"50", b"50", (16, 19)),
    (b"51", b"55", (16,)),
    (b"56", b"59", (13, 16, 19)),
    (b"2221", b"2720", (16,)),
    (b"60", b"60", (16, 19)),
    (b"61", b"69", (13, 16, 18, 19)),
    (b"81", b"82", (16,)),
)


def _card(data: bytes, start: int, end: int) -> bool:
    """Whether digits are a card number: a known issuer's range and length, and the Luhn sum."""
    if (
        start
        and data[start - 1] in b".-_/#="
        and data[start - 2 : start - 1].isalnum()
        and data[start - 1] != 0x3D
    ):
        return False
    if data[end : end + 1] in (b".", b"-", b"_") and data[end + 1 : end + 2].isalnum():
        return False
    number = data[start:end].replace(b" ", b"").replace(b"-", b"")
    if not any(
        low <= number[: len(low)] <= high and len(number) in lengths for low, high, lengths in _CARD_RANGES
    ):
        return False
    doubled = (digit * 2 - 9 * (digit > 4) for digit in (sign - _ZERO for sign in number[-2::-2]))
    return (sum(doubled) + sum(sign - _ZERO for sign in number[-1::-2])) % 10 == 0


def _detector(kind: str, gate: str, pattern: str, check: _Check = _worth_hiding) -> Detector:
    """A detector whose secret is the first group that took part, or else the whole match."""
    compiled = re2.compile(pattern)

    def find(data: bytes) -> Iterator[Span]:
        for found in compiled.finditer(data):
            start, end = found.span(found.lastindex or 0)
            if start < end and check(data, start, end):
                yield start, end

    return Detector(kind, gate, find)


def custom(id: str, pattern: str) -> Detector:  # noqa: A002 - the policy calls it so
    """The detector of one ``redactions`` entry: masks the first group of an RE2 pattern, or the whole match.

    Raises:
        re2.error: the pattern is not RE2; the policy loader has refused it before.
    """
    return _detector(id, pattern, pattern)


_VENDORS = (
    ("aws_key", r"\b(?:AKIA|ASIA)[A-Z0-9]", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "github_token",
        r"gh[pousr]_|github_pat_",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})",
    ),
    (
        "gitlab_token",
        r"\bgl[a-z]{2,5}-",
        r"\b(?:gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|ffct)|GR1348941)-[A-Za-z0-9_.-]{20,}",
    ),
    (
        "slack_token",
        r"\bxox[abceoprs]|xapp-|hooks\.slack\.com",
        (
            r"\bxox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}|"
            r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_+-]{12,})"
        ),
    ),
    ("discord_token", r"discord(?:app)?\.com/api/web", r"discord(?:app)?\.com/api/webhooks/\d+/([\w-]{20,})"),
    ("telegram_token", r"\d:AA", r"\b\d{8,10}:AA[\w-]{32,}"),
    (
        "stripe_key",
        r"\b[srw]\w*_(?:live|test)_|whsec_",
        r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=_-]{16,}",
    ),
    (
        "ai_key",
        r"\bsk-|\bgsk_|\bpplx-|\bxai-|\br8_|\bhf_",
        (
            r"\bsk-(?:proj-|svcacct-|admin-|ant-|or-|lf-)?[A-Za-z0-9_-]{20,}|\bgsk_[A-Za-z0-9]{30,}|"
            r"\bpplx-[A-Za-z0-9]{30,}|"
            r"\bxai-[A-Za-z0-9]{30,}|\br8_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}"
        ),
    ),
    (
        "google_key",
        r"AIza|GOCSPX-|\bya29\.|\b1//0",
        r"\bAIza[\w-]{35}|\bGOCSPX-[\w-]{20,}|\bya29\.[\w.-]{20,}|\b1//0[\w-]{20,}",
    ),
    ("sendgrid_key", r"\bSG\.", r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    (
        "mail_key",
        r"\bkey-[0-9a-f]|-us\d|\bxkeysib-|\bre_|\bmd-",
        (
            r"\bkey-[0-9a-f]{32}\b|\b[0-9a-f]{32}-us\d{1,2}\b|\bxkeysib-[0-9a-f]{32,}[\w-]*|"
            r"\bre_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}|\bmd-[\w-]{20,}"
        ),
    ),
    ("twilio_key", r"\bSK[0-9a-f]", r"\bSK[0-9a-f]{32}\b"),
    (
        "registry_token",
        r"\bnpm_|\bpypi-|\bdckr_|\brubygems_|\boy2",
        (
            r"\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{40,}|\bdckr_(?:pat|oat)_[\w-]{20,}|"
            r"\brubygems_[0-9a-f]{40,}|\boy2[a-z0-9]{43}\b"
        ),
    ),
    ("zendesk_token", r"/token:", r"/token:([A-Za-z0-9]{20,})"),
    (
        "shop_token",
        r"\bshp[a-z]{2}_|\bsq0|\bpat-[a-z]{2}\d|\bEAA|access_token\$",
        (
            r"\bshp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32,}|\bsq0[a-z]{3}-[\w-]{22,}|"
            r"\bpat-[a-z]{2}\d-[0-9a-f]{8}-[0-9a-f-]{27}|\bEAA[A-Za-z0-9]{60,}|"
            r"access_token\$production\$[0-9a-z]{16}\$[0-9a-f]{32}"
        ),
    ),
    (
        "cloud_token",
        (
            r"\bdo[opr]_v1_|\bdapi|\bhv[sbr]\.|\bATATT3|\bATCTT3|\bpscale_|\bsbp_|\bdp\.|\bfo1_|FlyV1|"
            r"\.atlasv1\.|8Q~|AGE-SECRET|\bpul-"
        ),
        (
            r"\bdo[opr]_v1_[0-9a-f]{64}|\bdapi[0-9a-f]{32}|\bhv[sbr]\.[\w-]{20,}|"
            r"\bATATT3[\w=+/-]{40,}|\bATCTT3[\w=+/-]{40,}|"
            r"\bpscale_(?:tkn|pw|oauth)_[\w.=-]{30,}|\bsbp_[0-9a-f]{40}|\bdp\.(?:pt|st|ct|"
            r"sa)\.[\w.-]{30,}|\bfo1_[\w-]{40,}|\bFlyV1 [\w+/=,-]{40,}|"
            r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}|\b[\w~.-]{3}8Q~[\w~.-]{31,34}|"
            r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}|\bpul-[0-9a-f]{40}"
        ),
    ),
    (
        "saas_token",
        (
            r"\blin_api_|\bntn_|\bsecret_|\bPMAK-|\bfigd_|\bglsa_|\bglc_|\bNRAK-|\bsntr|\blsv2_|"
            r"\bphx_|\bpat[A-Za-z0-9]{14}\.|\bsk_|\bdt0c01\."
        ),
        (
            r"\blin_api_[A-Za-z0-9]{30,}|\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{40,}|"
            r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}|\bfigd_[\w-]{36,}|"
            r"\bglsa_[A-Za-z0-9_]{32,}|\bglc_[A-Za-z0-9+/=]{32,}|\bNRAK-[A-Z0-9]{27}|"
            r"\bsntry[su]_[\w=+/]{40,}|\blsv2_(?:pt|sk)_[0-9a-f_]{40,}|"
            r"\bphx_[A-Za-z0-9]{40,}|\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}|\bdt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"
        ),
    ),
)

_PASSWORDS = (
    r"(?:password|passwd|passphrase|passcode|pwd|passwort|kennwort|paßwort|mot[ _]de[ _]passe|mdp|"
    r"contraseña|contrasena|senha|"
    r"wachtwoord|parola|hasło|haslo|пароль|密码|密碼|口令|パスワード|비밀번호|암호|lösenord|adgangskode|passord|"
    r"salasana|şifre|heslo|jelszó|"
    r"كلمة المرور|סיסמה|mật khẩu|kata sandi|clave de acceso|palavra-passe)"
)
_ASSIGN = r"[\"'”’`*\\]*[ \t]*(?:=>|:=|[:=：])[ \t]*"
_VALUE = (
    r"(?:\\+\"([^\"\\\n]+)|\"((?:[^\"\\\n]|\\.)+)\"|'((?:[^'\\\n]|\\.)+)'|`([^`\n]+)`|“([^“”\n]+)”|"
    r"[\"'`“*]*([^\s\"'`“”,;&<>)}\]\\]+))"
)
_KEYWORD = (
    r"(?:secret(?:[ _-]?key(?:[ _-]?base)?)?|token|api[ _-]?key|app[ _-]?key|access[ _-]?key|"
    r"account[ _-]?key|auth[ _-]?key|private[ _-]?key|"
    r"signing[ _-]?key|encryption[ _-]?key|master[ _-]?key|shared[ _-]?key|licen[cs]e[ _-]?key|"
    r"service[ _-]?key|client[ _-]?key|"
    r"subscription[ _-]?key|functions[ _-]?key|credentials?|\bjwt|phpsessid|jsessionid|\botp|"
    r"geheimnis|schlüssel|jeton|clé(?: d'api| api| secrète)?|"
    r"clave(?: de api| api| secreta)?|chave(?: de api| secreta)?|"
    r"секрет|токен|ключ api|密钥|金鑰|令牌|トークン|秘密鍵|api ?キー|토큰)"
)
_QUERY = (
    r"(?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|access_token|"
    r"id_token|refresh_token|auth_token|token|api_?key|"
    r"client_secret|secret|jwt|samlresponse|assertion)=([^&\s\"'<>#)\]]+)|[?&#;](?:code|key|auth|"
    r"session|sid)=([^&\s\"'<>#)\]]{16,})"
)


def _header(data: bytes, start: int, end: int) -> bool:
    """Whether an Authorization header's value is one: anything after a scheme, else what is random."""
    if (
        data[start - 1 : start] in (b" ", b"=", b":")
        and end - start > 7
        and data[max(0, start - 6) : start - 1].isalnum()
    ):
        return _worth_hiding(data, start, end)
    return _random(data, start, end) or _credentials(data, start, end)


_KEY_BEGINS = re2.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re2.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY")
_KEY_BODY = re2.compile(r"[A-Za-z0-9+/=\\\s:,.-]*")


def _private_keys(data: bytes) -> Iterator[Span]:
    """What stands between a key's BEGIN and END; without an END, as long as it looks like a key's lines."""
    ends = [found.start() for found in _KEY_ENDS.finditer(data)]
    done = 0
    for begin in _KEY_BEGINS.finditer(data):
        start = begin.end()
        if start < done:
            continue
        at = bisect_left(ends, start)
        done = ends[at] if at < len(ends) else _KEY_BODY.match(data, start).end()
        body = data[start:done].replace(MASK.encode(), b"").replace(b"\\n", b"").replace(b"\\r", b"")
        if len(body.strip(b" \t\r\n\\-.*")) > 7:
            yield start, done


_COOKIE_HEADER = re2.compile(
    r"(?i)(?:\bcookie[\"'\\]*\s*[:=]|--cookie[ =]|"
    r"\bcurl\b[^\n]*\s-b )\s*[\"'\\]*((?:[\w.-]+=[^\n\r;\"']*(?:;[ ]?)?)+)"
)
_COOKIE = re2.compile(r"([\w.$-]+)=([^;\s\\]+)")
_ATTRIBUTES = frozenset(b"path domain expires max-age samesite version priority comment".split())


def _cookies(data: bytes) -> Iterator[Span]:
    """The values in Cookie and Set-Cookie headers; their names and attributes stay."""
    for header in _COOKIE_HEADER.finditer(data):
        for pair in _COOKIE.finditer(data, *header.span(1)):
            start, end = pair.span(2)
            if pair.group(1).lower() not in _ATTRIBUTES and _worth_hiding(data, start, end):
                yield start, end


DETECTORS: tuple[Detector, ...] = (
    Detector("private_key", r"PRIVATE KEY", _private_keys),
    *(_detector(kind, gate, pattern) for kind, gate, pattern in _VENDORS),
    _detector("jwt", r"\beyJ", r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{4,}){1,4}(?:\.[A-Za-z0-9_-]*)?"),
    _detector(
        "authorization",
        r"(?i)authori[sz]ation[\"'\\]*\s*[:=]",
        r"(?i)authori[sz]ation[\"'\\]*\s*[:=]>?\s*[\"'`\\]*(?:(?:bearer|basic|token|apikey|digest|"
        r"negotiate|ntlm|aws4-hmac-sha256|key|bot|splunk|"
        r"genie-?key)[ =:]+)?([^\s\"'`<>,;\\]+)|\bSignature=([0-9a-f]{40,})",
        _header,
    ),
    _detector(
        "authorization", r"(?i)\bbearer\s", r"(?i)\bbearer[ \t]+[\"'`]?([A-Za-z0-9._~+/=-]{12,})", _random
    ),
    _detector(
        "authorization",
        r"(?i)\bbasic\s+[a-z0-9]",
        r"(?i)\bbasic[ \t]+([A-Za-z0-9+/]{8,}={0,2})",
        _credentials,
    ),
    Detector("cookie", r"(?i)cookie[\"'\\]*\s*[:=]|--cookie|\bcurl\b[^\n]*\s-b ", _cookies),
    _detector(
        "password",
        rf"(?i){_PASSWORDS}[\w-]{{0,12}}{_ASSIGN}",
        rf"(?i){_PASSWORDS}(?:_?\d|[_-](?:hash|confirmation|prod|production|staging|dev|test|old|"
        rf"new|db|root|admin))?{_ASSIGN}{_VALUE}",
        _has_password,
    ),
    _detector(
        "password",
        rf"(?i){_PASSWORDS}['\"]?(?: is| was| ist| war| lautet| es| est| é|は|是|为)|"
        rf"--?(?:db-)?pass(?:word)?[ =]|--pw[ =]|\s-u\s|identified by|\bsshpass|\bmysql\w* ",
        rf"(?i){_PASSWORDS}['\"]?(?: is| was| ist| war| lautet| es| est| é|は|是|为)[ :]*[\"'`]?([^\s\"'`<>]+)|"
        r"--?(?:db-)?(?:password|pass|pw)[ =][\"']?([^\s\"'<>]+)|"
        r"\s-u\s+[\"']?[^\s:\"']+:([^\s\"']+)|identified by '([^'\n]+)'|"
        r"\bsshpass -p[ ]?[\"']?([^\s\"']+)|\bmysql\w*\b[^\n]* -p([^\s\"']+)",
        _said_password,
    ),
    _detector(
        "password",
        r"(?i)pass[\"']?[ \t]*[:=]",
        r"(?i)pass[\"']?[ \t]*[:=][ \t]*[\"']?([^\s\"'<>,;&)]+)",
        _random,
    ),
    _detector("secret", rf"(?i){_KEYWORD}{_ASSIGN}", rf"(?i){_KEYWORD}{_ASSIGN}{_VALUE}", _written_or_random),
    _detector(
        "secret",
        r"(?i)(?:api[ _-]?key|secret|token|credentials?)(?: is| was)?[ =]+[\"'`a-z0-9]",
        r"(?i)\b(?:api[ _-]?key|secret(?: key)?|token)(?: is|"
        r" was)? +(?:[\"'`]([^\s\"'`]{12,})[\"'`]|([A-Za-z0-9_+/=.-]{16,}))|"
        r"--(?:[a-z]+-)?(?:token|api-?key|secret)[ =]+[\"']?([^\s\"'<>]{8,})",
        _random,
    ),
    _detector("query_secret", r"(?i)[?&#;][a-z_-]{3,20}=", rf"(?i)[?&#;]{_QUERY}", _random),
    _detector(
        "url_credentials",
        r"://[^\s/@\"'<>]*@",
        r"(?i)\b[a-z][a-z0-9+.-]*://(?:[^\s/:@\"'<>]*:([^\s/\"'<>]+)|([A-Za-z0-9_-]{20,}))@",
    ),
    _detector(
        "card_number",
        r"\d{4}[ -]?\d{4,6}[ -]?\d{4,5}",
        r"\b(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{4}[ -]\d{4}[ -]\d{5})\b",
        _card,
    ),
)
"""The built-in detectors; a kind may stand for several."""


def _gates() -> re2.Set:
    """One RE2 set of all gates, for those who have no policy whose set would hold them."""
    gates = re2.Set.SearchSet()
    for detector in DETECTORS:
        gates.Add(detector.gate)
    gates.Compile()
    return gates


_GATES = _gates()


def detect(data: bytes) -> list[tuple[str, int, int]]:
    """All secrets the built-in detectors find in UTF-8 bytes: kind, start, end; merged and in order."""
    return merged(
        (DETECTORS[at].kind, start, end)
        for at in _GATES.Match(data) or ()
        for start, end in DETECTORS[at].find(data)
    )


def merged(found: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Spans in order with those that overlap made one, under the kind of the one that begins first."""
    together: list[tuple[str, int, int]] = []
    for kind, start, end in sorted(found, key=lambda one: (one[1], -one[2], one[0])):
        if together and start < together[-1][2]:
            first, begin, last = together[-1]
            together[-1] = (first, begin, max(last, end))
        else:
            together.append((kind, start, end))
    return together


def mask(text: str, spans: Iterable[Span]) -> str:
    """The text with each code point of the spans as `MASK`; its length stays.

    Spans are in code points and may overlap. Line breaks inside them stay, so that a masked key keeps its lines.
    """
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        begin = max(start, done)
        if begin < end:
            pieces += (
                text[done:begin],
                "".join(sign if sign in "\r\n" else MASK for sign in text[begin:end]),
            )
            done = end
    pieces.append(text[done:])
    return "".join(pieces)


def fingerprint(value: str, key: bytes) -> str:
    """A short keyed hash that tells two secrets apart without telling either: HMAC-SHA256, 12 hex digits."""
    return hmac.new(key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]
