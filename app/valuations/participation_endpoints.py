"""A provider's side of one job, over HTTP. Thin, like the others."""

from app.accounts.callers import ProviderCaller
from app.errors import Conflict, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import ValuationId
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations import participation
from app.valuations.job_schemas import MyValuation
from app.valuations.results.payout_schemas import Certificate

router = api_router("/v1", "valuations")


@router.get("/me/valuations/{valuation_id}", responses=responses(NotFound))
def get_my_valuation(valuation_id: ValuationId, caller: ProviderCaller, session: SessionDep) -> MyValuation:
    """One job that values your data: for whom, what for, on which terms, and what came of it, with the reason."""
    return participation.job(session, caller, valuation_id)


@router.get("/me/valuations/{valuation_id}/certificate", responses=responses(NotFound, Conflict))
def get_my_certificate(
    valuation_id: ValuationId, caller: ProviderCaller, session: SessionDep, settings: SettingsDep
) -> Certificate:
    """Your own part of a settled job, signed: values, intervals, share, amounts and reasons, and the digests that the
    buyer's certificate names; check it with `GET /v1/valuations/certificates/key`."""
    return Certificate.model_validate(participation.certificate(session, settings, caller, valuation_id))
