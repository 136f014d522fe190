"""The pages in a real browser on the real stack: each role's main path, a live job to its end, accessibility, CSP.

With CHERISH_SCREENS set to a folder, a picture of every page in both themes is written there.
"""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from app.accounts import service
from app.accounts.roles import Role
from app.db.session import make_engine, make_session_factory, transaction
from app.demo.digits import TARGET, digits_market
from app.embedded.stack import Stack
from app.settings import Settings
from cherish import Client

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


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """A stack with one worker and providers whose data is published; the first provider's is not there yet."""
    home = Path(tempfile.gettempdir()) / f"cherish-web-{uuid.uuid4().hex[:10]}"
    stack = Stack(home, workers=1, durable=False)
    try:
        stack.start()
        yield _people(stack)
    finally:
        stack.destroy()


def _people(stack: Stack) -> Market:
    settings = Settings.from_variables(stack.settings_env())
    files = digits_market()[0]
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:

        def person(name: str, role: Role) -> tuple[str, str]:
            account = service.create_account(session, name, role)
            return f"acc_{account.id.hex}", service.issue_key(session, settings, account, "first key")[1]

        _, admin = person("Operator", Role.ADMIN)
        buyer_id, buyer = person("Harbour Hospital", Role.BUYER)
        chosen = [*files[: PLAYERS - 2], files[7], files[9]]
        providers = [person(file.owner, Role.PROVIDER)[1] for file in chosen]
    engine.dispose()
    datasets = []
    for token, file in list(zip(providers, chosen, strict=True))[1:]:
        with Client(stack.api_url, token) as client:
            made = client.upload_dataset(f"digits of {file.owner}", file.content, target=TARGET, format=file.format)
            client.publish_dataset(made["id"], "CC0-1.0")
            datasets.append(made["id"])
    return Market(stack.api_url, admin, buyer, buyer_id, providers, datasets)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
    yield browser
    browser.close()


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
            self.page.wait_for_function(
                "[...document.querySelectorAll('figure[data-chart]')].every((each) => each.dataset.drawn)"
            )
            found = self.page.evaluate(AXE + "; axe.run({resultTypes: ['violations']})")
            serious = [
                (each["id"], each["nodes"][0]["html"][:200], each["nodes"][0]["failureSummary"])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], f"{name} in {theme}"
            self._picture(f"{name}-{theme}")
        self.calm(name)

    def calm(self, name: str) -> None:
        assert self.page.evaluate("violations") == [], name
        assert self.errors == [], name

    def _picture(self, name: str) -> None:
        if folder := os.environ.get("CHERISH_SCREENS"):
            self.page.screenshot(path=f"{folder}/{name}.jpg", full_page=True, type="jpeg", quality=62)

    def close(self) -> None:
        self.context.close()


def test_each_role_does_its_main_work_in_the_browser(chromium: Browser, market: Market, tmp_path: Path) -> None:
    """Providers offer, the operator records money, a buyer has it valued live, everybody looks at what came of it."""
    nobody = Visit(chromium, market)
    for name, path in (("landing", "/"), ("login", "/login"), ("invitation", "/invitation"), ("problems", "/problems")):
        nobody.see(name, path)
    nobody.close()

    dataset = _provider_offers(chromium, market, tmp_path)
    _admin_pays_in(chromium, market)
    _buyer_values(chromium, market, tmp_path, [dataset, *market.datasets])
    _provider_withdraws(chromium, market, dataset)
    _admin_looks(chromium, market)


def _provider_offers(chromium: Browser, market: Market, folder: Path) -> str:
    """Upload by dropping a file, refuse a bad one, publish; returns the dataset's id."""
    visit = Visit(chromium, market).log_in(market.providers[0])
    page = visit.page
    visit.see("datasets-empty", "/datasets")
    bad = folder / "bad.csv"
    bad.write_text("a,label\n1\n")
    page.set_input_files("#file", bad)
    page.get_by_label("Column to predict").fill("label")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#upload-problem")).to_contain_text("row")
    # the browser notes the refusal of the bad file, which was the point
    visit.errors.clear()
    page.goto("/datasets")
    expect(page.locator("tbody tr")).to_have_count(0)

    content = digits_market()[0][0].content.decode()
    page.evaluate(
        """(text) => {
            const moved = new DataTransfer();
            moved.items.add(new File([text], "digits of Alder.csv", { type: "text/csv" }));
            const dropped = new DragEvent("drop", { dataTransfer: moved, bubbles: true });
            document.getElementById("drop").dispatchEvent(dropped);
        }""",
        content,
    )
    assert page.get_by_label("Name").input_value() == "digits of Alder"
    page.get_by_label("Column to predict").fill(TARGET)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/datasets/ds_"))
    visit.see("dataset-ready")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".head .status")).to_have_text("published")
    visit.see("datasets", "/datasets")
    page.locator("tbody a").first.click()
    found = re.search(r"ds_[0-9a-f]{32}", page.url)
    visit.calm("publishing")
    visit.close()
    assert found is not None
    return found[0]


def _admin_pays_in(chromium: Browser, market: Market) -> None:
    visit = Visit(chromium, market).log_in(market.admin)
    page = visit.page
    page.goto("/admin/ledger")
    page.get_by_label("Buyer's account").fill(market.buyer_id)
    page.get_by_label("Amount").fill("5000.00")
    page.get_by_label("Reference").fill("bank transfer 17")
    page.get_by_role("button", name="Record").click()
    page.wait_for_load_state()
    visit.calm("deposit")
    visit.close()


