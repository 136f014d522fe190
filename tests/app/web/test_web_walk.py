"""Every page in a browser, at three widths and in both themes: nothing serious by axe, nothing wider than the window.

The pages are those that the application routes; one that is added and not walked fails here. Jobs of 2, 12 and 200
players have names as people have them: Chinese, Arabic, and 160 letters long. With CHERISH_SCREENS set to a folder,
pictures of them are written there.
"""

import io
import os
import re
import socket
import threading
import time
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts import users
from app.accounts.tables import Account
from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.http.ids import parse_id, public_id
from app.identity import Role
from app.main import create_app
from app.valuations.results import settlement
from benchmarks.pages import SHIFTS, WEIGHT
from tests.app.valuations import story
from tests.app.web.browsing import AXE, Market, Visit, pytestmark  # noqa: F401 - the marks of the module
from tests.market import rows_of
from tests.worker.jobs.test_jobs_measure import finished, rung

WIDTHS = (390, 1024, 1440)
NAMES = (
    "北京市第一人民医院数据办公室",
    "مستشفى الملك فيصل التخصصي",
    ("The data office of the county of Nordmark and its eleven hospitals, department of handwritten digits, " * 2)[
        :160
    ],
    "Ward 3",
    "<b>& sons</b>",
    "Clínica São José",
)
EMAIL, PHRASE = "ada@harbour.example", "a phrase of several words"
OPEN = ("/", "/login", "/signup", "/forgotten", "/invitation", "/docs", "/nothing-here")
# what answers with a file, a stream or another address, and is no page
NO_PAGES = re.compile(
    r"\.(csv|pdf|zip|json|\{kind\})$|/progress$|/data/|/uploads/|^/language/|^/static|^/shared/|^/sso/return$"
)


@dataclass(frozen=True)
class Site:
    """A running server, a key for each role, and the path of each routed page that has a parameter."""

    url: str
    tokens: dict[Role, str]
    known: dict[str, str]
    routes: list[str]
    jobs: dict[int, str]

    @property
    def market(self) -> Market:
        """As far as a ``Visit`` needs it."""
        return Market(self.url, self.tokens[Role.ADMIN], self.tokens[Role.BUYER], "", [self.tokens[Role.PROVIDER]], [])


@pytest.fixture
def site(hand: Any) -> Iterator[Site]:
    market, job = hand.market, finished(hand)
    _asked_by_class(hand, job)
    settings = market.settings.model_copy(update={"registration": "approval"})
    with transaction(market.factory) as session:
        operator = accounts.create_account(session, "Operator", Role.ADMIN)
        owners = {Role.ADMIN: operator.id, Role.BUYER: market.buyer.account_id, Role.PROVIDER: market.providers[0]}
        tokens = {
            role: accounts.issue_key(session, settings, session.get_one(Account, owner), "walk")[1]
            for role, owner in owners.items()
        }
        users.create_user(session, session.get_one(Account, market.buyer.account_id), EMAIL, "Ada", PHRASE)
        jobs = {count: _job_of(session, settings, market, count) for count in (2, 12, 200)}
    app = create_app(settings)
    routes = _pages_of(app.routes)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Site(url, tokens, _known(hand, url, tokens, job), routes, jobs)
        finally:
            server.should_exit = True
            thread.join(30)


def _pages_of(routes: Sequence[Any]) -> list[str]:
    """The paths that answer GET and are not in the API's document, routers in routers included."""
    found = []
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            found += _pages_of(inner.routes)
        elif "GET" in (getattr(route, "methods", None) or ()) and not getattr(route, "include_in_schema", True):
            found.append(str(route.path))
    return found


