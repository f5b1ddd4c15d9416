"""Error codes: what software calls its failures so that one can look them up.

Most carry their own form (``ECONNREFUSED``, ``ORA-12541``, ``ERR_SSL_PROTOCOL_ERROR``, ``invalid_grant``); the
rest need the words before them (``SQLSTATE: 57014``, ``errno 13``, ``exit code 137``, ``"code": "card_declined"``).
"""

# ruff: noqa: PLR2004 (lengths of codes, years, octets and issuers are what this file is about)

from __future__ import annotations

from collections.abc import Iterator

import re2

from rung.core.found import Extractor
from rung.model import EntityType

Found = tuple[EntityType, int, int]

_ERRNO = (
    "CONNREFUSED|CONNRESET|CONNABORTED|TIMEDOUT|NOTFOUND|AI_AGAIN|AI_FAIL|AI_NONAME|PIPE|"
    "HOSTUNREACH|HOSTDOWN|NETUNREACH|NETDOWN|"
    "ADDRINUSE|ADDRNOTAVAIL|ACCES|PERM|NOENT|EXIST|ISDIR|NOTDIR|MFILE|NFILE|NOMEM|NOSPC|ROFS|"
    "BUSY|INVAL|SOCKETTIMEDOUT|SOCKET|RESOLVE|"
    "PROTO|NOTEMPTY|XDEV|LOOP|AGAIN|NAMETOOLONG|NOSYS|NOTSUP|OPNOTSUPP|SHUTDOWN|NOTCONN|"
    "INTEGRITY|BADENGINE|LIFECYCLE|AUTH|ENVELOPE|"
    "REQUEST|MESSAGE|DQUOT|STALE|IO|404|403|401"
)
_WORD = (
    "ERR|ERROR|ERRORS|INVALID|FAILED|FAILURE|FAIL|DENIED|EXCEEDED|NOT_FOUND|NOTFOUND|"
    "UNAUTHORIZED|UNAUTHENTICATED|FORBIDDEN|"
    "UNAVAILABLE|REFUSED|MISMATCH|EXPIRED|UNSUPPORTED|ABORTED|EXHAUSTED|OVERFLOW|VIOLATION|"
    "UNREACHABLE|REJECTED|REVOKED|"
    "TIMED_OUT|NXDOMAIN|NOT_ALLOWED|NOT_SUPPORTED|NOT_ENABLED|NOT_PERMITTED|DISABLED|SUSPENDED|"
    "CORRUPTED|CORRUPT|MALFORMED|UNPROCESSABLE|"
    "TOO_MANY|TOO_LARGE|TOO_LONG|OUT_OF_MEMORY|OUT_OF_RANGE|ALREADY_EXISTS|BLOCKED|UNKNOWN_CA|SELF_SIGNED|UNABLE_TO|"
    "RATE_LIMIT|RATE_LIMITED|LIMIT_REACHED|CONFLICT|DEADLOCK|PRECONDITION|UNIMPLEMENTED|"
    "BAD_REQUEST|BAD_GATEWAY|MISSING|BAD_ACCESS"
)
_OAUTH = (
    "invalid_(?:grant|client|request|scope|token|redirect_uri|request_error|api_key|credentials|"
    "signature|auth|dpop_proof|state|nonce|audience|issuer)|"
    "unauthorized_client|unsupported_(?:grant_type|response_type|token_type)|access_denied|"
    "server_error|temporarily_unavailable|"
    "redirect_uri_mismatch|(?:login|consent|interaction|account_selection)_required|"
    "insufficient_(?:scope|quota|funds|permissions)|"
    "(?:rate_limit|authentication|permission|overloaded|api|card|not_found|idempotency|"
    "validation|api_connection|billing)_error|"
    "rate_limit_exceeded|context_length_exceeded|quota_exceeded|model_not_found|missing_scope|"
    "not_authed|token_(?:revoked|expired)|account_inactive|"
    "channel_not_found|not_in_channel|card_declined|expired_card|incorrect_cvc|"
    "authentication_required|resource_missing|"
    "signature_verification_failed|ratelimited|slow_down|expired_token|authorization_pending|"
    "user_not_found|permission_denied|"
    "handshake_failure|bad_certificate|certificate_(?:expired|unknown|revoked|required)|"
    "unknown_ca|unrecognized_name|protocol_version|"
    "bad_record_mac|no_application_protocol|decrypt_error|insufficient_security|"
    "unsupported_certificate|illegal_parameter|internal_error|"
    "self_signed_certificate|too_many_requests|internal_server_error|resource_exhausted|deadline_exceeded"
)
_OWN_FORM = re2.compile(
    "|".join(
        (
            rf"\bE(?:{_ERRNO})\b|\bWSAE[A-Z]{{3,}}\b",
            r"\b(?:NET|net|neterror)::ERR_[A-Z0-9_]+",
            (
                rf"\b(?:[A-Z][A-Z0-9]*_)+(?:{_WORD})(?:_[A-Z0-9]+)*\b|\b(?:{_WORD})(?:_[A-Z0-9]+)+\b|"
                rf"\bE_[A-Z][A-Z0-9_]+\b"
            ),
            rf"\b(?:{_OAUTH})\b",
            r"\bSQLSTATE\[\w{5}\]",
            r"\b(?:ORA|PLS|TNS|RMAN|DPY|DPI|CPE|JBAS|WFLYCTL|SQL|IMP|PRVF|CRS)-?\d{4,5}[A-Z]?\b|\bAADSTS\d{4,7}\b",
            (
                r"\bTS\d{4,5}\b|\bCS\d{4}\b|\bE0\d{3}\b|\bPGRST\d{3}\b|\bP[1-6]0\d\d\b|\bMSB\d{4}\b|"
                r"\bNU1\d{3}\b|\bNETSDK\d{4}\b|"
                r"\bLNK\d{4}\b|\bBC\d{5}\b|\bNG0?\d{3,4}\b|\bE11000\b|\bSC-?\d{6}\b|\bMSIS\d{4}\b|\bIDX\d{5}\b"
            ),
            r"\b0x[8CcDd][0-9A-Fa-f]{7}\b",
            (
                r"\bSIG(?:SEGV|ABRT|KILL|BUS|ILL|FPE|TERM|PIPE|TRAP|SYS)\b|\bEXC_[A-Z][A-Z_]+\b|"
                r"\bSTATUS_[A-Z]+(?:_[A-Z]+)+\b"
            ),
            (
                r"\b(?:CrashLoopBackOff|ImagePullBackOff|ErrImagePull|ErrImageNeverPull|OOMKilled|"
                r"OOMKilling|CreateContainerConfigError|"
                r"CreateContainerError|RunContainerError|InvalidImageName|FailedScheduling|"
                r"FailedMount|FailedAttachVolume|BackoffLimitExceeded|"
                r"NodeNotReady|ContainerCannotRun|DeadlineExceeded|PodInitializing)\b"
            ),
            (
                r"\b(?:AccessDenied|NoSuchKey|NoSuchBucket|SignatureDoesNotMatch|InvalidAccessKeyId|"
                r"InvalidClientTokenId|ExpiredToken|"
                r"RequestTimeTooSkewed|SlowDown|UnauthorizedOperation|AuthorizationFailed|"
                r"InvalidAuthenticationToken|RequestTimeout|"
                r"BucketAlreadyExists|NoCredentialProviders|ServiceUnavailable|InternalServerError|"
                r"TooManyRequests|ThrottledClient)\b"
            ),
            (
                r"\b(?:NXDOMAIN|SERVFAIL|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|"
                r"CERT_HAS_EXPIRED|ERESOLVE)\b|"
                r"\b(?:SELF_SIGNED_CERT_IN_CHAIN|CERT_[A-Z]+(?:_[A-Z]+)+|DNS_PROBE_[A-Z_]+|"
                r"NS_ERROR_[A-Z_]+|WRONG_VERSION_NUMBER|UNEXPECTED_EOF_\w+)\b"
            ),
            r"\b[Ee]rrno:? -?\d{1,4}\b",
        )
    )
)

