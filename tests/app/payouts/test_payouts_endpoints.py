"""Money over HTTP: who may do what, amounts as strings, pages, spreadsheets, and the whole way of a pool."""

import csv
import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.payouts import service
from app.payouts.policies import PayoutClaim, PayoutTerms, make_plan
from app.payouts.preconditions import JobOutcome
from contract.orders.policies import PayoutPolicy

GAINED = JobOutcome(empty_worth=0.5, full_worth=0.75)
PROPORTIONAL = PayoutTerms(policy=PayoutPolicy.PROPORTIONAL)


def account(known: Any) -> str:
    return f"acc_{known.account.id.hex}"


def deposit(admin: Any, buyer: Any, **change: Any) -> Any:
    body = {"account_id": account(buyer), "amount": "100.00", "currency": "EUR", "reference": "bank 1"}
    return admin.client.post("/v1/ledger/deposits", json=body | change)


def earn(session: Session, buyer: Any, provider: Any, pool: int = 5_000, **terms: Any) -> uuid.UUID:
    """A job of ``buyer`` settled with everything to ``provider``."""
    job = uuid.uuid4()
    service.reserve(session, job, buyer.account.id, pool, "EUR")
    claims = [PayoutClaim(provider.account.id, provider.account.id, 1.0)]
    service.settle(
        session,
        job,
        make_plan(job, "EUR", pool, PayoutTerms(policy=PayoutPolicy.PROPORTIONAL, **terms), claims, GAINED),
    )
    return job


def balance(known: Any) -> dict[str, str]:
    (found,) = known.client.get("/v1/me/balance").json()["balances"]
    return {name: amount for name, amount in found.items() if amount != "0.00" and name != "currency"}


def test_an_administrator_s_deposit_is_the_buyer_s_balance(admin: Any, buyer: Any) -> None:
    answer = deposit(admin, buyer)
    assert answer.status_code == 201, answer.text
    assert answer.json()["amount"] == "100.00"
    assert deposit(admin, buyer).json() == answer.json()
    assert balance(buyer) == {"available": "100.00"}


def test_a_reference_used_for_another_deposit_is_a_conflict(admin: Any, buyer: Any) -> None:
    deposit(admin, buyer)
    answer = deposit(admin, buyer, amount="100.01")
    assert answer.status_code == 409
    assert "use another reference" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": "1.001"}, "3 decimals, but EUR has 2"),
        ({"amount": "0"}, "more than zero"),
        ({"amount": "-5"}, "is negative"),
        ({"amount": 5}, "valid string"),
        ({"currency": "XXX"}, "ISO 4217"),
        ({"reference": ""}, "at least 1 character"),
        ({"surplus": 1}, "not known here"),
    ],
)
def test_a_deposit_that_breaks_a_rule_is_refused_with_it(
    admin: Any, buyer: Any, change: dict[str, Any], words: str
) -> None:
    answer = deposit(admin, buyer, **change)
    assert answer.status_code == 422
    assert words in answer.text
    assert buyer.client.get("/v1/me/balance").json() == {"balances": []}


def test_only_a_buyer_gets_deposits_and_only_a_known_one(admin: Any, provider: Any) -> None:
    assert deposit(admin, provider).status_code == 422
    assert deposit(admin, provider, account_id=f"acc_{uuid.uuid4().hex}").status_code == 404


def test_only_administrators_record_prove_and_decide(buyer: Any, provider: Any, client: Any) -> None:
    some = uuid.uuid4().hex
    for method, path, body in [
        ("POST", "/v1/ledger/deposits", {}),
        ("GET", "/v1/ledger/proof", None),
        ("GET", "/v1/ledger/withdrawals", None),
        ("POST", f"/v1/ledger/withdrawals/wd_{some}/approval", None),
        ("POST", f"/v1/ledger/withdrawals/wd_{some}/rejection", None),
        ("GET", "/v1/ledger/disputes", None),
        ("POST", f"/v1/ledger/disputes/val_{some}/resolution", {"to_buyer": []}),
        ("POST", f"/v1/ledger/holdbacks/val_{some}/release", None),
    ]:
        for caller in (buyer, provider):
            assert caller.client.request(method, path, json=body).status_code == 403, path
        assert client.request(method, path, json=body).status_code == 401, path


def test_a_key_without_the_scope_for_money_reads_none(known: Callable[..., Any], admin: Any) -> None:
    from app.identity import Role

    narrow = known(Role.BUYER, scopes=["datasets:read"])
    for path in ("/v1/me/balance", "/v1/me/statement", "/v1/me/statement.csv"):
        assert narrow.client.get(path).status_code == 403


def test_nobody_sees_another_s_money(session: Session, admin: Any, buyer: Any, provider: Any) -> None:
    deposit(admin, buyer)
    assert provider.client.get("/v1/me/balance").json() == {"balances": []}
    assert provider.client.get("/v1/me/statement").json()["items"] == []


