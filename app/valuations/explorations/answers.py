"""What is told of an exploration: its result in coarse numbers, and sentences about which datasets to buy. Pure."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.payouts import money
from app.settings import Settings
from app.valuations.explorations.coarse import PART_STEP, SHARE_STEP, Coarse
from app.valuations.explorations.schemas import (
    AdditionAnswer,
    BestSetAnswer,
    DifferenceAnswer,
    ExplorationAnswer,
    ExplorationSummary,
    ExploredDataset,
)
from app.valuations.repository import JobState
from app.valuations.results.answers import shown_findings
from app.valuations.results.payee_parts import part_of
from app.valuations.tables import Valuation, ValuationPlayer
from contract.orders.job import Explored
from contract.results.result import StoredResult
from contract.results.selection import Addition, BestSet, Interval, ScoreChange

NOT_AUDITED = (
    "Worths are unlearned and were not compared with training anew: intervals hold the draw of test rows and of "
    "combinations, and not the error of unlearning. A job measures that, and pays."
)
ONE_TRAINING = (
    "Both models were trained, each once: the interval holds the draw of test rows, and not what another seed of "
    "training would change. The difference is told in steps of 2 points of what the job gained."
)
COARSE = "Shares are told in steps of 5 points and parts of the gain in steps of 2, up or down by a draw of their own."


@dataclass(frozen=True)
class Shown:
    """An exploration with what its answer names: its datasets (one a player), their providers, its cost."""

    valuation: Valuation
    players: Sequence[ValuationPlayer]
    names: Mapping[uuid.UUID, str]
    providers: Mapping[uuid.UUID, str]
    compute: int
    state: JobState

    def dataset(self, position: int) -> uuid.UUID:
        return uuid.UUID(self.players[position].datasets[0])

    def price(self, position: int) -> int:
        """What the provider asks for each use, in minor units."""
        return self.valuation.job_inputs.terms.reserves[position]

    def payees(self, player: int) -> list[int]:
        """Positions of the datasets that are this player of the game."""
        return [at for at, part in enumerate(self.valuation.job_inputs.seating) if part.player == player]


def summary(valuation: Valuation, compute: int) -> ExplorationSummary:
    """An exploration in a list."""
    return ExplorationSummary(
        id=valuation.id,
        status=valuation.status,
        datasets=len(valuation.job_inputs.seating),
        compute=money.plain(compute, valuation.currency),
        currency=valuation.currency,
        metadata=valuation.labels,
        created_at=valuation.created_at,
        finished_at=valuation.finished_at,
    )


def full(settings: Settings, shown: Shown, result: StoredResult | None) -> ExplorationAnswer:
    """An exploration; ranked once there is a result, and only where everybody's model scores more than the baseline."""
    valuation, order = shown.valuation, shown.valuation.order
    inputs = valuation.job_inputs
    explored = inputs.explored
    if explored is None:
        raise AssertionError(f"{valuation.id} is no exploration")
    coarse = Coarse.of(settings, (valuation.buyer_id.hex, shown.state.game_digest))
    selection = None if result is None else result.selection
    ranks = result is not None and selection is not None and selection.reason is None
    notes = list(inputs.notes)
    notes += _about(result, compares=explored.against is not None)
    return ExplorationAnswer(
        **summary(valuation, shown.compute).model_dump(exclude={"id"}),
        id=valuation.id,
        reason=valuation.reason,
        error=valuation.error,
        beside=explored.beside,
        test_dataset=order.test_dataset,
        metric=order.metric,
        model="" if order.model is None else order.model.name,
        evaluations=valuation.job_progress.evaluations,
        gained=None if result is None or result.gain is None else result.gain.gained,
        ranked=[] if explored.against else _ranked(shown, coarse, result if ranks else None, explored.added),
        sets=[_set(shown, coarse, each) for each in selection.sets] if selection is not None else [],
        additions=[_addition(shown, coarse, each) for each in selection.additions] if selection is not None else [],
        difference=None if selection is None else _difference(shown, coarse, explored, selection.difference),
        notes=notes,
        findings=shown_findings(inputs.findings),
    )