_NAME = r"[A-Za-z][\w.-]*[A-Za-z0-9]"
_IN_CONTEXT = re2.compile(
    "|".join(
        (
            # 1 SQLSTATE: 57014, SQL state [08001]
            r"(?i:\bsql[ _-]?state)[\"'\\]*\s*(?:[:=]|is)?\s*[\"'(\[\\]*([0-9A-Z]{5})\b",
            # 2 error code 1040, ERROR 1045 (28000), エラーコード: 12
            (
                r"(?i:\b(?:err(?:or)?|fehler|foutcode|erreur|erro|errore)(?:[ _-]?(?:code|no|number|"
                r"num|id|nr|nummer))?|\bcode d'erreur|"
                r"\bcódigo de err?or?|\bcodice(?: di)? errore|\bfehlercode|\bhresult|\bmsg|"
                r"\bnative error|错误(?:码|代码)|錯誤碼|エラー(?:コード)?|"
                r"код ошибки|\bhata kodu)[\"'`\\]*\s*[:：=#]?\s*[\"'`(\[#\\]*(-?\d{1,7}|0x[0-9A-Fa-f]{4,8})\b"
            ),
            # 3 a driver's pair of number and message: (1040, 'Too many connections')
            r"(?:Error|Exception)[\"')]*:? ?\((\d{1,5}), ",
            # 4 exit code 137 and exited with status 1
            (
                r"(?i:\bexit(?:ed|ing|s)?(?: with)?(?: (?:status|code))+|\bexit[ _-]?(?:code|status)|"
                r"\breturned a non-zero code)\s*[:=(]?\s*\"?(-?\d{1,3})\b"
            ),
            # 5 a mail server's code with the enhanced one: 550 5.7.1
            r"\b[245]\d\d[ -]#?([245]\.\d{1,2}\.\d{1,3})\b",
            # 6 the same after a word of mail
            (
                r"\b(?i:smtp|dsn|status|bounce\w*|ndr|mail\w*|error|code)[\w /]{0,12}"
                r"[ :=(\[#]+[\"']?([45]\.\d\.\d{1,3})\b"
            ),
            # 7 the value of a field that is named as the code
            (
                r"(?i:\berr(?:or)?[ _-]?code|错误(?:码|代码)|\bfehlercode|\bcode d'erreur|\bcódigo de err?or?|"
                r"エラーコード)"
                rf"[\"'`”’\\]*\s*[:：=]\s*[\"'`“‘(\[\\]*({_NAME})"
            ),
            rf"\b(?:code|reason)[\"'”\\]*\s*[:=]\s*[\"'“\\]+({_NAME})[\"'”\\]",
            (
                r"\b(?:error|type|errorType|title)[\"'”\\]*\s*[:=]\s*[\"'“\\]+([a-z]+(?:_[a-z0-9]+)+|"
                r"[A-Z]+(?:_[A-Z0-9]+)+)[\"'”\\]"
            ),
            r"[?&#]error(?:_code)?=([A-Za-z_]\w+)",
            # 11 gRPC: rpc error: code = Unavailable, StatusCode.UNAVAILABLE, 14 UNAVAILABLE
            r"\bcode = ([A-Z][A-Za-z]+)\b|\bStatusCode\.([A-Z][A-Z_]+)\b|\b(?:4|5|7|8|13|14|16) ([A-Z][A-Z_]{6,})\b",
            (
                r"\b(?:status|code)[\"'\\]*[:=] ?[\"'\\]*(UNAVAILABLE|UNAUTHENTICATED|ABORTED|"
                r"CANCELLED|INTERNAL|UNIMPLEMENTED)\b"
            ),
            # 15 [SSL: UNEXPECTED_EOF], alert number 40, TLS alert 48
            (
                r"\[SSL: ([A-Z0-9_]+)\]|\b(?i:alert number|ssl alert|tls alert|"
                r"fatal alert:?)[: ]+(\d{1,3}|[a-z]+(?:_[a-z]+)+)\b"
            ),
            # 17 a code between an error's words and its message: error[E0382]: , error TS2345: , (code: X)
            r"\b(?i:error|fatal|warning)[ \[(]+([A-Z]{1,6}-?\d{3,6})\b|\(code:? ?([A-Z][A-Z0-9_]{3,})\)",
            r"\b(?i:code)[: =]+\"?(E[A-Z]{4,}|[A-Z]{2,}[0-9_][A-Z0-9_]+)\b",
        )
    )
)
_PLAIN_WORDS = frozenset(
    b"error errors message messages code null none undefined unknown true false string number integer object".split()
)
_NUMBERED = 2
_NAMED_BY_KEY = (7, 8)


