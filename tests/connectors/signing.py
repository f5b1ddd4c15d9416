"""Signs as the senders do, so that every connector can be tried with bodies of our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

SECRETS = {
    "generic": "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode(),
    "zendesk": "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=",
}


def sign_zendesk(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers of a Zendesk webhook."""
    stamp = at.isoformat().replace("+00:00", "Z")
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": stamp,
        "x-zendesk-webhook-invocation-id": "8350205582",
    }


def sign_generic(body: bytes, secret: str, at: datetime, *, identity: str = "msg_1") -> dict[str, str]:
    """The headers of Standard Webhooks."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": identity, "webhook-timestamp": stamp, "webhook-signature": signature}


SIGN: Mapping[str, Callable[[bytes, str, datetime], dict[str, str]]] = {
    "generic": sign_generic,
    "zendesk": sign_zendesk,
}
SIGNATURE_HEADER = {"generic": "webhook-signature", "zendesk": "x-zendesk-webhook-signature"}
STALE = timedelta(minutes=5, seconds=2)
