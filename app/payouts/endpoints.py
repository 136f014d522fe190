"""Money over HTTP: deposits, balances, statements, disputes, withdrawals and the ledger's proof. Thin."""

import time
import uuid
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response, status

from app.accounts import service as accounts
from app.accounts.callers import IDEMPOTENT, AdminCaller, AnyCaller, BuyerCaller, PartyCaller, Role
from app.errors import Conflict, InvalidInput, NotFound, Unauthorized
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.ids import AccountId, ValuationId
from app.http.pages import Page, PageRequest
from app.http.problems import responses
from app.http.routes import api_router
from app.payouts import (
    disputes,
    money,
    proof,
    provider_events,
    repository,
    reversals,
    schemas,
    service,
    statements,
    withdrawals,
)
from app.payouts.providers import stripe_like

router = api_router("/v1", "payouts")

CurrencyQuery = Annotated[
    str | None, Query(min_length=3, max_length=3, description="Only this currency (ISO 4217).", examples=["EUR"])
]


@router.post(
    "/ledger/deposits",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def record_deposit(body: schemas.DepositBody, _caller: AdminCaller, session: SessionDep) -> schemas.DepositAnswer:
    """Record money that has come in for a buyer, so that it can reserve pools. Telling it twice records it once."""
    account = accounts.get_account(session, body.account_id)
    if account.role is not Role.BUYER:
        raise InvalidInput(f"account acc_{account.id.hex} is a {account.role.value}; only buyers have a wallet")
    amount = money.parse(body.amount, body.currency)
    return schemas.DepositAnswer.of(
        account.id, service.deposit(session, account.id, amount, body.currency, body.reference)
    )


@router.post(
    "/ledger/deposits/{transfer_id}/reversal",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def reverse_deposit(
    transfer_id: schemas.TransferId, body: schemas.ReversalBody, _caller: AdminCaller, session: SessionDep
) -> schemas.ReversalAnswer:
    """Take a mistaken deposit back out of its buyer's balance, with the reason; the deposit stays in the ledger."""
    return schemas.ReversalAnswer.of(transfer_id, reversals.take_back(session, transfer_id, body.reason))


@router.get("/ledger/accounts/{account_id}/balance", responses=responses(NotFound))
def get_balance_of(account_id: AccountId, _caller: AdminCaller, session: SessionDep) -> schemas.BalancesAnswer:
    """An organisation's money, by currency."""
    balances = service.balances(session, accounts.get_account(session, account_id).id)
    return schemas.BalancesAnswer(balances=[schemas.BalanceAnswer.of(balance) for balance in balances])


@router.get("/ledger/accounts/{account_id}/statement", responses=responses(NotFound))
def get_statement_of(
    account_id: AccountId, _caller: AdminCaller, session: SessionDep, page: PageDep, currency: CurrencyQuery = None
) -> Page[schemas.StatementEntry]:
    """An organisation's ledger entries, newest first."""
    entries, following = _entries(accounts.get_account(session, account_id).id, session, page, currency)
    return Page(items=[schemas.StatementEntry.of(entry) for entry in entries], next_cursor=following)


@router.get("/me/balance")
def get_balance(caller: AnyCaller, session: SessionDep) -> schemas.BalancesAnswer:
    """One's own money, by currency."""
    balances = service.balances(session, caller.account_id)
    return schemas.BalancesAnswer(balances=[schemas.BalanceAnswer.of(balance) for balance in balances])


@router.get("/me/statement")
def get_statement(
    caller: AnyCaller, session: SessionDep, page: PageDep, currency: CurrencyQuery = None
) -> Page[schemas.StatementEntry]:
    """One's own ledger entries, newest first. Summed over all pages, an account's entries are its balance."""
    entries, following = _entries(caller.account_id, session, page, currency)
    return Page(items=[schemas.StatementEntry.of(entry) for entry in entries], next_cursor=following)


@router.get(
    "/me/statement.csv",
    response_class=Response,
    responses={
        200: {
            "description": 'The same entries as CSV; `Link: <…>; rel="next"` leads to the next page.',
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": ",".join(statements.COLUMNS) + "\r\n",
                }
            },
        }
    },
)
def get_statement_csv(
    caller: AnyCaller, session: SessionDep, page: PageDep, currency: CurrencyQuery = None
) -> Response:
    """One's own ledger entries as CSV, newest first, safe to open in a spreadsheet."""
    entries, following = _entries(caller.account_id, session, page, currency)
    headers = attachment("statement.csv")
    if following is not None:
        chosen = f"&currency={currency}" if currency else ""
        headers |= {"Link": f'</v1/me/statement.csv?limit={page.limit}{chosen}&cursor={following}>; rel="next"'}
    return Response(statements.to_csv(entries), media_type="text/csv; charset=utf-8", headers=headers)


