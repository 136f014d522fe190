"""A job's report for somebody without an account: by a link that its buyer makes, and that ends by itself or is taken
back.

The link is the signed id of a stored one, so that no other can be guessed. Whoever has it reads the report, providers'
names and amounts included, and nothing else.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Form, Request, Response
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.errors import CherishError, FieldError, InvalidInput, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import ValuationId, public_id
from app.identity import AccountStatus, Caller, Role
from app.valuations import service
from app.valuations.results import report_links, reports
from app.valuations.tables import Valuation
from app.web.forms import PageForm, whole
from app.web.jobs import Buyer
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, secret_of

router = page_router()

MOST_DAYS = 90
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}


class TakeBackForm(PageForm):
    """Which link is to end."""

    link: str = ""


class ShareForm(PageForm):
    """For how many days the link works."""

    days: str = ""


def sign(secret: str, link_id: uuid.UUID) -> str:
    """The link's token."""
    return _signer(secret).dumps(link_id.hex)


def read(secret: str, token: str) -> uuid.UUID:
    """The link of a token; raises NotFound where it is none of ours."""
    try:
        return uuid.UUID(hex=_signer(secret).loads(token))
    except (BadSignature, ValueError, TypeError, AttributeError):
        raise NotFound("this is no link to a report; ask whoever gave it to you for a whole one") from None


def _signer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="shared-report")


@router.get("/jobs/{valuation_id}/share")
def show_share(request: Request, visitor: Buyer, session: SessionDep, valuation_id: ValuationId) -> Response:
    # a job that has not succeeded has no report to share
    service.values(session, visitor.caller, valuation_id)
    return _share_page(request, visitor, session, valuation_id)


@router.post("/jobs/{valuation_id}/share")
def share_job(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    form: Annotated[ShareForm, Form()],
) -> Response:
    service.values(session, visitor.caller, valuation_id)
    try:
        ends = datetime.now(UTC) + timedelta(days=_days(form.days))
    except CherishError as error:
        return _share_page(request, visitor, session, valuation_id, error=error)
    made = report_links.make(session, valuation_id, ends)
    link = f"{settings.public_url.rstrip('/')}/shared/{sign(secret_of(settings), made.id)}"
    return _share_page(request, visitor, session, valuation_id, link=link, ends=ends)


@router.post("/jobs/{valuation_id}/share/take-back")
def take_back(
    visitor: Buyer, session: SessionDep, valuation_id: ValuationId, form: Annotated[TakeBackForm, Form()]
) -> Response:
    """End a link before its time."""
    service.get(session, visitor.caller, valuation_id)
    try:
        link_id = uuid.UUID(hex=form.link)
    except ValueError:
        raise NotFound("this job has no such link") from None
    report_links.take_back(session, valuation_id, link_id, datetime.now(UTC))
    return see_other(f"/jobs/{public_id('val', valuation_id)}/share")


def _share_page(
    request: Request,
    visitor: Visitor,
    session: Session,
    valuation_id: uuid.UUID,
    *,
    link: str | None = None,
    ends: datetime | None = None,
    error: CherishError | None = None,
) -> Response:
    shown = {
        "job": service.get(session, visitor.caller, valuation_id),
        "links": report_links.working(session, valuation_id, datetime.now(UTC)),
        "link": link,
        "ends": ends,
        "error": error,
    }
    status = error.status if error is not None else 200 if link is None else 201
    return page(request, "share.html", shown, visitor=visitor, status=status)


def _days(text: str) -> int:
    days = whole("days", text)
    if days is None or not 0 < days <= MOST_DAYS:
        detail = f"a link works 1 to {MOST_DAYS} days; say how many"
        raise InvalidInput(detail, errors=[FieldError("/days", detail)])
    return days


@router.get("/shared/{token}")
def show_shared(session: SessionDep, settings: SettingsDep, token: str) -> Response:
    """The report of a shared job, as its buyer would download it."""
    job = report_links.opened(session, read(secret_of(settings), token), datetime.now(UTC))
    report = service.report(session, _as_its_buyer(session, job), job.id)
    return Response(reports.to_html(report), media_type="text/html; charset=utf-8", headers=_HEADERS)


def _as_its_buyer(session: Session, job: Valuation) -> Caller:
    """The buyer who shared it, as a caller who can do nothing; raises NotFound where it may not act any more."""
    account = accounts.get_account(session, job.buyer_id)
    if account.status is not AccountStatus.ACTIVE:
        raise NotFound(f"{public_id('val', job.id)} is not shared any more")
    return Caller(account.id, Role.BUYER, frozenset(), key_id=None)