def _about(result: StoredResult | None, *, compares: bool) -> list[str]:
    """What is said of what was found, and why some of it was not."""
    if result is None:
        return []
    selection = result.selection
    why = None if selection is None else selection.reason
    if compares:
        found = selection is not None and selection.difference is not None
        return [ONE_TRAINING] if found else [f"No difference is told: {why}."]
    return [NOT_AUDITED, COARSE, *([] if why is None else [f"Nothing is ranked: {why}."])]


def _difference(shown: Shown, coarse: Coarse, explored: Explored, found: ScoreChange | None) -> DifferenceAnswer | None:
    if found is None:
        return None
    part = coarse.to(found.part, PART_STEP, "difference")
    low, high = Coarse.around((found.interval[0] / found.gain, found.interval[1] / found.gain), PART_STEP)
    after = found.before + part * found.gain
    with_them = " and ".join(shown.names[each] for each in explored.changed)
    return DifferenceAnswer(
        datasets=list(explored.changed),
        before=found.before,
        after=after,
        part=part,
        low=low,
        high=high,
        sentence=f"With {with_them} everybody's model gains {part:+.0%} of what the job gained ({low:+.0%} to "
        f"{high:+.0%}): it scores about {after:.4f} instead of {found.before:.4f}.",
    )


def _ranked(shown: Shown, coarse: Coarse, result: StoredResult | None, added: Sequence[int]) -> list[ExploredDataset]:
    seating = shown.valuation.job_inputs.seating
    order = list(range(len(shown.players)))
    if result is not None:
        order.sort(key=lambda at: (-part_of(seating[at], result.players).value, at))
    lines = []
    for rank, at in enumerate(order, start=1):
        player, dataset = shown.players[at], shown.dataset(at)
        own = None if result is None else part_of(seating[at], result.players)
        share = None if own is None or own.share is None else coarse.to(own.share, SHARE_STEP, "share", dataset.hex)
        low, high = _around(None if own is None else own.share_ci, SHARE_STEP, 0.0, 1.0)
        price = shown.price(at)
        lines.append(
            ExploredDataset(
                rank=None if own is None else rank,
                dataset_id=dataset,
                name=shown.names[dataset],
                provider_id=player.provider_id,
                provider=shown.providers[player.provider_id],
                rows=player.rows,
                price=money.plain(price, shown.valuation.currency) if price else None,
                share=share,
                low=low,
                high=high,
                added=seating[at].player in added,
            )
        )
    return lines


def _around(
    interval: Interval | None, step: float, least: float | None = None, most: float | None = None
) -> tuple[float | None, float | None]:
    if interval is None:
        return None, None
    low, high = Coarse.around(interval, step)
    return low if least is None else max(least, low), high if most is None else min(most, high)


def _set(shown: Shown, coarse: Coarse, best: BestSet) -> BestSetAnswer:
    """A set by the datasets of its players. Of near copies that are one player there is none: each plays by itself."""
    positions = [at for player in best.players for at in shown.payees(player)[:1]]
    everybody = range(len(shown.players))
    price, whole = sum(map(shown.price, positions)), sum(map(shown.price, everybody))
    part = 1.0 if best.size == len(shown.players) else coarse.to(best.part, PART_STEP, "set", str(best.size))
    low, high = _around(best.interval, PART_STEP)
    priced = price / whole if whole else None
    of, between = len(shown.players), _between(low, high)
    one = f"This 1 of {of} gives about {part:.0%} of the gain{between}"
    several = f"These {best.size} of {of} give about {part:.0%} of the gain{between}"
    words = one if best.size == 1 else several
    return BestSetAnswer(
        size=best.size,
        datasets=[shown.dataset(at) for at in positions],
        part=part,
        low=low,
        high=high,
        price=money.plain(price, shown.valuation.currency) if whole else None,
        price_part=None if priced is None else round(priced, 4),
        sentence=f"{words}." if priced is None else f"{words} at {priced:.0%} of the price.",
    )


def _addition(shown: Shown, coarse: Coarse, addition: Addition) -> AdditionAnswer:
    dataset = shown.dataset(shown.payees(addition.player)[0])
    part = coarse.to(addition.part, PART_STEP, "added", dataset.hex)
    low, high = _around(addition.interval, PART_STEP)
    return AdditionAnswer(
        dataset_id=dataset,
        part=part,
        low=low,
        high=high,
        sentence=f"{shown.names[dataset]} adds about {part:.0%} of the gain{_between(low, high)}.",
    )


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.0%} to {high:.0%})"