def _entries(
    owner_id: uuid.UUID, session: SessionDep, page: PageRequest, currency: str | None
) -> tuple[list[repository.Entry], str | None]:
    if currency is not None:
        money.exponent_of(currency)
    filters = {"list": "statement", "owner": owner_id, "currency": currency}
    before = None
    if (position := page.position(filters)) is not None:
        number, _, digits = position.partition(" ")
        before = (int(number), uuid.UUID(hex=digits))
    entries = list(service.statement(session, owner_id, currency=currency, before=before, limit=page.limit + 1))
    if len(entries) <= page.limit:
        return entries, None
    last = entries[page.limit - 1]
    return entries[: page.limit], page.sign(f"{last.position} {last.account_id.hex}", filters)


@router.get("/ledger/proof")
def prove_ledger(_caller: AdminCaller, session: SessionDep) -> schemas.ProofAnswer:
    """Check the whole ledger: every balance summed anew, every currency's sum zero, every hash in its chain."""
    return schemas.ProofAnswer.of(proof.prove(session))


@router.get("/ledger/disputes")
def list_disputes(_caller: AdminCaller, session: SessionDep) -> schemas.DisputesAnswer:
    """Disputes that wait for a decision, oldest first."""
    return schemas.DisputesAnswer(items=[schemas.OpenDispute.of(dispute) for dispute in disputes.waiting(session)])


