"""From a settled job to what its provider and its buyer put into their books: part, certificate, months, documents."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.billing import documents, issuing, service
from app.billing.schemas import BillingBody
from app.datasets.tables import DatasetKind
from app.db.session import transaction
from app.errors import Conflict, InvalidInput, NotFound
from app.http.ids import parse_id, public_id
from app.identity import Caller, Role
from app.payouts import months
from app.payouts import service as payouts
from app.valuations import participation
from app.valuations.results import certificates
from tests.app.web.test_web_rules import Browser
from tests.market import rows_of

DETAILS = BillingBody(name="Stadtklinik GmbH", address="Weg 1", country="DE", vat_id="DE123456789", vat_percent="19")
NOW = datetime.now(UTC).date()
THIS = NOW.replace(day=1)
NEXT = documents.after(THIS)


@pytest.fixture
def settled(place: Any, hand: Any) -> Any:
    """A market in which one job was settled, and its id."""
    market = place.market
    market.settings = market.settings.model_copy(
        update={"issuer_name": "Market AG", "issuer_address": "Weg 9", "platform_fee_basis_points": 250}
    )
    job = market.post(players="dataset", purpose="research", payout={"policy": "proportional"})
    hand.finish(job)
    place.job, place.hand = job, hand
    return place


def provider(place: Any, number: int = 0) -> Caller:
    return Caller(place.market.providers[number], Role.PROVIDER, frozenset(), uuid.uuid4())


def test_a_provider_sees_its_part_and_whom_it_was_for_and_nobody_else_s(settled: Any) -> None:
    client, path = settled.client("tides"), f"/v1/me/valuations/val_{settled.job.hex}"
    part = client.get(path).json()
    assert (part["buyer"], part["purpose"], part["pool"]) == ("buyer", "research", "1000.00")
    (mine,) = part["players"]
    assert mine["datasets"] == [public_id("ds", settled.market.datasets[0])]
    assert float(mine["amount"]) > 0
    assert mine["reason"]
    assert part == next(each for each in client.get("/v1/me/valuations").json()["items"] if each["id"] == part["id"])
    for other in settled.market.datasets[1:3]:
        assert public_id("ds", other) not in str(part)
    with transaction(settled.market.factory) as session:
        stranger = Caller(settled.market.buyer.account_id, Role.PROVIDER, frozenset(), uuid.uuid4())
        with pytest.raises(NotFound, match="no valuation val_"):
            participation.job(session, stranger, settled.job)
        (dataset,) = participation.datasets(
            session, provider(settled), participation.job(session, provider(settled), settled.job)
        )
        assert dataset.id == settled.market.datasets[0]


def test_its_own_certificate_is_signed_and_names_the_digests_of_the_buyer_s(settled: Any) -> None:
    with settled.market.factory() as session:
        whole = settled.client("buyer").get(f"/v1/valuations/val_{settled.job.hex}/certificate").json()
        own = settled.client("tides").get(f"/v1/me/valuations/val_{settled.job.hex}/certificate").json()
        assert certificates.is_genuine(own, certificates.public_key(settled.market.settings))
        forged = own | {"certificate": own["certificate"] | {"pool": "1.00"}}
        assert not certificates.is_genuine(forged, certificates.public_key(settled.market.settings))
        for name in ("game", "result", "spec", "plan"):
            assert own["certificate"]["digests"][name] == whole["certificate"]["digests"][name]
        running = settled.market.post(players="dataset", seed=9)
        session.rollback()
        with pytest.raises(Conflict, match="there is a certificate once it has succeeded"):
            participation.certificate(session, settled.market.settings, provider(settled), running)


def test_months_add_up_to_the_statement_and_each_job_to_its_amounts(settled: Any) -> None:
    market = settled.market
    with market.factory() as session:
        for owner in (market.buyer.account_id, *market.providers):
            entries = payouts.statement(session, owner, limit=1000)
            found = months.totals(session, owner)
            assert {total.month for total in found} == ({THIS} if entries else set())
            assert sum(total.came_in + total.went_out for total in found) == sum(entry.amount for entry in entries)
        paid = {
            owner: sum(each.amount for each in months.jobs(session, owner, THIS, NEXT, "EUR", provider=True))
            for owner in market.providers
        }
        amounts = dict(market.rows("SELECT provider_id, sum(amount_minor) FROM valuation_players GROUP BY provider_id"))
        assert paid == {owner: int(amount) for owner, amount in amounts.items()}
        (spent,) = months.jobs(session, market.buyer.account_id, THIS, NEXT, "EUR", provider=False)
        assert spent.amount == sum(paid.values()) + 25_00, "and the fee"
        assert months.jobs(session, market.buyer.account_id, NEXT, documents.after(NEXT), "EUR", provider=False) == []


def test_the_document_of_a_month_is_made_when_it_has_ended(settled: Any) -> None:
    market, here = settled.market, provider(settled)
    this = f"{THIS:%Y-%m}"

    def made(caller: Caller, today: date | None = NEXT, month: str = this, currency: str = "EUR") -> Any:
        return service.issue(session, market.settings, caller, month, currency, today)

    with transaction(market.factory) as session:
        with pytest.raises(Conflict, match="ends before"):
            made(here, None)
        with pytest.raises(Conflict, match="PUT /v1/me/billing"):
            made(here)
        service.set_details(session, here, DETAILS)
        note = made(here)
        assert (note.credit, note.issued, note.organisation.name) == (True, NEXT, "Stadtklinik GmbH")
        assert [line.text for line in note.lines] == [public_id("val", settled.job)]
        with pytest.raises(NotFound, match="nothing of yours was settled"):
            made(here, currency="USD")
        with pytest.raises(InvalidInput, match="write it as 2026-11"):
            made(here, month="November")
        service.set_details(session, provider(settled, 2), DETAILS)
        unnamed = market.settings.model_copy(update={"issuer_name": ""})
        with pytest.raises(Conflict, match="CHERISH_ISSUER_NAME"):
            service.issue(session, unnamed, provider(settled, 2), this, "EUR", NEXT)
        service.set_details(session, market.buyer, DETAILS)
        invoice = made(market.buyer)
        assert not invoice.credit
        year = NEXT.year
        tail = market.providers[0].hex[-12:].upper()
        assert (note.number, invoice.number) == (f"CN-{tail}-{year}-000001", f"IN-{year}-000001")
        (line,) = service.by_month(session, here, NEXT)
        assert line.document == f"/v1/me/documents/{this}?currency=EUR"
        assert service.by_month(session, here)[0].document is None


def test_numbers_follow_one_another_without_gaps_and_a_document_stays_as_it_was_issued(settled: Any) -> None:
    market, here, this = settled.market, provider(settled), f"{THIS:%Y-%m}"
    other = market.add_buyer("another buyer")
    market.test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    hand_over = market.post(buyer=other, players="dataset", payout={"policy": "proportional"})
    settled.hand.finish(hand_over)
    for caller in (here, market.buyer, other):
        with transaction(market.factory) as session:
            service.set_details(session, caller, DETAILS)

    def issue(caller: Caller, today: date = NEXT) -> Any:
        with transaction(market.factory) as session:
            return service.issue(session, market.settings, caller, this, "EUR", today)

    with market.factory() as session:  # a number whose document was not kept is the next one's
        service.issue(session, market.settings, market.buyer, this, "EUR", NEXT)
        session.rollback()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(issue, [market.buyer, other] * 8))
    assert {each.number for each in made} == {f"IN-{NEXT.year}-000001", f"IN-{NEXT.year}-000002"}
    assert market.scalar("SELECT count(*) FROM billing_documents") == 2
    with transaction(market.factory) as session:
        service.set_details(session, other, DETAILS.model_copy(update={"name": "Another name"}))
    late = issue(other, documents.after(NEXT))
    with market.factory() as reading:
        kept = issuing.issued(reading, market.factory, market.settings, other, this, "EUR")
    assert kept == late
    assert (late.organisation.name, late.issued) == ("Stadtklinik GmbH", NEXT)
    assert late in made
    assert issue(here, date(NEXT.year + 1, 1, 2)).number.endswith(f"-{NEXT.year + 1}-000001")
    for words in ("UPDATE billing_documents SET currency = 'USD'", "DELETE FROM billing_documents"):
        with pytest.raises(DBAPIError, match="billing_documents"), transaction(market.factory) as session:
            session.execute(text(words))


def test_details_are_said_over_http_and_on_the_page(settled: Any) -> None:
    client = settled.client("tides")
    assert client.get("/v1/me/billing").json()["name"] is None
    wrong = client.put("/v1/me/billing", json=DETAILS.model_dump(mode="json") | {"vat_note": "reverse charge"})
    assert wrong.status_code == 422
    assert client.put("/v1/me/billing", json=DETAILS.model_dump(mode="json")).status_code == 200
    assert client.get("/v1/me/billing").json()["vat_percent"] == "19.00"
    this = f"{THIS:%Y-%m}"
    assert client.get("/v1/me/months").json()["items"][0]["month"] == this
    early = client.get(f"/v1/me/documents/{this}", params={"currency": "EUR"})
    assert (early.status_code, "ends before" in early.text) == (409, True)

    here = Browser(settled.app)
    key = client.headers["authorization"].split()[1]
    assert here.fill("/login", "/login", key=key).status_code == 303
    assert "Stadtklinik GmbH" in here.get("/money").text
    refused = here.fill("/money/billing", "/money", name="A", address="B", country="Germany")
    assert refused.status_code == 422
    assert "country" in refused.text
    assert here.fill("/money/billing", "/money", name="Klinik", address="B", country="de").status_code == 303
    assert client.get("/v1/me/billing").json()["name"] == "Klinik"
    assert here.get(f"/money/{this}/EUR.pdf").status_code == 409

    listed = here.get("/earnings").text
    path = f"/earnings/val_{settled.job.hex}"
    assert path in listed
    shown = here.get(path).text
    for words in ("Your data in a job of", "research", "The pool"):
        assert words in shown
    own = here.get(f"{path}/certificate.json")
    assert own.json()["certificate"]["provider"] == public_id("acc", settled.market.providers[0])
    assert here.get(f"/earnings/val_{uuid.uuid4().hex}").status_code == 404
    assert parse_id("val", path.rsplit("/", 1)[1]) == settled.job


def test_a_provider_is_told_when_a_job_names_its_data(place: Any) -> None:
    client = place.client("tides")
    made = client.post("/v1/webhooks", json={"url": "https://hooks.example.org/c", "events": ["dataset.named"]})
    assert made.status_code == 201, made.text
    job = place.market.post(players="dataset")
    told = place.market.rows("SELECT account_id, data FROM webhook_events WHERE type = 'dataset.named'")
    ((owner, data),) = told
    assert owner == place.market.providers[0]
    assert data == {"ids": [public_id("ds", place.market.datasets[0])], "valuation_id": public_id("val", job)}
