"""The budget of questions: what is charged, when it is refused, when it is there again, and who sees it."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.audit.tables import AuditEntry
from app.db.session import transaction
from app.disclosure import service
from app.disclosure.service import ChargedQuestion
from app.disclosure.tables import Disclosure, DisclosureKind
from app.errors import TooManyRequests
from app.http.ids import parse_id
from app.identity import Caller, Role
from app.settings import Settings
from app.webhooks.tables import WebhookEvent
from tests.app.conftest import Known

ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"
Make = Callable[..., Any]


@pytest.fixture
def offered(known: Make, publish: Make) -> tuple[Known, str]:
    owner = known(Role.PROVIDER, "Alder")
    return owner, publish(owner, ROWS + b"east,1,no\n")["id"]


def caller_of(account: Known) -> Caller:
    return Caller(account.account.id, account.account.role, frozenset(), None)


def asked(offered: tuple[Known, str], question: str = "q") -> ChargedQuestion:
    return ChargedQuestion(parse_id("ds", offered[1]), offered[0].account.id, question.ljust(64, "0"), "/datasets/0")


def spent(session: Session) -> list[int]:
    return list(session.scalars(select(Disclosure.points).order_by(Disclosure.id)))


def test_a_question_is_charged_once_by_its_kind_and_ones_own_data_never(
    session: Session, settings: Settings, offered: tuple[Known, str], buyer: Known
) -> None:
    asker = caller_of(buyer)
    for kind, question in (
        (DisclosureKind.QUOTE, "a"),
        (DisclosureKind.QUOTE, "a"),
        (DisclosureKind.QUOTE, "b"),
        (DisclosureKind.JOB, "c"),
    ):
        service.charge(session, settings, asker, kind, [asked(offered, question)])
    assert spent(session) == [2, 2, 6]
    service.charge(session, settings, caller_of(offered[0]), DisclosureKind.QUOTE, [asked(offered, "d")])
    assert spent(session) == [2, 2, 6]


def test_a_spent_budget_refuses_what_is_new_until_the_oldest_is_old_enough(
    session: Session, settings: Settings, offered: tuple[Known, str], buyer: Known
) -> None:
    small, asker = settings.model_copy(update={"disclosure_points": 9}), caller_of(buyer)
    service.charge(session, small, asker, DisclosureKind.JOB, [asked(offered, "a")])
    service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "b")])
    with pytest.raises(TooManyRequests, match="9 points in 30 days and 2 for this quote are not left") as refused:
        service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "c")])
    assert [fault.pointer for fault in refused.value.errors] == ["/datasets/0"]
    assert 29 * 86_400 < (refused.value.retry_after or 0) <= 30 * 86_400 + 1
    service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "b")])
    assert spent(session) == [6, 2]
    first = update(Disclosure).where(Disclosure.points == 6)
    session.execute(first.values(created_at=Disclosure.created_at - timedelta(days=31)))
    service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "c")])
    assert spent(session) == [6, 2, 2]


def test_where_one_dataset_of_several_is_spent_nothing_is_charged(
    session: Session, settings: Settings, offered: tuple[Known, str], known: Make, publish: Make, buyer: Known
) -> None:
    small, asker = settings.model_copy(update={"disclosure_points": 2}), caller_of(buyer)
    other = known(Role.PROVIDER)
    second = (other, publish(other, ROWS)["id"])
    service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "a")])
    with pytest.raises(TooManyRequests):
        service.charge(session, small, asker, DisclosureKind.QUOTE, [asked(offered, "b"), asked(second, "b")])
    assert spent(session) == [2]


def test_listings_are_charged_apart_and_what_is_spent_is_left_out_without_a_word(
    session: Session, settings: Settings, offered: tuple[Known, str], provider: Known
) -> None:
    small, owner = settings.model_copy(update={"disclosure_points": 2}), provider.account.id
    dataset = {parse_id("ds", offered[1])}
    assert service.charge_listing(session, small, owner, [asked(offered, "a")]) == dataset
    assert service.charge_listing(session, small, owner, [asked(offered, "a")]) == dataset
    assert service.charge_listing(session, small, owner, [asked(offered, "b")]) == set()
    service.charge(session, small, caller_of(provider), DisclosureKind.QUOTE, [asked(offered, "c")])
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "disclose_dataset")).all()
    # whoever uploads would learn from its own log whose listing holds its rows
    assert [entry.account_id for entry in entries if entry.detail["kind"] == "listing"] == [None]


def test_its_provider_sees_who_asked_in_the_answer_the_audit_log_and_an_event(
    session: Session, offered: tuple[Known, str], known: Make, publish: Make, upload: Make
) -> None:
    owner, dataset = offered
    other, asker = known(Role.PROVIDER), known(Role.BUYER, "Second Hospital")
    hook = {"url": "https://example.com/hook", "events": ["dataset.disclosed"]}
    assert owner.client.post("/v1/webhooks", json=hook).status_code == 201
    order = {
        "datasets": [dataset, publish(other, ROWS + b"west,2,yes\n")["id"]],
        "test_dataset": upload(asker, ROWS)["id"],
        "pool": "10.00",
    }
    for _ in range(2):
        assert asker.client.post("/v1/valuations/quote", json=order).status_code == 200
    told = owner.client.get(f"/v1/datasets/{dataset}/disclosures").json()
    assert (told["points"], told["days"]) == (100, 30.0)
    [line] = told["askers"]
    assert (line["asker"], line["spent"], line["questions"]) == ("Second Hospital", 2, 1)
    for stranger in (other, asker):
        assert stranger.client.get(f"/v1/datasets/{dataset}/disclosures").status_code == 404
    logged = owner.client.get("/v1/audit", params={"action": "disclose_dataset"}).json()["items"]
    assert [(entry["object"], entry["detail"]["points"]) for entry in logged] == [(dataset, 2)]
    event = session.scalars(select(WebhookEvent).where(WebhookEvent.account_id == owner.account.id)).one()
    assert event.data == {"ids": [dataset], "kind": "quote", "points": 2}


def test_an_order_that_is_refused_for_its_copies_is_charged_all_the_same(
    session: Session, known: Make, publish: Make, upload: Make, buyer: Known
) -> None:
    lines = [b"%d,%d,%s\n" % (at, at * 7 % 13, (b"no", b"yes")[at % 2]) for at in range(24)]
    head, test = b"u,v,label\n", b"u,v,label\n" + b"".join(lines)
    datasets = [publish(known(Role.PROVIDER), head + b"".join(rows))["id"] for rows in (lines[:12], lines[12:])]
    order = {"datasets": datasets, "test_dataset": upload(buyer, test)["id"], "pool": "10.00"}
    # both providers' rows are all in the test set, so nobody is left
    assert buyer.client.post("/v1/valuations/quote", json=order).status_code == 200
    refused = buyer.client.post("/v1/valuations", json=order)
    assert refused.json()["errors"][0]["pointer"] == "/test_dataset", refused.text
    assert sorted(spent(session)) == [2, 2, 6, 6]


def test_askers_at_once_spend_no_more_than_the_budget(market: Any) -> None:
    small = market.settings.model_copy(update={"disclosure_points": 10})
    refused: list[str] = []

    def ask(number: int) -> None:
        one = ChargedQuestion(
            market.datasets[0], market.providers[0], uuid.uuid5(uuid.NAMESPACE_URL, str(number)).hex * 2
        )
        try:
            with transaction(market.factory) as session:
                service.charge(session, small, market.buyer, DisclosureKind.QUOTE, [one])
        except TooManyRequests as error:
            refused.append(error.detail)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert market.scalar("SELECT sum(points) FROM disclosures") == 10
    assert len(refused) == 11
    with market.factory() as session:
        assert session.scalar(text("SELECT count(*) FROM disclosures")) == 5
