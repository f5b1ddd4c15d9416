"""HTTP statuses in context, URL paths, request ids and trace ids.

A bare three-digit number is not a status: "500 items per page", "port 443" and "404 users" are counts. It is
one beside a word that says so, in the languages customers write, or beside its reason phrase.
"""

# ruff: noqa: PLR2004 (lengths of codes, years, octets and issuers are what this file is about)

from __future__ import annotations

from collections.abc import Iterator

import re2

from rung.core.found import Extractor
from rung.model import EntityType

Found = tuple[EntityType, int, int]

_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_CODE = r"[1-5]\d\d"
_FAILURE = r"[45]\d\d"
_LINK = r"[\"'`”’»*_\\]*\s*(?:[:=：#>-]|is|was|of|=>|->|→)?\s*[\"'`“‘«(（\[*_\\]*"

_REASON = (
    r"ok\b|created\b|accepted\b|no content|moved permanently|found\b|see other|not modified|"
    r"temporary redirect|permanent redirect|"
    r"bad request|unauthori[sz]ed|payment required|forbidden|not found|method not|not acceptable|"
    r"proxy auth|request time|conflict\b|"
    r"gone\b|length required|precondition|payload too|content too|request entity|uri too|"
    r"unsupported media|unprocessable|locked\b|"
    r"failed dependency|upgrade required|too many req|request header|internal (?:server )?error|"
    r"internal server|not implemented|"
    r"bad gateway|service (?:temporarily )?unavailable|gateway time|insufficient storage"
)
_AFTER = (
    r"(?:http )?(?:status|error|errors|err|response|responses|code|codes|exception|failure|"
    r"failures)\b|erro\b|erreurs?\b|fehler|"
    r"errore\b|エラー|錯誤|错误|报错|报錯|异常|响应|状态|ошибк|에러|오류|hata\b"
)
# Words whose number is a status, if it could be one at all.
_BEFORE = (
    r"\b(?:http|https)?[ _-]?(?:response[ _-]?)?status(?:[ _-]?codes?)?|\bhttp(?:[ _-]?(?:error|"
    r"code|response|fehler|status))?|"
    r"\bresponse[ _-]?code|\b(?:code|código|codice) http|\bcode (?:de )?statut|statuscode|"
    r"http-statuscode|статус|код ответа|"
    r"状态码?|狀態碼?|ステータス(?:コード)?|상태 ?코드|código de (?:estado|status)|codice di stato|kod statusu"
)
# Words whose number is a status when it is one of failure.
_BEFORE_FAILURE = (
    r"\b(?:errors?|erreurs?|fehler|erro|errore|fout|virhe|fel|błąd|hata)(?:[ _-]?(?:code|codes|nr|"
    r"nummer))?|fehlercode|-fehler|"
    r"\bcode d'erreur|\bcódigo(?: de err?or?)?|\bcodice(?: di)? errore|foutcode|\bcode|ошибк[аиу]|код ошибки|"
    r"错误(?:码|代码)?|錯誤(?:碼|代碼)?|报错|返回(?:了|码)?|响应(?:码)?|回应|エラー(?:コード)?|에러|오류"
)
_VERB = (
    r"return(?:s|ed|ing)?|gets?|got|getting|gives?|gave|throws?|threw|throwing|sends?|respond\w*|"
    r"repl(?:y|ies|ied)|answer\w*|"
    r"receiv\w+|see|seeing|saw|fail\w*|an?|with|hits?|rejected|renvoie|retourne|devuelve|retorna|"
    r"liefert|gibt|geeft|via"
)
# The code stands at the start of a match or at its end, so no groups are needed (they cost five times the search).
_STATUS = re2.compile(
    "(?i)(?:"
    + "|".join(
        (
            rf"HTTP/\d(?:\.\d)?[\\\"']*\s+[\"']?{_CODE}\b",
            rf"(?:{_BEFORE}){_LINK}(?:code )?(?:{_CODE}|[45]xx)\b",
            rf"(?:{_BEFORE_FAILURE}){_LINK}(?:{_FAILURE}|[45]xx)\b",
            rf"\b{_CODE}[\"'`*_]*[ \t]*(?:[-–:|(]\s*)?[\"'`*_]*(?:{_REASON})",
            rf"\b(?:{_FAILURE}|[45]xx)[\"'`*_]*(?:[ -]|'s )?[\"'`]?(?:{_AFTER})",
            rf"\b(?:[45]xx|{_FAILURE}'?s)\b",
            rf"\b(?:error|fail\w*|exception|fehler|erreur|erro)\b[^\n\d(]{{0,24}}\({_FAILURE}\)",
            rf"\b(?-i:{_METHOD}) [^\s\"']+(?: HTTP/[\d.]+)?[\"'`]*[\s:=>→–-]+[\"'(\[]*{_CODE}\b",
            rf"\b(?:{_VERB})(?: back)?(?: with)?(?: an?| the| un| une| einen?)?[ \t]+[\"'`*_(]*{_FAILURE}\b",
        )
    )
    + ")"
)
# First bytes of what `_MORE` accepts, so that it is seldom asked.
_SEPARATORS = frozenset((b"/", b",", b";", b" ", b"\xef", b"\xe3", b"\xe5", b"\xe6"))
_VERB_FIRST = re2.compile(rf"(?i)(?:{_VERB})\b[^/]*\d")
_MORE = re2.compile(rf"\s*(?:/|,|，|、|;|,? and|,? or|,? und|,? et|,? y|,? e|和|或)\s*({_FAILURE})\b")
_CLAUSE_WORDS = frozenset(
    b"error errors response responses status code codes on when from for in while after and or "
    b"but as with at if because "
    b"instead every not bad http exception during via since upon until unless then so which that "
    b"whenever even only again "
    b"this each without saying too to is was before back once randomly sometimes intermittently immediately "
    b"page here now today due by about consistently constantly".split()
)
_NOT_A_CODE = (
    b"zip", b"area", b"postal", b"dial", b"promo", b"discount", b"coupon", b"exit", b"country", b"qr", b"bar", b"vs",
)  # fmt: skip
_DURATION = (
    b"took", b"after", b"within", b"for", b"in", b"timeout", b"of", b"=", b":", b"<", b">", b"~", b"about", b"every",
)  # fmt: skip


