"""A finished job's values by another metric: the valuation runs again on worths that follow from the stored answers.

Nothing is trained. The loop is the job's own, on the same models, under the budgets that the job used: where another
metric would have bought worths that were not computed, it goes on without them. First the surrogates that lack worths
are left out, then retrainings are taken to be as many as there are. What still lacks a worth is refused in words.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.errors import NotFound
from app.storage.blobs import BlobStore
from app.valuations.work import answers as answer_repository
from app.valuations.work import other_metrics
from app.valuations.work import worths as worth_repository
from app.valuations.work.answers import AnswerBlob
from app.valuations.work.protocol import OtherRules
from contract.metrics import Metric, metric_of
from contract.orders.job import Job
from contract.orders.spec import ValuationSpec
from contract.results.answers import ANCHORS
from contract.results.removal import RemovalCurves
from contract.results.result import StoredResult, ValuationResult
from contract.tasks import PREDICTIONS
from worker.engine.games.game import EvaluationFailed, NeedWorths, family
from worker.engine.loop.lone import first_look
from worker.engine.loop.run import RETRAIN
from worker.engine.valuation import Impossible, value
from worker.jobs.kept_answers import KeptAnswers
from worker.jobs.replay import StoredGame, group_worths, players_of

log = structlog.get_logger(__name__)

Stored = Mapping[str, Mapping[bytes, tuple[float, float]]]
Worths = dict[str, dict[bytes, tuple[float, float]]]
_AT_ONCE = 256  # models whose answers are measured together
_GONE = "the models' answers on the test set are not there any more"
_NO_CURVES = "removal curves are of the metric that was ordered"


class CannotMeasure(Exception):
    """What is stored does not give the values by this metric; the text is for the buyer."""


@dataclass(frozen=True)
class MetricAsked:
    """A job that is asked by another metric: itself, its own result, its worths and where its answers are."""

    job: Job
    own: StoredResult
    stored: Stored
    kept: Sequence[AnswerBlob]


def measure(factory: sessionmaker[Session], blobs: BlobStore, valuation_id: uuid.UUID, metric: str) -> None:
    """Compute what was asked and keep it, or why it cannot be; nothing where it is done."""
    try:
        with transaction(factory) as session:
            request = _begin(session, valuation_id, metric)
    except OtherRules as other:
        log.warning("worker.other_rules", detail=str(other))
        return
    if request is None:
        return
    result, refusal = None, ""
    try:
        result = values_by(request, blobs, metric)
    except CannotMeasure as cause:
        refusal = f"values by {metric} cannot be computed: {cause}; order a job with that metric"
    with transaction(factory) as session:
        other_metrics.finish(session, valuation_id, metric, result, refusal)
    log.info("worker.measured", metric=metric, refusal=refusal or None)


def _begin(session: Session, valuation_id: uuid.UUID, metric: str) -> MetricAsked | None:
    begun = other_metrics.begin(session, valuation_id, metric)
    if begun is None:
        return None
    job, own = begun
    rows = worth_repository.stored_worths(session, job.game_id)
    stored = group_worths(rows, len(players_of(job)[0]))
    return MetricAsked(job, own, stored, answer_repository.of_game(session, job.game_id))


def values_by(request: MetricAsked, blobs: BlobStore, metric: str) -> StoredResult:
    """The job's values by another metric; raises CannotMeasure."""
    job, partial = request.job, request.job.game.mode == "partial"
    if job.facts is None:
        raise CannotMeasure("what was derived from the job's data was erased, because some of it was withdrawn")
    if not any(blob.source == ANCHORS for blob in request.kept):
        raise CannotMeasure(_GONE)
    answers = KeptAnswers(blobs, request.kept, PREDICTIONS[job.game.predicts], job.facts.moved)
    players, owners = players_of(job)
    by = metric_of(metric).resolved(job.game.classes)
    try:
        game = StoredGame(
            players=players,
            owners=owners,
            costs={source.name: source.cost for source in job.facts.sources},
            unit_seconds=job.facts.unit_seconds,
            stored=_worths(answers, by, request, partial=partial),
            digests={"game": job.game_digest},
            kept=answers,
            metric=by.text,
            partial=partial,
        )
        result = _valued(game, replace(job.spec, metric=metric), request.own)
    except NotFound as gone:
        raise CannotMeasure(_GONE) from gone
    except (Impossible, EvaluationFailed) as cause:
        raise CannotMeasure(str(cause)) from cause
    return StoredResult.of(result, None, RemovalCurves(None, _NO_CURVES), job.facts.domains)


def _worths(answers: KeptAnswers, metric: Metric, request: MetricAsked, *, partial: bool) -> Worths:
    """The worths by a metric wherever a worth is stored and its model's answers are, with the seconds it took."""
    worths: Worths = {}
    for source in sorted({blob.source for blob in request.kept} - {ANCHORS}):
        seconds, by = request.stored.get(source, {}), worths.setdefault(source, {})
        own = [coalition for coalition in answers.of_source(source) if coalition in seconds]
        for start in range(0, len(own), _AT_ONCE):
            some = own[start : start + _AT_ONCE]
            measured = answers.worths(metric, source, some)
            if not np.isfinite(measured).all():
                raise CannotMeasure(f"what {metric.name} needs of the models of {source} was not computed")
            by |= {each: (float(worth), seconds[each][1]) for each, worth in zip(some, measured, strict=True)}
        if not partial:
            # nobody's model is what the buyer has anyway, and the best constant answer is another by another metric
            nobody = answers.baseline(metric).worth
            by |= {each: (nobody, spent) for each, (_, spent) in by.items() if not any(each)}
    return worths


def _valued(game: StoredGame, spec: ValuationSpec, own: StoredResult) -> ValuationResult:
    """The valuation on the worths that there are: where it would buy others, on fewer sources and what the job used."""
    notes: list[str] = []
    for _ in range(len(game.costs) + 2):
        try:
            result = value(game, spec)
        except NeedWorths as need:
            narrowed = _within(spec, own, len(game.players))
            if narrowed != spec:
                notes.append("Values by this metric rest on what the job computed; it might have bought more for it.")
                spec = narrowed
                continue
            if family(need.source) == RETRAIN or own.estimator != "multifidelity":
                raise CannotMeasure(f"the job did not compute all the {need.source} worths that it needs") from need
            notes.append(f"{need.source} is left out: the job did not compute all of its worths.")
            game = replace(game, costs={name: cost for name, cost in game.costs.items() if name != need.source})
            continue
        return replace(result, notes=(*result.notes, *notes))
    raise CannotMeasure("the job did not compute the worths that it needs")


def _within(spec: ValuationSpec, own: StoredResult, n: int) -> ValuationSpec:
    """The spec with no more to buy than the job bought: both routes buy in an order that a larger budget goes on with,
    and look at the same places on the way (``corrected``, ``lone``)."""
    if own.estimator == "multifidelity":
        return replace(spec, max_retrains=own.evaluations[RETRAIN])
    return replace(spec, max_evaluations=first_look(n) * 2 ** (len(own.trace) - 1))
