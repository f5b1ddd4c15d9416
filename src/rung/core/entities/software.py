"""Versions, browsers, operating systems and providers.

Names are the software's own, in any case where the name is no ordinary word. An operating system keeps its
release (``Windows 11``, ``Ubuntu 24.04``); a browser and a provider do not.
"""

# ruff: noqa: PLR2004 (lengths of codes, years, octets and issuers are what this file is about)

from __future__ import annotations

from collections.abc import Iterator

import re2

from rung.core.found import Extractor
from rung.model import EntityType

Found = tuple[EntityType, int, int]

_PRE = (
    r"(?:[-.+_]?(?:alpha|beta|rc|dev|snapshot|SNAPSHOT|preview|pre|canary|next|nightly|GA|RC|"
    r"Final|FINAL|RELEASE|SP|LTS|ce|ee|post|patch)"
    r"(?:[-.]?\d+)*|[-.]?(?:M|b|a|p)\d+)?\b"
)
_PRODUCT = (
    "python|node(?:\\.?js)?|php|java|jdk|openjdk|ruby|golang|go|rust|perl|kotlin|swift|dotnet|"
    "\\.net(?: core| framework)?|npm|yarn|pnpm|pip|"
    "django|rails|laravel|react|vue|angular|next\\.?js|spring(?: boot)?|flask|fastapi|express|"
    "postgres(?:ql)?|mysql|mariadb|mongodb|redis|"
    "elasticsearch|kafka|rabbitmq|nginx|apache|tomcat|docker|kubernetes|helm|terraform|ansible|"
    "git|openssl|tls|curl|cuda|"
    "chrome|chromium|firefox|safari|edge|opera|wordpress|drupal|magento|jira|gitlab|grafana|"
    "prometheus|jenkins|sdk|cli|plugin|app|client|server|"
    "release|build|agent|api|library|driver|engine|runtime"
)
_WORD = (
    r"(?:\b|[^\x00-\x7f])(?:version(?:en|s|er)?|ver\.?|versión|versão|versione|versie|wersja|release|v\.|tag|"
    r"upgraded? (?:to|from)|updat(?:ed|ing) to)|версия|バージョン|版本(?:号)?|버전"
)
# The number ends a match and no label has a digit in it, so the first digit is the number's.
_VERSION = re2.compile(
    "|".join(
        (
            # after a word or product name: "version 9", "Python 3.12", "PHP/8.1"
            (
                rf"(?i:{_WORD})[\"'`*)\\]*\s*(?:[:：=#(-]|is|are|"
                rf"number:?)?\s*[\"'`*\\(^~>=]*[vV]?\d+(?:\.\d+){{0,4}}{_PRE}"
            ),
            rf"\b(?i:{_PRODUCT})[\"'*]*(?:[ /:=@(-]|==|>=|~=)[\"'^~>=]*[vV]?\d+(?:\.\d+){{0,4}}{_PRE}",
            # v2.14.0, V1.2
            rf"\b[vV]\d+(?:\.\d+)+{_PRE}",
            # three or more numbers
            rf"\b\d+(?:\.\d+){{2,4}}{_PRE}",
            # a name and numbers: Nextcloud 27.1
            rf"\b[A-Z][A-Za-z]*[A-Za-z+] \d{{1,3}}(?:\.\d+){{1,4}}{_PRE}",
            # from version 8.0 to 9.0
            rf"\b(?:to|and|from|with|on|since|than|after|in|between) [vV]?\d{{1,4}}(?:\.\d+){{1,4}}{_PRE}",
            # pinned: package>=6.0, package@1.2
            rf"\w(?:==|>=|<=|~=|@\^?)\d+(?:\.\d+)+{_PRE}",
        )
    )
)
_NO_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_SEPARATORS = b" /:=@(-'\"*^~><\\#\tvV\n\r"
_VERSION_WORDS = (b"ver", b"wersja", b"release", b"tag", b"upgrade", b"updat", b"v.")
_PREPOSITIONS = frozenset(b"to and from with on since than after in between".split())
_PRODUCTS = frozenset(_PRODUCT.replace("\\", "").encode().split(b"|")) | {
    b"node",
    b"nodejs",
    b".net",
    b"spring",
}
_BY_MAJOR = frozenset(
    b"python node nodejs node.js php java jdk openjdk postgres postgresql angular django react "
    b"chrome firefox safari edge opera .net".split()
)
_NOT_A_PRODUCT = frozenset(
    b"section figure fig table chapter step page usd eur gbp about only over under nearly almost "
    b"around approximately rfc level line "
    b"example case option item part question answer score rating price total average cost wcag "
    b"oauth saml http approx".split()
)
_UNIT = (
    b"%", b"s ", b"ms", b"gb", b"mb", b"kb", b"tb", b"gi", b"mi", b"sec", b"min", b"hour", b"day", b"week",
    b"month", b"year", b"million", b"billion", b"k ", b"m ", b"x ", b"usd", b"eur", b"\xe2\x82\xac", b"$", b"times",
    b"percent", b"cm", b"km", b"kg", b"px", b"em", b"point", b"star", b"credits", b"dollar", b"ghz", b"mhz", b"k/",
)  # fmt: skip
_COUNTED = (
    *_UNIT, b"items", b"users", b"row", b"file", b"node", b"pod", b"instance", b"error", b"call", b"request",
)  # fmt: skip