def _known(hand: Any, url: str, tokens: dict[Role, str], job: uuid.UUID) -> dict[str, str]:
    """A path for each routed page with a parameter, and what has to be there for it."""
    dataset = public_id("ds", hand.market.datasets[0])
    headers = {"Authorization": f"Bearer {tokens[Role.BUYER]}", "Connection": "close"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as buyer:
        return _made(hand, buyer, job, dataset) | _asked_for_consent(buyer, tokens[Role.PROVIDER])


def _asked_for_consent(buyer: httpx.Client, token: str) -> dict[str, str]:
    """A job that awaits the consent of the provider whose page shows it, for each of its two datasets."""
    headers = {"Authorization": f"Bearer {token}"}

    def uploaded(name: str, kind: str, more: dict[str, str]) -> str:
        X, y = rows_of(len(name), 40)
        rows = "".join(f"{a},{b},{label}\n" for (a, b, *_), label in zip(X.tolist(), y.tolist(), strict=True))
        draft = {"name": name, "target": "label", "kind": kind}
        made = buyer.post("/v1/datasets", json=draft, headers=more)
        assert made.status_code == 201, made.text
        address = f"/v1/datasets/{made.json()['id']}"
        assert buyer.put(f"{address}/content", content=f"a,b,label\n{rows}", headers=more).status_code == 200
        return address

    named = [uploaded(name, "train", headers) for name in ("ward", "clinic")]
    for address in named:
        licence = {"spdx": "CC0-1.0", "approval": "by_request"}
        assert buyer.post(f"{address}/publish", json={"licence": licence}, headers=headers).status_code == 200
    order = {
        "datasets": [address.rpartition("/")[2] for address in named],
        "test_dataset": uploaded("autumn", "test", {}).rpartition("/")[2],
        "players": "dataset",
        "pool": "1.00",
    }
    posted = buyer.post("/v1/valuations", json=order)
    assert posted.status_code == 202, posted.text
    assert posted.json()["status"] == "awaiting_consent"
    return {"/consents/{valuation_id}": f"/consents/{posted.json()['id']}"}


def _made(hand: Any, buyer: httpx.Client, job: uuid.UUID, dataset: str) -> dict[str, str]:
    market = hand.market
    ids = [public_id("ds", each) for each in market.datasets]
    test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, 400))
    asked = {"datasets": ids, "test_dataset": public_id("ds", test), "metadata": {"name": "wards"}}
    explored = buyer.post("/v1/explorations", json=asked)
    assert explored.status_code == 202, explored.text
    hand.finish(parse_id("exp", explored.json()["id"]))
    hook = buyer.post("/v1/webhooks", json={"url": "https://hooks.example/" + "long/" * 30})
    assert hook.status_code == 201, hook.text
    ping = buyer.post(f"/v1/webhooks/{hook.json()['id']}/ping")
    weights = buyer.post("/v1/checkpoints", json={"name": NAMES[0], "architecture": "mlp", "hyper": {"hidden": 4}})
    assert weights.status_code == 201, weights.text
    return {
        "/jobs/{valuation_id}": f"/jobs/val_{job.hex}",
        "/jobs/{valuation_id}/certificate": f"/jobs/val_{job.hex}/certificate",
        "/jobs/{valuation_id}/what-if": f"/jobs/val_{job.hex}/what-if",
        "/jobs/{valuation_id}/attributions": f"/jobs/val_{job.hex}/attributions",
        "/jobs/{valuation_id}/share": f"/jobs/val_{job.hex}/share",
        "/jobs/{valuation_id}/rows": f"/jobs/val_{job.hex}/rows",
        "/earnings/{valuation_id}/rows": f"/earnings/val_{job.hex}/rows",
        "/earnings/{valuation_id}": f"/earnings/val_{job.hex}",
        "/datasets/{dataset_id}": f"/datasets/{dataset}",
        "/datasets/{dataset_id}/trace": f"/datasets/{dataset}/trace",
        "/catalogue/{dataset_id}": f"/catalogue/{dataset}",
        "/explorations/{exploration_id}": f"/explorations/{explored.json()['id']}",
        "/checkpoints/{checkpoint_id}": f"/checkpoints/{weights.json()['id']}",
        "/checkpoints/{checkpoint_id}/training-data": f"/checkpoints/{weights.json()['id']}/training-data",
        "/webhooks/{webhook_id}": f"/webhooks/{hook.json()['id']}",
        "/webhooks/{webhook_id}/deliveries/{delivery_id}": (
            f"/webhooks/{hook.json()['id']}/deliveries/{ping.json()['id']}"
        ),
        "/admin/accounts/{account_id}": f"/admin/accounts/acc_{market.buyer.account_id.hex}",
        "/problems/{slug}": "/problems/conflict",
    }


