"""The pages in a real browser: each role's main path, a live job to its end, accessibility, CSP."""

import re
import tempfile
import unicodedata
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pytest
import safetensors.numpy
from playwright.sync_api import Browser, Page, Route, expect

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.demo.digits import TARGET, digits_market
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from app.web import trial
from cherish import Client
from tests.app.web.browsing import AXE, BUYER, LONG, PATIENCE, PLAYERS, Market, Visit, pytestmark  # noqa: F401 - the marks of the module


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """A stack with one worker and providers whose data is published; the first provider's is not there yet.

    Organisations may register and wait for approval, and the first page shows the buyer's newest job.
    """
    home = Path(tempfile.gettempdir()) / f"cherish-web-{uuid.uuid4().hex[:10]}"
    shown = {"CHERISH_SHOWN_BUYER": BUYER, "CHERISH_REGISTRATION": "approval"}
    stack = EmbeddedStack(home, workers=1, durable=False, env=shown)
    try:
        stack.start()
        yield _people(stack)
    finally:
        stack.destroy()


def _people(stack: EmbeddedStack) -> Market:
    settings = Settings.from_variables(stack.settings_env())
    files = digits_market()[0]
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:

        def person(name: str, role: Role) -> tuple[str, str]:
            account = service.create_account(session, name, role)
            return f"acc_{account.id.hex}", service.issue_key(session, settings, account, "first key")[1]

        _, admin = person("Operator", Role.ADMIN)
        buyer_id, buyer = person(BUYER, Role.BUYER)
        chosen = [*files[: PLAYERS - 2], files[7], files[9]]
        names = [file.owner + LONG * (index == 1) for index, file in enumerate(chosen)]
        providers = [person(name, Role.PROVIDER)[1] for name in names]
    engine.dispose()
    datasets = []
    for token, file in list(zip(providers, chosen, strict=True))[1:]:
        with Client(stack.api_url, token) as client:
            made = client.upload_dataset(f"digits of {file.owner}", file.content, target=TARGET, format=file.format)
            client.publish_dataset(made["id"], "CC0-1.0")
            datasets.append(made["id"])
    return Market(stack.api_url, admin, buyer, buyer_id, providers, datasets)


def test_each_role_does_its_main_work_in_the_browser(chromium: Browser, market: Market, tmp_path: Path) -> None:
    """Providers offer, the operator records money, a buyer has it valued live, everybody looks at what came of it."""
    nobody = Visit(chromium, market)
    open_to_all = ("login", "signup", "forgotten", "invitation", "problems")
    for name, path in (("landing", "/"), *((each, f"/{each}") for each in open_to_all)):
        nobody.see(name, path)
    _trial_divides(nobody.page)
    for width in (390, 1440):
        nobody.page.set_viewport_size({"width": width, "height": 800})
        nobody.fits("/", "/signup", "/login", "/forgotten")
    nobody.page.set_viewport_size({"width": 1100, "height": 800})
    nobody.page.goto("/nothing-here")
    # the browser notes the 404, which was the point
    nobody.errors.clear()
    nobody.see("error")
    nobody.close()

    dataset = _provider_offers(chromium, market, tmp_path)
    _admin_pays_in(chromium, market)
    _buyer_values(chromium, market, tmp_path, [dataset, *market.datasets])
    _admin_decides(chromium, market)
    _provider_withdraws(chromium, market, dataset)
    _admin_looks(chromium, market)


