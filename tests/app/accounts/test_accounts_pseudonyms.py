"""A buyer under a pseudonym: another to each provider, the same to the same one, its name nowhere a provider looks."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.disclosure import service as disclosure
from app.disclosure.service import ChargedQuestion
from app.disclosure.tables import DisclosureKind
from app.identity import SCOPES, Caller, Role
from app.settings import Settings
from tests.app.valuations import story


def posted(session: Session, buyer: Any, providers: list[Any]) -> uuid.UUID:
    from app.payouts import service as payouts

    payouts.deposit(session, buyer.account.id, story.POOL, "EUR", "bank")
    result = story.result([0.25, 0.1], 0.005, "exact")
    job = story.Job(
        {"policy": "proportional", "dispute_window_seconds": 0}, result, story.alone(2), (0, 0), 0, None, 2.0
    )
    ids = [each.account.id for each in providers]
    made = story.posted(session, buyer.account.id, ids, ["one", "two"], job)
    session.commit()
    return made.id


def test_a_pseudonym_is_the_same_to_the_same_provider_and_another_to_each(session: Session, buyer: Any) -> None:
    caller = Caller(buyer.account.id, Role.BUYER, SCOPES[Role.BUYER], uuid.uuid4())
    one, two = uuid.uuid4(), uuid.uuid4()
    before = pseudonyms.shown_to(session, one, [buyer.account.id])[buyer.account.id]
    assert (before.id, before.name) == (buyer.account.id, buyer.account.name)
    assert pseudonyms.decide(session, caller, pseudonymous=True)
    first, second = (pseudonyms.shown_to(session, each, [buyer.account.id])[buyer.account.id] for each in (one, two))
    assert len({first.name, second.name, buyer.account.name}) == 3
    assert len({first.id, second.id, buyer.account.id}) == 3
    assert not pseudonyms.decide(session, caller, pseudonymous=False)
    assert pseudonyms.shown_to(session, one, [buyer.account.id])[buyer.account.id] == before
    pseudonyms.decide(session, caller, pseudonymous=True)
    assert pseudonyms.shown_to(session, one, [buyer.account.id])[buyer.account.id] == first


def test_the_name_is_nowhere_that_a_provider_looks_and_an_administrator_sees_it(
    session: Session, settings: Settings, known: Callable[..., Any], admin: Any, publish: Callable[..., Any]
) -> None:
    buyer, providers = known(Role.BUYER, "Harbour Hospital"), [known(Role.PROVIDER), known(Role.PROVIDER)]
    said = buyer.client.put("/v1/me/pseudonym", json={"pseudonymous": True})
    assert (said.status_code, buyer.client.get("/v1/me/pseudonym").json()) == (200, {"pseudonymous": True})
    job = posted(session, buyer, providers)
    dataset = publish(providers[0], b"a,label\n1,yes\n2,no\n3,yes\n")
    ids = uuid.UUID(hex=dataset["id"][3:]), providers[0].account.id
    caller = Caller(buyer.account.id, Role.BUYER, SCOPES[Role.BUYER], uuid.uuid4())
    disclosure.charge(session, settings, caller, DisclosureKind.QUOTE, [ChargedQuestion(*ids, "ab" * 32)])
    session.commit()
    for provider in providers:
        told = [
            provider.client.get(path).json()
            for path in (f"/v1/me/valuations/val_{job.hex}", "/v1/me/valuations", "/v1/audit", "/v1/me/statement")
        ]
        if provider is providers[0]:
            told.append(provider.client.get(f"/v1/datasets/{dataset['id']}/disclosures").json())
            assert [each["asker"] for each in told[-1]["askers"]] == [told[0]["buyer"]]
            (entry,) = [each for each in told[2]["items"] if each["action"] == "disclose_dataset"]
            assert entry["account_id"] == entry["detail"]["asker"] != f"acc_{buyer.account.id.hex}"
            assert (entry["key_id"], entry["user_id"], entry["address"]) == (None, None, None)
            by_id = provider.client.get("/v1/audit", params={"account_id": f"acc_{buyer.account.id.hex}"}).json()
            assert by_id["items"] == []
        text = json.dumps(told)
        assert "Harbour" not in text
        assert buyer.account.id.hex not in text
        assert told[0]["buyer"].startswith("Buyer ")
    assert "Harbour Hospital" in admin.client.get("/v1/valuations").text
    assert buyer.client.get("/v1/audit").json()["items"]


def test_buyers_alone_decide_it_with_all_their_scopes(known: Callable[..., Any], provider: Any) -> None:
    refused = provider.client.put("/v1/me/pseudonym", json={"pseudonymous": True})
    assert (refused.status_code, "buyers are shown" in refused.json()["detail"]) == (403, True)
    narrow = known(Role.BUYER, scopes=["keys:read", "keys:write"])
    assert narrow.client.put("/v1/me/pseudonym", json={"pseudonymous": True}).status_code == 403
