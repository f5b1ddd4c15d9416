"""Headless Chromium, driven through chromedriver, that talks to nobody but the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
"""No sandbox, because it needs rights that a container does not have; only our own pages are opened."""


class Browser:
    """A browser at our pages; what a person would notice, and what only the console shows."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def look(self, url: str, *, width: int = 1_280, height: int = 900, scheme: str = "light") -> None:
        """Open a page on a screen of this size, with the system's wish for light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script run in the page."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def complaints(self) -> list[str]:
        """What the console said since the last call: errors, and everything that the security policy blocked."""
        told = self.driver.get_log("browser")
        return [entry["message"] for entry in told if entry["level"] in {"SEVERE", "WARNING"}]

    def asked_for(self) -> set[str]:
        """Every address of the network that was requested since the last call."""
        found = set()
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.add(event["params"]["request"]["url"])
        return {address for address in found if not address.startswith(("chrome:", "data:", "about:"))}

    def until(self, script: str) -> None:
        """Return when the script's value is true; TimeoutException when it is not within ten seconds."""
        WebDriverWait(self.driver, 10, 0.02).until(lambda _: self.run(script))

    def overflow(self) -> int:
        """How many pixels the page is wider than the screen."""
        return int(self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        raise RuntimeError("Chromium is missing: run tests/systems/install")
    options = ChromeOptions()
    options.binary_location = binary
    for argument in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = Chrome(options, Service(driver))
    try:
        yield Browser(running)
    finally:
        running.quit()