def own_form(data: bytes) -> Iterator[Found]:
    """Codes one recognises without context."""
    for found in _OWN_FORM.finditer(data):
        start, end = found.span()
        text = data[start:end]
        if data[start - 1 : start] in _SIGILS or (b"_" in text and _is_setting(data, text, end)):
            continue
        yield "error_code", start, end


_SIGILS = (b"$", b"%", b"@")
_SETTINGS = (
    b"_RETRIES", b"_RETRY", b"_LOG", b"_LEVEL", b"_HANDLER", b"_PAGE", b"_MESSAGE", b"_COUNT", b"_DIR", b"_PATH",
    b"_FILE", b"_URL", b"_HOOK", b"_REPORTING", b"_TIMEOUT", b"_ENABLED",
)  # fmt: skip


def _is_setting(data: bytes, text: bytes, end: int) -> bool:
    """Whether a name in capitals is assigned or called, as settings and functions are and codes are not."""
    if not text.isupper() or text.startswith((b"ERR_", b"SQLSTATE")):
        return False
    if text.endswith(_SETTINGS) or text.startswith((b"MAX_", b"DEFAULT_", b"LOG_", b"ENABLE_", b"DISABLE_")):
        return True
    after = data[end : end + 3].lstrip(b" ")
    return after[:1] == b"(" or (after[:1] == b"=" and after[:2] != b"==")