def _buyer_values(chromium: Browser, market: Market, folder: Path, datasets: list[str]) -> None:
    """Bring a test set, see the quote, post, watch the job live to its end, and read the result."""
    visit = Visit(chromium, market).log_in(market.buyer)
    page = visit.page
    visit.see("jobs-empty", "/jobs")
    test = folder / "digits test.csv"
    test.write_bytes(digits_market()[1].content)
    page.goto("/datasets")
    page.set_input_files("#file", test)
    page.get_by_label("Column to predict").fill(TARGET)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/datasets/ds_"))

    page.goto("/jobs/new")
    for box in page.get_by_role("group", name="Datasets to be valued").get_by_role("checkbox").all()[1:]:
        box.check()
    page.get_by_label("Others, by their ids").fill("\n".join(datasets))
    page.get_by_label("Pool").fill("1000.00")
    page.get_by_label("Metric").select_option("clipped_log_loss")
    page.get_by_label("Model").select_option("mlp")
    page.get_by_label("Retrainings at most").fill("24")
    page.get_by_label("Widest interval").fill("0.5")
    page.get_by_label("Your own name for it").fill("Reading of handwritten digits, first order of the autumn")
    expect(page.locator("#estimate")).to_contain_text("Trained anew", timeout=PATIENCE)
    visit.see("job-new")
    page.get_by_role("button", name="Post and reserve the pool").click()
    page.wait_for_url(re.compile(r"/jobs/val_"))
    expect(page.get_by_role("button", name="Cancel the job")).to_be_visible()
    # said by the stream, not by a reload
    page.evaluate("window.before = true")
    expect(page.locator("[data-stream]")).to_contain_text(re.compile("round [1-9]"), timeout=PATIENCE)
    assert page.evaluate("window.before") is True
    visit.see("job-running")
    # the page loads itself again when the job is over, however it ended
    expect(page.locator("[data-stream]")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_text("Who gets how much, and how sure that is")).to_be_visible()
    visit.see("job")
    amounts = page.locator("tbody data.money").evaluate_all("(all) => all.map((each) => Number(each.value))")
    assert len(amounts) == PLAYERS
    assert abs(sum(amounts) - 1000) < 1e-6
    # in the viewer's own terms
    assert page.locator("tfoot data.money").last.inner_text() == "1.000,00\xa0€"
    for name in ("Payouts (CSV)", "Values, audit and digests (JSON)", "The signed certificate (JSON)"):
        with page.expect_download() as download:
            page.get_by_text(name).click()
        assert download.value.failure() is None
    job = page.url
    for name, path in (("jobs", "/jobs?status=succeeded"), ("money-buyer", "/money"), ("keys", "/keys")):
        visit.see(name, path)
    _keys_and_webhooks(visit)
    visit.close()

    phone = Visit(chromium, market, viewport={"width": 390, "height": 800}, has_touch=True).log_in(market.buyer)
    phone.see("job-phone", job)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()


def _keys_and_webhooks(visit: Visit) -> None:
    page = visit.page
    page.get_by_label("Name").fill("dashboard")
    page.get_by_label("valuations:read").check()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".secret code")).to_contain_text("cherish_")
    page.goto("/people")
    page.get_by_label("Name").fill("Ada Nyberg")
    page.get_by_label("Email").fill("ada@harbour.example")
    page.get_by_role("button", name="Invite").click()
    expect(page.locator(".secret code")).to_be_visible()
    invitation = page.locator(".secret code").inner_text()
    visit.see("people", "/people")
    page.goto("/webhooks")
    page.get_by_label("Address").fill("https://hooks.example/" + "long/" * 30)
    page.get_by_role("button", name="Add").click()
    page.wait_for_load_state()
    visit.errors.clear()
    visit.see("webhooks", "/webhooks")
    page.goto("/invitation")
    page.get_by_label("Invitation").fill(invitation)
    page.get_by_label("New password").fill("a phrase of several words")
    page.get_by_role("button", name="Set the password").click()
    page.wait_for_load_state()
    page.goto("/jobs")
    page.get_by_role("button", name="Log out").click()
    page.goto("/login")
    page.get_by_label("Email").fill("ada@harbour.example")
    page.get_by_label("Password").fill("a phrase of several words")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
    visit.calm("people")


def _provider_withdraws(chromium: Browser, market: Market, dataset: str) -> None:
    visit = Visit(chromium, market).log_in(market.providers[0])
    page = visit.page
    visit.see("value", "/earnings")
    expect(page.locator("tbody tr")).to_have_count(1)
    visit.see("money-provider", "/money")
    page.get_by_label("Amount").fill("1.00")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("cell", name="withdrawal pending")).to_be_visible()
    visit.see("dataset", f"/datasets/{dataset}")
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".head .status")).to_have_text("withdrawn")
    visit.calm("withdrawing")
    visit.close()


def _admin_looks(chromium: Browser, market: Market) -> None:
    visit = Visit(chromium, market).log_in(market.admin)
    page = visit.page
    for name, path in (("admin", "/admin"), ("organisations", "/admin/accounts"), ("audit", "/audit")):
        visit.see(name, path)
    page.goto("/admin/ledger")
    page.get_by_role("button", name="Prove it now").click()
    expect(page.get_by_text("every sum zero")).to_be_visible()
    visit.see("ledger")
    page.get_by_role("button", name="The money has left").click()
    expect(page.get_by_text("Nobody waits")).to_be_visible()
    page.get_by_role("button", name="Switch between light and dark").click()
    chosen = page.evaluate("document.documentElement.dataset.theme")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == chosen
    visit.calm("admin")
    visit.close()
