"""The page of rows that a job delivers: what they cost and buying them, links to them, the manifest of copies."""

import json
import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, Request, Response

from app.errors import CherishError, InvalidInput, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.ids import DatasetId, ValuationId, public_id
from app.settings import Settings
from app.valuations import data_delivery, handover, service
from app.web.forms import PageForm, whole
from app.web.jobs import Buyer
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor

router = page_router("/jobs")

MOST_HOURS = 720


class RowsForm(PageForm):
    """What is done about one dataset: ``hours`` of a new link, or the ``link`` to end."""

    hours: str = ""
    link: str = ""


@router.get("/{valuation_id}/rows")
def show_rows(
    request: Request, visitor: Buyer, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    return _page(request, visitor, session, settings, valuation_id, None)


@router.post("/{valuation_id}/rows/{dataset_id}/buy")
def buy_rows(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    dataset_id: DatasetId,
) -> Response:
    try:
        with session.begin_nested():
            data_delivery.purchase(session, visitor.caller, valuation_id, dataset_id)
    except CherishError as refused:
        return _page(request, visitor, session, settings, valuation_id, refused)
    return see_other(f"/jobs/{public_id('val', valuation_id)}/rows")


@router.post("/{valuation_id}/rows/{dataset_id}/links")
def link_rows(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    dataset_id: DatasetId,
    form: Annotated[RowsForm, Form()],
) -> Response:
    try:
        hours = whole("hours", form.hours)
        if hours is None or not 0 < hours <= MOST_HOURS:
            raise InvalidInput(f"a link works 1 to {MOST_HOURS} hours; say how many")
        data_delivery.make_link(session, settings, visitor.caller, valuation_id, dataset_id, hours)
    except CherishError as refused:
        return _page(request, visitor, session, settings, valuation_id, refused)
    return see_other(f"/jobs/{public_id('val', valuation_id)}/rows")


@router.post("/{valuation_id}/rows/{dataset_id}/links/take-back")
def take_link_back(
    visitor: Buyer,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    dataset_id: DatasetId,
    form: Annotated[RowsForm, Form()],
) -> Response:
    """End a link before its time."""
    try:
        link_id = uuid.UUID(hex=form.link)
    except ValueError:
        raise NotFound("there is no such link to this dataset") from None
    data_delivery.take_back(session, settings, visitor.caller, valuation_id, dataset_id, link_id)
    return see_other(f"/jobs/{public_id('val', valuation_id)}/rows")


@router.get("/{valuation_id}/rows/{dataset_id}/manifest.json")
def download_manifest(
    visitor: Buyer, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId, dataset_id: DatasetId
) -> Response:
    signed = data_delivery.manifest(session, settings, visitor.caller, valuation_id, dataset_id)
    headers = attachment(f"{public_id('ds', dataset_id)}-manifest.json") | {"Cache-Control": "private, no-store"}
    return Response(json.dumps(signed, indent=2), media_type="application/json", headers=headers)


def _page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    settings: Settings,
    valuation_id: uuid.UUID,
    error: CherishError | None,
) -> Response:
    delivered = handover.delivery(session, visitor.caller, valuation_id).data or []
    links = {
        each.dataset_id: data_delivery.list_links(session, settings, visitor.caller, valuation_id, each.dataset_id)
        for each in delivered
    }
    shown = {
        "job": service.get(session, visitor.caller, valuation_id),
        "rows": delivered,
        "links": links,
        "error": error,
        "now": datetime.now(UTC),
    }
    return page(request, "delivered.html", shown, visitor=visitor, status=error.status if error else 200)