def in_context(data: bytes) -> Iterator[Found]:
    """Codes that the words before them make codes."""
    for found in _IN_CONTEXT.finditer(data):
        group = found.lastindex
        if group is None:
            continue
        start, end = found.span(group)
        value = data[start:end]
        if group == _NUMBERED and _is_status_or_count(data, value, end):
            continue
        if value == b"0" or (group in _NAMED_BY_KEY and not _looks_like_code(value)):
            continue  # 0 says that it went well
        yield "error_code", start, end
        if group == _NUMBERED and data[end : end + 2] == b" (" and data[end + 7 : end + 8] == b")":
            yield "error_code", end + 2, end + 7


def _is_status_or_count(data: bytes, value: bytes, end: int) -> bool:
    """``error 503`` is an HTTP status; ``error 5 times`` and ``error 3.1`` are counts and versions."""
    if len(value) == 3 and value[:1] in b"45" and value.isdigit():
        return True
    if data[end : end + 1] in (b".", b",", b"%", b"/", b"-") and data[end + 1 : end + 2].isalnum():
        return True
    return data[end : end + 6].lstrip().startswith(_COUNTED)


_COUNTED = (b"time", b"of ", b"out", b"row", b"item", b"day", b"min", b"hour", b"sec")


def _looks_like_code(value: bytes) -> bool:
    """Whether a named value is a code rather than a word of a sentence."""
    if value.lower() in _PLAIN_WORDS or value.count(b".") > 2:
        return False
    return (
        b"_" in value
        or value.isupper()
        or any(sign in b"0123456789" for sign in value)
        or value[1:] != value[1:].lower()
    )


CODES = (
    Extractor(
        "error_code",
        rf"\bE(?:{_ERRNO})\b|WSAE|::ERR_|(?:_|\b)(?:{_WORD})(?:_|\b)|\bE_[A-Z]|\b(?:{_OAUTH})\b|SQLSTATE\[|"
        r"\b[A-Z]{2,7}-?\d{3,}|\b[EP]\d{4}|\b0x[8CcDd][0-9A-Fa-f]{7}\b|\bSIG[A-Z]{3}|EXC_|STATUS_|"
        r"BackOff|OOMKill|ErrImage|Container|"
        r"InvalidImage|Failed[SMA]|DeadlineEx|NodeNotReady|PodInit|AccessDenied|NoSuch|"
        r"Invalid[AC]|DoesNotMatch|ExpiredToken|"
        r"TooSkewed|SlowDown|Unauthorized|AuthorizationFailed|RequestTimeout|AlreadyExists|NoCred|"
        r"ServiceUnav|InternalServer|TooMany|"
        r"Throttled|SERVFAIL|CERT|DNS_|_NUMBER|_EOF|[Ee]rrno:? -?\d",
        own_form,
    ),
    Extractor(
        "code_in_context",
        r"(?i)\bsql[ _-]?state|(?:err|error|fehler|foutcode|erreur|erro|errore|hresult|\bmsg|エラー|"
        r"エラーコード|错误码|错误代码|錯誤碼|код ошибки|kodu)"
        r"(?:[ _-]?(?:code|no|number|num|id|nr|nummer))?[\"'`\\]*\s*[:：=#]?\s*[\"'`(\[#\\]*-?\d|"
        r"\(\d{1,5}, |\bexit|non-zero code|"
        r"\d\.\d\.\d|(?:err|error|错误|エラー|fehler|erreur|de erro|de error)[ _-]?(?:code|コード|码|代码|"
        r"r)?[\"'`”’\\]*\s*[:：=]\s*[\"'`“‘(\[\\]*[a-z]|"
        r"\b(?:code|reason|type|title|errortype|status)[\"'”\\]*\s*[:=]\s*[\"'“\\]|[?&#]error|"
        r"code = [a-z]|StatusCode\.|\b(?:4|5|7|8|13|14|16) [A-Z_]{7}|\[SSL: |\b(?:ssl|tls|fatal) alert|alert number|"
        r"(?:error|fatal|warning)[ \[(]+[A-Z]{1,6}-?\d{3}|\bcode[: =]+\"?[A-Z]",
        in_context,
    ),
)
