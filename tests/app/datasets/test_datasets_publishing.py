"""Publishing: the states as data, the terms, and which jobs they let in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.datasets.licences import Licence, canonical_spdx, url_of
from app.datasets.lifecycle import MOVES, DatasetStatus, Move, after, why_not
from app.errors import InvalidInput
from app.identity import Role
from app.payouts import service as payouts
from contract.orders.grants import Approval

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_every_refused_move_says_why() -> None:
    for status in DatasetStatus:
        for move in Move:
            assert after(status, move) is not None or why_not(status, move)


def test_nothing_comes_back_from_withdrawn_and_nothing_becomes_a_draft_again() -> None:
    assert {after(DatasetStatus.WITHDRAWN, move) for move in Move} == {None, DatasetStatus.WITHDRAWN}
    assert DatasetStatus.DRAFT not in MOVES.values()


@given(
    licence=st.builds(
        Licence,
        st.just("CC-BY-4.0"),
        st.none() | st.lists(st.sampled_from(["research", "health"]), min_size=1, unique=True).map(tuple),
        st.none() | st.lists(st.sampled_from(["NO", "SE"]), min_size=1, unique=True).map(tuple),
        st.none() | st.sampled_from([NOW, NOW + timedelta(days=1)]),
    ),
    purpose=st.none() | st.sampled_from(["research", "health", "other"]),
    territory=st.none() | st.sampled_from(["NO", "SE", "DK"]),
)
def test_a_licence_lets_in_what_is_inside_all_of_its_limits(
    licence: Licence, purpose: str | None, territory: str | None
) -> None:
    assert Licence.from_json(licence.to_json()) == licence
    allowed = (
        (licence.purposes is None or purpose in licence.purposes)
        and (licence.territories is None or territory in licence.territories)
        and (licence.expires_at is None or licence.expires_at > NOW)
    )
    assert (licence.problems(purpose=purpose, territory=territory, at=NOW) == []) is allowed
    limits = [licence.purposes, licence.territories, licence.expires_at]
    constraints = licence.to_odrl("urn:x")["permission"][0].get("constraint", [])
    assert len(constraints) == sum(limit is not None for limit in limits)


def test_a_licence_that_demands_approval_of_each_job_is_a_duty_to_obtain_consent() -> None:
    licence = Licence("CC0-1.0", approval=Approval.BY_REQUEST)
    assert Licence.from_json(licence.to_json()) == licence
    assert licence.to_odrl("urn:x")["permission"][0]["duty"] == [{"action": "obtainConsent"}]
    before = {name: value for name, value in Licence("CC0-1.0").to_json().items() if name != "approval"}
    assert Licence.from_json(before).approval is Approval.AUTOMATIC
    assert "duty" not in Licence.from_json(before).to_odrl("urn:x")["permission"][0]


def test_spdx_expressions_are_known_or_ones_own() -> None:
    assert canonical_spdx(" cc-by-4.0 ") == "CC-BY-4.0"
    assert canonical_spdx("ODbL-1.0 OR CC0-1.0") == "ODbL-1.0 OR CC0-1.0"
    assert canonical_spdx("LicenseRef-Ward-3") == "LicenseRef-Ward-3"
    assert url_of("CC-BY-4.0") == "https://spdx.org/licenses/CC-BY-4.0.html"
    for wrong in ("do what you like", "", "MIT AND"):
        with pytest.raises(InvalidInput, match="no SPDX expression"):
            canonical_spdx(wrong)


def test_a_dataset_is_published_on_terms_that_can_change(provider: Any, upload: Callable[..., Any]) -> None:
    path = f"/v1/datasets/{upload(provider, CSV)['id']}/publish"
    told = {"licence": {"spdx": "cc-by-4.0", "purposes": ["research"]}, "reserve_price": "25.5", "preview_rows": 2}
    first = provider.client.post(path, json=told).json()
    assert first["status"] == "published"
    licence = {"spdx": "CC-BY-4.0", "purposes": ["research"], "territories": None, "expires_at": None}
    assert first["licence"] == licence | {"grants": ["value"], "approval": "automatic", "test_first": False}
    assert (first["reserve_price"], first["reserve_currency"], first["preview_rows"]) == ("25.50", "EUR", 2)
    second = provider.client.post(path, json={"licence": {"spdx": "CC0-1.0"}}).json()
    assert (second["reserve_price"], second["preview_rows"]) == (None, 0)
    assert second["published_at"] == first["published_at"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({}, "/licence"),
        ({"licence": {"spdx": "mine"}}, "no SPDX expression"),
        ({"licence": {"spdx": "CC0-1.0", "expires_at": "2020-01-01T00:00:00Z"}}, "expired"),
        ({"licence": {"spdx": "CC0-1.0", "expires_at": "2030-01-01T00:00:00"}}, "timezone"),
        ({"licence": {"spdx": "CC0-1.0", "territories": ["Norway"]}}, "/licence/territories/0"),
        ({"licence": {"spdx": "CC0-1.0"}, "reserve_price": "1.234"}, "EUR has 2"),
        ({"licence": {"spdx": "CC0-1.0"}, "preview_rows": 21}, "/preview_rows"),
    ],
)
def test_terms_that_break_a_rule_are_refused(
    provider: Any, upload: Callable[..., Any], terms: dict[str, Any], says: str
) -> None:
    dataset = upload(provider, CSV)
    refused = provider.client.post(f"/v1/datasets/{dataset['id']}/publish", json=terms)
    assert refused.status_code == 422, refused.text
    assert says in refused.text
    assert provider.client.get(f"/v1/datasets/{dataset['id']}").json()["status"] == "ready"


def test_drafts_test_sets_and_withdrawn_datasets_are_not_published(
    provider: Any, buyer: Any, publish: Callable[..., Any], upload: Callable[..., Any]
) -> None:
    terms = {"licence": {"spdx": "CC0-1.0"}}
    draft = provider.client.post("/v1/datasets", json={"name": "x", "target": "label"}).json()
    test = upload(buyer, CSV)
    gone = publish(provider, CSV)
    provider.client.post(f"/v1/datasets/{gone['id']}/withdraw")
    for owner, dataset, says in (
        (provider, draft, "no content"),
        (buyer, test, "test set"),
        (provider, gone, "withdrawn"),
    ):
        refused = owner.client.post(f"/v1/datasets/{dataset['id']}/publish", json=terms)
        assert refused.status_code == 409
        assert says in refused.json()["detail"]


def test_a_dataset_without_a_target_can_only_be_documents(provider: Any) -> None:
    refused = provider.client.post("/v1/datasets", json={"name": "x", "target": None})
    assert refused.status_code == 422
    assert "modality to text" in refused.json()["detail"]
    made = provider.client.post("/v1/datasets", json={"name": "x", "target": None, "modality": "text"})
    assert made.status_code == 201


def own_rows(first: int) -> bytes:
    """Ten rows that no other file has."""
    return b"".join(b"%d,Oslo,no\n" % number for number in range(first, first + 10))


def test_a_job_takes_published_datasets_whose_terms_it_fits(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any], session: Session
) -> None:
    buyer, providers = known(Role.BUYER), [known(Role.PROVIDER) for _ in range(3)]
    payouts.deposit(session, buyer.account.id, 1_000_00, "EUR", "start")
    session.commit()
    test = upload(buyer, CSV)["id"]
    # rows of their own are most of what they bring: who has few beside copies of test rows may not play
    free = publish(providers[0], CSV + own_rows(100))["id"]
    bound = publish(
        providers[1], CSV + own_rows(200),
        licence={"spdx": "CC-BY-4.0", "purposes": ["research"], "territories": ["NO"]},
    )["id"]  # fmt: skip
    hidden = upload(providers[2], CSV)["id"]
    dollars = publish(providers[2], CSV, reserve_price="5.00", reserve_currency="USD")["id"]

    def post(*datasets: str, **more: Any) -> Any:
        order = {"datasets": list(datasets), "test_dataset": test, "pool": "10.00"} | more
        return buyer.client.post("/v1/valuations", json=order)

    for answer, says in (
        (post(free, hidden), "not published"),
        (post(free, dollars), "reserve price in USD"),
        (post(free, bound), "state the job's `purpose`"),
        (post(free, bound, purpose="marketing", territory="NO"), "research only, not marketing"),
        (post(free, bound, purpose="research", territory="DK"), "NO only, not DK"),
    ):
        assert answer.status_code == 422, answer.text
        assert says in answer.json()["detail"]
    accepted = post(free, bound, purpose="research", territory="NO")
    assert accepted.status_code == 202, accepted.text
