"""A finished job for tests of what is made of one: its rows and its documents, none of them stored."""

import uuid
from datetime import UTC, datetime
from typing import Any

from app.valuations.results.payout_schemas import Payouts
from app.valuations.results.schemas import PlayerValue, Values
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.orders.job import AgreedTerms, JobInputs, JobProgress, PayeePart, TestCommitment
from contract.orders.spec import ValuationSpec
from contract.results.removal import RemovalCurves
from contract.results.result import Audit, PlayerResult, RevaluedWithout, StoredResult, ValuationResult
from contract.rows.files import InputFile

PROVIDERS = [uuid.uuid5(uuid.NAMESPACE_URL, name) for name in ("a", "b", "c")]
DATASETS = [uuid.uuid5(uuid.NAMESPACE_URL, f"data of {name}") for name in ("a", "b", "c")]
FILE = InputFile(name="it", digest="d", format="npz", target="y")
MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def found(name: str, value: float, share: float | None) -> PlayerResult:
    """What an engine says of a player, with intervals of a tenth around it."""
    band = (value - 0.1, value + 0.1)
    shares = None if share is None else (max(share - 0.1, 0.0), share + 0.1)
    return PlayerResult(name, 10, f"digest {name}", value, 0.05, band, share, shares, band, shares)


def result(*players: PlayerResult, without: RevaluedWithout | None = None, **changes: Any) -> StoredResult:
    """The stored result of a job with these players."""
    whole: dict[str, Any] = {
        "players": players,
        "covariance": (),
        "empty_worth": 0.1,
        "full_worth": 0.7,
        "estimator": "exact",
        "source": "retrain",
        "evaluations": {"unlearn": 0, "repair": 0, "retrain": 4},
        "audit": Audit("measured", "", source="unlearn:tangent", sentence="Unlearning was close."),
        "bake_off": (),
        "stopped_by": "share_ci",
        "notes": ("a note of the engine",),
        "shares_note": None,
        "seconds": 1.5,
        "seconds_by_source": {"retrain": 1.5},
        "retrain_seconds_estimate": 20.0,
        "costs": {},
        "spec": ValuationSpec(),
        "digests": {"game": "5f" * 32},
        "trace": (),
        "worths": (),
    }
    return StoredResult.of(ValuationResult(**whole | changes), without, RemovalCurves("retrain", None), ())


def job(status: ValuationStatus = ValuationStatus.SUCCEEDED, **changes: Any) -> Valuation:
    """A job of three payees: the first alone, the others two copies that are one player."""
    order = {"datasets": [f"ds_{each.hex}" for each in DATASETS], "test_dataset": f"ds_{0:032x}", "pool": "100.00"}
    inputs = JobInputs(
        names=("a", "b"),
        players=((FILE,), (FILE,)),
        rows=(10, 10),
        seating=(PayeePart(0, 1, 1), PayeePart(1, 1, 4), PayeePart(1, 3, 4)),
        notes=("a note of admission",),
        test=FILE,
        measured=TestCommitment(
            rows=5, labels={"x": 1.0}, pooled=None, distance=None, commitment="cc", salt="aa", digest="dd"
        ),
        checkpoint=None,
        terms=AgreedTerms(fee_basis_points=250, reserves=(0, 0, 7)),
    )
    columns: dict[str, Any] = {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, "job"),
        "buyer_id": uuid.uuid5(uuid.NAMESPACE_URL, "buyer"),
        "status": status,
        "spec": NewValuation.model_validate(order).model_dump(mode="json", exclude_defaults=True),
        "inputs": inputs.plain(),
        "progress": JobProgress(evaluations={"retrain": 2}, widest_share_interval=3.0).plain(),
        "labels": {},
        "pool_minor": 100_00,
        "currency": "EUR",
        "round": 1,
        "version": 3,
        "created_at": MOMENT,
        "started_at": MOMENT,
        "finished_at": MOMENT,
    }
    return Valuation(**columns | changes)


def payees(**changes: Any) -> list[ValuationPlayer]:
    """The rows of the three payees, as they were settled."""
    return [
        ValuationPlayer(
            position=at,
            provider_id=PROVIDERS[at],
            name=f"Provider {'ABC'[at]}",
            datasets=[str(DATASETS[at])],
            digest=f"digest {at}",
            rows=10 + at,
            value=0.1,
            stderr=0.05,
            value_low=0.0,
            value_high=0.2,
            share=0.25,
            share_low=0.2,
            share_high=0.3,
            amount_minor=2500,
            **changes,
        )
        for at in range(3)
    ]


def example(model: type[Any], **changes: Any) -> Any:
    """A schema's own example, changed."""
    return model.model_validate(model.model_config["json_schema_extra"]["examples"][0] | changes)


def values(**changes: Any) -> Values:
    """The values of a finished job, as HTTP shows them."""
    whole: Values = example(Values, **changes)
    return whole


def player(**changes: Any) -> dict[str, Any]:
    """One player of such values, as JSON."""
    shown: PlayerValue = example(PlayerValue, **changes)
    return shown.model_dump(mode="json")


def payouts(**changes: Any) -> Payouts:
    """The payouts of a finished job, as HTTP shows them."""
    whole: Payouts = example(Payouts, **changes)
    return whole
