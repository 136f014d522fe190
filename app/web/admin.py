"""The administrator's pages on work and money: queue, workers, failures with their cause, deposits, the proof."""

from typing import Annotated

from fastapi import Form, Query, Request, Response

from app.accounts import service as accounts
from app.admin import service as administration
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep
from app.http.ids import parse_id
from app.identity import Role
from app.payouts import money, proof, withdrawals
from app.payouts import schemas as payout_schemas
from app.payouts import service as payouts
from app.web import charts
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/admin")

Overseer = Annotated[Visitor, visiting("valuations:read", Role.ADMIN)]
Cashier = Annotated[Visitor, visiting("payouts:read", Role.ADMIN)]
Treasurer = Annotated[Visitor, visiting("payouts:write", Role.ADMIN)]


class DepositForm(PageForm):
    """What a buyer has paid in; the same ``reference`` is booked once."""

    account: str = ""
    amount: str = ""
    currency: str = ""
    reference: str = ""


class DecisionForm(PageForm):
    """``approve`` pays a withdrawal out; anything else gives it back."""

    decision: str = ""


@router.get("")
def show_work(request: Request, visitor: Overseer, session: SessionDep, paging: PageDep) -> Response:
    failed, following = administration.failures(session, paging)
    names = accounts.names(session, {job.buyer_id for job in failed})
    hours = administration.throughput(session)
    shown = {
        "hours": [each for each in reversed(hours) if each.under_way or each.succeeded or each.otherwise],
        "throughput": charts.throughput(hours),
        "queues": administration.queues(session),
        "workers": administration.workers(session),
        "failures": failed,
        "next": following,
        "names": names,
    }
    return page(request, "admin.html", shown, visitor=visitor)


@router.get("/ledger")
def show_ledger(
    request: Request, visitor: Cashier, session: SessionDep, account: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    return _ledger_page(request, visitor, session, None, None, account)


@router.post("/ledger/proof")
def prove(request: Request, visitor: Treasurer, session: SessionDep) -> Response:
    proved = payout_schemas.ProofAnswer.of(proof.prove(session))
    return _ledger_page(request, visitor, session, proved, None)


@router.post("/ledger/deposits")
def deposit(
    request: Request, visitor: Treasurer, session: SessionDep, form: Annotated[DepositForm, Form()]
) -> Response:
    try:
        with session.begin_nested():
            _deposit(session, form)
    except CherishError as error:
        return _ledger_page(request, visitor, session, None, error, form.account)
    return see_other("/admin/ledger")


@router.post("/ledger/withdrawals/{withdrawal_id}")
def decide(
    request: Request,
    visitor: Treasurer,
    session: SessionDep,
    withdrawal_id: payout_schemas.WithdrawalId,
    form: Annotated[DecisionForm, Form()],
) -> Response:
    try:
        with session.begin_nested():
            withdrawals.decide(session, withdrawal_id, approve=form.decision == "approve")
    except CherishError as error:
        return _ledger_page(request, visitor, session, None, error)
    return see_other("/admin/ledger")


def _deposit(session: SessionDep, form: DepositForm) -> None:
    try:
        account_id = parse_id("acc", form.account)
    except ValueError as error:
        raise InvalidInput(f"account: {error}") from None
    buyer = accounts.get_account(session, account_id)
    if buyer.role is not Role.BUYER:
        raise InvalidInput(f"account {form.account} is a {buyer.role.value}; only buyers have a wallet")
    if not 0 < len(form.reference) <= 200:
        raise InvalidInput("a deposit has a reference of at most 200 characters; the same one is booked once")
    amount = money.parse(form.amount, form.currency)
    payouts.deposit(session, account_id, amount, form.currency, form.reference)


def _ledger_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    proved: payout_schemas.ProofAnswer | None,
    error: CherishError | None,
    chosen: str = "",
) -> Response:
    waiting = [payout_schemas.WithdrawalAnswer.of(withdrawal) for withdrawal in withdrawals.waiting(session)]
    names = accounts.names(session, {withdrawal.account_id for withdrawal in waiting})
    shown = {"proof": proved, "waiting": waiting, "names": names, "error": error, "chosen": chosen}
    return page(request, "ledger.html", shown, visitor=visitor, status=error.status if error else 200)