def versions(data: bytes) -> Iterator[Found]:
    """Version numbers without their ``v``, with a pre-release; dates, addresses and amounts are none."""
    for found in _VERSION.finditer(data):
        first, end = found.span()
        text = data[first:end]
        number = text.lstrip(_NO_DIGITS)
        start = end - len(number)
        if _is_version(data, text[: start - first], number.split(b"."), start, end):
            yield "version", start, end


def _is_version(data: bytes, label: bytes, parts: list[bytes], start: int, end: int) -> bool:
    """Whether a number is a version, judged by the label before it and by what follows."""
    if not label:
        return _unnamed(data, start, parts)
    if label in b"vV":
        return True
    if label[-1:] in b"=@^" and len(label) < 4:
        return not _is_date(parts)
    name = label.strip(_SEPARATORS).lower() or label.strip().lower()
    if len(parts) > 2 and name in _PREPOSITIONS | _NOT_A_PRODUCT:
        return _unnamed(data, start, parts)
    if name in _PREPOSITIONS:
        return _free_of_amount(data, end) and (
            label[-1:] in b"vV" or b"ersion" in data[max(0, start - 48) : end + 20]
        )
    if name in _PRODUCTS:
        return _after_product(data, label, name, parts, end)
    if label.isascii() and label[-1:] == b" " and not name.startswith(_VERSION_WORDS):
        if name in _NOT_A_PRODUCT or (_is_address(parts) and (parts[0] == b"10" or int(parts[0]) > 19)):
            return False
        return _free_of_amount(data, end) and not _is_date(parts)
    return _after_word(data, parts, end)


def _after_word(data: bytes, parts: list[bytes], end: int) -> bool:
    """After "version" and the like one number is enough, unless it counts something or is a date."""
    if len(parts) == 1:
        return len(parts[0]) < 5 and not _goes_on(data, end) and not _is_count(data, end)
    return not _is_date(parts) and not _is_amount(data, end)


def _after_product(data: bytes, label: bytes, name: bytes, parts: list[bytes], end: int) -> bool:
    """After a product: refuse counts, ports and addresses (``node:18080``)."""
    if len(parts) == 1:
        known = name in _BY_MAJOR and b":" not in label and len(parts[0]) < 4
        return known and not _goes_on(data, end) and not _is_count(data, end)
    return not _is_address(parts) and not _is_date(parts) and not _is_amount(data, end)


def _goes_on(data: bytes, end: int) -> bool:
    following = data[end : end + 1]
    return following.isalpha() or (
        following in (b":", b"/", b"-", b"%", b",") and data[end + 1 : end + 2].isalnum()
    )


def _unnamed(data: bytes, start: int, parts: list[bytes]) -> bool:
    """Three or more numbers without a word before them."""
    if _is_address(parts) or _is_date(parts) or all(len(part) == 3 for part in parts[1:]):
        return False
    return not (start and data[start - 1] in b".,/$" and data[start - 2 : start - 1].isdigit())


def _is_address(parts: list[bytes]) -> bool:
    return len(parts) == 4 and all(len(part) < 4 and part.isdigit() and int(part) < 256 for part in parts)


def _free_of_amount(data: bytes, end: int) -> bool:
    following = data[end : end + 1]
    return not _is_amount(data, end) and not (
        following in (b",", b":", b"-", b"/") and data[end + 1 : end + 2].isdigit()
    )


def _is_amount(data: bytes, end: int) -> bool:
    return data[end : end + 12].lstrip(b" -").lower().startswith(_UNIT)


def _is_count(data: bytes, end: int) -> bool:
    return data[end : end + 10].lstrip().lower().startswith(_COUNTED)