def _asked_by_class(hand: Any, job: uuid.UUID) -> bool:
    """A job whose classes a worker has computed."""
    from app.valuations import by_class

    with transaction(hand.market.factory) as session:
        by_class.ask(session, hand.market.settings, hand.market.buyer, job)
    return bool(rung(hand))


def _job_of(session: Session, settings: Any, market: Any, count: int) -> str:
    """A settled job of so many providers of this market's buyer."""
    names = [f"{NAMES[at % len(NAMES)][:150]} {count}.{at}" for at in range(count)]
    providers = [accounts.create_account(session, name, Role.PROVIDER) for name in names]
    values = [0.4 / count * (1 + at % 7) / 4 - (0.01 if at % 11 == 10 else 0.0) for at in range(count)]
    drawn = story.Job(
        {"policy": "proportional", "dispute_window_seconds": 3600}, story.result(values, 0.08 / count, "audited"),
        story.alone(count), (0,) * count, 250, None, 2.0,
    )  # fmt: skip
    ids = [each.id for each in providers]
    job = story.posted(session, market.buyer.account_id, ids, names, drawn)
    settlement.settle(session, settings, job.id)
    return f"/jobs/{public_id('val', job.id)}"


def _whose(path: str) -> Role | None:
    """Who looks at a page; None: nobody in particular."""
    if path.startswith("/admin"):
        return Role.ADMIN
    if path.startswith(("/earnings", "/datasets/", "/consents")):
        return Role.PROVIDER
    return None if path in OPEN or path.startswith("/problems") else Role.BUYER


def _walked(site: Site) -> list[str]:
    """The paths of all routed pages, and those of long names."""
    assert {"/", "/docs", "/jobs/new", "/admin/search", "/explorations/new"} < set(site.routes)
    pages = [path for path in site.routes if not NO_PAGES.search(path)]
    missing = [path for path in pages if "{" in path and path not in site.known]
    assert missing == [], f"no path is known for {missing}: name one in _known, or say that it is no page"
    extra = ["/nothing-here", "/earnings", *site.jobs.values(), f"/jobs/compare?a={_id(site, 2)}&b={_id(site, 12)}"]
    return [*(site.known.get(path, path) for path in pages), *extra]


def _id(site: Site, count: int) -> str:
    return site.jobs[count].rpartition("/")[2]


# themes change colours alone, so of the dark one only their contrast is looked at
RUN = {
    "light": "axe.run({resultTypes: ['violations']})",
    "dark": "axe.run({resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']})",
}


# names that are cut, and regions to be scrolled sideways before their last column is read: all but tables that are as
# wide as there are players, classes or columns
LOST = """() => {
    // tables in folded parts too
    const folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
    const lost = [
    ...[...document.querySelectorAll(".who, .bars .of")].filter((each) => each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).overflowX !== "visible")
        .map((each) => "cut: " + each.textContent.trim().slice(0, 50)),
    ...[...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth + 1
        && !each.querySelector(".pairs, .heat, .preview"))
        .map((each) => `${each.getAttribute("aria-label")}: ${each.scrollWidth - each.clientWidth} px to be scrolled`),
    ];
    folded.forEach((each) => { each.open = false; });
    return lost;
}"""


# sentences of a translated page that are English all the same
ENGLISH = r"""() => [...document.querySelectorAll("main :is(p, li, output, option, td, figcaption, text, strong)")]
    .filter((each) => !each.closest("pre, code, dl.facts"))
    .map((each) => each.textContent.trim())
    .filter((text) => /\b(the|nobody|nothing|which|that|of the)\b/.test(text) && !text.includes("Nordmark"))"""


def _placed(visit: Visit, path: str) -> list[str]:
    """What keeps a page about one thing from saying which: no way back, or a title like others'."""
    if not re.search(r"/[a-z]+_[0-9a-f]{32}|^/problems/", path):
        return []
    faults = [] if visit.page.locator("nav.crumbs a").count() else [f"{path}: no breadcrumbs"]
    title, heading = visit.page.title(), visit.page.locator("h1").first.inner_text()
    tells = re.search(r"…[0-9a-f]{8}", title) or heading.split()[0] in title
    return faults if tells else [*faults, f"{path}: its title is only {title!r}"]


