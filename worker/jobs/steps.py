"""What the four kinds of shards do: prepare, plan, evaluate, settle. The protocol around them is in ``runtime``.

A step reads what it needs in a short transaction, computes outside any, and returns its writes as a
function of a session: ``runtime`` calls that in one transaction with the fenced end of the lease, and again should the
database go away meanwhile. A step that must stop raises ``WorkStopped``.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import safetensors.numpy
from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.results import row_values, settlement
from app.valuations.states import ShardKind
from app.valuations.work import answers as answer_repository
from app.valuations.work import leases, protocol, shards
from app.valuations.work import worths as worth_repository
from app.valuations.work.answers import AnswerBlob
from app.valuations.work.leases import Claim
from app.valuations.work.protocol import ComputedWorth
from contract.learning.learners import predicted
from contract.metrics import metric_of
from contract.orders.game import Encoding, FrozenGame, FrozenModelRows, TokenBlocks
from contract.orders.job import GameFacts, Job, JobProgress, SourceCost
from contract.results.answers import ANCHORS, ROWS, pack_anchor_sums, pack_anchors, pack_sums
from contract.results.answers import pack as pack_arrays
from contract.results.result import ValuationResult
from contract.tasks import PREDICTIONS
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, NeedWorths, family
from worker.engine.loop.best_sets import best_sets
from worker.engine.loop.run import RETRAIN
from worker.engine.tensors import batching
from worker.engine.valuation import Progress
from worker.jobs import checks, outlook, same_sums
from worker.jobs.compared import compared
from worker.jobs.deliver import ModelDeliverer
from worker.jobs.domains import perplexities
from worker.jobs.evidence import evidence_of, salt_of
from worker.jobs.kept_answers import KeptAnswers
from worker.jobs.kept_sums import KeptSums
from worker.jobs.known_jobs import KnownJobs, WorkerPart
from worker.jobs.replay import (
    StoredGame,
    asked_shard_size,
    group_worths,
    pack,
    players_of,
    replayed,
    shard_facts,
    shard_size,
    unpack,
)
from worker.jobs.row_values import RowValuer
from worker.loading.away import QuestionDesk
from worker.loading.feature_rows import rows_of, to_arrays
from worker.loading.games import LoadedGames
from worker.loading.openings import Opener
from worker.process.heartbeat import Heartbeat, Stop, WorkStopped
from worker.process.patience import patiently

Write = Callable[[Session], Claim | None]
# fewer sums of test units would say too little of how they vary
LEAST_SUMS = 1_000


class Steps(WorkerPart):
    """The steps of one worker process."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        blobs: BlobStore,
        settings: Settings,
        games: LoadedGames,
        heartbeat: Heartbeat,
    ) -> None:
        super().__init__(factory, blobs, settings, games, heartbeat)
        self._jobs = KnownJobs(factory, settings.lease_seconds)
        self._deliverer = ModelDeliverer(factory, blobs, settings, games, heartbeat)
        self.opener = Opener(factory, blobs, settings, QuestionDesk(factory, settings.agent_answer_seconds))
        self._row_valuer = RowValuer(factory, blobs, settings, games, heartbeat)

    def run(self, claim: Claim, stays_until: float) -> Write:
        """Do the work of a claim; returns what to write, which answers with the claim of the next shard, if any.

        The worker takes one where the write begins before ``stays_until`` (monotonic seconds).
        """
        match claim.kind:
            case ShardKind.PREPARE:
                return self.prepare(claim)
            case ShardKind.PLAN:
                return self.plan(claim)
            case ShardKind.EVALUATE:
                return self.evaluate(claim, stays_until)
            case ShardKind.SETTLE:
                return self.settle(claim)

    def prepare(self, claim: Claim) -> Write:
        """Train base and full model once per game, and note what planning needs to know of the game."""
        job = self._jobs.behind(claim)
        if job.prepared is not None and job.facts is not None:
            blob, facts, kept = job.prepared, job.facts, None
        else:
            evaluator = self._games.evaluator(job)
            try:
                evaluator.prepare(self._heartbeat.should_stop)
            except batching.Stopped:
                raise WorkStopped(self._heartbeat.why_stop() or Stop.LOST) from None
            if job.inputs.away is not None:
                same_sums.check(evaluator, job.inputs.away.copies)
            state = evaluator.prepared_state()
            if keeps_rows(job.game.encoding):
                # computed once: every worker that loads this game takes its rows from here
                state |= to_arrays(rows_of(evaluator.problem))
            blob = self._blobs.put_bytes(safetensors.numpy.save(_contiguous(state))).digest
            kept = self._answers_of_anchors(evaluator)
            facts = GameFacts(
                sources=tuple(SourceCost(name=source, cost=evaluator.cost(source)) for source in evaluator.sources),
                seconds=evaluator.seconds("prepare"),
                unit_seconds=evaluator.unit_seconds,
                shards=shard_facts(evaluator.players),
                domains=tuple(perplexities(evaluator, domain_names(job.game))),
                answers_kept=self._keeps_answers(evaluator),
                sums_kept=not self._keeps_answers(evaluator),
                moved=tuple(evaluator.moved_sources),
            )
        return lambda session: protocol.finish_prepare(session, claim, blob, facts, kept)

    def _keeps_answers(self, evaluator: Evaluator) -> bool:
        """Whether models' answers are small enough to be kept; else what moves worths is kept of them."""
        return evaluator.anchors.everybody.nbytes <= self._settings.max_answer_bytes

    @property
    def _most_sums(self) -> int:
        """How many sums of test units are kept of a model at most."""
        return max(LEAST_SUMS, self._settings.max_answer_bytes // np.dtype(np.float64).itemsize)

    def _answers_of_anchors(self, evaluator: Evaluator) -> AnswerBlob:
        """Store the answers of the base model and of M_full, or what is kept in their place."""
        ends = np.repeat([[False], [True]], len(evaluator.players), axis=1)
        if self._keeps_answers(evaluator):
            packed = pack_anchors(evaluator.anchors)
        else:
            packed = pack_anchor_sums(evaluator.anchor_sums(self._most_sums))
        return AnswerBlob(ANCHORS, self._blobs.put_bytes(packed).digest, tuple(pack(ends)))

    def _answers(self, evaluator: Evaluator, job: Job, source: str, coalitions: Coalitions) -> AnswerBlob | None:
        """What the models of coalitions bool[m, n] answer, kept, or what is kept in its place; None where nothing is.

        Of a source whose worths are moved, everybody's answers are kept with them: what they are moved by follows.
        """
        facts = job.facts
        if facts is None or not (facts.answers_kept or facts.sums_kept) or not len(coalitions):
            return None
        if source in facts.moved and not coalitions.all(axis=1).any():
            everybody = np.ones((1, coalitions.shape[1]), dtype=bool)
            evaluator.worth(source, everybody)
            coalitions = np.concatenate([coalitions, everybody])
        if facts.answers_kept:
            packed = pack_arrays({ROWS: evaluator.take_answers(source, coalitions)})
        else:
            packed = pack_sums(evaluator.take_sums(source, coalitions, self._most_sums))
        return AnswerBlob(source, self._blobs.put_bytes(packed).digest, tuple(pack(coalitions)))

    def plan(self, claim: Claim) -> Write:
        """Replay the valuation on the stored worths: it ends in a request for more, or in the result."""
        job = self._jobs.behind(claim)
        if job.facts is None:
            raise AssertionError(f"game {job.game_id} is planned before it was prepared")
        if job.inputs.explored is not None and job.inputs.explored.against is not None:
            return self._compare(claim, job, job.inputs.explored.against)
        game, workers = self._stored_game(claim, job, job.facts)
        looks: list[Progress] = []
        try:
            replay = replayed(game, job.spec, job.facts.domains, looks.append, revalue=job.revalue_without_harm)
            explored = job.inputs.explored
            selection = None if explored is None else best_sets(game, replay.result, explored.added)
        except NeedWorths as need:
            self._heartbeat.check()
            coalitions = pack(need.coalitions)
            request = protocol.RoundRequest(
                need.source, coalitions, self._size(game, job, need.source, len(coalitions), workers)
            )
            progress = self._progress(game, job, looks, need)
            return lambda session: protocol.finish_plan_with_round(session, self._settings, claim, request, progress)
        self._heartbeat.check()
        progress = outlook.of_plan(game.evaluations(), looks)
        points = checks.moves(replay.result) if job.checked_part > 0.0 else {}
        drawn = checks.draw(game.used, job.checked_part, job.game_digest, points)
        for sample in drawn:
            if missing := sample.missing(game.stored):
                return self._check_round(claim, job, game, sample, missing, progress, workers)
        checks.compare(drawn, game.stored)
        # what is told of a job that has ended is the width with everything that is uncertain
        ended = {
            "checked": self._checked(claim, drawn),
            "widest_share_interval": _widest(replay.result),
            "precision_met": None if replay.result.precision is None else replay.result.precision.met,
        }
        progress = progress.model_copy(update=ended)
        # the worths are rows of their own, keyed and indexed; the result names them by the game's digest
        evidence = evidence_of(game, job, salt_of(self._settings, claim.game_id))
        self._blobs.put_bytes(evidence.content)
        kept = replace(
            replay.stored,
            selection=selection,
            evidence=evidence.seal(),
            openings=self.opener.openings(job, claim, self._heartbeat.check),
        )
        return lambda session: protocol.finish_plan_with_result(session, claim, kept, progress)

    def _compare(self, claim: Claim, job: Job, against: UUID) -> Write:
        """Everybody's model beside that of the game ``against``: both are trained, so this is the result."""
        facts = patiently(
            self._factory,
            lambda session: protocol.facts_of(session, against),
            time.monotonic() + self._settings.lease_seconds,
        )
        kept = self._kept_of(job, against, facts), self._kept_of(job, job.game_id, job.facts)
        metric = metric_of(job.game.measured_by)
        before, after = (None if each is None else each.ends(metric, None) for each in kept)
        players, owners = players_of(job)
        result = compared(job, owners or players, before, after)
        progress = JobProgress(evaluations=result.evaluations)
        return lambda session: protocol.finish_plan_with_result(session, claim, result, progress)

    def _progress(self, game: StoredGame, job: Job, looks: Sequence[Progress], need: NeedWorths) -> JobProgress:
        """What the plan knows, for the buyer, and what may come after the round that it asks for."""
        evaluations = game.evaluations()
        asked = len(need.coalitions) if family(need.source) == RETRAIN else 0
        training = 0.0 if job.facts is None else job.facts.seconds
        each = _seconds_each(game.stored, RETRAIN, 1.0, training)
        after = outlook.seconds_after(job.spec, len(game.players), evaluations.get(RETRAIN, 0) + asked, each)
        return outlook.of_plan(evaluations, looks).model_copy(update={"seconds_after": after})

    def _stored_game(self, claim: Claim, job: Job, facts: GameFacts) -> tuple[StoredGame, int]:
        """The job's game on its stored worths, and how many workers that could compute more of them are alive."""
        players, owners = players_of(job)
        rows, workers = patiently(
            self._factory,
            lambda session: (
                worth_repository.stored_worths(session, claim.game_id),
                leases.live_workers(session, _queue(job), protocol.alive_within(self._settings)),
            ),
            time.monotonic() + self._settings.lease_seconds,
        )
        game = StoredGame(
            players=players,
            owners=owners,
            costs={source.name: source.cost for source in facts.sources},
            unit_seconds=facts.unit_seconds,
            stored=group_worths(rows, len(players)),
            digests={"game": job.game_digest},
            kept=self._kept(job),
            metric=job.game.measured_by,
            partial=job.game.mode == "partial",
        )
        return game, workers

    def _kept(self, job: Job) -> KeptAnswers | KeptSums | None:
        """The answers of the job's models, or what is kept in their place; None where nothing is."""
        return self._kept_of(job, job.game_id, job.facts)

    def _kept_of(self, job: Job, game_id: UUID, facts: GameFacts | None) -> KeptAnswers | KeptSums | None:
        """The same of a game with the job's learner and metric."""
        if facts is None or not (facts.answers_kept or facts.sums_kept):
            return None
        blobs = patiently(
            self._factory,
            lambda session: answer_repository.of_game(session, game_id),
            time.monotonic() + self._settings.lease_seconds,
        )
        if facts.sums_kept:
            return KeptSums(self._blobs, blobs, job.game.metric, facts.moved)
        prediction = PREDICTIONS[predicted(job.game.learner.name, job.game.metric)]
        return KeptAnswers(self._blobs, blobs, prediction, facts.moved)

    def _size(self, game: StoredGame, job: Job, source: str, count: int, workers: int) -> int:
        """Worths of a shard of this source."""
        training = 0.0 if job.facts is None else job.facts.seconds
        per_worth = _seconds_each(game.stored, source, _cost(game, source), training)
        settings = self._settings
        if job.inputs.away is not None and family(source) == RETRAIN:
            return asked_shard_size(count, settings.max_shard_worths)
        return shard_size(count, per_worth, settings.shard_seconds, max(1, workers), settings.max_shard_worths)

    def _check_round(
        self,
        claim: Claim,
        job: Job,
        game: StoredGame,
        drawn: checks.Drawn,
        missing: list[bytes],
        progress: JobProgress,
        workers: int,
    ) -> Write:
        """A round that computes worths again, each shard those of one worker, so that another can do it."""
        authors = self._authors(claim.game_id, drawn.source, missing)
        size = self._size(game, job, drawn.source, len(missing), workers)
        request = protocol.RoundRequest(drawn.check, missing, size, [authors.get(worth, "") for worth in missing])
        name = self._heartbeat.name_until(math.inf)
        return lambda session: protocol.finish_plan_with_round(session, self._settings, claim, request, progress, name)

    def _checked(self, claim: Claim, drawn: Sequence[checks.Drawn]) -> dict[str, int]:
        """How many worths were checked, and how many of those by another worker than the one that computed them."""
        by_another = 0
        for sample in drawn:
            first = self._authors(claim.game_id, sample.source, sample.coalitions)
            second = self._authors(claim.game_id, sample.check, sample.coalitions)
            by_another += sum(first.get(worth) != second.get(worth) for worth in sample.coalitions)
        return {"worths": sum(len(sample.coalitions) for sample in drawn), "by_another_worker": by_another}

    def _authors(self, game_id: UUID, source: str, coalitions: Sequence[bytes]) -> dict[bytes, str]:
        return patiently(
            self._factory,
            lambda session: worth_repository.authors(session, game_id, source, coalitions),
            time.monotonic() + self._settings.lease_seconds,
        )

    def _leave_to_another(self, claim: Claim, job: Job, source: str, coalitions: Sequence[bytes]) -> bool:
        """Whether a check is of this worker's own worths, and another worker can be expected to take it."""

        def leave(session: Session) -> bool:
            if (
                self._heartbeat.name
                not in worth_repository.authors(session, claim.game_id, source, coalitions).values()
            ):
                return False
            within = protocol.alive_within(self._settings)
            if leases.live_workers(session, _queue(job), within) < 2:
                return False
            return shards.waited(session, claim.shard_id) < self._settings.check_patience_seconds

        return patiently(self._factory, leave, time.monotonic() + self._settings.lease_seconds)

    def evaluate(self, claim: Claim, stays_until: float) -> Write:
        """Compute the shard's worths that are not stored yet, as one batch."""
        if claim.source is None or claim.coalitions is None:
            raise AssertionError(f"shard {claim.shard_id} asks for worths of nothing")
        job = self._jobs.behind(claim)
        source = checks.checked_source(claim.source) or claim.source
        coalitions = unpack(claim.coalitions, claim.count, len(players_of(job)[0]))
        packed = claim.packed()
        todo = [row for row, coalition in enumerate(packed) if coalition not in claim.known]
        computed: list[ComputedWorth] = []
        check = source != claim.source
        if todo:
            if check and self._leave_to_another(claim, job, source, [packed[row] for row in todo]):
                raise WorkStopped(Stop.OWN_WORK)
            evaluator = self._games.evaluator(job)
            self._heartbeat.check()
            # a worth that is not stored is computed, also where this process remembers it
            evaluator.forget(source, coalitions[todo])
            try:
                worths, seconds = evaluator.worths_with_seconds(source, coalitions[todo], self._heartbeat.should_stop)
            except batching.Stopped:
                partial = evaluator.computed(source, coalitions[todo])
                rows = [todo[row] for row in partial]
                kept = None if check else self._answers(evaluator, job, source, coalitions[rows])
                computed = [ComputedWorth(packed[todo[row]], *worth, kept) for row, worth in partial.items()]
                raise WorkStopped(self._heartbeat.why_stop() or Stop.LOST, computed) from None
            kept = None if check else self._answers(evaluator, job, source, coalitions[todo])
            computed = [
                ComputedWorth(packed[row], float(worth), float(spent), kept)
                for row, worth, spent in zip(todo, worths, seconds, strict=True)
            ]
        return lambda session: protocol.finish_evaluate(
            session, self._settings, claim, computed, self._heartbeat.name_until(stays_until)
        )

    def settle(self, claim: Claim) -> Write:
        """Values, shares, money, the released model, status and event: all in the transaction that ends the lease."""
        trained = self._deliverer.trained(claim, self._jobs)
        rows = self._row_valuer.valued_rows(claim, self._jobs)

        def write(session: Session) -> Claim | None:
            protocol.finish_settle(session, claim)
            if settlement.settle(session, self._settings, claim.valuation_id, trained):
                row_values.keep(session, claim.valuation_id, rows)
            return None

        return write


def domain_names(game: FrozenGame) -> list[str]:
    """The domains of a language model's test set, none of others; one without a column of them is one domain."""
    encoding = game.encoding
    return [name or "the test set" for name in encoding.domains] if isinstance(encoding, TokenBlocks) else []


def keeps_rows(encoding: Encoding) -> bool:
    """Whether a game's rows are computed once and stored with its models: features are dear to compute again."""
    return isinstance(encoding, FrozenModelRows) and encoding.kind == "features"


def _queue(job: Job) -> str:
    return job.game.device


def _cost(game: StoredGame, source: str) -> float:
    """The model cost of a source; a further seed of a source ("retrain:r1") costs what the source does."""
    return game.costs.get(source, game.costs.get(family(source), 1.0))


def _seconds_each(
    stored: Mapping[str, Mapping[bytes, tuple[float, float]]], source: str, cost: float, training: float
) -> float:
    """Device seconds of a worth of this source: the mean of those stored, or its model cost times one training."""
    spent = [seconds for _, seconds in stored.get(source, {}).values()]
    return float(np.mean(spent)) if spent else cost * training


def _widest(result: ValuationResult) -> float | None:
    """The widest simultaneous share interval of a result, in points; None where there is none."""
    bands = [player.share_band for player in result.players if player.share_band is not None]
    return max((100.0 * (high - low) for low, high in bands), default=0.0) or None


def _contiguous(state: Mapping[str, Any]) -> dict[str, Any]:
    # safetensors writes an array's memory as it is
    return {name: np.ascontiguousarray(array) for name, array in state.items()}
