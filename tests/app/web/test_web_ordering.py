"""A new valuation's page: which licences fit before anything is ticked, the order as code, the list that narrows."""

import json
import os
import re
import shlex
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.datasets.tables import Dataset
from app.identity import Role
from app.valuations.schemas import NewValuation
from app.web.before.as_code import as_code
from app.web.before.fitting import fits
from app.web.orders import OrderForm
from tests.app.conftest import Known
from tests.app.web.browsing import CHROMIUM, Market, Visit
from tests.app.web.test_web_rules import Browser, browser
from tests.app.web.test_web_walk import Site, site

__all__ = ["browser", "site"]

Open = Callable[[], Browser]
NOW = datetime(2026, 12, 1, tzinfo=UTC)
ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"


def offer(**licence: Any) -> tuple[Dataset, str]:
    return Dataset(id=uuid.uuid4(), licence={"spdx": "CC0-1.0"} | licence), "somebody"


@pytest.mark.parametrize(
    ("licence", "form", "fit", "lacks"),
    [
        ({}, {}, True, ()),
        ({"purposes": ["research"]}, {}, False, ()),
        ({"purposes": ["research"]}, {"purpose": "research"}, True, ()),
        ({"territories": ["NO"]}, {"territory": "no"}, True, ()),
        ({"territories": ["NO"]}, {"territory": "SE"}, False, ()),
        ({"expires_at": "2026-11-30T23:59:59Z"}, {}, False, ()),
        ({"grants": ["value", "model"]}, {"deliver_model": "yes", "deliver_data": "yes"}, True, ("data",)),
    ],
)
def test_a_licence_fits_as_posting_would_find(
    licence: dict[str, Any], form: dict[str, str], fit: bool, lacks: tuple[str, ...]
) -> None:
    one = offer(**licence)
    found = fits([one], OrderForm(**form), NOW)[one[0].id]
    assert (found.fits, found.lacks) == (fit, lacks)


def order() -> NewValuation:
    return NewValuation.model_validate(
        {
            "datasets": [f"ds_{'1' * 32}", f"ds_{'2' * 32}"],
            "test_dataset": f"ds_{'3' * 32}",
            "pool": "10.00",
            "model": {"name": "mlp", "hyper": {"hidden": 8}},
            "max_retrains": 24,
            "payout": {"policy": "proportional"},
            "metadata": {"order": "the buyer's 'first' $HOME"},
        }
    )


def test_both_programs_post_the_same_order_and_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    code = as_code(order(), "https://market.example/")
    words = shlex.split(code.curl.replace("\\\n", ""))
    assert words[1] == "https://market.example/v1/valuations"
    assert NewValuation.model_validate(json.loads(words[words.index("--data") + 1])) == order()
    said: dict[str, Any] = {}

    class Client:
        def __init__(self, url: str, key: str) -> None:
            said["to"] = (url, key)

        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def create_valuation(self, **fields: Any) -> dict[str, str]:
            said["order"] = fields
            return {"id": "val_1"}

    known = {"Client": Client, "os": os, "print": lambda _: None}
    monkeypatch.setenv("CHERISH_API_KEY", "a key")
    exec(re.sub(r"(?m)^(import os|from cherish import Client)$", "", code.python), known)  # noqa: S102 - its own words
    assert said["to"] == ("https://market.example", "a key")
    assert NewValuation.model_validate(said["order"]) == order()


def test_the_page_and_its_quote_say_which_licences_fit(
    browser: Open, buyer: Known, known: Callable[..., Known], publish: Callable[..., Any], upload: Any, session: Session
) -> None:
    ids = [
        publish(known(Role.PROVIDER), ROWS, licence={"spdx": "CC0-1.0"} | more)["id"]
        for more in ({}, {"purposes": ["research"]}, {"approval": "by_request"})
    ]
    test = upload(buyer, ROWS)["id"]
    here = browser().log_in(buyer)

    page = here.get("/jobs/new").text
    fit = dict(re.findall(r'id="fit-(ds_\w+)" data-fits="(\w+)"', page))
    assert [fit[one] for one in ids] == ["yes", "no", "yes"]
    assert "once its provider approves" in page
    order = {"datasets": ids[0], "test_dataset": test, "pool": "90.00", "purpose": "research"}
    answer = here.fill("/jobs/estimate", "/jobs/new", **order).text
    assert set(re.findall(r'id="fit-ds_\w+" data-fits="(\w+)" hx-swap-oob="true"', answer)) == {"yes"}
    code = re.search(r"<pre[^>]*>(curl.*?)</pre>", answer, re.DOTALL)
    assert code is not None
    assert ids[0] in unescape(code[1])


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_list_is_narrowed_by_words_and_all_that_is_shown_is_ticked_at_once(chromium: Chromium, site: Site) -> None:
    market: Market = site.market
    visit = Visit(chromium, market, viewport={"width": 390, "height": 900}).log_in(market.buyer)
    page = visit.page
    page.goto("/jobs/new")
    boxes = page.locator("#offers input[name=datasets]")
    everybody = boxes.count()
    assert everybody > 2
    name = page.locator("#offers tbody tr").first.locator("td").first.inner_text().strip()
    page.get_by_role("searchbox", name="Search").fill(name)
    some = page.locator("#offers tbody tr:visible").count()
    assert 0 < some < everybody
    page.get_by_role("button", name="Tick all that are shown").click()
    assert page.locator("#offers input:checked").count() == some
    expect(page.locator("#ticked")).to_have_text(f"{some} of {everybody} shown, {some} ticked")
    page.get_by_role("searchbox", name="Search").press("Enter")
    assert page.url.endswith("/jobs/new"), "looking for datasets posts nothing"
    page.get_by_role("searchbox", name="Search").fill("")
    page.get_by_role("button", name="Untick all").click()
    assert page.locator("#offers input:checked").count() == 0
    visit.calm("narrowing")
    visit.close()