def _faults(visit: Visit, path: str) -> list[str]:
    """What is wrong with the page that is open, at each width and in each theme."""
    page, faults = visit.page, []
    page.evaluate(AXE + "; null")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            faults.append(f"{path} at {width}: {wide} px wider than the window")
        faults += [f"{path} at {width}: {each}" for each in page.evaluate(LOST)]
        for theme, run in RUN.items():
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # both are schemes
            # a script that follows the theme has done so by the next frame but one
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            faults += [
                f"{path} at {width}, {theme}: {each['id']}: {each['nodes'][0]['html'][:160]} "
                f"{each['nodes'][0]['failureSummary'][:200]}"
                for each in page.evaluate(run)["violations"]
                if each["impact"] in ("serious", "critical")
            ]
    return faults


def _as_user(visit: Visit) -> Visit:
    """The buyer's person: some pages are for people alone, and not for keys."""
    visit.page.goto("/login")
    visit.page.get_by_label("Email").fill(EMAIL)
    visit.page.get_by_label("Password").fill(PHRASE)
    visit.page.get_by_role("button", name="Log in", exact=True).click()
    expect(visit.page.get_by_role("button", name="Log out")).to_be_visible()
    return visit


@pytest.mark.timeout(1500)
def test_no_page_has_a_serious_finding_at_any_width_or_theme(chromium: Browser, site: Site) -> None:
    visits = {role: Visit(chromium, site.market).log_in(token) for role, token in site.tokens.items()}
    visits[Role.BUYER] = _as_user(Visit(chromium, site.market))
    nobody = Visit(chromium, site.market)
    faults: list[str] = []
    for path in _walked(site):
        whose = _whose(path)
        visit = nobody if whose is None else visits[whose]
        answer = visit.page.goto(path)
        if path == "/docs":
            expect(visit.page.locator(".opblock-tag").first).to_be_visible(timeout=60_000)
        faults += [*_faults(visit, path), *(_placed(visit, path) if answer and answer.ok else [])]
        faults += [f"{path}: {each}" for each in visit.errors if "404" not in each and "409" not in each]
        faults += [f"{path}: {each}" for each in visit.page.evaluate("violations")]
        visit.errors.clear()
    assert faults == [], "\n".join(faults)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [2, 12, 200])
def test_a_job_of_any_size_shows_and_prints_every_name(chromium: Browser, site: Site, count: int) -> None:
    visit = Visit(chromium, site.market).log_in(site.tokens[Role.BUYER])
    page = visit.page
    page.goto(site.jobs[count])
    shown = page.get_by_role("region", name="Payouts").locator("tbody td.who").all_inner_texts()
    assert len(shown) == count
    assert len(set(shown)) == count, "two providers are not called alike"
    if count == 12:
        # letters of "office" are one sign in a PDF
        printed = unicodedata.normalize("NFKC", "".join(visit.paper(site.jobs[count]).split()))
        money = page.get_by_role("region", name="Payouts").locator("tbody td:last-child").all_inner_texts()
        assert [each for each in money if unicodedata.normalize("NFKC", "".join(each.split())) not in printed] == []
        # in the text of a PDF the lines of a long name stand between the numbers beside it
        words = {word for name in shown if name.isascii() for word in name.split()}
        assert len(words) > 20
        assert [word for word in words if word not in printed] == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1800})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            _picture(visit, f"job-{count}-{width}-{theme}")
    visit.calm(f"{count} players")
    visit.close()


def _picture(visit: Visit, name: str) -> None:
    """The first 1800 pixels in few colours: small files, and sharp letters."""
    if folder := os.environ.get("CHERISH_SCREENS"):
        image = Image.open(io.BytesIO(visit.page.screenshot()))
        image.convert("RGB").quantize(48).save(Path(folder) / f"{name}.png", optimize=True)


def test_pages_weigh_little_and_stand_still(chromium: Browser, site: Site) -> None:
    """On an empty cache: the first page in under 100 kB, and nothing moves while a page is drawn."""
    for path in ("/", site.jobs[12], site.jobs[200]):
        for width in (390, 1440):
            visit = Visit(chromium, site.market, viewport={"width": width, "height": 900})
            visit.context.add_init_script(SHIFTS)
            if path != "/":
                visit.log_in(site.tokens[Role.BUYER])
            visit.page.goto(path, wait_until="networkidle")
            _, size = visit.page.evaluate(WEIGHT)
            assert visit.page.evaluate("shift") < 0.05, (path, width)
            assert path != "/" or 10_000 < size < 100_000
            visit.close()


