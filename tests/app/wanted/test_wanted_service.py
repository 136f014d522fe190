"""Wanted ads: providers of listings that fit are told once, now or when such a listing comes; a closed ad is still."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.identity import Role
from app.wanted import service

ROWS = b"age,city,label\n" + b"".join(b"%d,Oslo,yes\n" % at for at in range(30))


def post(buyer: Any, **said: Any) -> Any:
    body = {"title": "Admissions"} | said
    answer = buyer.client.post("/v1/wanted-ads", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def look(session: Session, ad: Any) -> int:
    return service.look(session, uuid.UUID(hex=ad["id"][3:]))


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({"words": "admissions"}, True),
        ({"words": "xrays"}, False),
        ({"modality": "tabular"}, True),
        ({"modality": "image"}, False),
        ({"target": "LABEL"}, True),
        ({"target": "other"}, False),
        ({"words": "admissions", "min_rows": 30, "target": "label"}, True),
        ({"words": "admissions", "min_rows": 31}, False),
    ],
)
def test_a_listing_fits_that_matches_all_of_an_ad(
    buyer: Any, provider: Any, publish: Callable[..., Any], said: dict[str, Any], fits: bool
) -> None:
    dataset = publish(provider, ROWS, name="ward admissions")
    assert post(buyer, **said)["matches"] == ([dataset["id"]] if fits else [])


def test_a_later_listing_and_a_later_version_are_found_once_and_their_providers_see_the_ad(
    session: Session, buyer: Any, provider: Any, known: Callable[..., Any], publish: Callable[..., Any]
) -> None:
    other = known(Role.PROVIDER)
    ad = post(buyer, words="admissions", min_rows=31, price="500.00", description="One row a stay.")
    small = publish(provider, ROWS, name="ward admissions")
    assert (look(session, ad), ad["matches"]) == (0, [])
    more = ROWS + b"99,Bergen,no\n"
    assert provider.client.put(f"/v1/datasets/{small['id']}/content", content=more).status_code == 200
    assert [look(session, ad) for _ in range(2)] == [1, 0]
    late = publish(other, more, name="late admissions")
    assert [look(session, ad) for _ in range(2)] == [1, 0]
    path = f"/v1/wanted-ads/{ad['id']}"
    assert buyer.client.get(path).json()["matches"] == sorted([small["id"], late["id"]])
    seen = provider.client.get("/v1/wanted-ads").json()["items"]
    assert [(each["id"], each["matches"], each["price"]) for each in seen] == [(ad["id"], [small["id"]], "500.00")]
    assert other.client.get(path).json()["matches"] == [late["id"]]
    # a listing that is withdrawn fits no more
    assert other.client.post(f"/v1/datasets/{late['id']}/withdraw").status_code == 200
    assert buyer.client.get(path).json()["matches"] == [small["id"]]


def test_a_closed_ad_is_seen_by_its_buyer_alone_and_looks_for_nothing(
    session: Session, buyer: Any, provider: Any, known: Callable[..., Any], publish: Callable[..., Any]
) -> None:
    ad = post(buyer, target="label")
    path = f"/v1/wanted-ads/{ad['id']}"
    for stranger in (provider, known(Role.BUYER)):
        assert stranger.client.post(f"{path}/close").status_code == 404
    for _ in range(2):
        closed = buyer.client.post(f"{path}/close")
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    publish(provider, ROWS)
    assert look(session, ad) == 0
    assert provider.client.get(path).status_code == 404
    assert provider.client.get("/v1/wanted-ads", params={"status": "closed"}).json()["items"] == []
    assert [each["id"] for each in buyer.client.get("/v1/wanted-ads").json()["items"]] == [ad["id"]]


def test_a_buyer_under_a_pseudonym_is_so_in_its_ads(buyer: Any, provider: Any) -> None:
    buyer.client.put("/v1/me/pseudonym", json={"pseudonymous": True})
    ad = post(buyer, target="label")
    assert ad["buyer"] == buyer.account.name
    (seen,) = provider.client.get("/v1/wanted-ads").json()["items"]
    assert seen["buyer"].startswith("Buyer ")


def test_an_ad_that_everything_fits_and_one_too_many_are_refused(buyer: Any, provider: Any) -> None:
    empty = buyer.client.post("/v1/wanted-ads", json={"title": "anything"})
    assert (empty.status_code, "fits every listing" in empty.json()["detail"]) == (422, True)
    assert provider.client.post("/v1/wanted-ads", json={"title": "x", "target": "y"}).status_code == 403
    for _ in range(service.MOST_OPEN):
        post(buyer, target="label")
    refused = buyer.client.post("/v1/wanted-ads", json={"title": "x", "target": "label"})
    assert (refused.status_code, "close one first" in refused.json()["detail"]) == (409, True)
