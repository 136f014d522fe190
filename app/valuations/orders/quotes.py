"""What a valuation will take, before it is posted: evaluations by fidelity and device seconds. Pure, and an estimate.

The counts follow the engine's plan (``worker/engine/loop/run.py``): up to 12 players every distinct coalition is
unlearned, above that a sample. Retrainings audit them, at most max(36, 3 n) (eight times as many where precision
rules) unless the order names another number; and
where retraining everything is no dearer, everything is retrained. A job may stop earlier; it never buys more. Nothing
here looks at a row.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.valuations.schemas import NewValuation
from contract.learning.costs import ModelCost, ModelSizes, exact_is_cheap
from contract.learning.learners import LEARNERS
from contract.learning.methods import TRAINS_EACH_PLAYER, default_method
from contract.orders.estimators import (
    ENUMERATE_UP_TO,
    LEAST_TO_CORRECT,
    REPLICATES,
    audited,
    most_retrains,
    planned_retrains,
)
from contract.orders.spec import FIDELITIES
from contract.results.row_values import ROWS_NONE

# multiply-adds a second of one core that makes features by a frozen model
_FEATURE_RATE = 3e10
# what an unlearned worth costs in retrainings, roughly and on the dear side
_UNLEARNED_COST = 0.02
_REPAIR_COST = 0.2
_AUTO, _UNLEARN, _REPAIR, _RETRAIN = FIDELITIES


@dataclass(frozen=True)
class JobSize:
    """What a job computes on: training rows in all, numbers per row, classes, rows of the test set.

    ``shape`` is that of a row, where it is not one list of numbers. ``training`` and ``scoring``, where given, are the
    multiply-adds of one forward pass over all that a training reads, and over the test set; a language model's do not
    depend on how many rows there are. ``preparing`` are those of a frozen model's features of all rows, once.
    ``test_groups``: in how many groups the test rows were drawn (None: each by itself).
    """

    rows: int
    width: int
    classes: int
    test_rows: int
    training: float = 0.0
    scoring: float = 0.0
    preparing: float = 0.0
    shape: tuple[int, ...] = ()
    test_groups: int | None = None

    def sizes(self, learner: str, hyper: Mapping[str, object]) -> ModelSizes:
        """What a learner with these hyper-parameters is put on."""
        known = LEARNERS[learner].defaults() | {k: v for k, v in hyper.items() if isinstance(v, int | float | str)}
        frozen = self.scoring / self.test_rows if self.scoring and self.test_rows else 0.0
        return ModelSizes(self.shape or (self.width,), self.classes, known, frozen)


@dataclass(frozen=True)
class MeasuredSeconds:
    """Device seconds per worth and training row in past jobs of a learner, by fidelity; ``prepare``: per row."""

    per_row: Mapping[str, float]
    jobs: int


@dataclass(frozen=True)
class DeviceTimeEstimate:
    """Seconds of device time, and their basis: ``measured`` or ``model``."""

    seconds: float
    basis: str
    sentence: str


def shard_count(of: int, rows: int) -> int:
    """How many shards of about ``rows`` rows ``of`` rows are cut into; the engine's rule, held to it by a test."""
    return max(1, (2 * of + rows) // (2 * rows))


def distinct_coalitions(digests: Sequence[str]) -> int:
    """Coalitions of distinct content: 2^n, less what exact copies make the same."""
    return math.prod(count + 1 for count in Counter(digests).values())


def expected_evaluations(
    order: NewValuation, digests: Sequence[str], learner: str = "logistic", size: JobSize | None = None
) -> dict[str, int]:
    """The most worths the engine will buy, by fidelity; without a ``size`` it is taken to be dear to train."""
    n, distinct = len(digests), distinct_coalitions(digests)
    limit = order.max_evaluations or 10**9
    most = most_retrains(n, order.ruled_by)
    retrains = min(distinct, most if order.max_retrains is None else order.max_retrains)
    counts = {_UNLEARN: 0, _REPAIR: 0, _RETRAIN: 0}
    sampled = distinct if n <= ENUMERATE_UP_TO else min(distinct, 16 * n * math.ceil(math.log2(n)))
    corrects = order.mode == "full" and order.estimator in ("auto", "multifidelity")
    if order.fidelity == _RETRAIN:
        counts[_RETRAIN] = min(sampled, limit, distinct if order.max_retrains is None else order.max_retrains)
    elif order.fidelity == _AUTO and corrects and _all_are_retrained(order, n, distinct, learner, size):
        counts[_RETRAIN] = distinct
    elif order.fidelity == _AUTO and corrects and retrains >= min(distinct, LEAST_TO_CORRECT):
        counts[_RETRAIN] = min(retrains, limit)
        if distinct > min(retrains, planned_retrains(n)):
            # a sampled grid has those that are retrained beside its own
            both = sampled if n <= ENUMERATE_UP_TO else min(distinct, sampled + retrains)
            counts[_UNLEARN] = min(both, limit)
    else:
        counts[_REPAIR if order.fidelity == _REPAIR else _UNLEARN] = min(sampled, limit)
        if order.mode == "full":
            counts[_RETRAIN] = min(retrains, 2 + audited(n))
    if counts[_RETRAIN] == distinct and LEARNERS[learner].draws:
        # a few are trained from another start besides; otherwise those are among the retrainings
        room = min(limit, order.max_retrains or limit) - distinct
        counts[_RETRAIN] += max(0, min(REPLICATES, distinct - 2, room))
    return counts


def _all_are_retrained(order: NewValuation, n: int, distinct: int, learner: str, size: JobSize | None) -> bool:
    """Whether retraining everything is so cheap that nothing is estimated (``worker/engine/loop/corrected.py``)."""
    if n > ENUMERATE_UP_TO or order.max_retrains is not None or (order.max_evaluations or distinct) < distinct:
        return False
    draws = REPLICATES if LEARNERS[learner].draws else 0
    each, unit = 0.5, None
    if size is not None:
        cost = _model_cost(order, learner, size)
        unit = cost.whole(size.rows, size.test_rows)
        each = cost.retraining(size.rows, size.test_rows) / unit
    exact = (distinct + draws) * each
    if order.max_seconds is not None and (unit is None or exact * unit > order.max_seconds):
        return False
    return exact_is_cheap(exact, (planned_retrains(n) + draws) * each + distinct * _UNLEARNED_COST, unit)


def _model_cost(order: NewValuation, learner: str, size: JobSize) -> ModelCost:
    hyper = order.model.hyper if order.model is not None else {}
    return LEARNERS[learner].cost(size.sizes(learner, hyper))


def estimate(
    order: NewValuation, learner: str, size: JobSize, counts: Mapping[str, int], past: MeasuredSeconds, *, players: int
) -> DeviceTimeEstimate:
    """Device seconds from what past jobs took, where each fidelity that is needed was measured; else from the model.

    ``players`` counts those of distinct content.
    """
    needed = [kind for kind, count in counts.items() if count]
    if past.jobs and all(kind in past.per_row for kind in needed):
        seconds = size.rows * sum(counts[kind] * past.per_row[kind] for kind in needed)
        # a pass over all rows for values of rows, a training for each player's model
        trainings = 1 + (order.rows != ROWS_NONE) + (players if order.attributions else 0)
        seconds += size.rows * past.per_row.get("prepare", 0.0) * trainings
        sentence = f"from the measured device seconds of {past.jobs} past jobs with {learner}, in proportion to rows"
        return DeviceTimeEstimate(_capped(order, seconds), "measured", sentence)
    cost = _model_cost(order, learner, size)
    training, scoring = cost.training(size.rows), cost.scoring(size.test_rows)
    mean = cost.retraining(size.rows, 0.0)
    each = {_UNLEARN: _UNLEARNED_COST * training, _REPAIR: _REPAIR_COST * training, _RETRAIN: mean}
    seconds = (
        size.preparing / _FEATURE_RATE
        + training
        + (players * training if counts[_UNLEARN] and order.unlearning.method in TRAINS_EACH_PLAYER else 0.0)
        + sum(count * (each[kind] + scoring) for kind, count in counts.items())
    )
    sentence = (
        "from the cost model, on one core of the kind stated in docs/benchmarks-cost.md; no past job with "
        f"{learner} has been measured here for all of this"
    )
    if order.rows != ROWS_NONE:
        seconds += training + size.preparing / _FEATURE_RATE  # once through all rows, features made anew if need be
    if order.attributions:
        seconds += players * training  # where the worker that settles has not trained them
    return DeviceTimeEstimate(_capped(order, seconds), "model", sentence)


def _capped(order: NewValuation, seconds: float) -> float:
    return round(min(seconds, order.max_seconds or math.inf), 3)


def with_method(order: NewValuation, learner: str) -> NewValuation:
    """The order with the unlearning method by which it will be computed, for all readers of the job."""
    if order.unlearning.method is not None:
        return order
    named = order.unlearning.model_copy(update={"method": default_method(learner, order.mode)})
    return order.model_copy(update={"unlearning": named})