def test_the_quote_stands_above_the_button_that_posts_on_a_phone(chromium: Browser, site: Site) -> None:
    visit = Visit(chromium, site.market, viewport={"width": 390, "height": 900}).log_in(site.tokens[Role.BUYER])
    visit.page.goto("/jobs/new")
    quote = visit.page.locator("#estimate").bounding_box()
    post = visit.page.get_by_role("button", name="Post and reserve the pool").bounding_box()
    assert quote is not None
    assert post is not None
    assert quote["y"] < post["y"]
    visit.close()


def test_a_quote_shows_precision_against_cost_as_a_curve_and_as_a_table(chromium: Browser, site: Site) -> None:
    visit = Visit(chromium, site.market).log_in(site.tokens[Role.BUYER])
    page = visit.page
    page.goto(f"/jobs/new?again={site.known['/jobs/{valuation_id}'].rpartition('/')[2]}")
    lines = page.get_by_role("region", name="Precision against cost").locator("tbody tr")
    expect(lines.first).to_be_visible(timeout=60_000)
    numbers = [line.split("\t") for line in lines.all_inner_texts()]
    assert len(numbers) > 1
    assert [float(line[-1]) for line in numbers] == sorted((float(line[-1]) for line in numbers), reverse=True)
    chart = page.locator("figure[data-chart=budgets]")
    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(chart.locator(".said")).to_contain_text(f"{numbers[0][0]} retrainings: about {numbers[0][-1]} points")
    assert _faults(visit, "the quote") == []
    visit.calm("the quote")
    visit.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("language", ["de", "ar"])
def test_translated_pages_run_as_their_script_does(chromium: Browser, site: Site, language: str) -> None:
    visit = Visit(chromium, site.market).log_in(site.tokens[Role.BUYER])
    nobody, provider = Visit(chromium, site.market), Visit(chromium, site.market).log_in(site.tokens[Role.PROVIDER])
    faults: list[str] = []
    for name, path in (
        ("landing", "/"),
        ("login", "/login"),
        ("new", "/jobs/new"),
        ("job", site.jobs[12]),
        ("money", "/money"),
        ("people", "/people"),
        ("signing-in", "/signing-in"),
        ("dataset", site.known["/datasets/{dataset_id}"]),
    ):
        whose = {"landing": nobody, "login": nobody, "dataset": provider}.get(name, visit)
        whose.page.goto(f"/language/{language}?back={path}")
        assert whose.page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
        whose.page.wait_for_load_state("networkidle")
        faults += [*_faults(whose, path), *(f"{path}: English: {text}" for text in whose.page.evaluate(ENGLISH))]
        for width in (390, 1440):
            whose.page.set_viewport_size({"width": width, "height": 1800})
            whose.page.emulate_media(color_scheme="light")
            _picture(whose, f"{name}-{language}-{width}")
        whose.calm(name)
    assert faults == [], "\n".join(faults)


def test_the_command_palette_is_driven_by_the_keyboard(chromium: Browser, site: Site) -> None:
    visit = Visit(chromium, site.market).log_in(site.tokens[Role.BUYER])
    page = visit.page
    page.goto("/jobs")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Where to?")).to_be_focused()
    visit.see("palette")
    page.keyboard.type("val")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/jobs/new$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("no such place")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    page.goto(site.jobs[2])
    page.keyboard.press("Control+k")
    page.keyboard.type("pool was divided")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#money$"))
    visit.calm("palette")
    visit.close()


def test_docs_are_dark_where_the_page_is(chromium: Browser, site: Site) -> None:
    visit = Visit(chromium, site.market)
    page = visit.page
    page.emulate_media(color_scheme="light")
    page.goto("/docs")
    block = page.locator(".swagger-ui").first
    expect(page.locator(".opblock-tag").first).to_be_visible(timeout=60_000)
    colour = "(each) => getComputedStyle(each.querySelector('.opblock-tag')).color"
    light = block.evaluate(colour)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = block.evaluate(colour)
    assert light != dark
    assert page.evaluate("getComputedStyle(document.getElementById('swagger')).filter") == "none"
    expect(page.get_by_placeholder("Filter by tag")).to_be_visible()
    visit.close()
