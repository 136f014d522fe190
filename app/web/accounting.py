"""Pages of every organisation: money, statement, withdrawals; API keys; webhooks with their log; the audit log."""

import uuid
from datetime import timedelta
from typing import Annotated

from fastapi import Request, Response

from app.accounts import service as accounts
from app.accounts.roles import Role
from app.audit import service as audit
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import DeliveryId, KeyId, WebhookId, public_id
from app.http.pages import PageRequest
from app.payouts import money, statements, withdrawals
from app.payouts import schemas as payout_schemas
from app.payouts import service as payouts
from app.web.forms import FormDep
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

router = page_router()

PayoutReader = Annotated[Visitor, visiting("payouts:read")]
PayoutProvider = Annotated[Visitor, visiting("payouts:write", Role.PROVIDER)]
KeyReader = Annotated[Visitor, visiting("keys:read")]
KeyWriter = Annotated[Visitor, visiting("keys:write")]
Auditor = Annotated[Visitor, visiting("accounts:read")]
HookReader = Annotated[Visitor, visiting("webhooks:read")]
HookWriter = Annotated[Visitor, visiting("webhooks:write")]


@router.get("/money")
def show_money(request: Request, visitor: PayoutReader, session: SessionDep, paging: PageDep) -> Response:
    return _money_page(request, visitor, session, paging, None)


@router.post("/money/withdraw")
def ask_withdrawal(
    request: Request, visitor: PayoutProvider, session: SessionDep, paging: PageDep, form: FormDep
) -> Response:
    currency = form.text("currency")
    try:
        with session.begin_nested():
            amount = money.parse(form.text("amount"), currency)
            withdrawals.request(session, visitor.caller.account_id, amount, currency)
    except CherishError as error:
        return _money_page(request, visitor, session, paging, error)
    return see_other("/money")


@router.get("/money/statement.csv")
def download_statement(visitor: PayoutReader, session: SessionDep) -> Response:
    entries = payouts.statement(session, visitor.caller.account_id, limit=10_000)
    headers = {"Content-Disposition": 'attachment; filename="statement.csv"', "Cache-Control": "private, no-store"}
    return Response(statements.to_csv(entries), media_type="text/csv; charset=utf-8", headers=headers)


def _money_page(
    request: Request, visitor: Visitor, session: SessionDep, paging: PageRequest, error: CherishError | None
) -> Response:
    owner = visitor.caller.account_id
    filters = {"page": "money", "owner": owner}
    before = None
    if (position := paging.position(filters)) is not None:
        count, _, digits = position.partition(" ")
        before = (int(count), uuid.UUID(hex=digits))
    found = list(payouts.statement(session, owner, before=before, limit=paging.limit + 1))
    following = None
    if len(found) > paging.limit:
        found = found[: paging.limit]
        following = paging.sign(f"{found[-1].position} {found[-1].account_id.hex}", filters)
    shown = {
        "balances": [payout_schemas.BalanceAnswer.of(each) for each in payouts.balances(session, owner)],
        "entries": [payout_schemas.StatementEntry.of(each) for each in found],
        "next": following,
        "error": error,
    }
    return page(request, "money.html", shown, visitor=visitor, status=error.status if error else 200)


@router.get("/keys")
def show_keys(request: Request, visitor: KeyReader, session: SessionDep, paging: PageDep) -> Response:
    keys, following = accounts.list_keys(session, visitor.caller, paging)
    return page(request, "keys.html", {"keys": keys, "next": following, "token": None, "error": None}, visitor=visitor)


@router.post("/keys")
def create_key(
    request: Request, visitor: KeyWriter, session: SessionDep, settings: SettingsDep, paging: PageDep, form: FormDep
) -> Response:
    token, error = None, None
    try:
        with session.begin_nested():
            name = form.text("name")
            if not 0 < len(name) <= 200:
                raise InvalidInput("a key has a name of at most 200 characters, by which you know it again")
            chosen = list(form.all("scopes")) or None
            _, token = accounts.delegate_key(session, settings, visitor.caller, name, chosen, None)
    except CherishError as refused:
        error = refused
    keys, following = accounts.list_keys(session, visitor.caller, paging)
    shown = {"keys": keys, "next": following, "token": token, "error": error}
    return page(request, "keys.html", shown, visitor=visitor, status=error.status if error else 201)


