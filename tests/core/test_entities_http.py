"""HTTP statuses in context, URL paths, request ids and trace ids."""

from __future__ import annotations

import pytest

from tests.core.seen import of_type

STATUSES = {
    "HTTP/1.1 500 Internal Server Error": ["500"],
    '"GET /api HTTP/1.1" 404 153': ["404"],
    "status 502": ["502"],
    "status code: 403": ["403"],
    '{"statusCode": 403}': ["403"],
    '{"status":429,"title":"x"}': ["429"],
    "status=200 but nothing arrives": ["200"],
    "we see 500 errors": ["500"],
    "lots of 5xx since noon": ["5xx"],
    "HTTP 5xx": ["5xx"],
    "error 503": ["503"],
    "Error code: 409 - {}": ["409"],
    "504 Gateway Timeout": ["504"],
    "429 Too Many Requests": ["429"],
    "`422 Unprocessable Entity`": ["422"],
    "it returns a 401.": ["401"],
    "I get 403 when saving": ["403"],
    "the webhook fails with 410": ["410"],
    "responds with 500": ["500"],
    "fails with a 500": ["500"],
    "the job ended in an error (500) again": ["500"],
    "POST /v1/orders 500": ["500"],
    "GET https://shop.example/x 404 (Not Found)": ["404"],
    "errors 500, 502 and 503": ["500", "502", "503"],
    "status 500/502": ["500", "502"],
    "404s everywhere": ["404"],
    "201 Created": ["201"],
    "response code 301": ["301"],
    # other languages
    "HTTP-Fehler 500 beim Speichern": ["500"],
    "Statuscode: 502": ["502"],
    "Fehler 403": ["403"],
    "erreur 500": ["500"],
    "code d'erreur 404": ["404"],
    "error 500 al guardar": ["500"],
    "código de error 403": ["403"],
    "erro 500 ao salvar": ["500"],
    "errore 500": ["500"],
    "状态码 500": ["500"],
    "返回500错误": ["500"],
    "502响应": ["502"],
    "500エラーが出ます": ["500"],
    "ошибка 500": ["500"],
    "500 에러": ["500"],
}
NO_STATUSES = (
    "500 items per page",
    "port 443",
    "404 users signed up",
    "we have 500 customers",
    "it took 500 ms",
    "timeout after 500s",
    "returns 500 rows",
    "returned 404 results",
    "order 500123",
    "zip code 50123",
    "zip code 501",
    "promo code 500",
    "exit code 403",
    "costs 500 EUR",
    "room 404 in the east wing",
    "line 404",
    "page 500 of 700",
    "HTTP on port 443",
    "500.5 points",
    "a 500 GB disk",
    "with 500 users",
    "error 500123",
)

PATHS = {
    "GET /api/v1/orders": ["/api/v1/orders"],
    '"POST /add_file HTTP/1.1" 200': ["/add_file"],
    "DELETE `/orders/42`": ["/orders/42"],
    "the /api/v1/orders endpoint": ["/api/v1/orders"],
    "the /orders endpoint": ["/orders"],
    "endpoint: /webhooks": ["/webhooks"],
    "call /v2/users/{id}/roles please": ["/v2/users/{id}/roles"],
    "PUT /dashboards/<slug>": ["/dashboards/<slug>"],
    "see /admin/users?page=2.": ["/admin/users?page=2"],
    "'/oauth2/token'": ["/oauth2/token"],
    "<path>GET /a/b</path>": ["/a/b"],
}
NO_PATHS = (
    "read/write access and/or both",
    "1/2/2026",
    "/etc/nginx/nginx.conf",
    "/home/ada/shop/main",
    "/usr/local/bin/python",
    "</div> and <br/>",
    "/srv/app/cart.py",
    "and / or",
)

IDS = {
    "request id: 8f3a1c2d9b": ("request_id", "8f3a1c2d9b"),
    "X-Request-Id: 7d1c5a3e-9b1f-4f57-8a77-0c1d2e3f4a5b": (
        "request_id",
        "7d1c5a3e-9b1f-4f57-8a77-0c1d2e3f4a5b",
    ),
    '"requestId":"abc-123-def"': ("request_id", "abc-123-def"),
    "x-amzn-RequestId: 1a2b3c4d": ("request_id", "1a2b3c4d"),
    "Correlation ID 6b0c2f4e-1111-2222-3333-444455556666.": (
        "request_id",
        "6b0c2f4e-1111-2222-3333-444455556666",
    ),
    "see req_7Qw82Lm19Zx44T": ("request_id", "req_7Qw82Lm19Zx44T"),
    "请求ID：ab12cd34": ("request_id", "ab12cd34"),
    "Anfrage-ID: ab12cd34": ("request_id", "ab12cd34"),
    "trace id 4bf92f3577b34da6a3ce929d0e0e4736": ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    "traceId=4bf92f3577b34da6": ("trace_id", "4bf92f3577b34da6"),
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": (
        "trace_id",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "cf-ray: 8c1d2e3f4a5b6c7d-FRA": ("trace_id", "8c1d2e3f4a5b6c7d-FRA"),
    "Cloudflare Ray ID: 8c1d2e3f4a5b6c7d": ("trace_id", "8c1d2e3f4a5b6c7d"),
    "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678": (
        "trace_id",
        "Root=1-67891233-abcdef012345678912345678",
    ),
}
NO_IDS = (
    "the request id is missing",
    "please send the request ID of the call",
    "no trace id anywhere",
    "array id: 12345678",
    "order id: 12345678",
)


@pytest.mark.parametrize(("text", "expected"), STATUSES.items())
def test_a_status_is_known_by_its_context(text: str, expected: list[str]) -> None:
    """Beside a word that says so, in a log line or before its reason phrase, a number is a status."""
    assert of_type(text, "http_status") == expected


@pytest.mark.parametrize("text", NO_STATUSES)
def test_a_count_is_no_status(text: str) -> None:
    """Counts, ports, durations, prices and other codes stay numbers."""
    assert of_type(text, "http_status") == []


@pytest.mark.parametrize(("text", "expected"), PATHS.items())
def test_a_path_is_one_of_a_url(text: str, expected: list[str]) -> None:
    """After a method, beside "endpoint" or with two segments, a path is one of a URL."""
    assert of_type(text, "url_path") == expected


@pytest.mark.parametrize("text", NO_PATHS)
def test_slashes_alone_make_no_path(text: str) -> None:
    """Alternatives, dates, markup and files on a disk are no paths of a URL."""
    assert of_type(text, "url_path") == []


@pytest.mark.parametrize(("text", "expected"), IDS.items())
def test_an_id_is_the_value_after_its_label(text: str, expected: tuple[str, str]) -> None:
    """The label says whether it is a request's or a trace's; punctuation after it does not belong."""
    assert of_type(text, "request_id" if expected[0] == "request_id" else "trace_id") == [expected[1]]


@pytest.mark.parametrize("text", NO_IDS)
def test_a_word_after_a_label_is_no_id(text: str) -> None:
    """Talking about ids does not make one."""
    assert of_type(text, "request_id") == []
    assert of_type(text, "trace_id") == []