def test_an_upload_goes_on_after_a_broken_connection_and_can_be_cancelled(chromium: Browser, market: Market) -> None:
    visit = Visit(chromium, market).log_in(market.providers[0])
    page = visit.page
    page.goto("/datasets")
    before = page.locator("tbody tr").count()
    rows = "\n".join(f"{at:09d},{at % 7},{'ab'[at % 2]}" for at in range(700_000))
    file = {"name": "long.csv", "mimeType": "text/csv", "buffer": f"u,v,label\n{rows}\n".encode()}
    sent: list[str] = []

    def breaks_once(route: Route) -> None:
        if route.request.method == "PATCH":
            sent.append(route.request.headers["upload-offset"])
            if len(sent) == 2:
                return route.abort("connectionreset")
        return route.continue_()

    page.route("**/uploads/**", breaks_once)
    page.set_input_files("#file", file)
    page.get_by_label("Column to predict").fill("label")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/ds_*", timeout=PATIENCE)
    expect(page.locator("dl.tiles").first).to_contain_text("700")
    assert sent[:2] == ["0", str(8 * 1024 * 1024)]
    assert sent[2] == sent[1], "it goes on where it stopped"
    page.unroute("**/uploads/**")

    page.goto("/datasets")
    page.route("**/uploads/**", lambda route: None if route.request.method == "PATCH" else route.continue_())
    page.set_input_files("#file", {**file, "name": "other.csv"})
    page.get_by_label("Column to predict").fill("label")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#upload-problem")).to_contain_text("Cancelled")
    assert page.evaluate("Object.keys(localStorage).filter((each) => each.startsWith('upload ')).length") == 0
    page.unroute("**/uploads/**")
    page.goto("/datasets")
    expect(page.locator("tbody tr")).to_have_count(before + 1)
    page.goto(page.locator("tbody tr a").first.get_attribute("href") or "")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/datasets")
    visit.close()


def _trial_divides(page: Page) -> None:
    """The script divides the stored game as the server does, whoever is left out and whatever the pool."""
    page.goto("/")
    page.locator("#pool").fill("2500")
    for left_out in ((), (2,), (0, 3, 5), (0, 1, 2, 3, 4, 5)):
        for at in range(6):
            page.locator(f"[name=with{at}]").set_checked(at not in left_out)
        among = [at for at in range(6) if at not in left_out]
        paid = {part.name: f"{part.cents / 100:,.2f} EUR" for part in trial.divided(trial.game(), among, 250_000)}
        shown = page.locator("#trial .bars tr")
        for row in shown.all():
            name = row.locator(".of").inner_text()
            assert row.locator(".num").inner_text() == paid.get(name, "left out")