def test_a_statement_pages_through_all_entries_and_adds_up(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    job = earn(session, buyer, provider)
    seen, cursor = [], None
    while True:
        page = buyer.client.get("/v1/me/statement", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        seen += page.json()["items"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert [(e["code"], e["amount"]) for e in seen] == [("reserve", "-50.00"), ("deposit", "100.00")]
    assert seen[0]["valuation_id"] == f"val_{job.hex}"
    assert balance(provider) == {"available": "50.00"}


def test_a_cursor_of_another_s_statement_or_a_forged_one_is_refused(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    cursor = buyer.client.get("/v1/me/statement?limit=1").json()["next_cursor"]
    assert provider.client.get("/v1/me/statement", params={"cursor": cursor}).status_code == 422
    assert buyer.client.get("/v1/me/statement", params={"cursor": cursor, "currency": "EUR"}).status_code == 422
    assert buyer.client.get("/v1/me/statement", params={"cursor": "zzz"}).status_code == 422


def test_a_statement_opens_in_a_spreadsheet_without_running_anything(admin: Any, buyer: Any) -> None:
    for reference in ('=HYPERLINK("http://evil")', "+1", "@SUM(A1)", " =1", "a,b\nc", "fine"):
        assert deposit(admin, buyer, reference=reference).status_code == 201
    answer = buyer.client.get("/v1/me/statement.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert {row["amount"] for row in rows} == {"100.00"}
    assert [row["reference"] for row in rows][::-1] == [
        '\'=HYPERLINK("http://evil")',
        "'+1",
        "'@SUM(A1)",
        "'=1",
        "a,b\nc",
        "fine",
    ]


def test_a_long_csv_statement_links_to_its_next_page(admin: Any, buyer: Any) -> None:
    for number in range(3):
        deposit(admin, buyer, reference=f"r{number}")
    first = buyer.client.get("/v1/me/statement.csv?limit=2&currency=EUR")
    address = first.headers["link"].split(">")[0].removeprefix("<")
    second = buyer.client.get(address)
    assert second.status_code == 200, second.text
    rows = [row for text in (first.text, second.text) for row in csv.DictReader(io.StringIO(text))]
    assert [row["reference"] for row in rows] == ["r2", "r1", "r0"]
    assert "link" not in second.headers


def test_the_proof_is_told_over_http(session: Session, admin: Any, buyer: Any, provider: Any) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    told = admin.client.get("/v1/ledger/proof").json()
    assert (told["ok"], told["problems"], told["unsealed"]) == (True, [], 0)
    assert told["sums"]["EUR"] == "0.00"
    assert told["heads"]


def test_a_withdrawal_is_set_aside_and_decided_once(session: Session, admin: Any, buyer: Any, provider: Any) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    body = {"amount": "30.00", "currency": "EUR"}
    asked = provider.client.post("/v1/me/withdrawals", json=body)
    assert asked.status_code == 201, asked.text
    assert balance(provider) == {"available": "20.00", "reserved": "30.00"}
    refused = provider.client.post("/v1/me/withdrawals", json=body)
    assert refused.status_code == 409
    assert "20.00 EUR is available" in refused.json()["detail"]
    assert asked.json() in admin.client.get("/v1/ledger/withdrawals").json()["items"]
    path = f"/v1/ledger/withdrawals/{asked.json()['id']}"
    for _ in range(2):
        assert admin.client.post(f"{path}/approval").json()["status"] == "approved"
    assert admin.client.post(f"{path}/rejection").status_code == 409
    assert balance(provider) == {"available": "20.00"}
    assert asked.json()["id"] not in [w["id"] for w in admin.client.get("/v1/ledger/withdrawals").json()["items"]]


def test_a_rejected_withdrawal_returns_to_the_balance(session: Session, admin: Any, buyer: Any, provider: Any) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    asked = provider.client.post("/v1/me/withdrawals", json={"amount": "50", "currency": "EUR"}).json()
    path = f"/v1/ledger/withdrawals/{asked['id']}"
    assert admin.client.post(f"{path}/rejection").json()["status"] == "rejected"
    assert balance(provider) == {"available": "50.00"}


def test_a_buyer_has_back_what_it_has_not_spent_and_not_what_a_job_holds(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider, pool=2_000)
    service.reserve(session, uuid.uuid4(), buyer.account.id, 3_000, "EUR")
    refused = buyer.client.post("/v1/me/withdrawals", json={"amount": "50.01", "currency": "EUR"})
    assert refused.status_code == 409
    assert "50.00 EUR is available" in refused.json()["detail"]
    assert "jobs that still run" in refused.json()["detail"]
    asked = buyer.client.post("/v1/me/withdrawals", json={"amount": "50.00", "currency": "EUR"})
    assert asked.status_code == 201, asked.text
    assert balance(buyer) == {"reserved": "80.00"}
    path = f"/v1/ledger/withdrawals/{asked.json()['id']}"
    assert admin.client.post(f"{path}/approval").json()["status"] == "approved"
    assert balance(buyer) == {"reserved": "30.00"}
    (own,) = buyer.client.get("/v1/me/withdrawals").json()["items"]
    assert (own["amount"], own["status"]) == ("50.00", "approved")
    codes = {each["code"]: each["amount"] for each in buyer.client.get("/v1/me/statement").json()["items"]}
    assert codes["withdrawal"] == "-50.00"
    assert admin.client.get("/v1/ledger/proof").json()["ok"]
    assert admin.client.post("/v1/me/withdrawals", json={"amount": "1", "currency": "EUR"}).status_code == 403


def test_a_transfer_that_is_no_withdrawal_cannot_be_approved_as_one(session: Session, admin: Any, buyer: Any) -> None:
    deposit(admin, buyer)
    held = service.reserve(session, uuid.uuid4(), buyer.account.id, 100, "EUR")
    assert admin.client.post(f"/v1/ledger/withdrawals/wd_{held.id.hex}/approval").status_code == 404


def test_a_buyer_disputes_what_is_held_and_an_administrator_decides(
    session: Session, admin: Any, buyer: Any, provider: Any, known: Callable[..., Any]
) -> None:
    deposit(admin, buyer)
    job = earn(session, buyer, provider, dispute_window_seconds=60)
    assert balance(provider) == {"held": "50.00"}
    path = f"/v1/ledger/disputes/val_{job.hex}"
    assert provider.client.post(path, json={"reason": "x"}).status_code == 403
    assert known(buyer.account.role).client.post(path, json={"reason": "x"}).status_code == 404
    assert buyer.client.post(path, json={"kind": "mood", "reason": "x"}).status_code == 422
    told = buyer.client.post(path, json={"kind": "wrong_label_map", "reason": "labels are wrong"})
    assert told.json() == {"valuation_id": f"val_{job.hex}", "disputed": "50.00", "currency": "EUR"}
    (waiting,) = admin.client.get("/v1/ledger/disputes").json()["items"]
    assert (waiting["valuation_id"], waiting["amount"]) == (f"val_{job.hex}", "50.00")
    assert (waiting["kind"], waiting["reason"]) == ("wrong_label_map", "labels are wrong")
    assert waiting["parts"] == [{"provider_id": account(provider), "amount": "50.00"}]
    back = {"to_buyer": [{"provider_id": account(provider), "amount": "40.00"}]}
    twice = {"to_buyer": back["to_buyer"] * 2}
    assert admin.client.post(f"{path}/resolution", json=twice).status_code == 422
    assert admin.client.post(f"{path}/resolution", json=back).json()["amount"] == "50.00"
    assert balance(provider) == {"available": "10.00"}
    assert balance(buyer) == {"available": "90.00"}


def test_a_dispute_without_a_kind_is_of_another_one_and_the_first_reason_stands(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    job = earn(session, buyer, provider, dispute_window_seconds=60)
    path = f"/v1/ledger/disputes/val_{job.hex}"
    assert buyer.client.post(path, json={"reason": "first"}).status_code == 200
    assert buyer.client.post(path, json={"kind": "overlap", "reason": "second"}).status_code == 200
    (waiting,) = admin.client.get("/v1/ledger/disputes").json()["items"]
    assert (waiting["kind"], waiting["reason"]) == ("other", "first")


def test_a_statement_line_waits_only_until_it_is_resolved(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    job = uuid.uuid4()
    service.reserve(session, job, buyer.account.id, 5_000, "EUR")

    def states() -> list[tuple[str, str]]:
        return [(e["code"], e["state"]) for e in buyer.client.get("/v1/me/statement").json()["items"]]

    assert states() == [("reserve", "pending"), ("deposit", "posted")]
    service.refund(session, job)
    assert states() == [("refund", "void"), ("reserve", "void"), ("deposit", "posted")]
    earn(session, buyer, provider)
    assert states()[0] == ("reserve", "post")
    assert "pending" not in buyer.client.get("/v1/me/statement.csv").text


def test_a_holdback_is_not_released_while_it_can_be_disputed(
    session: Session, admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    job = earn(session, buyer, provider, dispute_window_seconds=60)
    answer = admin.client.post(f"/v1/ledger/holdbacks/val_{job.hex}/release")
    assert answer.status_code == 409
    assert "can be disputed until" in answer.json()["detail"]
    assert admin.client.post(f"/v1/ledger/holdbacks/val_{uuid.uuid4().hex}/release").status_code == 404


def test_an_idempotency_key_replays_a_withdrawal(session: Session, admin: Any, buyer: Any, provider: Any) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    send = {"json": {"amount": "10.00", "currency": "EUR"}, "headers": {"Idempotency-Key": "w1"}}
    first, second = (provider.client.post("/v1/me/withdrawals", **send) for _ in range(2))
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert balance(provider) == {"available": "40.00", "reserved": "10.00"}


def test_every_operation_on_money_shows_an_example(client: Any) -> None:
    spec = client.get("/openapi.json").json()
    ours = [
        operation
        for path in spec["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and operation.get("tags") == ["payouts"]
    ]
    assert len(ours) >= 10
    for operation in ours:
        success = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
        for content in success["content"].values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            assert "example" in content or spec["components"]["schemas"][name].get("examples"), operation["operationId"]


def test_a_deposit_is_taken_back_once_with_its_reason_and_the_ledger_still_adds_up(admin: Any, buyer: Any) -> None:
    made = deposit(admin, buyer).json()
    path = f"/v1/ledger/deposits/{made['id']}/reversal"
    back = admin.client.post(path, json={"reason": "booked for the wrong organisation"})
    assert back.status_code == 201, back.text
    assert back.json()["deposit"] == made["id"]
    assert admin.client.post(path, json={"reason": "again"}).json() == back.json()
    assert balance(buyer) == {}
    entries = buyer.client.get("/v1/me/statement").json()["items"]
    assert [(each["code"], each["amount"], each["reference"]) for each in entries] == [
        ("deposit_reversed", "-100.00", "booked for the wrong organisation"),
        ("deposit", "100.00", "bank 1"),
    ]
    told_again = deposit(admin, buyer)
    assert (told_again.status_code, "was taken back" in told_again.text) == (409, True)
    assert admin.client.get("/v1/ledger/proof").json()["ok"] is True


def test_a_deposit_whose_money_is_set_aside_cannot_be_taken_back(admin: Any, buyer: Any, session: Session) -> None:
    made = deposit(admin, buyer).json()
    service.reserve(session, uuid.uuid4(), buyer.account.id, 4_000, "EUR")
    session.commit()
    refused = admin.client.post(f"/v1/ledger/deposits/{made['id']}/reversal", json={"reason": "mistake"})
    assert refused.status_code == 409
    assert "60.00 EUR is available" in refused.json()["detail"]
    assert balance(buyer) == {"available": "60.00", "reserved": "40.00"}


def test_only_a_deposit_can_be_taken_back_and_only_by_an_administrator(
    admin: Any, buyer: Any, provider: Any, session: Session
) -> None:
    made = deposit(admin, buyer).json()
    earn(session, buyer, provider)
    session.commit()
    paid = provider.client.get("/v1/me/statement").json()["items"][0]["transfer"]
    body = {"reason": "mistake"}
    assert admin.client.post(f"/v1/ledger/deposits/{paid}/reversal", json=body).status_code == 404
    assert buyer.client.post(f"/v1/ledger/deposits/{made['id']}/reversal", json=body).status_code == 403


def test_an_administrator_reads_any_organisation_s_money_and_nobody_else_does(
    admin: Any, buyer: Any, provider: Any
) -> None:
    deposit(admin, buyer)
    path = f"/v1/ledger/accounts/{account(buyer)}"
    assert admin.client.get(f"{path}/balance").json() == buyer.client.get("/v1/me/balance").json()
    assert admin.client.get(f"{path}/statement").json() == buyer.client.get("/v1/me/statement").json()
    for name in ("balance", "statement"):
        assert provider.client.get(f"{path}/{name}").status_code == 403
        assert admin.client.get(f"/v1/ledger/accounts/acc_{uuid.uuid4().hex}/{name}").status_code == 404


def test_a_provider_sees_what_became_of_each_withdrawal(
    admin: Any, buyer: Any, provider: Any, session: Session
) -> None:
    deposit(admin, buyer)
    earn(session, buyer, provider)
    session.commit()
    asked = [
        provider.client.post("/v1/me/withdrawals", json={"amount": amount, "currency": "EUR"}).json()["id"]
        for amount in ("10.00", "11.00", "12.00")
    ]
    admin.client.post(f"/v1/ledger/withdrawals/{asked[0]}/approval")
    admin.client.post(f"/v1/ledger/withdrawals/{asked[1]}/rejection")
    first = provider.client.get("/v1/me/withdrawals?limit=2").json()
    rest = provider.client.get(f"/v1/me/withdrawals?limit=2&cursor={first['next_cursor']}").json()
    shown = [(each["amount"], each["status"]) for each in (*first["items"], *rest["items"])]
    assert shown == [("12.00", "pending"), ("11.00", "rejected"), ("10.00", "approved")]
    assert rest["next_cursor"] is None
