"""Pages on webhooks: addresses, secrets, and the log with what was sent, what came back, and sending it again."""

import json
from datetime import timedelta
from typing import Annotated

from fastapi import Form, Query, Request, Response
from pydantic import Field

from app.errors import CherishError
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import DeliveryId, WebhookId, public_id
from app.http.pages import PageRequest
from app.web.forms import PageForm, Texts
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from app.webhooks.schemas import WebhookPatch
from app.webhooks.tables import DeliveryStatus

router = page_router()

HookReader = Annotated[Visitor, visiting("webhooks:read")]
HookWriter = Annotated[Visitor, visiting("webhooks:write")]


class WebhookForm(PageForm):
    """A new webhook; it is told of everything where no events are ticked."""

    url: str = ""
    events: Texts = Field(default_factory=list)


class SwitchForm(PageForm):
    """``yes`` turns a webhook on, anything else off."""

    enabled: str = ""


@router.get("/webhooks")
def show_webhooks(request: Request, visitor: HookReader, session: SessionDep, paging: PageDep) -> Response:
    return _webhooks_page(request, visitor, session, paging, None, None)


@router.post("/webhooks")
def create_webhook(
    request: Request,
    visitor: HookWriter,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[WebhookForm, Form()],
) -> Response:
    secret, error = None, None
    try:
        with session.begin_nested():
            chosen = [EventType(event) for event in form.events if event in set(EventType)] or None
            _, secret = webhooks.create_endpoint(
                session, settings, visitor.caller.account_id, url=form.url, event_types=chosen
            )
    except CherishError as refused:
        error = refused
    return _webhooks_page(request, visitor, session, paging, secret, error)


@router.get("/webhooks/{webhook_id}")
def show_webhook(
    request: Request,
    visitor: HookReader,
    session: SessionDep,
    paging: PageDep,
    webhook_id: WebhookId,
    status: Annotated[DeliveryStatus | None, Query()] = None,
) -> Response:
    owner = visitor.caller.account_id
    endpoint = webhooks.get_endpoint(session, owner, webhook_id)
    deliveries, following = webhooks.list_deliveries(session, owner, webhook_id, status, paging)
    shown = {
        "hook": endpoint,
        "deliveries": deliveries,
        "next": following,
        "chosen": status.value if status else "",
        "statuses": [member.value for member in DeliveryStatus],
    }
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
    visitor: HookWriter,
    session: SessionDep,
    settings: SettingsDep,
    webhook_id: WebhookId,
    form: Annotated[SwitchForm, Form()],
) -> Response:
    change = WebhookPatch(enabled=form.enabled == "yes")
    webhooks.change_endpoint(session, settings, visitor.caller.account_id, webhook_id, change)
    return see_other(f"/webhooks/{public_id('wh', webhook_id)}")


@router.post("/webhooks/{webhook_id}/delete")
def delete_webhook(visitor: HookWriter, session: SessionDep, webhook_id: WebhookId) -> Response:
    webhooks.delete_endpoint(session, visitor.caller.account_id, webhook_id)
    return see_other("/webhooks")


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
def show_delivery(
    request: Request, visitor: HookReader, session: SessionDep, webhook_id: WebhookId, delivery_id: DeliveryId
) -> Response:
    """One delivery: the body that was signed and sent, and every attempt with what came back."""
    owner = visitor.caller.account_id
    delivery, attempts = webhooks.get_delivery(session, owner, webhook_id, delivery_id)
    shown = {
        "hook": webhooks.get_endpoint(session, owner, webhook_id),
        "delivery": delivery,
        "attempts": attempts,
        "body": json.dumps(json.loads(webhooks.message_body(delivery.event)), indent=2, ensure_ascii=False),
    }
    return page(request, "delivery.html", shown, visitor=visitor)


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
        "types": [member.value for member in EventType],
    }
    return page(request, "webhooks.html", shown, visitor=visitor, status=error.status if error else 200)
