from __future__ import annotations

import re
from dataclasses import fields
from html.parser import HTMLParser
from itertools import pairwise
from typing import Annotated, Any, get_origin, get_type_hints

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.payload import without_surrogates
from rung.errors import Unavailable
from rung.model import Because
from rung.ports import HumanAction
from rung.store.rows import Told
from rung.web.contexts import PAGES
from rung.web.highlight import REASON_LIMIT, reason_rules, segments
from tests.web.conftest import Site
from tests.web.fakes import NOON, observed

HOSTILE = (
    """<script>alert(1)</script><img src=x onerror=y>"'&{{7*7}}{% raw %}</textarea><a href="javascript:x">"""
)
VOID = {"meta", "link", "input", "br", "hr", "img", "rect"}


class Page(HTMLParser):
    """A page as a browser reads it: every element with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Every element is closed in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text with its element."""
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        """All words, white space made one."""
        return " ".join("".join(text for _, text in self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of that kind."""
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        """Every id."""
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]


def the_page(response: httpx.Response, status: int = 200) -> Page:
    """A page that holds to the rules of all pages."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    assert not page.open
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert {"script", "style", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
    for tag, attrs in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attrs), (tag, attrs)
        assert not attrs.get("href", "").lower().startswith(("javascript:", "data:", "http"))
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(headings)), headings
    for attrs in page.all("a"):
        target = attrs.get("href", "")
        assert not target.startswith("#") or target[1:] in page.ids, target
    for attrs in page.all("th"):
        assert attrs["scope"] in {"col", "row"}
    return page


def the_told(site: Site, ticket_id: str) -> Told:
    """What is stored of a ticket."""
    return site.records.told[ticket_id]


async def tried(site: Site, subject: str = "", body: str = "", **headers: str) -> httpx.Response:
    """Send the paste box."""
    return await site.client.post("/try", data={"subject": subject, "body": body}, headers=headers)


# ---------------------------------------------------------------- queue
async def test_an_empty_queue_helps(site: Site) -> None:
    """It says what will appear here and how to make it appear."""
    page = the_page(await site.client.get("/"))

    assert "Tickets appear here the moment they arrive" in page.text


async def test_the_queue_shows_the_decisions(site: Site) -> None:
    """Newest first, with outcome, team and symptom."""
    await site.send(
        [{"id": "T-1", "subject": "Slow shop", "body": "it's slow"}, {"id": "T-2", "body": "hello"}]
    )

    page = the_page(await site.client.get("/"))

    assert page.text.index("T-2") < page.text.index("T-1")
    assert "escalate Backend L2" in page.text
    assert "(no text)" in page.text


async def test_the_queue_is_filtered_and_paged(site: Site) -> None:
    """The cursor keeps the filter, and following it shows every ticket once."""
    await site.send([{"id": f"T-{n}", "subject": "s", "body": "it's slow"} for n in range(60)])
    await site.send({"id": "T-99", "subject": "how do I add a user"})
    seen: list[str] = []
    url = "/?signature=slow&team="
    while url:
        page = the_page(await site.client.get(url))
        seen += [a["href"] for a in page.all("a") if a["href"].startswith("/tickets/")]
        url = next((a["href"] for a in page.all("a") if a.get("rel") == "next"), "")

    assert seen == [f"/tickets/T-{n}" for n in reversed(range(60))]
    assert "No ticket fits" in the_page(await site.client.get("/?outcome=duplicate")).text
    the_page(await site.client.get("/?cursor=x"), 422)
    the_page(await site.client.get("/?team=%00"), 404)


# ---------------------------------------------------------------- ticket
async def test_a_ticket_says_the_answer_first_and_marks_the_words(site: Site) -> None:
    """The first words after the heading are what to do; reasons and words link to each other."""
    body = "Since today: javax.net.ssl.SSLHandshakeException: handshake failed"
    await site.send({"id": "T-1", "subject": "Checkout", "body": body})

    page = the_page(await site.client.get("/tickets/T-1"))

    assert "Hand over to Backend L2: tls, " in page.text
    assert page.text.index("Hand over to") < page.text.index("Since today")
    numbers = {i.removeprefix("quote-") for i in page.ids if i.startswith("quote-")}
    assert numbers
    hrefs = {a["href"] for a in page.all("a")}
    for number in numbers:
        assert f"reason-{number}" in page.ids
        assert f"#quote-{number}" in hrefs
    assert any(tag == "textarea" and "readonly" in attrs for tag, attrs in page.elements)
    assert "1 before it did not match" in page.text
    assert "✗ not taken beyond" in page.text
    assert "✓ taken tls" in page.text
    assert "ticket arrived" in page.text


async def test_a_ticket_in_another_languages_script_keeps_its_text(site: Site) -> None:
    """Emoji, combining marks and right-to-left text come out as they went in."""
    body = "👩‍💻 e\u0301 שלום\r\n  it's slow \u202eabc"
    await site.send({"id": "T/1 é", "body": body})

    response = await site.client.get("/tickets/T%2F1%20%C3%A9")

    page = the_page(response)
    assert "".join(body.split()) in "".join(page.text.split())


async def test_a_ticket_that_is_not_there_is_a_page_that_helps(site: Site) -> None:
    """404 with a way back."""
    page = the_page(await site.client.get("/tickets/nope"), 404)

    assert "There is no ticket 'nope'" in page.text
    assert "/" in {a["href"] for a in page.all("a")}


async def test_people_and_newer_policies_are_shown(site: Site) -> None:
    """What people did stands beside; routes of another policy are said to be so."""
    await site.send({"id": "T-1", "body": "it's slow"})
    told = the_told(site, "T-1")
    action = HumanAction("assigned", "a", NOON, "Night shift")
    site.records.told["T-1"] = Told(
        **{**{f.name: getattr(told, f.name) for f in fields(told)}, "actions": (action,)}
    )
    site.policy = None

    page = the_page(await site.client.get("/tickets/T-1"))

    assert "assigned to Night shift" in page.text
    assert "No policy is published now" in page.text


# ---------------------------------------------------------------- try
async def test_the_paste_box_decides_and_stores_nothing(site: Site) -> None:
    """Headline, marked words, every route tried; secrets are masked; what was typed is still there."""
    the_page(await site.client.get("/try"))

    page = the_page(await tried(site, "TLS", "handshake failed, key acme_abcdefghijkl"))

    assert "Hand over to Backend L2" in page.text
    assert "✓ taken tls" in page.text
    assert "••••" in page.text
    assert not site.records.told


async def test_an_empty_or_huge_paste_says_what_to_do(site: Site) -> None:
    """422 with the words still in the form."""
    assert "Paste what the customer wrote" in the_page(await tried(site), 422).text
    assert "longer than 100,000" in the_page(await tried(site, body="x" * 100_001), 422).text
    the_page(await tried(site, body="x" * 500_000), 413)
    wrong = await site.client.post("/try", json={"body": "x"})
    the_page(wrong, 415)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
async def test_a_form_of_another_site_is_refused(site: Site, headers: dict[str, str]) -> None:
    """Also without cookies: the page must not be driven from elsewhere."""
    the_page(await tried(site, body="x", **headers), 403)


async def test_our_own_form_is_taken(site: Site) -> None:
    """With the headers a browser sends."""
    the_page(await tried(site, body="x", origin="http://localhost", **{"sec-fetch-site": "same-origin"}))


# ---------------------------------------------------------------- observe
async def test_observe_helps_while_it_is_empty(site: Site) -> None:
    """It says what will stand here and what it needs."""
    assert "beside what people did" in the_page(await site.client.get("/observe")).text


async def test_decisions_stand_beside_what_people_did(site: Site) -> None:
    """Agreement by symptom as bar and numbers, and each case with same or different."""
    await site.send([{"id": f"T-{n}", "body": "it's slow"} for n in range(4)])
    teams = ["backend", "backend", "backend", "sre"]
    for n, team in enumerate(teams):
        decision = the_told(site, f"T-{n}").decision
        assert decision
        site.records.assigned.append(
            observed(f"T-{n}", decision, HumanAction("assigned", "a", NOON, team, "L2"))
        )

    page = the_page(await site.client.get("/observe"))

    assert "3 times in the last 4 (75 %)" in page.text
    assert {"class": "fill", "width": "75", "height": "8"} in page.all("rect")
    assert page.text.count("✓ same") == 3
    assert "Sre L2 ✗ different" in page.text or "SRE L2 ✗ different" in page.text


# ---------------------------------------------------------------- hostile input
@pytest.mark.parametrize("hostile", [HOSTILE, "a\ud800b<", "\x1b[31m\x07<b>", "</div></main><h1>x</h1>"])
async def test_hostile_text_is_only_ever_text(site: Site, hostile: str) -> None:
    """On every page, in every field, marked or not: it is shown, and it is no markup."""
    body = f"{hostile} it's slow {hostile}"
    ticket = {
        "id": f"X-{hostile}", "subject": f"handshake failed {hostile}", "body": body, "source": hostile,
        "account": {"id": hostile, "name": hostile}, "messages": [{"body": body}], "facts": {"tier": hostile},
    }  # fmt: skip
    result = (await site.send(ticket)).json()
    decision = the_told(site, result["ticket_id"]).decision
    assert decision
    action = HumanAction("assigned", hostile, NOON, hostile)
    site.records.assigned.append(observed(result["ticket_id"], decision, action, hostile))

    first = the_page(await site.client.get("/"))
    link = next(a["href"] for a in first.all("a") if a["href"].startswith("/tickets/"))
    pages = [first, the_page(await site.client.get(link)), the_page(await site.client.get("/observe"))]
    pages.append(the_page(await tried(site, without_surrogates(hostile), without_surrogates(body))))

    expected = "".join(without_surrogates(hostile).split())
    for page in pages:
        assert expected in "".join(page.text.split())


# ---------------------------------------------------------------- who may see them
PATHS = ("/", "/tickets/T-1", "/try", "/observe")
ELSEWHERE = ("203.0.113.9", "10.0.0.1", "2001:db8::1", "", "not an address", "::ffff:10.0.0.1")
OTHER_NAMES = ("rebind.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.5:80", "")
OWN_NAMES = ("localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "[::1]", "LOCALHOST")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "address", ["203.0.113.9", "10.0.0.1", "2001:db8::1", "", "not an address", "::ffff:10.0.0.1"]
)
async def test_another_machine_is_refused_with_the_reason(site: Site, path: str, address: str) -> None:
    """403 says that there is no sign-in yet."""
    async with site.from_elsewhere(address) as client:
        page = the_page(await client.get(path), 403)

    assert "nobody can sign in yet" in page.text


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_is_let_in(site: Site, address: str) -> None:
    """Under any of its loopback addresses."""
    async with site.from_elsewhere(address) as client:
        the_page(await client.get("/"))


@pytest.mark.parametrize("host", OTHER_NAMES)
async def test_another_name_is_refused(site: Site, host: str) -> None:
    """DNS rebinding: the browser believes it talks to its own site."""
    the_page(await site.client.get("/", headers={"host": host}), 403)


@pytest.mark.parametrize("host", OWN_NAMES)
async def test_its_own_names_are_fine(site: Site, host: str) -> None:
    """With or without a port."""
    the_page(await site.client.get("/", headers={"host": host}))


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host"])
async def test_a_proxy_is_not_trusted(site: Site, name: str) -> None:
    """Behind one the peer's address says nothing of who asks, and its headers are only words."""
    the_page(await site.client.get("/", headers={name: "127.0.0.1"}), 403)
    async with site.from_elsewhere() as client:
        the_page(await client.get("/", headers={name: "127.0.0.1"}), 403)


async def test_a_database_that_is_away_is_a_page_too(site: Site) -> None:
    """Nothing of the inside is told."""
    site.records.trouble = Unavailable("10.1.2.3 refused")

    page = the_page(await site.client.get("/"), 503)

    assert "10.1.2.3" not in page.text


async def test_the_style_sheet_is_served_and_cached(site: Site) -> None:
    """One sheet with the rules that light words and reasons."""
    response = await site.client.get("/static/rung.css")

    assert response.headers["content-type"].startswith("text/css")
    assert f"#reason-{REASON_LIMIT}" in response.text
    again = await site.client.get("/static/rung.css", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304


# ---------------------------------------------------------------- parts
@pytest.mark.parametrize("context", PAGES, ids=lambda c: c.__name__)
def test_every_field_of_a_page_is_explained(context: Any) -> None:
    """Each field of each context says in a sentence what it is."""
    hints = get_type_hints(context, include_extras=True)
    for field in fields(context):
        hint = hints[field.name]
        assert get_origin(hint) is Annotated
        assert hint.__metadata__[0].endswith(".")


@given(
    text=st.text(st.characters(exclude_categories=())),
    spans=st.lists(st.tuples(st.integers(-3, 40), st.integers(-3, 40)), max_size=8),
)
def test_marked_text_is_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    """However reasons overlap: joined it is the text, and each piece names exactly the reasons that cover it."""
    because = [Because(f"r{n}", "body", start, end, "") for n, (start, end) in enumerate(spans)]

    pieces = segments(text, "body", because)

    assert "".join(p.text for p in pieces) == without_surrogates(text)
    place = 0
    for piece in pieces:
        for offset in range(place, place + len(piece.text)):
            covering = tuple(n for n, (s, e) in enumerate(spans, 1) if s <= offset < e)
            assert piece.reasons == covering
        place += len(piece.text)
    begun = [n for piece in pieces for n in piece.first]
    assert len(begun) == len(set(begun))


def test_every_reason_has_its_rule_both_ways() -> None:
    """Pointing at a reason lights its words, and the other way round."""
    rules = reason_rules(3)

    for n in (1, 2, 3):
        assert f"#reason-{n}:is(:hover,:focus-within,:target),#quote-{n}:target) .quote-{n}" in rules
        assert f".quote-{n}:is(:hover,:focus-within),#quote-{n}:target) #reason-{n}" in rules
    assert "quote-4" not in rules
