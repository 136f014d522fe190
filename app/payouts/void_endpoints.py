"""Void payouts over HTTP: a provider disputes its own, an administrator decides. Thin."""

from app.accounts.callers import IDEMPOTENT, AdminCaller, ProviderCaller
from app.errors import Conflict, NotFound
from app.http.deps import SessionDep
from app.http.ids import AccountId, ValuationId
from app.http.problems import responses
from app.http.routes import api_router
from app.payouts import voids
from app.payouts.void_schemas import VoidDecisionBody, VoidDisputeBody, VoidsAnswer

router = api_router("/v1", "payouts")


@router.get("/ledger/voids")
def list_voids(_caller: AdminCaller, session: SessionDep) -> VoidsAnswer:
    """Void payouts that their providers dispute and that wait for a decision, oldest first, 200 at most."""
    return VoidsAnswer.of(voids.waiting(session))


@router.post(
    "/ledger/voids/{valuation_id}",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def dispute_void(
    valuation_id: ValuationId, body: VoidDisputeBody, caller: ProviderCaller, session: SessionDep
) -> VoidsAnswer:
    """Say that your own payout of a job is not void, before it goes back to the buyer; an administrator decides."""
    return VoidsAnswer.of(voids.open_dispute(session, valuation_id, caller.account_id, body.reason))


@router.post(
    "/ledger/voids/{valuation_id}/{provider_id}",
    responses=responses(Conflict, NotFound),
    dependencies=[IDEMPOTENT],
)
def decide_void(
    valuation_id: ValuationId, provider_id: AccountId, body: VoidDecisionBody, _caller: AdminCaller, session: SessionDep
) -> VoidsAnswer:
    """Decide a provider's dispute: let it stand, or have rows opened once more."""
    decide = voids.stand if body.decision == "stands" else voids.ask_recheck
    return VoidsAnswer.of(decide(session, valuation_id, provider_id))
