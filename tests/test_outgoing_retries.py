"""When the guarded client tries again, how long it waits, and that no error it raises tells a secret."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import RateLimited, Refused, RungError, Unavailable
from rung.outgoing import Allowlist, Outgoing
from rung.outgoing.retry import full_jitter

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


class Service:
    """A service behind the transport that answers from a list, its last answer for ever."""

    def __init__(self, *answers: int | httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer) if isinstance(answer, int) else answer

    def outgoing(self, **settings: Any) -> Outgoing:
        """A client of it that notes its waits instead of waiting, with the longest jitter."""

        async def note(seconds: float) -> None:
            self.waits.append(seconds)

        async def resolve(_host: str, _port: int) -> Sequence[str]:
            return ["93.184.216.34"]

        given: dict[str, Any] = {
            "clock": lambda: NOW,
            "resolver": resolve,
            "transport": httpx.MockTransport(self.answer),
            "sleep": note,
            "jitter": lambda longest: longest,
        }
        return Outgoing(Allowlist(), **{**given, **settings})


URL = "https://api.example.com/v1/tickets"
ERRORS = {429: RateLimited, 502: Unavailable, 503: Unavailable, 504: Unavailable}


@pytest.mark.parametrize("status", sorted(ERRORS))
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_a_busy_service_is_asked_again_when_asking_twice_is_harmless(method: str, status: int) -> None:
    """Idempotent methods get their retries, then the error that says what to do."""
    service = Service(status)
    with pytest.raises(ERRORS[status]):
        await service.outgoing(retries=3).request(method, URL)
    assert len(service.asked) == 4
    assert service.waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", sorted(ERRORS))
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_post_is_sent_twice_only_with_an_idempotency_key(method: str, status: int) -> None:
    """Without a key the first failure is final; with one it goes on, under the same key."""
    service = Service(status)
    with pytest.raises(ERRORS[status]):
        await service.outgoing().request(method, URL, json={"a": 1})
    assert len(service.asked) == 1
    with pytest.raises(ERRORS[status]):
        await service.outgoing().request(method, URL, json={"a": 1}, idempotency_key="k-1")
    assert [request.headers.get("idempotency-key") for request in service.asked[1:]] == ["k-1"] * 3
    assert {request.content for request in service.asked} == {b'{"a":1}'}


@pytest.mark.parametrize(
    "status", [200, 201, 204, 304, 400, 401, 403, 404, 409, 410, 418, 422, 500, 501, 505]
)
async def test_any_other_status_is_an_answer(status: int) -> None:
    """Whoever asked decides what a 404 means; it is not tried again."""
    service = Service(status)
    assert (await service.outgoing().get(URL)).status == status
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", sorted(ERRORS))
async def test_a_probe_gets_the_status_as_it_is(status: int) -> None:
    """Who reports what a service says wants the 503, not an error."""
    service = Service(status)
    assert (await service.outgoing().get(URL, as_is=True)).status == status
    assert len(service.asked) == 1


async def test_an_attempt_that_works_ends_the_retries() -> None:
    """Two failures of different kinds, then the answer."""
    service = Service(503, httpx.ConnectError("no"), httpx.Response(200, content=b"here"))
    assert (await service.outgoing().get(URL)).body == b"here"
    assert service.waits == [0.5, 1.0]


async def test_every_attempt_resolves_and_checks_again() -> None:
    """A name that turns inwards between two attempts is refused at the second."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def turning(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    service = Service(503)
    with pytest.raises(Refused, match="a loopback address"):
        await service.outgoing(resolver=turning).get(URL)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 03:00:09 GMT", 9.0),
        ("Sun, 22 Nov 2026 04:00:09 +0100", 9.0),
        ("Sun, 22 Nov 2026 02:00:00 GMT", 0.0),
        ("soon", 0.5),
        ("-5", 0.5),
        ("", 0.5),
        ("1.5", 0.5),
        ("٧", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured_in_both_forms(status: int, written: str, seconds: float) -> None:
    """Seconds or a date; what is neither falls back to the ordinary wait."""
    busy = httpx.Response(status, headers=[(b"retry-after", written.encode())])
    service = Service(busy, 200)
    assert (await service.outgoing().get(URL)).status == 200
    assert service.waits == [seconds]


@pytest.mark.parametrize("written", ["31", "3600", "Sun, 22 Nov 2026 05:00:00 GMT"])
async def test_a_wait_beyond_the_deadline_is_left_to_the_caller(written: str) -> None:
    """The error carries how long to wait; nobody sits through it."""
    service = Service(httpx.Response(429, headers={"retry-after": written}))
    with pytest.raises(RateLimited) as told:
        await service.outgoing(timeout=timedelta(seconds=30)).get(URL)
    assert service.waits == []
    assert told.value.after >= timedelta(seconds=31)


@pytest.mark.parametrize("written", ["999999999", "Fri, 22 Nov 9996 05:00:00 GMT"])
async def test_an_absurd_wait_is_cut_to_a_day(written: str) -> None:
    """A service cannot silence Rung for a year."""
    service = Service(httpx.Response(429, headers={"retry-after": written}))
    with pytest.raises(RateLimited, match=r"api\.example\.com asked us to wait 86400 s") as told:
        await service.outgoing().get(URL)
    assert told.value.after == timedelta(days=1)


async def test_the_wait_grows_to_a_ceiling_and_goes_through_the_jitter() -> None:
    """Exponential, bounded, and never the same for everybody."""
    service = Service(503)
    with pytest.raises(Unavailable, match=r"GET https://api\.example\.com answered 503"):
        await service.outgoing(
            retries=7, jitter=lambda longest: longest / 2, timeout=timedelta(minutes=5)
        ).get(URL)
    assert service.waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


async def test_the_default_jitter_stays_below_the_ceiling() -> None:
    """Somewhere between nothing and the longest wait."""
    service = Service(503)
    with pytest.raises(Unavailable):
        await service.outgoing(jitter=full_jitter).get(URL)
    assert all(0 <= wait <= most for wait, most in zip(service.waits, [0.5, 1.0], strict=True))


secret = st.text(alphabet="abcdefghijkmnpqrstuvwxyz0123456789", min_size=12, max_size=24)


def failing(kind: str, hidden: str) -> httpx.Response | Exception:
    """A way to fail that tries its best to carry the secret into a message."""
    where = {"location": f"http://user:{hidden}@169.254.169.254/{hidden}?{hidden}"}
    answers: dict[str, httpx.Response | Exception] = {
        "busy": httpx.Response(503, headers={"x": hidden}, content=hidden.encode()),
        "limited": httpx.Response(429, headers={"retry-after": hidden}),
        "connect": httpx.ConnectError(f"cannot reach {hidden}"),
        "protocol": httpx.LocalProtocolError(f"Illegal header value {hidden!r}"),
        "read": httpx.ReadError(hidden),
        "socket": OSError(hidden),
        "redirect": httpx.Response(302, headers=where),
        "inward": httpx.Response(302, headers={"location": f"http://10.0.0.1/{hidden}?k={hidden}"}),
        "encoding": httpx.Response(200, stream=httpx.ByteStream(b"x"), headers={"content-encoding": hidden}),
        "large": httpx.Response(200, content=hidden.encode() * 100),
    }
    return answers[kind]


@given(
    hidden=secret,
    kind=st.sampled_from(
        [
            "busy",
            "limited",
            "connect",
            "protocol",
            "read",
            "socket",
            "redirect",
            "inward",
            "encoding",
            "large",
            "port",
            "userinfo",
            "header",
        ]
    ),
)
async def test_no_error_tells_a_secret(hidden: str, kind: str) -> None:
    """Path, query, fragment, headers, body and key stay out of message, repr, chain and traceback text."""
    url = f"https://api.example.com/hook/{hidden}?token={hidden}#{hidden}"
    headers = {"Authorization": f"Bearer {hidden}", "X-Key": hidden}
    answer: httpx.Response | Exception = httpx.Response(200)
    match kind:
        case "port":
            url = f"https://api.example.com:22/{hidden}"
        case "userinfo":
            url = f"https://user:{hidden}@api.example.com:port/"
        case "header":
            headers["X-Key"] = f"{hidden}\r\n"
        case _:
            answer = failing(kind, hidden)
    client = Service(answer).outgoing(max_bytes=100)
    with pytest.raises(RungError) as told:
        await client.post(
            url, headers=headers, params={"p": hidden}, content=hidden.encode(), idempotency_key=hidden
        )
    error: BaseException | None = told.value
    while error is not None:
        assert hidden not in str(error)
        assert hidden not in repr(error)
        error = error.__cause__ or error.__context__
    assert hidden not in "".join(traceback.format_exception(told.value))


async def test_json_and_content_are_not_given_together() -> None:
    """One body a request; two are a mistake in the program."""
    with pytest.raises(TypeError, match="not both"):
        await Service(200).outgoing().post(URL, json={}, content=b"")