def _provider_offers(chromium: Browser, market: Market, folder: Path) -> str:
    """Upload by dropping a file, refuse a bad one, publish; returns the dataset's id."""
    visit = Visit(chromium, market).log_in(market.providers[0])
    page = visit.page
    visit.see("datasets-empty", "/datasets")
    bad = folder / "bad.csv"
    bad.write_text("a,label\n1\n")
    page.set_input_files("#file", bad)
    # what may be predicted is picked from the file's header
    expect(page.locator("#header option")).to_have_count(2)
    assert page.locator("#header option").evaluate_all("(all) => all.map((each) => each.value)") == ["a", "label"]
    book = openpyxl.Workbook()
    book.active.append(["ward", "age", "stays"])
    book.save(folder / "wards.xlsx")
    page.set_input_files("#file", folder / "wards.xlsx")
    expect(page.locator("#header option")).to_have_count(3)
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
    page.get_by_label("Rows in the preview").fill("3")
    page.get_by_label("Least it must earn in a job").fill("5.00")
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
    page.get_by_label("Amount", exact=True).fill("5000.00")
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

    _buyer_looks_around(visit, datasets)
    visit.see("catalogue", "/catalogue?q=digits")
    for box in page.get_by_role("checkbox").all()[1:]:
        box.check()
    page.get_by_role("button", name="Value those that are ticked").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(PLAYERS - 1)
    page.get_by_label("Others, by their ids").fill("\n".join(datasets))
    page.get_by_label("Pool", exact=True).fill("1000.00")
    page.get_by_label(re.compile("^Metric")).select_option("clipped_log_loss")
    page.get_by_label(re.compile("^Model")).select_option("mlp")
    page.get_by_label("Retrainings at most").fill("24")
    page.get_by_label("Widest interval").fill("0.5")
    page.locator("summary", has_text="More settings").click()
    # long enough to be looked at while it runs
    page.get_by_label("Hyper-parameters of the model").fill("steps=400")
    page.get_by_label("Rule").select_option("interval_aware")
    page.get_by_label("Days in which you may dispute").fill("10")
    page.get_by_label("Your own name for it").fill("Reading of handwritten digits, first order of the autumn")
    expect(page.locator("#estimate")).to_contain_text("Trained anew", timeout=PATIENCE)
    visit.see("job-new")
    page.get_by_role("button", name="Post and reserve the pool").click()
    page.wait_for_url(re.compile(r"/jobs/val_"))
    expect(page.get_by_role("button", name="Cancel the job")).to_be_visible()
    # anybody may watch it on the first page; what both see is said by their streams, not by a reload
    nobody = Visit(chromium, market)
    nobody.page.goto("/")
    for each in (nobody.page, page):
        each.evaluate("window.before = true")
    for each in (nobody.page, page):
        expect(each.locator("[data-stream]")).to_contain_text(re.compile("round [1-9]"), timeout=PATIENCE)
        assert each.evaluate("window.before") is True
    visit.see("job-running")
    nobody.see("landing-live")
    # the page loads itself again when the job is over, however it ended
    expect(page.locator("[data-stream]")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("heading", name="Who gets how much, and how sure that is")).to_be_visible()
    visit.see("job")
    expect(nobody.page.get_by_role("heading", name="A job, as it was paid")).to_be_visible(timeout=PATIENCE)
    nobody.see("landing-paid")
    nobody.close()
    for chart in ("shares", "audit", "removal", "convergence", "cost"):
        expect(page.locator(f"[data-chart={chart}] svg").first).to_be_visible()
    _charts_are_read(page)
    amounts = (
        page.get_by_role("region", name="Payouts")
        .locator("tbody data.money")
        .evaluate_all("(all) => all.map((each) => Number(each.value))")
    )
    assert len(amounts) == PLAYERS
    assert abs(sum(amounts) - 1000) < 1e-6
    # in the viewer's zone, which is named, and in the one locale of the page
    ended = page.locator(".head time").last
    utc = datetime.fromisoformat(ended.get_attribute("datetime") or "")
    oslo = utc.astimezone(ZoneInfo("Europe/Oslo"))
    assert re.match(rf"{oslo.day} {oslo:%b}\w* {oslo:%Y}, {oslo:%H:%M} (CES?T|GMT\+\d)$", ended.inner_text())
    assert page.locator("tfoot data.money").last.inner_text() == "€1,000.00"
    job = page.url
    files = page.locator(".takes a[download]")
    assert files.count() == 9
    for each in files.all():
        with page.expect_download() as download:
            each.click()
        assert download.value.failure() is None
    page.get_by_text("The signed certificate").click()
    expect(page.get_by_text("Genuine.")).to_be_visible()
    visit.see("certificate")
    for path in (job, f"{job}/certificate"):
        _prints(visit, path, PLAYERS)
    page.goto(job)
    page.get_by_text("Dispute it").click()
    page.get_by_label("What is wrong").fill("a third of the labels of one provider are wrong")
    page.get_by_role("button", name="Open a dispute").click()
    expect(page.get_by_text("An administrator decides")).to_be_visible()
    for name, path in (("jobs", "/jobs?status=succeeded"), ("money-buyer", "/money"), ("keys", "/keys")):
        visit.see(name, path)
    _keys_and_webhooks(visit)
    visit.close()

    phone = Visit(chromium, market, viewport={"width": 390, "height": 800}, has_touch=True).log_in(market.buyer)
    phone.see("job-phone", job)
    phone.fits(job, f"{job}/certificate", "/", "/jobs", "/jobs/new", "/catalogue", f"/catalogue/{datasets[0]}")
    phone.fits("/checkpoints", "/datasets", "/money", "/keys", "/people", "/webhooks", "/audit", "/nothing-here")
    phone.close()


def _buyer_looks_around(visit: Visit, datasets: list[str]) -> None:
    """A listing with its preview, once a worker has taken it out; and a checkpoint of one's own."""
    page = visit.page
    for _ in range(60):
        page.goto(f"/catalogue/{datasets[0]}")
        if page.get_by_role("region", name="Preview").count():
            break
        page.wait_for_timeout(1000)
    expect(page.get_by_role("region", name="Preview").locator("tbody tr")).to_have_count(3)
    visit.see("listing")
    page.goto("/checkpoints")
    weights = safetensors.numpy.save({"0.weight": np.ones((4, 64), dtype=np.float32)})
    page.set_input_files("#file", {"name": "triage.safetensors", "mimeType": "", "buffer": weights})
    page.get_by_label("Architecture").select_option("mlp")
    page.get_by_label("Hyper-parameters").fill("hidden=4")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile(r"/checkpoints/ck_"))
    page.get_by_text("Weights and digest").click()
    expect(page.get_by_text("F32 4×64")).to_be_visible()
    visit.see("checkpoint")
    visit.see("checkpoints", "/checkpoints")


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
    page.get_by_role("link", name=re.compile("hooks.example")).click()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_role("link", name="webhook.ping").click()
    visit.see("delivery")
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


