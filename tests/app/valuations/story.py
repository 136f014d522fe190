"""Generated results of jobs, and jobs that are settled on them: what the tests of one story look at.

The engine's part is drawn: values, intervals, an audit, a gain, whoever does harm. All that follows (settlement,
ledger, answers, pages) is the service's own.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.payouts import service as payouts
from app.valuations import repository
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.orders.game import FrozenGame, LearnerChoice, TableEncoding
from contract.orders.job import EDITION, AgreedTerms, DeviceTimeTerms, JobInputs, PayeePart
from contract.orders.policies import PayoutPolicy
from contract.results.result import (
    Audit,
    Candidate,
    Gain,
    IntervalParts,
    PlayerResult,
    RevaluedWithout,
    StoredResult,
    TestRowChance,
    TraceRow,
)
from contract.results.shares import shares
from contract.rows.files import InputFile

POOL = 1_000_00
AUDITS = {
    "audited": Audit("audited", "6 coalitions were retrained", "unlearn:tangent", 6, sentence="6 worths were checked."),
    "exact": Audit("exact", "all are retrainings", "retrain", sentence="Nothing was unlearned."),
    "unaudited": Audit("unaudited", "nothing to retrain with", sentence="Not audited: nothing to retrain with."),
}


@dataclass(frozen=True)
class Job:
    """A drawn order, what the engine found, and what the operator charges."""

    payout: dict[str, Any]
    result: StoredResult
    seating: tuple[PayeePart, ...]
    reserves: tuple[int, ...]
    fee: int
    compute: DeviceTimeTerms | None
    share_ci: float


@st.composite
def jobs(draw: st.DrawFn, most: int = 4) -> Job:
    """Any job of two to ``most`` players that has ended."""
    n = draw(st.integers(2, most))
    result = draw(results(n))
    seating = list(alone(n))
    if draw(st.booleans()):
        seating[-1:] = [PayeePart(n - 1, 1, 3), PayeePart(n - 1, 2, 3), PayeePart(None, 1, 1)]
    payout: dict[str, Any] = {
        "policy": draw(st.sampled_from(list(PayoutPolicy))).value,
        "performance_target": draw(st.sampled_from([None, None, 0.3, 3.0])),
        "minimum_payout": draw(st.sampled_from([None, "150.00"])),
        "dispute_window_seconds": 3600,
        "pay_without_gain": draw(st.booleans()),
        "pay_unaudited": draw(st.booleans()),
        "revalue_without_harm": result.without_harm is not None,
    }
    reserve = st.sampled_from([0, 0, 0, 200_00, 600_00])
    return Job(
        payout,
        result,
        tuple(seating),
        tuple(draw(reserve) for _ in seating),
        draw(st.sampled_from([0, 250])),
        draw(st.sampled_from([None, DeviceTimeTerms(hourly="36.00", most=500)])),
        draw(st.sampled_from([2.0, 50.0])),
    )


def alone(n: int) -> tuple[PayeePart, ...]:
    """Every payee by itself."""
    return tuple(PayeePart(player, 1, 1) for player in range(n))


@st.composite
def results(draw: st.DrawFn, n: int) -> StoredResult:
    """What the engine may answer about ``n`` players; intervals hold their estimates, as the engine's do."""
    values = draw(st.lists(st.sampled_from([-0.2, -0.01, 0.0, 0.02, 0.1, 0.25]), min_size=n, max_size=n))
    found = result(
        values, draw(st.sampled_from([0.0, 0.005, 0.05])), draw(st.sampled_from(sorted(AUDITS))), draw(st.booleans())
    )
    return replace(
        found,
        retrain_seconds_estimate=draw(st.sampled_from([None, 204.0])),
        gain=draw(_gains(found.full_worth - found.empty_worth)),
        without_harm=draw(_revaluations(values, found.players)),
    )


def result(values: list[float], half: float, audit: str, cheap: bool = True) -> StoredResult:
    """The engine's answer with these values, each with an interval of so much to either side. ``cheap``: a cheap source
    paid."""
    players, n = _players(values, half), len(values)
    widest = 100.0 * max(each.share_band[1] - each.share_band[0] for each in players if each.share_band)
    return StoredResult(
        players=players,
        covariance=tuple((0.0,) * n for _ in values),
        empty_worth=0.5,
        full_worth=0.5 + sum(values),
        estimator="multifidelity",
        source="unlearn:tangent" if audit == "unaudited" else "retrain",
        evaluations={"unlearn": 16, "repair": 0, "retrain": 6},
        audit=AUDITS[audit],
        bake_off=(Candidate("unlearn:tangent", 0.1, 0.2, 0.3, 2.0, cheap, "nearly free" if cheap else "does not pay"),),
        stopped_by="max_retrains",
        notes=() if cheap else ("No cheap source pays in this job: the values rest on retrainings alone.",),
        shares_note=None,
        seconds=4.0,
        seconds_by_source={"retrain": 4.0},
        retrain_seconds_estimate=None,
        costs={"retrain": 1.0},
        spec={},
        digests={},
        gain=Gain(0.5, 0.5 + sum(values), sum(values), 0.02, 0.1, 0.001, True, "right answers, one-sided at 5 %"),
        chance=_chance(n, half) if half else None,
        trace=(TraceRow(1, {"retrain": 6}, tuple(values), (half,) * n, tuple(values), widest, None),),
    )


