"""Pages of trade around a job: prices, rows bought and linked, standing orders, wanted ads, pseudonyms, money."""

import re
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from tests.app.valuations.test_valuations_data_delivery import Settled, settled
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser", "settled"]


def test_a_provider_asks_prices_and_a_buyer_sees_buys_links_and_takes_back(
    browser: Callable[[], Browser], settled: Callable[..., Settled], client: TestClient
) -> None:
    job = settled({"price": 200_00})
    here, there = browser().log_in(job.providers[0]), browser().log_in(job.buyer)
    ds = f"ds_{job.datasets[0].hex}"
    terms = {"spdx": "CC-BY-4.0", "grant_data": "yes", "data_price": "200.00", "data_share": "25"}
    assert here.fill(f"/datasets/{ds}/publish", f"/datasets/{ds}", **terms).status_code == 303
    own = here.get(f"/datasets/{ds}").text
    assert 'name="data_price" inputmode="decimal" value="200.00"' in own
    assert 'name="data_share" inputmode="decimal" value="25"' in own
    listing = there.get(f"/catalogue/{ds}").text
    assert "a job that pays it 25 % or more" in listing
    assert here.fill(f"/datasets/{ds}/publish", f"/datasets/{ds}", **terms | {"data_share": "x"}).status_code == 422

    page = f"/jobs/val_{job.id.hex}/rows"
    assert "Buy them for" in there.get(page).text
    assert there.fill(f"{page}/{ds}/buy", page).status_code == 303
    bought = there.get(page).text
    assert "bought" in bought
    assert "Download" in bought
    assert there.fill(f"{page}/{ds}/links", page, hours="0").status_code == 422
    assert there.fill(f"{page}/{ds}/links", page, hours="2").status_code == 303
    shown = there.get(page).text
    link = re.search(r'data-copy="[^"]*(/v1/data-links/[^"]+)"', shown)
    named = re.search(r'name="link" value="([0-9a-f]{32})"', shown)
    assert link is not None
    assert named is not None
    assert client.get(link[1]).status_code == 200
    assert there.get(f"{page}/{ds}/manifest.json").json()["certificate"]["buyer"] == job.buyer.account.name
    assert there.fill(f"{page}/{ds}/links/take-back", page, link=named[1]).status_code == 303
    assert client.get(link[1]).status_code == 404
    assert browser().log_in(job.providers[1]).get(page).status_code == 403


def test_a_standing_order_is_made_paused_and_ended_on_its_page(
    browser: Callable[[], Browser], settled: Callable[..., Settled]
) -> None:
    job = settled()
    there = browser().log_in(job.buyer)
    said = {"job": f"val_{job.id.hex}", "monthly_cap": "3000.00", "name": "wards"}
    page = "/standing-orders"
    low = there.fill(page, page, **said | {"monthly_cap": "1.00"})
    assert (low.status_code, "below one pool" in low.text) == (409, True)
    assert there.fill(page, page, **said | {"job": "val_x"}).status_code == 422
    assert there.fill(page, page, **said).status_code == 303
    shown = there.get(page).text
    order = re.search(r"/standing-orders/(so_[0-9a-f]{32})/pause", shown)
    assert order is not None
    for move, words in (("pause", "Resume"), ("resume", "Pause"), ("cancel", "cancelled")):
        assert there.fill(f"{page}/{order[1]}/{move}", page).status_code == 303
        assert words in there.get(page).text


def test_an_ad_is_posted_seen_by_providers_and_closed(
    browser: Callable[[], Browser], buyer: Any, provider: Any, publish: Callable[..., Any]
) -> None:
    publish(provider, b"age,label\n1,yes\n2,no\n3,yes\n", name="ward admissions")
    there, here = browser().log_in(buyer), browser().log_in(provider)
    assert there.fill("/wanted", "/wanted", title="anything").status_code == 422
    said = {"title": "Admissions wanted", "words": "admissions", "price": "500.00"}
    assert there.fill("/wanted", "/wanted", **said).status_code == 303
    assert there.fill("/people/pseudonym", "/people", on="yes").status_code == 303
    seen = here.get("/wanted").text
    assert "Admissions wanted" in seen
    assert "/catalogue/ds_" in seen
    assert buyer.account.name not in seen
    closing = re.search(r"/wanted/(ad_[0-9a-f]{32})/close", there.get("/wanted").text)
    assert closing is not None
    assert there.fill(f"/wanted/{closing[1]}/close", "/wanted").status_code == 303
    assert "Admissions wanted" not in here.get("/wanted").text


def test_a_buyer_asks_for_what_it_has_not_spent(
    browser: Callable[[], Browser], buyer: Any, admin: Any, session: Session
) -> None:
    body = {"account_id": f"acc_{buyer.account.id.hex}", "amount": "100.00", "currency": "EUR", "reference": "bank"}
    assert admin.client.post("/v1/ledger/deposits", json=body).status_code == 201
    there = browser().log_in(buyer)
    assert "Have back what is not spent" in there.get("/money").text
    assert there.fill("/money/withdraw", "/money", amount="40.00", currency="EUR").status_code == 303
    assert "waits for an administrator" in there.get("/money").text
    assert buyer.account.name in browser().log_in(admin).get("/admin/ledger").text