def _is_date(parts: list[bytes]) -> bool:
    """``2025.01.15`` and ``15.01.2025`` are dates, ``2025.3.4`` is a version."""
    if len(parts) != 3 or not all(len(part) < 5 and part.isdigit() for part in parts):
        return False
    first, second, third = parts
    if len(first) == 4 and first[:2] in (b"19", b"20"):
        return len(second) == 2 and len(third) == 2 and int(second) <= 12 and int(third) <= 31
    return (
        int(first) <= 31
        and int(second) <= 12
        and (
            (len(third) == 4 and third[:2] in (b"19", b"20")) or len(second) == len(third) == len(first) == 2
        )
    )


_BROWSERS = (
    "microsoft edge|ms edge|edge|google chrome|chromium|chrome|mozilla firefox|firefox|"
    "mobile safari|safari|opera|brave|internet explorer|"
    "vivaldi|samsung internet|tor browser|duckduckgo browser|uc browser|librewolf|ie"
)
_SYSTEMS = (
    "windows server|windows phone|windows nt|windows|mac os x|mac os|macos|osx|os x|mac|ubuntu|"
    "debian|centos|red hat enterprise linux|rhel|fedora|"
    "rocky linux|almalinux|alpine linux|alpine|amazon linux|arch linux|manjaro|linux mint|"
    "opensuse|suse|oracle linux|raspbian|raspberry pi os|"
    "kali linux|gentoo|nixos|freebsd|openbsd|solaris|aix|android|ipados|ios|watchos|tvos|chrome ?os|harmonyos|linux"
)
_PROVIDERS = (
    "okta|azure ad|azure active directory|microsoft entra(?: id)?|entra id|entra|"
    "google workspace|g suite|auth0|onelogin|ping identity|pingfederate|"
    "pingone|pingid|keycloak|authentik|authelia|jumpcloud|duo security|cyberark|shibboleth|adfs|"
    "ad fs|active directory|cognito|workos|clerk|"
    "firebase|fusionauth|zitadel|amazon web services|aws|ec2|s3|amazon ses|cloudfront|route 53|"
    "lambda|bedrock|sagemaker|google cloud(?: platform)?|gcp|"
    "bigquery|vertex ai|azure|digitalocean|linode|akamai|hetzner|ovhcloud|ovh|scaleway|"
    "oracle cloud|ibm cloud|alibaba cloud|aliyun|heroku|vercel|"
    "netlify|render|railway|fly\\.io|supabase|planetscale|neon|mongodb atlas|snowflake|"
    "databricks|redshift|confluent|upstash|elastic cloud|redis cloud|"
    "stripe|paypal|braintree|adyen|square|klarna|mollie|razorpay|chargebee|recurly|paddle|"
    "worldpay|checkout\\.com|gocardless|plaid|quickbooks|xero|netsuite|sap|"
    "twilio|vonage|messagebird|sinch|plivo|sendgrid|mailgun|mailchimp|mandrill|postmark|"
    "amazon sns|sparkpost|sendinblue|brevo|mailjet|resend|klaviyo|"
    "gmail|google calendar|google sheets|google drive|google analytics|outlook|office 365|"
    "microsoft 365|o365|exchange online|sharepoint|onedrive|"
    "microsoft teams|ms teams|slack|discord|zoom|telegram|whatsapp|salesforce|hubspot|pipedrive|"
    "zoho|marketo|dynamics 365|intercom|zendesk|freshdesk|"
    "freshservice|servicenow|help scout|front|jira|confluence|atlassian|bitbucket|github|gitlab|"
    "azure devops|linear|asana|trello|monday\\.com|clickup|notion|"
    "airtable|zapier|make\\.com|n8n|ifttt|workato|mulesoft|segment|mixpanel|amplitude|datadog|"
    "new relic|sentry|grafana cloud|splunk|pagerduty|opsgenie|"
    "dynatrace|honeycomb|cloudflare|fastly|shopify|woocommerce|magento|bigcommerce|wordpress|"
    "squarespace|wix|webflow|contentful|algolia|"
    "openai|azure openai|anthropic|mistral|groq|cohere|hugging ?face|replicate|deepseek|"
    "openrouter|ollama|dropbox|box|docusign|figma|facebook|instagram|"
    "linkedin|tiktok|workday|bamboohr|gusto|okteto|letsencrypt|let's encrypt|digicert|godaddy|namecheap"
)
_NAMES = re2.compile(rf"(?i)\b(?:{_BROWSERS}|{_SYSTEMS}|{_PROVIDERS})\b")
_RELEASE = re2.compile(r" v?\d{1,4}(?:\.\d{1,3})?\b|-\d\d\.\d\d\b")
_BROWSER_NAMES = frozenset(_BROWSERS.encode().split(b"|"))
_SYSTEM_NAMES = frozenset(_SYSTEMS.replace(" ?", " ").encode().split(b"|")) | {b"chromeos"}
# Ordinary words unless written as the name is.
_AS_WRITTEN = {
    name.lower(): name
    for name in (
        b"Brave Box Square Segment Linear Notion Front Render Railway Neon Clerk Resend Intercom Zoom Lambda Bedrock "
        b"Plaid Paddle Sentry Gusto SAP Confluence Mistral IE Replicate Amplitude Honeycomb Recurly Wix Workday "
        b"Cohere Confluent Adyen Make.com Discord"
    ).split()
}
_BROWSER_NEAR = re2.compile(
    r"(?i)chrome|chromium|firefox|safari|opera|brave|browser|user.?agent|internet explorer|edg/|\bIE\b"
)