@router.post(
    "/ledger/disputes/{valuation_id}",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def open_dispute(
    valuation_id: ValuationId, body: schemas.DisputeBody, caller: BuyerCaller, session: SessionDep
) -> schemas.DisputeAnswer:
    """Dispute what one's own job still holds back, while its window is open; an administrator decides."""
    disputed = service.open_dispute(session, valuation_id, caller.account_id, body.reason, body.kind)
    currency = _currency(session, valuation_id)
    return schemas.DisputeAnswer(valuation_id=valuation_id, disputed=money.plain(disputed, currency), currency=currency)


@router.post(
    "/ledger/disputes/{valuation_id}/resolution",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def resolve_dispute(
    valuation_id: ValuationId, body: schemas.ResolutionBody, _caller: AdminCaller, session: SessionDep
) -> schemas.MovedAnswer:
    """End a dispute: what is named goes back to the buyer, the rest is paid out."""
    currency = _currency(session, valuation_id)
    to_buyer: dict[uuid.UUID, int] = {}
    for refund in body.to_buyer:
        if refund.provider_id in to_buyer:
            raise InvalidInput(f"provider acc_{refund.provider_id.hex} is named twice; give one amount for each")
        to_buyer[refund.provider_id] = money.parse(refund.amount, currency, zero=True)
    moved = service.resolve_dispute(session, valuation_id, to_buyer)
    return schemas.MovedAnswer.of(valuation_id, currency, moved)


@router.post(
    "/ledger/holdbacks/{valuation_id}/release",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def release_holdback(valuation_id: ValuationId, _caller: AdminCaller, session: SessionDep) -> schemas.MovedAnswer:
    """Pay out what a job holds back, once its dispute window has ended."""
    moved = service.release_holdback(session, valuation_id)
    return schemas.MovedAnswer.of(valuation_id, _currency(session, valuation_id), moved)


def _currency(session: SessionDep, valuation_id: uuid.UUID) -> str:
    settlement = service.settlement_of(session, valuation_id)
    if settlement is None:
        raise NotFound(f"there is no settled job val_{valuation_id.hex}; wait until it is settled")
    return settlement.currency


@router.post(
    "/me/withdrawals",
    status_code=status.HTTP_201_CREATED,
    responses=responses(Conflict),
    dependencies=[IDEMPOTENT],
)
def request_withdrawal(
    body: schemas.WithdrawalBody, caller: PartyCaller, session: SessionDep
) -> schemas.WithdrawalAnswer:
    """Ask for one's payable money, or, as a buyer, for what is not spent; it is set aside until an administrator
    decides."""
    amount, source = money.parse(body.amount, body.currency), withdrawals.SOURCES[caller.role]
    asked = withdrawals.request(session, caller.account_id, amount, body.currency, source=source)
    return schemas.WithdrawalAnswer.of(asked)


@router.get("/me/withdrawals")
def list_own_withdrawals(caller: PartyCaller, session: SessionDep, page: PageDep) -> Page[schemas.WithdrawalAnswer]:
    """One's own withdrawals, newest first, and what became of each."""
    own, following = withdrawals.of_owner(session, caller.account_id, page)
    return Page(items=[schemas.WithdrawalAnswer.of(each) for each in own], next_cursor=following)


@router.get("/ledger/withdrawals")
def list_withdrawals(_caller: AdminCaller, session: SessionDep) -> schemas.WithdrawalsAnswer:
    """Withdrawals that wait for a decision, oldest first."""
    return schemas.WithdrawalsAnswer(items=[schemas.WithdrawalAnswer.of(w) for w in withdrawals.waiting(session)])


@router.post(
    "/ledger/withdrawals/{withdrawal_id}/approval",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def approve_withdrawal(
    withdrawal_id: schemas.WithdrawalId, _caller: AdminCaller, session: SessionDep
) -> schemas.WithdrawalAnswer:
    """Say that the money has left."""
    return schemas.WithdrawalAnswer.of(withdrawals.decide(session, withdrawal_id, approve=True))


@router.post(
    "/ledger/withdrawals/{withdrawal_id}/rejection",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def reject_withdrawal(
    withdrawal_id: schemas.WithdrawalId, _caller: AdminCaller, session: SessionDep
) -> schemas.WithdrawalAnswer:
    """Give the money back to its owner's balance."""
    return schemas.WithdrawalAnswer.of(withdrawals.decide(session, withdrawal_id, approve=False))


async def raw_body(request: Request) -> bytes:
    """The bytes as they were sent: a signature is of bytes, not of what they mean."""
    return await request.body()


@router.post(
    "/ledger/provider-events",
    responses=responses(Conflict, InvalidInput, NotFound, Unauthorized),
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": schemas.PROVIDER_EVENT},
            },
        },
    },
)
def receive_provider_event(
    body: Annotated[bytes, Depends(raw_body)],
    session: SessionDep,
    settings: SettingsDep,
    stripe_signature: Annotated[str, Header(max_length=1000, description="`t=…,v1=…`", examples=["t=1,v1=5f…"])] = "",
) -> schemas.ReceivedAnswer:
    """For a payment provider: a signed event, in Stripe's form, about a deposit or a payout. It counts once."""
    secret = settings.payment_webhook_secret
    if secret is None:
        raise NotFound("no payment provider is set up here; set CHERISH_PAYMENT_WEBHOOK_SECRET to receive its events")
    stripe_like.verify(body, stripe_signature, secret.get_secret_value(), time.time())
    event = stripe_like.read(body)
    if event is not None:
        provider_events.apply(session, event)
    return schemas.ReceivedAnswer(received=True, applied=event is not None)
