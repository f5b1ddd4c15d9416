"""Pages are for this machine only until sign-in exists: who asks, and under which name, must be loopback."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from rung.web.problems import problem

_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_WHY = (
    "Pages show customers' words and nobody can sign in yet, so they open on the machine of the server only. "
)


def require_local(request: Request) -> None:
    """Refuse a page to anybody but a browser on this machine.

    The Host header is checked against DNS rebinding. A forwarding header means that a proxy stands between:
    then the peer's address says nothing of who asks, and the header's own word is not trusted.

    Raises:
        Problematic: 403 with the reason.
    """
    client = request.client
    if client is None or not _is_loopback(client.host):
        raise problem("forbidden", _WHY + "Open them there, or through an SSH tunnel.")
    if any(name in request.headers for name in _FORWARDING):
        raise problem("forbidden", _WHY + "This request came through a proxy, which is not trusted.")
    if _host_name(request.headers.get("host", "")) not in _NAMES:
        raise problem("forbidden", _WHY + "Ask for them as localhost or 127.0.0.1, not by another name.")


def require_same_origin(request: Request) -> None:
    """Refuse a form that another site sent.

    Raises:
        Problematic: 403; the form must be sent from Rung's own page.
    """
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin", "")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if site not in {"same-origin", "none"} or (origin and origin != own):
        raise problem(
            "forbidden", "This form came from another site. Open the page in Rung and send it there."
        )


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _host_name(host: str) -> str:
    """The name of a Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
