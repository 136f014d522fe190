"""A provider's side of one job: for whom and on which terms its data was valued, what it came to, and a certificate.

Never commits, and shows nothing of the other providers. A job that values nothing of the caller's is not found.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.datasets.tables import Dataset
from app.errors import Conflict, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.payouts import service as payouts
from app.payouts import voids
from app.payouts.void_schemas import VoidAnswer
from app.settings import Settings
from app.valuations import repository
from app.valuations.job_schemas import MyValuation
from app.valuations.results import answers, certificates, segments, settlement
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.document import digest_of

FORMAT = "cherish-provider-certificate-1"


def job(session: Session, caller: Caller, valuation_id: uuid.UUID) -> MyValuation:
    """One's own part of a job; raises NotFound."""
    valuation, players = _own(session, caller, valuation_id)
    buyer = pseudonyms.shown_to(session, caller.account_id, {valuation.buyer_id})[valuation.buyer_id]
    part, kept = answers.mine(valuation, players, buyer.name), repository.result_of(session, valuation_id)
    if valuation.status is not ValuationStatus.SUCCEEDED or kept is None:
        return part
    void = {each.player_id: each for each in voids.of_job(session, valuation_id, caller.account_id)}
    told = []
    for line, player in zip(part.players, players, strict=True):
        own = void.get(settlement.player_key(valuation.order, player))
        changes = {
            "segments": segments.of_payee(valuation.job_inputs, player.position, kept.document, own=True),
            "void": None if own is None else VoidAnswer.of(own),
        }
        told.append(line.model_copy(update=changes))
    return part.model_copy(update={"players": told})


def datasets(session: Session, caller: Caller, part: MyValuation) -> Sequence[Dataset]:
    """One's own datasets of the job."""
    ids = {dataset for player in part.players for dataset in player.datasets}
    return [each for each in repository.datasets_by_id(session, ids).values() if each.provider_id == caller.account_id]


def certificate(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID) -> dict[str, Any]:
    """What was found of one's own data and paid for it, signed; raises Conflict before the job has settled.

    It names the order, the game and the result by the digests that the buyer's certificate names too, so that either
    side can show that both are of one job; of others it holds nothing.
    """
    valuation, players = _own(session, caller, valuation_id)
    name = public_id("val", valuation_id)
    if valuation.status is not ValuationStatus.SUCCEEDED:
        raise Conflict(f"valuation {name} is {valuation.status.value}; there is a certificate once it has succeeded")
    settled, kept = payouts.settlement_of(session, valuation_id), repository.result_of(session, valuation_id)
    if settled is None or kept is None:
        raise AssertionError(f"valuation {valuation_id} has succeeded without a settlement or a result")
    part = job(session, caller, valuation_id)
    measured_on = part.measured_on
    # certificates of jobs from before these were noted stay what they were
    unnoted = () if measured_on is None else [name for name in ("late", "lot") if getattr(measured_on, name) is None]
    shown = part.model_dump(
        mode="json",
        include={"metric", "currency", "terms", "measured_on", "purpose", "territory"},
        exclude={"measured_on": set(unnoted)},
    )
    content = {
        "format": FORMAT,
        "valuation": name,
        "provider": public_id("acc", caller.account_id),
        "finished_at": valuation.finished_at.isoformat() if valuation.finished_at else "",
        **shown,
        "pool": part.pool,
        "players": [
            # what is void is disputed and decided after this
            line.model_dump(mode="json", exclude={"void"}) | {"digest": player.digest}
            for line, player in zip(part.players, players, strict=True)
        ],
        "digests": {
            "game": repository.game_digest(session, valuation.game_id),
            "result": kept.digest,
            "spec": digest_of(valuation.spec),
            "plan": settled.plan_digest,
        },
    }
    return certificates.sign(settings, content)


def _own(session: Session, caller: Caller, valuation_id: uuid.UUID) -> tuple[Valuation, list[ValuationPlayer]]:
    own = repository.of_provider(session, caller.account_id, valuation_id)
    if own is None:
        raise NotFound(f"no valuation {public_id('val', valuation_id)} of your data; list them: GET /v1/me/valuations")
    return own