def names(data: bytes) -> Iterator[Found]:
    """Browsers, operating systems with their release, and providers."""
    for found in _NAMES.finditer(data):
        start, end = found.span()
        if not _stands_free(data, start, end):
            continue
        name = data[start:end]
        low = name.lower()
        if low in _SYSTEM_NAMES:
            yield from _system(data, name, low, start, end)
        elif low in _BROWSER_NAMES:
            yield from _browser(data, name, low, start, end)
        elif _written_right(name, low) and data[end : end + 1] not in (b"_", b"="):
            yield "provider", start, end


def _stands_free(data: bytes, start: int, end: int) -> bool:
    """Whether a name is a word of its own and not part of an address, a path or an identifier."""
    if data[end : end + 1] == b"." and data[end + 1 : end + 2].isalnum():
        return False
    if not start:
        return True
    before = data[start - 1 : start]
    if before == b"/":  # iOS/Android, but not /opt/android/
        return data[start - 2 : start - 1].isalpha() and data[end : end + 1] not in (b"/", b"-", b".", b"_")
    return before not in b"@#-_.$\\"


def _written_right(name: bytes, low: bytes) -> bool:
    """Whether a name that is also a word is written as a name."""
    expected = _AS_WRITTEN.get(low)
    return expected is None or name == expected


def _browser(data: bytes, name: bytes, low: bytes, start: int, end: int) -> Iterator[Found]:
    """The name; a maker's name before it stays only with Edge, whose own name is a word."""
    if low == b"edge":
        numbered = data[end + 1 : end + 2].isdigit() and data[end : end + 1] in b" /"
        if not numbered and (
            name != b"Edge" or _BROWSER_NEAR.search(data, max(0, start - 40), end + 40) is None
        ):
            return
    elif not _written_right(name, low):
        return
    if low == b"safari" and data[end : end + 1] == b"/" and b"Chrom" in data[max(0, start - 48) : start]:
        return  # every browser's user agent ends in Safari/537.36
    if low in (b"google chrome", b"mozilla firefox", b"mobile safari"):
        start += low.index(b" ") + 1
    yield "browser", start, end


def _system(data: bytes, name: bytes, low: bytes, start: int, end: int) -> Iterator[Found]:
    """The name with its release: two numbers at most, since the rest is a patch level."""
    if low == b"windows phone":
        end = start + len(b"windows")
    elif data[end : end + 1] in (b" ", b"-"):
        release = _RELEASE.match(data, end)
        if release is not None:
            end = release.end()
    if name == low and end - start == len(low) and low in (b"windows", b"alpine", b"mac", b"solaris"):
        return
    if low == b"mac" and (name != b"Mac" or data[end : end + 4].lower() in (b" add", b" ven")):
        return
    yield "os", start, end


SOFTWARE = (
    Extractor(
        "version",
        rf"\d\.\d|(?i:{_WORD})[\"'`*)\\]*\s*(?:[:：=#(-]|is|are|number:?)?\s*[\"'`*\\(^~>=]*v?\d|"
        r"(?i:python|node(?:js)?|php|java|jdk|postgres(?:ql)?|angular|django|react|chrome|firefox|"
        r"safari|edge|opera|\.net)[ /@-]v?\d",
        versions,
    ),
    Extractor("names", rf"(?i)\b(?:{_BROWSERS}|{_SYSTEMS}|{_PROVIDERS})\b", names),
)
