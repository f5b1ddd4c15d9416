"""URLs, hosts, addresses and ports."""

from __future__ import annotations

import pytest

from tests.core.seen import of_type, seen

HOSTS = {
    "db-1.orders.internal is down": ["db-1.orders.internal"],
    "api.shop.com does not answer": ["api.shop.com"],
    "ping shop.de": ["shop.de"],
    "idp.shop.co.uk": ["idp.shop.co.uk"],
    "cart.default.svc.cluster.local": ["cart.default.svc.cluster.local"],
    "printer.local": ["printer.local"],
    "on localhost only": ["localhost"],
    "ping 10.0.45.2": ["10.0.45.2"],
    "https://app.shop.dev/login?x=1": ["app.shop.dev"],
    "https://ada:•••@db.shop.io/x": ["db.shop.io"],
    'host: "orders-db"': ["orders-db"],
    "HTTPSConnectionPool(host='hooks.shop.io', port=443)": ["hooks.shop.io"],
    'could not translate host name "pg" to address': ["pg"],
    "getaddrinfo ENOTFOUND redis": ["redis"],
    "Could not resolve host: git.shop": ["git.shop"],
    "java.net.UnknownHostException: orders": ["orders"],
    "DNS 8.8.8.8 and Server 5.9.1.2": ["8.8.8.8", "5.9.1.2"],
    "fe80::1 is the gateway": ["fe80::1"],
    "域名shop.cn打不开": ["shop.cn"],
    "visit shop.com.": ["shop.com"],
}
NO_HOSTS = (
    "main.py, app.js, config.yaml, README.md, package.json",
    "docker-compose.yml and index.html",
    "com.shop.cart.Cart and org.slf4j.Logger",
    "self.app and this.user.info",
    "os.path and module.Class",
    "console.info('x') and logger.dev",
    "version 1.2.3 and 2.14.0",
    "version 10.0.0.1",
    "Piper 2.9.10.4 is slow",
    "mail ada@shop.com",
    "e.g. this, i.e. that",
    "It failed.It did",
    "user.id and request.is",
    "12:34:56 and 10:30:15",
    "00:1a:2b:3c:4d:5e",
    "std::vector and a::b",
    "300.1.2.3",
    "1.2.3.4.5",
    "app.component.ts",
    "the host is down",
)
PORTS = {
    "ECONNREFUSED 10.0.45.2:5432": ["10.0.45.2:5432"],
    "connect to db.shop.internal:5432": ["db.shop.internal:5432"],
    "listening on [::1]:80": ["[::1]:80"],
    "http://127.0.0.1:8020/x": ["127.0.0.1:8020"],
    "localhost:3000 refuses": ["localhost:3000"],
    "redis:6379 timed out": ["redis:6379"],
    "bolt://graph.shop.io:7687": ["graph.shop.io:7687"],
}
NO_PORTS = ("line:1234", "at 10:30", "postgres:16", "ratio 3:2", "10.0.45.2 and 5432", "error:10401")
URLS = {
    "see https://shop.example/a/b?c=d#e.": ["https://shop.example/a/b?c=d#e"],
    "[docs](https://docs.shop.io/x)": ["https://docs.shop.io/x"],
    "<https://shop.io>": ["https://shop.io"],
    '"https://shop.io/x",': ["https://shop.io/x"],
    "https://en.wiki.example/Cart_(shop)": ["https://en.wiki.example/Cart_(shop)"],
    "(https://shop.io/a)": ["https://shop.io/a"],
    "网址https://shop.cn/a，打不开": ["https://shop.cn/a"],
    "postgresql://shop:••••@db.internal/orders": ["postgresql://shop:••••@db.internal/orders"],
    "wss://[2001:db8::1]:9000/ws": ["wss://[2001:db8::1]:9000/ws"],
    r'"url":"https://shop.io/a\nnext"': ["https://shop.io/a"],
    "jdbc:mysql://db.shop.io:3306/shop": ["mysql://db.shop.io:3306/shop"],
}
NO_URLS = ("https://", "see http:// and ://", "https://...", "a//b and c:/d", "https://${HOST}/x")


@pytest.mark.parametrize(("text", "expected"), HOSTS.items())
def test_a_host_is_a_name_one_can_look_up(text: str, expected: list[str]) -> None:
    """Domain names, internal names, addresses and what the words before a name make one."""
    assert of_type(text, "host") == expected


@pytest.mark.parametrize("text", NO_HOSTS)
def test_files_modules_and_mail_are_no_hosts(text: str) -> None:
    """What only has dots in it is no host."""
    assert of_type(text, "host") == []


@pytest.mark.parametrize(("text", "expected"), PORTS.items())
def test_an_address_keeps_its_port(text: str, expected: list[str]) -> None:
    """Host and port together are one value, inside a URL as well."""
    assert of_type(text, "ip_port") == expected


@pytest.mark.parametrize("text", NO_PORTS)
def test_a_colon_makes_no_port(text: str) -> None:
    """Lines, times, image tags and ratios are no addresses."""
    assert of_type(text, "ip_port") == []


@pytest.mark.parametrize(("text", "expected"), URLS.items())
def test_a_url_ends_where_its_sentence_goes_on(text: str, expected: list[str]) -> None:
    """Brackets, quotes, punctuation and other scripts around a URL are not part of it; masks inside are."""
    assert of_type(text, "url") == expected


@pytest.mark.parametrize("text", NO_URLS)
def test_a_url_needs_a_host(text: str) -> None:
    """A scheme alone, dots or a variable are no URL."""
    assert of_type(text, "url") == []


def test_the_host_stays_beside_its_url() -> None:
    """A service catalogue asks for the host, so it is reported inside the URL and the address."""
    assert seen("https://db.shop.io:8443/x") == [
        ("url", "https://db.shop.io:8443/x"),
        ("ip_port", "db.shop.io:8443"),
        ("host", "db.shop.io"),
    ]