def statuses(data: bytes) -> Iterator[Found]:
    """Status codes (``500``, ``5xx``) that their context makes HTTP statuses."""
    for found in _STATUS.finditer(data):
        first, last = found.span()
        if data[first] in b"12345":
            start, last = first, first + 3
            if data[found.end() - 1] in b"sS" and not _plural_of_status(data, start, found.end()):
                continue
        else:
            last -= data.endswith(b")", first, last)
            start = last - 3
            if not _status_there(data, first, last):
                continue
        yield "http_status", start, last
        more = _MORE.match(data, found.end()) if data[found.end() : found.end() + 1] in _SEPARATORS else None
        while more is not None:
            start, last = more.span(1)
            yield "http_status", start, last
            more = _MORE.match(data, last)


def _status_there(data: bytes, first: int, end: int) -> bool:
    """Whether the number after a word is a status: no decimal, no count, no other kind of code."""
    if data[end : end + 1] in (b".", b",") and data[end + 1 : end + 2].isdigit():
        return False
    before = data[max(0, first - 9) : first].rstrip().lower()
    if data[first : first + 4].lower() == b"code" and before.endswith(_NOT_A_CODE):
        return False
    return _VERB_FIRST.fullmatch(data, first, end) is None or _ends_clause(data, end)


def _plural_of_status(data: bytes, start: int, end: int) -> bool:
    """``500s`` is a status unless it is a duration, as after "took"; other matches may end in an s as well."""
    if end - start > len("500's"):
        return True
    return not data[max(0, start - 12) : start].rstrip().lower().endswith(_DURATION)


def _ends_clause(data: bytes, end: int) -> bool:
    """Whether a status may stand alone here: nothing countable follows."""
    trimmed = data[end : end + 24].lstrip(b" \t\"'`*_")
    if not trimmed or not trimmed[:1].isascii() or trimmed[:1] in b"\n\r)];:!?|-/(<{[":
        return True
    if trimmed[:1] in b".,":
        return not trimmed[1:2].isdigit()
    word = trimmed.split(maxsplit=1)[0].rstrip(b".,;:!?)")
    return word.lower() in _CLAUSE_WORDS


