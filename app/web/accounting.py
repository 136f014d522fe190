"""Pages of every organisation: money, statement, withdrawals; API keys and their rotation; the audit log."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Form, Query, Request, Response
from pydantic import Field

from app.accounts import service as accounts
from app.audit import service as audit
from app.billing import documents
from app.billing import service as billing
from app.billing.issuing import issued
from app.billing.schemas import BillingBody
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.ids import KeyId
from app.http.pages import PageRequest
from app.identity import Role
from app.payouts import money, statements, withdrawals
from app.payouts import schemas as payout_schemas
from app.payouts import service as payouts
from app.web.forms import PageForm, Texts, body_of, whole
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router()

PayoutReader = Annotated[Visitor, visiting("payouts:read")]
PayoutWriter = Annotated[Visitor, visiting("payouts:write")]
PayoutParty = Annotated[Visitor, visiting("payouts:write", Role.PROVIDER, Role.BUYER)]
KeyReader = Annotated[Visitor, visiting("keys:read")]
KeyWriter = Annotated[Visitor, visiting("keys:write")]
Auditor = Annotated[Visitor, visiting("accounts:read")]

_LONGEST_DAYS = 3650
_OVERLAP = timedelta(days=1)


class WithdrawalForm(PageForm):
    """What a provider, or a buyer of what it has not spent, wants to be paid out."""

    amount: str = ""
    currency: str = ""


class BillingForm(PageForm):
    """Whom documents are made out to."""

    name: str = ""
    address: str = ""
    country: str = ""
    vat_id: str = ""
    vat_percent: str = ""
    vat_note: str = ""


class KeyForm(PageForm):
    """A new key: of all scopes where none is ticked, without end where no days are given."""

    name: str = ""
    scopes: Texts = Field(default_factory=list)
    days: str = ""


@router.get("/money")
def show_money(request: Request, visitor: PayoutReader, session: SessionDep, paging: PageDep) -> Response:
    return _money_page(request, visitor, session, paging, None)


@router.post("/money/withdraw")
def ask_withdrawal(
    request: Request,
    visitor: PayoutParty,
    session: SessionDep,
    paging: PageDep,
    form: Annotated[WithdrawalForm, Form()],
) -> Response:
    try:
        with session.begin_nested():
            amount = money.parse(form.amount, form.currency)
            source = withdrawals.SOURCES[visitor.role]
            withdrawals.request(session, visitor.caller.account_id, amount, form.currency, source=source)
    except CherishError as error:
        return _money_page(request, visitor, session, paging, error)
    return see_other("/money")


@router.get("/money/statement.csv")
def download_statement(visitor: PayoutReader, session: SessionDep) -> Response:
    entries = payouts.statement(session, visitor.caller.account_id, limit=10_000)
    headers = attachment("statement.csv") | {"Cache-Control": "private, no-store"}
    return Response(statements.to_csv(entries), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/money/billing")
def save_billing(
    request: Request,
    visitor: PayoutWriter,
    session: SessionDep,
    paging: PageDep,
    form: Annotated[BillingForm, Form()],
) -> Response:
    said = {name: text for name, text in form.model_dump().items() if text}
    try:
        with session.begin_nested():
            body = body_of(BillingBody, said | {"country": form.country.upper()})
            billing.set_details(session, visitor.caller, body)
    except CherishError as refused:
        return _money_page(request, visitor, session, paging, refused, billed=True)
    return see_other("/money#months")


@router.get("/money/{month}/{currency}.pdf")
def download_document(
    request: Request, visitor: PayoutReader, session: SessionDep, settings: SettingsDep, month: str, currency: str
) -> Response:
    document = issued(session, request.app.state.session_factory, settings, visitor.caller, month, currency)
    headers = attachment(f"{document.number}.pdf") | {"Cache-Control": "private, no-store"}
    return Response(documents.to_pdf(document), media_type="application/pdf", headers=headers)


def _money_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    paging: PageRequest,
    error: CherishError | None,
    *,
    billed: bool = False,
) -> Response:
    """``billed``: the error is of the billing details."""
    owner = visitor.caller.account_id
    filters = {"page": "money", "owner": owner}
    before = None
    if (position := paging.position(filters)) is not None:
        count, _, digits = position.partition(" ")
        before = (int(count), uuid.UUID(hex=digits))
    entries = list(payouts.statement(session, owner, before=before, limit=paging.limit + 1))
    following = None
    if len(entries) > paging.limit:
        entries = entries[: paging.limit]
        following = paging.sign(f"{entries[-1].position} {entries[-1].account_id.hex}", filters)
    recent = PageRequest(20, None, paging.secret)
    requests, _ = withdrawals.of_owner(session, owner, recent)
    details = billing.details(session, owner)
    shown = {
        "months": billing.by_month(session, visitor.caller),
        "billing": details,
        "billing_error": error if billed else None,
        "balances": [payout_schemas.BalanceAnswer.of(balance) for balance in payouts.balances(session, owner)],
        "entries": [payout_schemas.StatementEntry.of(entry) for entry in entries],
        "next": following,
        "withdrawals": [payout_schemas.WithdrawalAnswer.of(each) for each in requests],
        "error": None if billed else error,
    }
    return page(request, "money.html", shown, visitor=visitor, status=error.status if error else 200)


@router.get("/keys")
def show_keys(request: Request, visitor: KeyReader, session: SessionDep, paging: PageDep) -> Response:
    return _keys_page(request, visitor, session, paging)


@router.post("/keys")
def create_key(
    request: Request,
    visitor: KeyWriter,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[KeyForm, Form()],
) -> Response:
    try:
        with session.begin_nested():
            if not 0 < len(form.name) <= 200:
                raise InvalidInput("a key has a name of at most 200 characters, by which you know it again")
            days = whole("days", form.days)
            if days is not None and not 0 < days <= _LONGEST_DAYS:
                raise InvalidInput(f"a key lives 1 to {_LONGEST_DAYS} days; leave it empty for one that does not end")
            ends = None if days is None else datetime.now(UTC) + timedelta(days=days)
            _, token = accounts.delegate_key(session, settings, visitor.caller, form.name, form.scopes or None, ends)
    except CherishError as refused:
        return _keys_page(request, visitor, session, paging, error=refused)
    return _keys_page(request, visitor, session, paging, token=token)


@router.post("/keys/{key_id}/rotate")
def rotate_key(
    request: Request,
    visitor: KeyWriter,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    key_id: KeyId,
) -> Response:
    """A new key in its place; the present one works for one more day, so that programs can be told."""
    try:
        with session.begin_nested():
            _, token = accounts.rotate_key(session, settings, visitor.caller, key_id, _OVERLAP)
    except CherishError as refused:
        return _keys_page(request, visitor, session, paging, error=refused)
    return _keys_page(request, visitor, session, paging, token=token)


@router.post("/keys/{key_id}/revoke")
def revoke_key(visitor: KeyWriter, session: SessionDep, key_id: KeyId) -> Response:
    accounts.revoke_key(session, visitor.caller.account_id, key_id)
    return see_other("/keys")


def _keys_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    paging: PageRequest,
    *,
    token: str | None = None,
    error: CherishError | None = None,
) -> Response:
    keys, following = accounts.list_keys(session, visitor.caller, paging)
    shown = {"keys": keys, "next": following, "token": token, "error": error, "now": datetime.now(UTC)}
    return page(request, "keys.html", shown, visitor=visitor, status=error.status if error else 201 if token else 200)


@router.get("/audit")
def show_audit(
    request: Request,
    visitor: Auditor,
    session: SessionDep,
    paging: PageDep,
    action: Annotated[str, Query(max_length=100)] = "",
    object_: Annotated[str, Query(alias="object", max_length=200)] = "",
) -> Response:
    filters = {"action": action.strip().replace(" ", "_") or None, "object": object_.strip() or None}
    entries, following = audit.entries(session, visitor.caller, filters, None, None, paging)
    names = accounts.names(session, {entry.account_id for entry in entries if entry.account_id is not None})
    shown = {"entries": entries, "next": following, "action": action, "object": object_, "names": names}
    return page(request, "audit.html", shown, visitor=visitor)
