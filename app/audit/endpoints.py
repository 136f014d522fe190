"""The audit log over HTTP: an organisation reads what was done by it and to it, an administrator reads everything."""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from app.accounts.callers import AnyCaller
from app.audit import schemas, service
from app.http.deps import PageDep, SessionDep
from app.http.ids import AccountId, UserId
from app.http.pages import Page
from app.http.routes import api_router

router = api_router("/v1", "audit")


@router.get("/audit")
def list_audit_entries(
    caller: AnyCaller,
    session: SessionDep,
    page: PageDep,
    action: Annotated[
        str | None, Query(max_length=100, description="The operation's name.", examples=["create_key"])
    ] = None,
    object_: Annotated[
        str | None, Query(alias="object", max_length=200, description="The id of what was changed.", examples=[None])
    ] = None,
    account_id: Annotated[AccountId | None, Query(description="Who acted: an organisation.")] = None,
    user_id: Annotated[UserId | None, Query(description="Who acted: a user.")] = None,
    request_id: Annotated[str | None, Query(max_length=128, description="One request.", examples=[None])] = None,
    since: Annotated[AwareDatetime | None, Query(description="Not before.", examples=["2026-11-01T00:00:00Z"])] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before.", examples=[None])] = None,
) -> Page[schemas.AuditAnswer]:
    """Every change, newest first: those by and to one's own organisation; all of them for an administrator."""
    filters = {
        "action": action,
        "object": object_,
        "account_id": account_id,
        "user_id": user_id,
        "request_id": request_id,
    }
    rows, following = service.entries(session, caller, filters, since, until, page)
    return Page(items=[schemas.AuditAnswer.model_validate(row) for row in rows], next_cursor=following)
