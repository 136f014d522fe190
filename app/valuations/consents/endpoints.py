"""Consents over HTTP: what a provider is asked, its answer, and whom a buyer's job waits for. Thin, like the others.

They are of the room ``datasets``: whoever may publish a provider's data may approve its use.
"""

from typing import Annotated

from fastapi import Query

from app.accounts.callers import IDEMPOTENT, AnyCaller, ProviderCaller
from app.errors import Conflict, NotFound
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import ValuationId
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations.consents import service
from app.valuations.consents.schemas import ConsentAnswer, ConsentBody, JobConsents
from app.valuations.states import ConsentStatus

router = api_router("/v1", "datasets")
of_jobs = api_router("/v1", "valuations")


@router.get("/me/consents")
def list_my_consents(
    caller: ProviderCaller,
    session: SessionDep,
    page: PageDep,
    status_: Annotated[
        list[ConsentStatus] | None, Query(alias="status", description="Only these; repeat it.", examples=[["pending"]])
    ] = None,
) -> Page[ConsentAnswer]:
    """The jobs that need or needed your consent, newest first."""
    items, following = service.list_mine(session, caller, status_ or [], page)
    return Page(items=items, next_cursor=following)


@router.get("/me/consents/{valuation_id}", responses=responses(NotFound))
def get_my_consent(valuation_id: ValuationId, caller: ProviderCaller, session: SessionDep) -> ConsentAnswer:
    """What one job asks you: for whom, what for, where, on which terms and for what price."""
    return service.get_mine(session, caller, valuation_id)


@router.post("/me/consents/{valuation_id}/approve", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def approve_valuation(
    valuation_id: ValuationId, body: ConsentBody, caller: ProviderCaller, session: SessionDep, settings: SettingsDep
) -> ConsentAnswer:
    """Let the job use your data, which is final; it begins when everybody it waits for has approved."""
    return service.answer(session, settings, caller, valuation_id, ConsentStatus.APPROVED, body.note)


@router.post("/me/consents/{valuation_id}/refuse", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def refuse_valuation(
    valuation_id: ValuationId, body: ConsentBody, caller: ProviderCaller, session: SessionDep, settings: SettingsDep
) -> ConsentAnswer:
    """Keep your data out of the job, which is final; it ends, or goes on without it, as its order says."""
    return service.answer(session, settings, caller, valuation_id, ConsentStatus.REFUSED, body.note)


@of_jobs.get("/valuations/{valuation_id}/consents", responses=responses(NotFound))
def list_consents(valuation_id: ValuationId, caller: AnyCaller, session: SessionDep) -> JobConsents:
    """Whose consent a job of yours needs, and what they said."""
    return JobConsents(items=service.of_job(session, caller, valuation_id))
