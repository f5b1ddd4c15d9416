from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tests.systems.browser import Browser, chromium
from tests.systems.conftest import Site

PAGES = ("/", "/tickets/tls-1", "/tickets/long-1", "/try", "/observe", "/tickets/nobody")
QUOTED = "javax.net.ssl.SSLHandshakeException"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: RUNG_TEST_SHOTS, else a temporary folder."""
    chosen = os.environ.get("RUNG_TEST_SHOTS", "")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_quiet_and_fit_at_360_pixels(
    site: Site, browser: Browser, shots: Path, page: str, scheme: str
) -> None:
    """No console error, nothing blocked by the security policy, nothing asked elsewhere, no sideways scrolling."""
    browser.complaints()
    browser.asked_for()
    for width in (360, 1_280):
        browser.look(site.url + page, width=width, scheme=scheme)
        browser.driver.save_screenshot(
            str(shots / f"{page.strip('/').replace('/', '-') or 'queue'}-{scheme}-{width}.png")
        )

        assert browser.overflow() <= 0, f"{page} is wider than {width} px"
        assert browser.run("document.querySelectorAll('main h1').length") == 1
    elsewhere = {address for address in browser.asked_for() if not address.startswith(site.url)}
    missing = (
        f"{site.url}/tickets/nobody - Failed to load resource: the server responded with a status of 404"
    )
    said = [line for line in browser.complaints() if not line.startswith(missing)]

    assert said == []
    assert elsewhere == set()


@pytest.mark.parametrize("page", PAGES)
def test_dark_and_light_are_different_and_readable(site: Site, browser: Browser, page: str) -> None:
    """The page follows the system's wish, and its text stands out from its surface in both."""
    surfaces = {}
    for scheme in ("light", "dark"):
        browser.look(site.url + page, scheme=scheme)
        surfaces[scheme] = browser.run("getComputedStyle(document.body).backgroundColor")
        contrast = browser.run(CONTRAST)
        assert contrast >= 4.5, f"{page} in {scheme}: contrast {contrast:.1f}"

    assert surfaces["light"] != surfaces["dark"]


@pytest.mark.parametrize("width", [360, 1_280])
def test_one_long_subject_does_not_push_the_decisions_away(site: Site, browser: Browser, width: int) -> None:
    """The list needs no scrolling of its own, whatever a customer wrote into a subject."""
    browser.look(site.url + "/", width=width)
    outside = browser.run(
        "[...document.querySelectorAll('table.queue .outcome, table.queue .team, table.queue .chip')]"
        ".filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth).length"
    )

    assert outside == 0


def test_the_quoted_words_are_marked_in_the_ticket(site: Site, browser: Browser) -> None:
    """The ticket's page highlights exactly the words that each reason quotes."""
    browser.look(f"{site.url}/tickets/tls-1")
    marks = browser.run("[...document.querySelectorAll('mark')].map(m => m.textContent.trim())")
    quotes = browser.run("[...document.querySelectorAll('.reasons q')].map(q => q.textContent)")
    style = browser.run(
        "(m => [getComputedStyle(m).backgroundColor, getComputedStyle(m.parentElement).backgroundColor])"
        "(document.querySelector('mark'))"
    )

    assert any(QUOTED.rsplit(".", 1)[-1] in mark for mark in marks)
    assert quotes
    text = browser.run("[...document.querySelectorAll('.text')].map(t => t.textContent).join('\\n')")
    assert all(quote in text for quote in quotes)
    assert style[0] != style[1]


def test_a_reason_leads_to_its_words_by_keyboard(site: Site, browser: Browser) -> None:
    """Tab reaches a reason, Enter goes to the words it quotes."""
    browser.look(f"{site.url}/tickets/tls-1")
    reached = None
    for _ in range(60):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached = browser.run("document.activeElement.getAttribute('href')")
        if reached and reached.startswith("#quote-"):
            break
    assert reached is not None
    assert reached.startswith("#quote-")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)

    assert browser.run("location.hash") == reached
    assert browser.run("document.querySelector(location.hash) !== null")


def test_the_list_leads_to_a_ticket_by_keyboard(site: Site, browser: Browser) -> None:
    """The first Tab offers to skip to the page; a visible focus moves to the newest ticket, Enter opens it."""
    browser.look(site.url + "/")
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.run("document.activeElement.textContent") == "Skip to the page"
    for _ in range(40):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        if (browser.run("document.activeElement.getAttribute('href')") or "").startswith("/tickets/"):
            break
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)

    browser.until("location.pathname.startsWith('/tickets/')")
    assert browser.run("document.querySelectorAll('main h1').length") == 1


def test_the_paste_box_answers_without_storing(site: Site, browser: Browser) -> None:
    """Pasted words are decided on the spot, by keyboard alone; the list does not grow."""
    browser.look(site.url + "/")
    before = browser.run("document.querySelectorAll('tbody tr').length")
    browser.look(site.url + "/try")
    browser.driver.find_element(By.NAME, "subject").send_keys("Cannot connect")
    body = browser.driver.find_element(By.NAME, "body")
    body.send_keys("Error: ECONNREFUSED 10.0.45.2:5432 since this morning")
    body.send_keys(Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)

    browser.until("document.querySelector('.answer .headline') !== null")
    assert "ECONNREFUSED" in browser.run("document.querySelector('mark').textContent")
    assert browser.run("document.querySelector('.answer .headline').textContent.length") > 10
    assert browser.run("document.querySelector('textarea[name=body]').value").startswith(
        "Error: ECONNREFUSED"
    )
    browser.look(site.url + "/")
    assert browser.run("document.querySelectorAll('tbody tr').length") == before


def test_what_customers_write_stays_text(site: Site, browser: Browser) -> None:
    """A script in a ticket is shown, not run."""
    browser.look(f"{site.url}/tickets/long-1")

    assert "<script>alert(1)</script>" in browser.run("document.querySelector('main').textContent")
    assert browser.run("document.scripts.length") == 0


def test_observe_shows_rung_beside_people(site: Site, browser: Browser) -> None:
    """The observe page has the ticket that a person assigned, with both answers."""
    browser.look(site.url + "/observe")
    text = browser.run("document.querySelector('main').innerText")

    assert "API answers 500" in text
    assert browser.run("document.querySelectorAll('.same, .different').length") >= 1


CONTRAST = """(() => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = parts(colour).slice(0, 3).map(v => {
            v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const surface = element => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if ((parts(colour)[3] ?? 1) === 1) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    let least = 21;
    for (const element of document.querySelectorAll('main *, header *, footer *')) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        const seen = element.checkVisibility({visibilityProperty: true}) && !element.closest('.skip, .hidden');
        if (!own || !seen) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(surface(element))].sort((x, y) => y - x);
        least = Math.min(least, (a + 0.05) / (b + 0.05));
    }
    return least;
})()"""
"""The lowest contrast ratio of text on its surface, by the formula of WCAG 2."""
