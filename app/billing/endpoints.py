"""Billing over HTTP: details, money by month, and the document of a month. Thin."""

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from app.accounts.callers import AnyCaller
from app.billing import documents, schemas, service
from app.billing.issuing import issued
from app.errors import Conflict, InvalidInput, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1", "payouts")


@router.get("/me/billing")
def get_billing(caller: AnyCaller, session: SessionDep) -> schemas.BillingAnswer:
    """Whom your invoices and credit notes are made out to; null before you said so."""
    return service.details(session, caller.account_id) or schemas.BillingAnswer()


@router.put("/me/billing", responses=responses(InvalidInput))
def set_billing(body: schemas.BillingBody, caller: AnyCaller, session: SessionDep) -> schemas.BillingAnswer:
    """Say whom your documents are made out to, and what VAT your amounts contain."""
    return service.set_details(session, caller, body)


@router.get("/me/months")
def list_months(caller: AnyCaller, session: SessionDep) -> schemas.MonthsAnswer:
    """Your money by month (UTC) and currency, newest first; its sums are those of the statement."""
    return schemas.MonthsAnswer(items=service.by_month(session, caller))


@router.get(
    "/me/documents/{month}",
    response_class=Response,
    responses=responses(Conflict, InvalidInput, NotFound)
    | {
        200: {
            "description": "The document, as PDF or HTML.",
            "content": {
                "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4..."},
                "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>..."},
            },
        }
    },
)
def get_document(
    month: Annotated[str, Path(max_length=20, examples=["2026-11"])],
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    currency: Annotated[str, Query(min_length=3, max_length=3, examples=["EUR"])],
    format_: Annotated[Literal["pdf", "html"], Query(alias="format", examples=["pdf"])] = "pdf",
) -> Response:
    """A provider's credit note, or a buyer's invoice, of a month that has ended: each settled job, net, VAT, total.
    It is issued when it is first asked for, under its seller's next number of the year, and never changes."""
    statement = issued(session, request.app.state.session_factory, settings, caller, month, currency)
    if format_ == "html":
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:"}
        return Response(documents.to_html(statement), media_type="text/html", headers=headers)
    return Response(
        documents.to_pdf(statement), media_type="application/pdf", headers=attachment(f"{statement.number}.pdf")
    )