def _charts_are_read(page: Page) -> None:
    """Exact numbers of a chart by the arrow keys and under the pointer."""
    chart = page.locator("[data-chart=shares]")
    chart.focus()
    page.keyboard.press("ArrowDown")
    first = chart.locator("output").inner_text()
    page.keyboard.press("End")
    assert re.search(r": [0-9.]+ %", first)
    assert chart.locator("output").inner_text() != first
    page.locator("[data-chart=removal] .dot").first.hover(force=True)
    expect(page.locator("[data-chart=removal] output")).to_contain_text("gone")


def _prints(visit: Visit, path: str, rows: int) -> None:
    """Every amount and every name of the page's tables is on paper, names at their full length."""
    # letters that a face joins are taken apart again
    text = re.sub(r"\s", "", unicodedata.normalize("NFKC", visit.paper(path)))
    shown = visit.page.locator("tbody td data.money")
    assert shown.count() >= rows
    for told in [*shown.all_inner_texts(), *visit.page.locator("tbody td.who").all_inner_texts()]:
        assert re.sub(r"\s", "", unicodedata.normalize("NFKC", told)) in text, told


def _admin_decides(chromium: Browser, market: Market) -> None:
    """The dispute: part of what is held goes back. An organisation that registered is approved, and limited."""
    with Client(market.url, market.admin) as client:
        new = {"name": "New Provider", "role": "provider", "email": "eve@new.example", "user_name": "Eve"}
        client.post("/v1/registrations", new | {"password": "a phrase of several words"})
    visit = Visit(chromium, market).log_in(market.admin)
    page = visit.page
    visit.see("disputes", "/admin/disputes")
    page.get_by_label(re.compile("^Back to the buyer")).first.fill("0.01")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("Nothing is in dispute")).to_be_visible()
    page.goto("/admin/accounts?status=pending")
    page.get_by_role("link", name="New Provider").click()
    page.get_by_role("button", name="Approve it").click()
    page.get_by_label("Reads a minute").fill("120")
    page.get_by_role("button", name="Change the limits").click()
    expect(page.get_by_label("Reads a minute")).to_have_value("120")
    visit.see("organisation")
    phone = Visit(chromium, market, viewport={"width": 390, "height": 800}, has_touch=True).log_in(market.admin)
    phone.fits(page.url, "/admin", "/admin/accounts", "/admin/ledger", "/admin/disputes", "/audit", "/jobs")
    phone.close()
    visit.close()


def _provider_withdraws(chromium: Browser, market: Market, dataset: str) -> None:
    visit = Visit(chromium, market).log_in(market.providers[0])
    page = visit.page
    visit.see("value", "/earnings")
    expect(page.locator("tbody tr")).to_have_count(1)
    visit.see("money-provider", "/money")
    page.get_by_label("Amount", exact=True).fill("1.00")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("cell", name="withdrawal waits")).to_be_visible()
    visit.see("dataset", f"/datasets/{dataset}")
    phone = Visit(chromium, market, viewport={"width": 390, "height": 800}, has_touch=True).log_in(market.providers[0])
    phone.fits(f"/datasets/{dataset}", "/datasets", "/earnings", "/money", "/keys")
    phone.close()
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".head .status")).to_have_text("withdrawn")
    # a worker erases what is left of it, and the page has the signed record
    for _ in range(90):
        if page.get_by_role("link", name="The signed record").count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    with page.expect_download() as download:
        page.get_by_role("link", name="The signed record").click()
    assert "cherish-erasure-2" in download.value.path().read_text()
    visit.see("dataset-withdrawn")
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


def test_the_keyboard_alone_logs_in_and_reaches_the_content(chromium: Browser, market: Market) -> None:
    visit = Visit(chromium, market)
    page = visit.page
    page.goto("/login")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(20):
        page.keyboard.press("Tab")
        if "API key" in page.evaluate("document.activeElement.textContent"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(market.buyer)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
    visit.calm("keyboard")
    visit.close()
