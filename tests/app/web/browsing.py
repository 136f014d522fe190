"""One person in a real browser on the real stack, who looks at each page as everybody should be able to.

With CHERISH_SCREENS set to a folder, a picture of every page in both themes is written there.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdf
import pytest
from playwright.sync_api import Browser, Page, expect

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
# by whom it is heard: every violation of the policy is an error of the test
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(event.violatedDirective + " " + event.blockedURI);
});
"""
PATIENCE = 120_000
PLAYERS = 6
BUYER = "Harbour Hospital"
# what people call themselves is not always short
LONG = ", the data office of the county of Nordmark and its eleven hospitals, department of handwritten digits"

if CHROMIUM is None and os.environ.get("CHERISH_REQUIRE_BROWSER") == "1":
    pytest.fail(
        "CHERISH_REQUIRE_BROWSER=1 and there is no chromium; install it: apt-get install chromium", pytrace=False
    )
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Market:
    """A running stack, and the keys of the people in it."""

    url: str
    admin: str
    buyer: str
    buyer_id: str
    providers: list[str]
    datasets: list[str]


class Visit:
    """One person in one browser; ``see`` looks at a page as everybody should be able to."""

    def __init__(self, browser: Browser, market: Market, **options: Any) -> None:
        where = {"locale": "de-DE", "timezone_id": "Europe/Oslo", "viewport": {"width": 1100, "height": 800}} | options
        self.context = browser.new_context(base_url=market.url, **where)
        self.context.add_init_script(LISTEN)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)

    def log_in(self, token: str) -> "Visit":
        self.page.goto("/login")
        self.page.get_by_text("Log in with an API key instead").click()
        self.page.get_by_label("API key").fill(token)
        self.page.get_by_role("button", name="Log in with the key").click()
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()
        return self

    def see(self, name: str, path: str | None = None) -> None:
        """The page in both themes: drawn, without a violation, an error of a script, or a serious finding of axe."""
        if path is not None:
            self.page.goto(path)
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)
            found = self.page.evaluate(AXE + "; axe.run({resultTypes: ['violations']})")
            serious = [
                (each["id"], each["nodes"][0]["html"][:200], each["nodes"][0]["failureSummary"])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], f"{name} in {theme}"
            self._picture(f"{name}-{theme}")
        self.calm(name)

    def fits(self, *paths: str) -> None:
        """No page is wider than the window: nobody scrolls sideways, on a phone least of all."""
        for path in paths:
            self.page.goto(path)
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path

    def paper(self, path: str) -> str:
        """The text of a page as it is printed on A4."""
        self.page.goto(path)
        with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
            self.page.pdf(path=file.name, format="A4", print_background=True)
            return "\n".join(each.extract_text() for each in pypdf.PdfReader(file.name).pages)

    def calm(self, name: str) -> None:
        assert self.page.evaluate("violations") == [], name
        assert self.errors == [], name

    def _picture(self, name: str) -> None:
        if folder := os.environ.get("CHERISH_SCREENS"):
            self.page.screenshot(path=f"{folder}/{name}.jpg", full_page=True, type="jpeg", quality=52)

    def close(self) -> None:
        self.context.close()
