"""A job's report for somebody without an account: by a link that its buyer makes, and that ends by itself.

The link is signed and names the job, its buyer and its end; nothing is stored, so it cannot be taken back before.
Whoever has it reads the report, providers' names and amounts included, and nothing else.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Form, Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from app.accounts import service as accounts
from app.errors import CherishError, FieldError, InvalidInput, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import ValuationId, public_id
from app.identity import AccountStatus, Caller, Role
from app.settings import Settings
from app.valuations import service
from app.valuations.results import reports
from app.web.forms import PageForm, whole
from app.web.jobs import Buyer
from app.web.rendering import page
from app.web.routes import page_router
from app.web.visitors import secret_of

router = page_router()

MOST_DAYS = 90
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Link:
    """What a link stands for."""

    valuation_id: uuid.UUID
    buyer_id: uuid.UUID
    ends: datetime


class ShareForm(PageForm):
    """For how many days the link works."""

    days: str = ""


def sign(secret: str, link: Link) -> str:
    """The link's token."""
    return _signer(secret).dumps([link.valuation_id.hex, link.buyer_id.hex, int(link.ends.timestamp())])


def read(secret: str, token: str, now: datetime) -> Link:
    """What a token stands for; raises NotFound where it is no link of ours or has ended."""
    try:
        valuation, buyer, ends = _signer(secret).loads(token)
        link = Link(uuid.UUID(hex=valuation), uuid.UUID(hex=buyer), datetime.fromtimestamp(ends, UTC))
    except (BadSignature, ValueError, TypeError):
        raise NotFound("this is no link to a report; ask whoever gave it to you for a whole one") from None
    if link.ends <= now:
        raise NotFound(f"this link ended on {link.ends:%Y-%m-%d}; ask whoever gave it to you for another")
    return link


def _signer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="shared-report")


@router.get("/jobs/{valuation_id}/share")
def show_share(request: Request, visitor: Buyer, session: SessionDep, valuation_id: ValuationId) -> Response:
    # a job that has not succeeded has no report to share
    service.values(session, visitor.caller, valuation_id)
    job = service.get(session, visitor.caller, valuation_id)
    return page(request, "share.html", {"job": job, "link": None, "ends": None, "error": None}, visitor=visitor)


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
    shown = {"job": service.get(session, visitor.caller, valuation_id), "link": None, "ends": None, "error": None}
    try:
        ends = datetime.now(UTC) + timedelta(days=_days(form.days))
    except CherishError as error:
        return page(request, "share.html", shown | {"error": error}, visitor=visitor, status=error.status)
    token = sign(secret_of(settings), Link(valuation_id, visitor.caller.account_id, ends))
    link = f"{settings.public_url.rstrip('/')}/shared/{token}"
    return page(request, "share.html", shown | {"link": link, "ends": ends}, visitor=visitor, status=201)


def _days(text: str) -> int:
    days = whole("days", text)
    if days is None or not 0 < days <= MOST_DAYS:
        detail = f"a link works 1 to {MOST_DAYS} days; say how many"
        raise InvalidInput(detail, errors=[FieldError("/days", detail)])
    return days


@router.get("/shared/{token}")
def show_shared(session: SessionDep, settings: SettingsDep, token: str) -> Response:
    """The report of a shared job, as its buyer would download it."""
    report = service.report(session, _buyer_of(session, settings, token), _read(settings, token).valuation_id)
    return Response(reports.to_html(report), media_type="text/html; charset=utf-8", headers=_HEADERS)


def _read(settings: Settings, token: str) -> Link:
    return read(secret_of(settings), token, datetime.now(UTC))


def _buyer_of(session: SessionDep, settings: Settings, token: str) -> Caller:
    """The buyer who shared it, as a caller who can do nothing; raises NotFound where it may not act any more."""
    link = _read(settings, token)
    account = accounts.get_account(session, link.buyer_id)
    if account.status is not AccountStatus.ACTIVE:
        raise NotFound(f"{public_id('val', link.valuation_id)} is not shared any more")
    return Caller(account.id, Role.BUYER, frozenset(), key_id=None)