def _chance(n: int, half: float) -> TestRowChance:
    """What other test rows would change: nothing of the second half, a little of the first."""
    covariance = tuple(tuple(half**2 if i == j else 0.0 for j in range(n)) for i in range(n))
    return TestRowChance(200, covariance, ((1.0 / n,) * n, (1.0 / n,) * n), 0.0, 100 * half, 7)


def _gains(difference: float) -> st.SearchStrategy[Gain | None]:
    basis = "right answers on 200 test rows, one-sided at 5 %"
    tested = Gain(0.5, 0.5 + difference, difference, 0.02, difference - 0.033, 0.2, difference > 0.033, basis)
    return st.sampled_from([None, tested])


@st.composite
def _revaluations(draw: st.DrawFn, values: list[float], players: Sequence[PlayerResult]) -> RevaluedWithout | None:
    excluded = tuple(at for at, each in enumerate(players) if each.value_band[1] < 0)
    kept = tuple(at for at in range(len(players)) if at not in excluded)
    if not excluded or not kept or not draw(st.booleans()):
        return None
    again = _players([max(values[at], 0.0) + 0.05 for at in kept], 0.01)
    return RevaluedWithout(
        excluded=excluded,
        kept=kept,
        players=again,
        empty_worth=0.5,
        full_worth=0.5 + sum(each.value for each in again),
        evaluations={"unlearn": 4},
        stopped_by="share_ci",
        seconds=1.0,
    )


def _players(values: Sequence[float], half: float) -> tuple[PlayerResult, ...]:
    def around(value: float, width: float) -> tuple[float, float]:
        return value - width * half, value + width * half

    def part(share: float, width: float) -> tuple[float, float]:
        return max(0.0, share - width * 2 * half), min(1.0, share + width * 2 * half)

    return tuple(
        PlayerResult(
            provider=f"player {at}",
            rows=10 + at,
            digest=f"{at:064x}",
            value=value,
            stderr=half / 2,
            value_ci=around(value, 1.0),
            share=float(share),
            share_ci=part(float(share), 1.0),
            value_band=around(value, 1.5),
            share_band=part(float(share), 1.5),
            parts=IntervalParts(300 * half, 50 * half, None if at else 0.0) if half else None,
        )
        for at, (value, share) in enumerate(zip(values, shares(values), strict=True))
    )


def posted(
    session: Session,
    buyer: uuid.UUID,
    providers: Sequence[uuid.UUID],
    names: Sequence[str],
    job: Job,
    edition: int = EDITION,
) -> Valuation:
    """A job of this buyer with one provider for each payee, its result found and not settled; under the market's rules
    of an edition."""
    game = _game(job)
    stored = repository.add_game(session, buyer, game.digest, game.plain())
    progress = {"evaluations": {}, "widest_share_interval": job.result.trace[-1].widest, "checked": None}
    valuation = Valuation(
        buyer_id=buyer, game_id=stored.id, status=ValuationStatus.SETTLING, spec=_order(job),
        inputs=_inputs(job, edition).plain(), labels={}, pool_minor=POOL, currency="EUR", queue="cpu",
        progress=progress, round=1, version=1, event_seq=0, result=job.result.plain(),
    )  # fmt: skip
    session.add(valuation)
    session.flush()
    session.add_all(
        ValuationPlayer(
            valuation_id=valuation.id, position=at, provider_id=providers[at], name=names[at],
            datasets=[str(uuid.UUID(int=at))], digest=f"{at:064x}", rows=10 + at,
        )
        for at in range(len(job.seating))
    )  # fmt: skip
    session.flush()
    payouts.reserve(session, valuation.id, buyer, POOL, "EUR")
    return valuation


def _order(job: Job) -> dict[str, Any]:
    order = NewValuation.model_validate(
        {
            "datasets": [f"ds_{uuid.UUID(int=at).hex}" for at in range(2)],
            "test_dataset": f"ds_{uuid.UUID(int=9).hex}",
            "pool": "1000.00",
            "share_ci": job.share_ci,
            "payout": job.payout,
        }
    )
    return order.model_dump(mode="json", exclude={"metadata"})


def _game(job: Job) -> FrozenGame:
    return FrozenGame(
        players=tuple(each.digest for each in job.result.players),
        # one game for each job: games are told apart by their digests
        test=uuid.uuid4().hex,
        encoding=TableEncoding(columns={"classes": ["no", "yes"]}),
        learner=LearnerChoice(name="logistic", hyper={}),
        checkpoint=None,
        metric="accuracy",
        mode="full",
        unlearning={},
        seed=0,
        device="cpu",
    )


def _inputs(job: Job, edition: int) -> JobInputs:
    file = InputFile(name="file", digest="0" * 64, format="csv", target="y")
    n = len(job.result.players)
    return JobInputs(
        names=tuple(f"player {at}" for at in range(n)),
        players=((file,),) * n,
        rows=tuple(10 + at for at in range(n)),
        seating=job.seating,
        notes=(),
        test=file,
        checkpoint=None,
        terms=AgreedTerms(fee_basis_points=job.fee, reserves=job.reserves, compute=job.compute, edition=edition),
    )