_SEGMENT = r"[\w.~%@:+<>{}$*,!&=-]"
_PATH = re2.compile(
    "|".join(
        (
            rf"\b{_METHOD}:?[ \t]+[\"'`]?/[^\s\"'`,;)\]]*",
            (
                rf"(?i:\b(?:endpoint|route|path|uri|url|page|resource)s?)[\"'`*]*(?:\s*[:=]\s*|"
                rf"\s+)[\"'`*]*/[\w.~%<{{:-]{_SEGMENT}*(?:/{_SEGMENT}*)*"
            ),
            r"/[\w.~%-][\w.~%/<>{}:-]+[\"'`*]* (?:endpoint|route)\b",
            rf"(?:^|[\s\"'`(=\[|>])/[\w.~%<{{:-]{_SEGMENT}*(?:/{_SEGMENT}+)+/?(?:\?[^\s\"'`<>)\]]*)?",
        )
    )
)
_ON_DISK = frozenset(
    b"usr home var etc opt root tmp lib lib64 Users private proc sys dev bin sbin mnt Library "
    b"Applications Volumes System nix "
    b"snap srv run boot media storage workspace".split()
)
_SOURCE_FILE = (
    b".py", b".rb", b".go", b".java", b".sh", b".yaml", b".yml", b".conf", b".log", b".toml", b".ini",
    b".cfg", b".txt", b".md", b".so", b".jar", b".ts", b".tsx",
    b".sqlite", b".lock", b".cs", b".rs", b".cpp", b".h", b".env", b".service",
)  # fmt: skip


def paths(data: bytes) -> Iterator[Found]:
    """Paths of URLs: after an HTTP method, beside "endpoint", or of two segments and not of a disk."""
    for found in _PATH.finditer(data):
        first, end = found.span()
        start = data.index(b"/", first)
        if start == first:
            end = start + len(data[start:end].split(b" ", 1)[0].rstrip(b"\"'`*"))
        for stop in (b"</", b"{code", b"{noformat"):  # markup that follows without a space
            cut = data.find(stop, start, end)
            end = cut if cut >= 0 else end
        asked = data[first : first + 2].isupper()
        while end > start + 1 and data[end - 1] in b".,;:!?*>}":
            if data[end - 1] in b">}" and (b"<" in data[start:end] or b"{" in data[start:end]):
                break
            end -= 1
        if end - start < 2 or (not asked and _on_disk(data[start:end])):
            continue
        yield "url_path", start, end


def _on_disk(path: bytes) -> bool:
    """Whether a path looks like one of a file system rather than of a URL."""
    return path[1:].split(b"/", 1)[0] in _ON_DISK or path.endswith(_SOURCE_FILE)


_ID = re2.compile(
    r"(?i)(?:\b(?:x-)?(?:[a-z]+-)?(?:request|correlation|req|operation|activity|transaction)[ _-]?id|"
    r"\brequest uuid|\bid de (?:la )?(?:solicitud|requête|requisição)|\banfrage-?id|请求 ?id|リクエスト ?id)"
    r"[\"'`*\\]*\s*(?:[:：=#]|is|was)?\s*[\"'`*(\[\\]*([0-9a-z][\w.:+/=-]{5,127})|"
    r"\b(req_[0-9a-z]{8,})|"
    r"(?:\b(?:x-)?(?:b3-|cloud-|amzn-|datadog-|dd[._])?trace[ _-]?(?:id|context)|\btraceparent|"
    r"\bsentry-trace|\bcf[ -]ray(?:[ -]id)?|\bray id)"
    r"[\"'`*\\]*\s*(?:[:：=#]|is|was)?\s*[\"'`*(\[\\]*([0-9a-z][\w.:;+/=-]{7,127})"
)


def ids(data: bytes) -> Iterator[Found]:
    """Values that a label makes a request id or a trace id; a value has a digit in it."""
    for found in _ID.finditer(data):
        group = found.lastindex
        if group is None:
            continue
        start, end = found.span(group)
        while end > start and data[end - 1] in b".:;=/-+":
            end -= 1
        value = data[start:end]
        if end - start >= 6 and any(sign in b"0123456789" for sign in value):
            yield ("trace_id" if group == 3 else "request_id"), start, end


HTTP = (
    Extractor("http_status", r"\b[1-5]\d\d|[^\x00-\x7f][45]\d\d|\b[45](?:xx|XX)\b", statuses),
    Extractor("url_path", r"(?:^|[\s\"'`(=\[|>])/[\w.~%<{:-]", paths),
    Extractor(
        "ids",
        r"(?i)(?:request|correlation|req|operation|activity|transaction|trace|ray)[ _-]?(?:uu)?id|"
        r"\breq_[0-9a-z]|traceparent|sentry-trace|"
        r"cf-ray|trace-context|\bid de |anfrage-?id|请求 ?id|リクエスト ?id",
        ids,
    ),
)
