"""Webhooks over HTTP, and the OpenAPI ``webhooks`` section that says what they send. Thin; the rules are in service."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response, status
from pydantic import AwareDatetime, ConfigDict, create_model

from app.accounts.callers import IDEMPOTENT, AnyCaller, idempotent
from app.errors import Conflict, InvalidInput, NotFound
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.headers import made_at
from app.http.ids import DeliveryId, WebhookId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.http.schemas import Body, example_of
from app.webhooks import schemas, service
from app.webhooks.events import DATA, SUMMARIES
from app.webhooks.tables import DeliveryStatus, WebhookEndpoint

router = api_router("/v1/webhooks", "webhooks")


def _with_secret(endpoint: WebhookEndpoint, secret: str) -> schemas.WebhookWithSecret:
    shown = schemas.WebhookAnswer.model_validate(endpoint)
    return schemas.WebhookWithSecret.model_validate(
        {**shown.__dict__, "previous_until": shown.previous_secret_until, "secret": secret}
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(InvalidInput, Conflict),
    dependencies=[idempotent(secret_fields=("secret",))],
)
def create_webhook(
    body: schemas.WebhookBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep, response: Response
) -> schemas.WebhookWithSecret:
    """Register a URL of yours to be told what happens. Its secret is in this answer and nowhere else."""
    endpoint, secret = service.create_endpoint(
        session,
        settings,
        caller.account_id,
        url=body.url,
        description=body.description,
        event_types=body.events,
        enabled=body.enabled,
    )
    made_at(response, f"/v1/webhooks/{public_id('wh', endpoint.id)}")
    return _with_secret(endpoint, secret)


@router.get("")
def list_webhooks(caller: AnyCaller, session: SessionDep, page: PageDep) -> Page[schemas.WebhookAnswer]:
    """Your endpoints, newest first."""
    rows, following = service.list_endpoints(session, caller.account_id, page)
    return Page(items=[schemas.WebhookAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.get("/{webhook_id}", responses=responses(NotFound))
def get_webhook(webhook_id: WebhookId, caller: AnyCaller, session: SessionDep) -> schemas.WebhookAnswer:
    """One endpoint of yours."""
    return schemas.WebhookAnswer.model_validate(service.get_endpoint(session, caller.account_id, webhook_id))


@router.patch("/{webhook_id}", responses=responses(NotFound, InvalidInput))
def change_webhook(
    webhook_id: WebhookId, body: schemas.WebhookPatch, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.WebhookAnswer:
    """Change the URL, filter or note of an endpoint; disable it, or enable it again."""
    endpoint = service.change_endpoint(session, settings, caller.account_id, webhook_id, body)
    return schemas.WebhookAnswer.model_validate(endpoint)


@router.delete("/{webhook_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound))
def delete_webhook(webhook_id: WebhookId, caller: AnyCaller, session: SessionDep) -> None:
    """Delete an endpoint with its log."""
    service.delete_endpoint(session, caller.account_id, webhook_id)


@router.post(
    "/{webhook_id}/rotate",
    responses=responses(NotFound),
    dependencies=[idempotent(secret_fields=("secret",))],
)
def rotate_webhook_secret(
    webhook_id: WebhookId, body: schemas.RotateBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.WebhookWithSecret:
    """Make a new secret; until the overlap ends, every message carries a signature of each."""
    overlap = timedelta(hours=body.overlap_hours)
    return _with_secret(*service.rotate_secret(session, settings, caller.account_id, webhook_id, overlap))


@router.post(
    "/{webhook_id}/ping",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def ping_webhook(
    webhook_id: WebhookId, caller: AnyCaller, session: SessionDep, response: Response
) -> schemas.DeliveryAnswer:
    """Send a `webhook.ping` to this endpoint once, whatever its filter; look at the delivery for what came back."""
    delivery = service.ping(session, caller.account_id, webhook_id)
    made_at(response, _delivery_path(webhook_id, delivery.id))
    return schemas.DeliveryAnswer.of(delivery)


@router.get("/{webhook_id}/deliveries", responses=responses(NotFound))
def list_webhook_deliveries(
    webhook_id: WebhookId,
    caller: AnyCaller,
    session: SessionDep,
    page: PageDep,
    status: Annotated[DeliveryStatus | None, Query(description="Only those in this state.")] = None,
) -> Page[schemas.DeliveryAnswer]:
    """The log of an endpoint, newest first."""
    rows, following = service.list_deliveries(session, caller.account_id, webhook_id, status, page)
    return Page(items=[schemas.DeliveryAnswer.of(row) for row in rows], next_cursor=following)


@router.get("/{webhook_id}/deliveries/{delivery_id}", responses=responses(NotFound))
def get_webhook_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, caller: AnyCaller, session: SessionDep
) -> schemas.DeliveryDetail:
    """One delivery: what was sent, and what came back on each attempt."""
    row, attempts = service.get_delivery(session, caller.account_id, webhook_id, delivery_id)
    return schemas.DeliveryDetail.with_log(row, list(attempts))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def redeliver_webhook(
    webhook_id: WebhookId, delivery_id: DeliveryId, caller: AnyCaller, session: SessionDep, response: Response
) -> schemas.DeliveryAnswer:
    """Send an event again now, delivered or not; a receiver knows it by its `webhook-id`."""
    row = service.redeliver(session, caller.account_id, webhook_id, delivery_id)
    made_at(response, _delivery_path(webhook_id, row.id))
    return schemas.DeliveryAnswer.of(row)


def _delivery_path(webhook_id: WebhookId, delivery_id: DeliveryId) -> str:
    return f"/v1/webhooks/{public_id('wh', webhook_id)}/deliveries/{public_id('whd', delivery_id)}"


def _message(kind: str, data: type[Body]) -> Any:
    """The schema of one type's whole message."""
    whole: Any = {"type": kind, "timestamp": "2026-11-23T12:00:00Z", "data": example_of(data)}
    config = ConfigDict(json_schema_extra={"examples": [whole]})
    name = "".join(part.title() for part in kind.split(".")) + "Message"
    fields: dict[str, Any] = {"type": (Literal[kind], ...), "timestamp": (AwareDatetime, ...), "data": (data, ...)}
    return create_model(name, __config__=config, **fields)


def _described() -> APIRouter:
    """The OpenAPI ``webhooks`` section: one POST for each type, as receivers get it; none can be called here."""
    section = APIRouter()
    for kind, data in DATA.items():
        message = _message(kind.value, data)

        def receive(body: message) -> None:  # type: ignore[valid-type]  # made above
            """Verify the `webhook-signature`, then answer 2xx within 15 seconds; see docs/webhooks.md."""

        section.add_api_route(
            kind.value,
            receive,
            methods=["POST"],
            name="on_" + kind.value.replace(".", "_"),
            operation_id="on_" + kind.value.replace(".", "_"),
            responses={
                # declared, so that the framework adds no 422 of its own here
                "4XX": {"description": "Not received; tried again, up to ten times in three days."},
                410: {"description": "No more, please: the endpoint is disabled."},
            },
            summary=SUMMARIES[kind],
            tags=["webhooks"],
            status_code=status.HTTP_204_NO_CONTENT,
            response_description="Any 2xx: received. Anything else is tried again; 410 disables the endpoint.",
        )
    return section


described = _described()
