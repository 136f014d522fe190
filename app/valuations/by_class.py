"""What each player of a job did for each class of the test set: for its buyer in numbers, for a provider in words.

Computed by a worker from the models' stored answers, once, and kept; nothing is trained and nothing paid. For the buyer
it is a further question about the providers' rows, and counts like another metric. A provider is told of its own rows
alone, of classes that it has rows of, whether they helped or harmed; no number, as those would tell of the test set.
Never commits.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Literal

from sqlalchemy.orm import Session

from app.datasets import repository as datasets
from app.errors import Conflict, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings
from app.valuations import by_metric, repository, service
from app.valuations.results.class_schemas import (
    ByClassAnswer,
    ClassAnswer,
    ClassCell,
    MyByClass,
    MyClass,
    PlayerByClass,
)
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from app.valuations.work import other_metrics
from contract.results.class_map import QUESTION, ClassContributions


def known(session: Session, caller: Caller, valuation_id: uuid.UUID) -> ByClassAnswer | None:
    """What was computed before of the caller's job; None where nothing was. Asks nothing and costs nothing."""
    valuation = service.get(session, caller, valuation_id)
    contributions = other_metrics.by_class(session, valuation_id)
    return (
        None
        if contributions is None or contributions.result is None
        else _answer(session, valuation, contributions.result)
    )


def ask(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID) -> ByClassAnswer | None:
    """Contributions by class of the caller's job; None while a worker computes them.

    Raises NotFound, Conflict where the job has no result or it cannot be told, and TooManyRequests where the budget of
    questions is spent.
    """
    valuation = service.succeeded(session, caller, valuation_id)
    result = _found(session, valuation, lambda: by_metric.charge(session, settings, caller, valuation, QUESTION))
    return None if result is None else _answer(session, valuation, result)


def mine(session: Session, caller: Caller, valuation_id: uuid.UUID) -> MyByClass | None:
    """For which classes a provider's rows helped in a job, and for which they harmed; None while a worker computes it.

    Raises NotFound where the job values nothing of the caller's, and Conflict as ``ask``.
    """
    part = repository.of_provider(session, caller.account_id, valuation_id)
    if part is None:
        raise NotFound(f"no valuation {public_id('val', valuation_id)} of your data; list them: GET /v1/me/valuations")
    valuation, players = part
    if valuation.status is not ValuationStatus.SUCCEEDED:
        name = public_id("val", valuation_id)
        raise Conflict(f"valuation {name} is {valuation.status.value}; it is told by class once it has succeeded")
    result = _found(session, valuation, lambda: None)
    if result is None:
        return None
    return MyByClass(valuation_id=valuation_id, classes=_own(valuation, players, result, _labels(session, players)))


def _found(session: Session, valuation: Valuation, charge: Callable[[], None]) -> ClassContributions | None:
    """What a worker found; None where it is at it, or is sent to it now. ``charge`` comes before what is answered."""
    contributions = other_metrics.by_class(session, valuation.id)
    if contributions is not None and contributions.refusal is not None:
        raise Conflict(contributions.refusal)
    if contributions is None and (why := by_metric.missing_answers(session, valuation)) is not None:
        raise Conflict(f"this job is not told by class: {why}")
    charge()
    if contributions is None or contributions.result is None:
        other_metrics.ask(session, valuation.id, QUESTION)
        return None
    return contributions.result


def _answer(session: Session, valuation: Valuation, result: ClassContributions) -> ByClassAnswer:
    seating = valuation.job_inputs.seating
    names: dict[int, list[str]] = {}
    for player in repository.players(session, valuation.id):
        if (seat := seating[player.position].player) is not None:
            names.setdefault(seat, []).append(player.name)
    return ByClassAnswer(
        valuation_id=valuation.id,
        source=result.source,
        exact=result.exact,
        classes=[ClassAnswer.model_validate(each.plain()) for each in result.classes],
        players=[
            PlayerByClass(
                seat=seat,
                providers=names.get(seat, []),
                cells=_cells(result, seat),
            )
            for seat in range(len(result.values))
        ],
        untold=list(result.untold),
    )


def _cells(result: ClassContributions, seat: int) -> list[ClassCell]:
    """A player's row, with intervals where they were told."""
    row, sures = result.values[seat], result.sure[seat]
    if not result.low:
        return [ClassCell(value=value, sure=sure) for value, sure in zip(row, sures, strict=True)]
    ends = zip(row, sures, result.low[seat], result.high[seat], strict=True)
    return [ClassCell(value=value, sure=sure, low=low, high=high) for value, sure, low, high in ends]


def _labels(session: Session, players: Sequence[ValuationPlayer]) -> set[str]:
    """The labels that a provider's datasets of a job are known to have, by their profiles."""
    labels: set[str] = set()
    ids = {uuid.UUID(each) for own in players for each in own.datasets}
    for dataset in repository.datasets_by_id(session, ids).values():
        version = datasets.version(session, dataset.id, dataset.version)
        if version is not None and version.profile is not None:
            labels |= set(version.profile.get("labels") or {})
    return labels


def _own(
    valuation: Valuation, players: Sequence[ValuationPlayer], result: ClassContributions, labels: set[str]
) -> list[MyClass]:
    """Words for each class that the provider has rows of, over all of its players."""
    called = {valuation.order.label_map.get(label, label) for label in labels}
    seats = {valuation.job_inputs.seating[player.position].player for player in players} - {None}
    told = []
    for at, each in enumerate(result.classes):
        if each.name not in called:
            continue
        cells = [(result.values[seat][at], result.sure[seat][at]) for seat in seats if seat is not None]
        total, sure = sum(value for value, _ in cells), any(certain for _, certain in cells)
        told.append(MyClass(name=each.name, effect="unsure" if not sure or not total else _effect(total)))
    return told


def _effect(total: float) -> Literal["helped", "harmed"]:
    return "helped" if total > 0 else "harmed"