@router.post("/keys/{key_id}/revoke")
def revoke_key(visitor: KeyWriter, session: SessionDep, key_id: KeyId) -> Response:
    accounts.revoke_key(session, visitor.caller.account_id, key_id)
    return see_other("/keys")


@router.get("/webhooks")
def show_webhooks(request: Request, visitor: HookReader, session: SessionDep, paging: PageDep) -> Response:
    return _webhooks_page(request, visitor, session, paging, None, None)


@router.post("/webhooks")
def create_webhook(
    request: Request, visitor: HookWriter, session: SessionDep, settings: SettingsDep, paging: PageDep, form: FormDep
) -> Response:
    secret, error = None, None
    try:
        with session.begin_nested():
            chosen = [EventType(each) for each in form.all("events") if each in set(EventType)] or None
            _, secret = webhooks.create_endpoint(
                session, settings, visitor.caller.account_id, url=form.text("url"), event_types=chosen
            )
    except CherishError as refused:
        error = refused
    return _webhooks_page(request, visitor, session, paging, secret, error)


@router.get("/webhooks/{webhook_id}")
def show_webhook(
    request: Request, visitor: HookReader, session: SessionDep, paging: PageDep, webhook_id: WebhookId
) -> Response:
    owner = visitor.caller.account_id
    endpoint = webhooks.get_endpoint(session, owner, webhook_id)
    deliveries, following = webhooks.list_deliveries(session, owner, webhook_id, None, paging)
    shown = {"hook": endpoint, "deliveries": deliveries, "next": following}
    return page(request, "webhook.html", shown, visitor=visitor)


@router.post("/webhooks/{webhook_id}/ping")
def ping(visitor: HookWriter, session: SessionDep, webhook_id: WebhookId) -> Response:
    webhooks.ping(session, visitor.caller.account_id, webhook_id)
    return see_other(f"/webhooks/{public_id('wh', webhook_id)}")


@router.post("/webhooks/{webhook_id}/rotate")
def rotate(
    request: Request,
    visitor: HookWriter,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    webhook_id: WebhookId,
) -> Response:
    _, secret = webhooks.rotate_secret(session, settings, visitor.caller.account_id, webhook_id, timedelta(days=1))
    return _webhooks_page(request, visitor, session, paging, secret, None)


@router.post("/webhooks/{webhook_id}/enabled")
def enable(
    visitor: HookWriter, session: SessionDep, settings: SettingsDep, webhook_id: WebhookId, form: FormDep
) -> Response:
    wanted = {"enabled": form.text("enabled") == "yes"}
    webhooks.change_endpoint(session, settings, visitor.caller.account_id, webhook_id, wanted)
    return see_other(f"/webhooks/{public_id('wh', webhook_id)}")


@router.post("/webhooks/{webhook_id}/delete")
def delete_webhook(visitor: HookWriter, session: SessionDep, webhook_id: WebhookId) -> Response:
    webhooks.delete_endpoint(session, visitor.caller.account_id, webhook_id)
    return see_other("/webhooks")


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver")
def redeliver(visitor: HookWriter, session: SessionDep, webhook_id: WebhookId, delivery_id: DeliveryId) -> Response:
    webhooks.redeliver(session, visitor.caller.account_id, webhook_id, delivery_id)
    return see_other(f"/webhooks/{public_id('wh', webhook_id)}")


def _webhooks_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    paging: PageRequest,
    secret: str | None,
    error: CherishError | None,
) -> Response:
    hooks, following = webhooks.list_endpoints(session, visitor.caller.account_id, paging)
    shown = {
        "hooks": hooks,
        "next": following,
        "secret": secret,
        "error": error,
        "types": [each.value for each in EventType],
    }
    return page(request, "webhooks.html", shown, visitor=visitor, status=error.status if error else 200)


@router.get("/audit")
def show_audit(request: Request, visitor: Auditor, session: SessionDep, paging: PageDep) -> Response:
    found, following = audit.entries(session, visitor.caller, {}, None, None, paging)
    return page(request, "audit.html", {"entries": found, "next": following}, visitor=visitor)
