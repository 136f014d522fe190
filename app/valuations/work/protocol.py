"""The rules of the work protocol: who may do a piece of work, and what follows when it is done, failed or given back.

A worker claims a shard (lease and fencing token), works outside any transaction, and comes back with one of
``finish_*``, ``fail_attempt``, ``give_back`` or ``stand_down``. Each of these first updates the shard ``WHERE fence =
:fence``; where that updates nothing the lease was lost, ``LeaseLost`` is raised and the caller's transaction rolls
back whole. So a second delivery of any message, or a worker whose lease ran out, changes nothing. Never commits.

Locks are always taken in the order shard in hand, shards that nobody holds, round, job. Whoever holds a job and wants
its shards skips those that are locked.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db.base import uuid7
from app.settings import Settings
from app.valuations import repository
from app.valuations.states import WORKING, Reason, ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.valuations.work import answers, evidence, leases, lifecycle
from app.valuations.work import shards as shard_repository
from app.valuations.work import worths as worth_repository
from app.valuations.work.answers import AnswerBlob
from app.valuations.work.leases import Claim
from contract.orders.game import ENGINE_RULES
from contract.orders.job import GameFacts, Job, JobProgress
from contract.results.answers import ANCHORS
from contract.results.result import StoredResult

# a worker counts as alive for this many heartbeats after its last one, and at least this many seconds
ALIVE_BEATS, ALIVE_SECONDS = 10, 10.0
_BACKOFF_SECONDS = 1.0
# how long a check waits for another worker before its message goes out again
_OTHERS_SECONDS = 0.25


class LeaseLost(Exception):
    """Another worker holds this shard now, or its job has ended; what was computed is dropped."""


class OtherRules(Exception):
    """The job's worths are of other rules than those by which this release computes."""


@dataclass(frozen=True)
class ComputedWorth:
    """One worth that a worker computed: the packed coalition, its worth, the device seconds it took, and the blob that
    holds its model's answers on the test units (None: they were not kept)."""

    coalition: bytes
    worth: float
    seconds: float
    kept: AnswerBlob | None = None


@dataclass(frozen=True)
class RoundRequest:
    """The worths that the estimator asks for next: packed coalitions, each once, of one source."""

    source: str
    coalitions: Sequence[bytes]
    size: int  # worths per shard
    # of a check: the worker that computed each of them before; a shard then holds those of one worker
    authors: Sequence[str] = ()

    def shards(self) -> list[tuple[str | None, list[bytes]]]:
        """The coalitions of each shard; of a check, also the worker that computed them."""
        authors: Sequence[str | None] = self.authors or [None] * len(self.coalitions)
        parts: dict[str | None, list[bytes]] = {}
        for author, coalition in zip(authors, self.coalitions, strict=True):
            parts.setdefault(author, []).append(coalition)
        ordered = sorted(parts.items(), key=lambda part: part[0] or "")
        return [(author, part[i : i + self.size]) for author, part in ordered for i in range(0, len(part), self.size)]


def load_job(session: Session, claim: Claim) -> Job:
    """The job behind a claim; raises OtherRules where another release froze its game."""
    return job_of(session, claim.valuation_id, claim.game_id)


def job_of(session: Session, valuation_id: uuid.UUID, game_id: uuid.UUID) -> Job:
    """A job as a worker needs to know it; raises OtherRules where another release froze its game.

    Its document may not even be readable here, so the rules are looked at first.
    """
    valuation = repository.of_id(session, valuation_id)
    game = repository.get_game(session, game_id)
    rules = game.frozen.get("rules", ENGINE_RULES)
    if rules != ENGINE_RULES:
        raise OtherRules(f"job {valuation_id} is of engine rules {rules}, and this worker of {ENGINE_RULES}")
    order = valuation.order
    return Job(
        game_id=game.id,
        game=game.document,
        game_digest=game.digest,
        inputs=valuation.job_inputs,
        spec=order.spec(),
        prepared=game.prepared,
        facts=None if game.facts is None else GameFacts.read(game.facts),
        checked_part=order.checked_part,
        revalue_without_harm=order.payout.revalue_without_harm,
    )


def facts_of(session: Session, game_id: uuid.UUID) -> GameFacts | None:
    """What was found with a game's models; None where they are not trained, or were erased."""
    facts = repository.get_game(session, game_id).facts
    return None if facts is None else GameFacts.read(facts)


def alive_within(settings: Settings) -> float:
    """How recent a heartbeat must be for its worker to count as alive, in seconds."""
    return max(ALIVE_SECONDS, ALIVE_BEATS * settings.heartbeat_seconds)


def claim(session: Session, settings: Settings, shard_id: uuid.UUID, worker: str) -> Claim | None:
    """Take a shard's lease; None where it is done, held by another, or its job has ended."""
    return leases.claim(session, shard_id, worker, settings.lease_seconds, settings.max_attempts)


def finish_prepare(session: Session, claim: Claim, blob: str, facts: GameFacts, kept: AnswerBlob | None = None) -> None:
    """The game's models are trained and stored under ``blob``, and what they answer under ``kept``; planning is
    next."""
    _finish(session, claim)
    if kept is not None:
        answers.keep(session, claim.game_id, kept)
    repository.set_prepared(session, claim.game_id, blob, facts.plain())
    valuation = repository.lock(session, claim.valuation_id)
    if valuation.status in WORKING:
        repository.add_event(session, valuation, "valuation.prepared", {"seconds": round(facts.seconds, 3)})
        lifecycle.add_step(session, valuation, ShardKind.PLAN, lifecycle.CONTROL_QUEUE)


def finish_plan_with_round(
    session: Session,
    settings: Settings,
    claim: Claim,
    request: RoundRequest,
    progress: JobProgress,
    by: str | None = None,
) -> Claim | None:
    """The plan asks for more worths: write the next round's shards and dispatch as many as the job's window holds.

    Of a check the worker ``by`` takes a shard itself, one of another's worths.
    """
    _finish(session, claim)
    valuation = repository.lock(session, claim.valuation_id)
    if valuation.status not in WORKING:
        return None
    _add_round(session, valuation, request)
    valuation.progress = progress.plain()
    if valuation.status is ValuationStatus.PLANNING:
        lifecycle.move(session, valuation, ValuationStatus.RUNNING)
    event = {"round": valuation.round, "source": request.source, "worths": len(request.coalitions)}
    repository.add_event(session, valuation, "valuation.progressed", event | {"progress": progress.plain()})
    mine = None
    if request.authors and by is not None and claim.queue == valuation.queue:
        mine = _another_check(session, settings, claim, by)
    fill_window(session, settings, valuation.id, valuation.queue)
    return mine


def _add_round(session: Session, valuation: Valuation, request: RoundRequest) -> None:
    """Write the job's next round and its shards, which are queued."""
    valuation.round += 1
    chunks = request.shards()
    shard_repository.add_round(
        session,
        {
            "valuation_id": valuation.id,
            "number": valuation.round,
            "source": request.source,
            "worths": len(request.coalitions),
            "shards": len(chunks),
            "open": len(chunks),
        },
    )
    shard_repository.add_shards(
        session,
        [
            {
                "id": uuid7(),
                "valuation_id": valuation.id,
                "round": valuation.round,
                "kind": ShardKind.EVALUATE,
                "ordinal": ordinal,
                "status": ShardStatus.QUEUED,
                "queue": valuation.queue,
                "source": request.source,
                "coalitions": b"".join(chunk),
                "count": len(chunk),
                "worker": author,
            }
            for ordinal, (author, chunk) in enumerate(chunks)
        ],
    )


def finish_plan_with_result(session: Session, claim: Claim, result: StoredResult, progress: JobProgress) -> None:
    """The plan has its result: store it, hidden until the money has moved, and record the settlement."""
    _finish(session, claim)
    valuation = repository.lock(session, claim.valuation_id)
    if valuation.status not in WORKING:
        return
    valuation.result = result.plain()
    valuation.progress = progress.plain()
    if result.evidence is not None:
        evidence.keep(session, valuation.game_id, result.evidence.document)
    lifecycle.settle_or_wait(session, valuation, result.precision)


def finish_evaluate(
    session: Session, settings: Settings, claim: Claim, worths: Sequence[ComputedWorth], by: str | None = None
) -> Claim | None:
    """Write a shard's worths, each once; the worker that finishes the round's last shard records the next plan.

    The window is filled, and where ``by`` names the worker, it takes the first of the shards that come into it itself:
    the claim of its next one. Round and job are locked last, for one short statement and the commit, since all of a
    job's workers queue for them.
    """
    if not leases.finish_with_worths(session, claim, *_columns(worths)):
        raise _lost(claim)
    _keep_answers(session, claim, worths)
    following = None
    if by is None:
        fill_window(session, settings, claim.valuation_id, claim.queue)
    else:
        following, others = shard_repository.take_room_and_claim(
            session, claim, alive_within(settings), by, settings.lease_seconds
        )
        _send(session, claim.valuation_id, claim.queue, others)
    seconds = sum(worth.seconds for worth in worths)
    still_open, status = shard_repository.count_down(session, claim.valuation_id, claim.round, len(worths), seconds)
    if status in WORKING:
        if not still_open:
            valuation = repository.lock(session, claim.valuation_id)
            lifecycle.add_step(session, valuation, ShardKind.PLAN, lifecycle.CONTROL_QUEUE)
        return following
    # the job was stopped meanwhile: the shard taken for it is abandoned
    if following is not None:
        leases.abandon_held(session, following.shard_id, following.fence)
    shard_repository.abandon_queued(session, claim.valuation_id)
    if status is ValuationStatus.CANCELLING:
        lifecycle.end_if_idle(session, settings, repository.lock(session, claim.valuation_id))
    return None


def finish_settle(session: Session, claim: Claim) -> None:
    """Release the lease of a settlement; the caller settles in the same transaction, after this."""
    _finish(session, claim)


def fail_attempt(
    session: Session,
    settings: Settings,
    claim: Claim,
    reason: Reason,
    sentence: str,
    traceback: str,
    *,
    final: bool,
    worths: Sequence[ComputedWorth] = (),
) -> None:
    """A try at a shard failed: it is queued again after a pause, or, at the limit or when ``final``, the job fails.

    ``worths`` are those computed before, by a try that only took too long; the next one has less to do.
    """
    limit = claim.attempt if final else settings.max_attempts
    delay = _BACKOFF_SECONDS * 2.0 ** (claim.attempt - 1)
    status = leases.fail_attempt(session, claim.shard_id, claim.fence, traceback, limit, delay)
    if status is None:
        raise _lost(claim)
    _keep(session, claim, worths)
    if status is ShardStatus.QUEUED:
        lifecycle.send(session, claim.valuation_id, claim.kind, [claim.shard_id], claim.queue, delay)
        return
    valuation = repository.lock(session, claim.valuation_id)
    tries = "once" if claim.attempt == 1 else f"{claim.attempt} times"
    lifecycle.fail(session, settings, valuation, reason, f"{sentence} (tried {tries}); nothing was charged", traceback)
    lifecycle.end_if_idle(session, settings, valuation)


def fail_check(session: Session, settings: Settings, claim: Claim, traceback: str) -> None:
    """Worths that were computed again differ: the job fails, and the worths of its game are erased."""
    sentence = (
        "a worth that was computed a second time, as a check, came out different; the worths of this job are erased, "
        "and an administrator can look up which; post the job again to have all of them computed anew"
    )
    fail_attempt(session, settings, claim, Reason.WORTHS_DIFFER, sentence, traceback, final=True)
    worth_repository.erase(session, claim.game_id)
    answers.erase(session, claim.game_id, but=ANCHORS)  # the models they are of stay prepared


def leave_to_another(session: Session, settings: Settings, claim: Claim, by: str | None) -> Claim | None:
    """A check of a worker's own worths goes back to the queue, for another; where ``by`` names the worker, the claim
    of one that it may do."""
    give_back(session, claim, delay=_OTHERS_SECONDS)
    return None if by is None else _another_check(session, settings, claim, by)


def give_back(session: Session, claim: Claim, worths: Sequence[ComputedWorth] = (), delay: float = 0) -> None:
    """The worker is being shut down, or another is to do the shard: store the worths it computed and return the rest to
    the queue, at once or after a moment."""
    if not leases.give_back(session, claim.shard_id, claim.fence):
        raise _lost(claim)
    _keep(session, claim, worths)
    lifecycle.send(session, claim.valuation_id, claim.kind, [claim.shard_id], claim.queue, delay)


def pass_on(session: Session, settings: Settings, shard_id: uuid.UUID) -> bool:
    """Leave a shard that failed here to another worker, by another message; False where there is no other, or nothing
    to do."""
    shard = session.get(Shard, shard_id)
    if shard is None or shard.status is not ShardStatus.QUEUED:
        return False
    if leases.live_workers(session, shard.queue, alive_within(settings)) < 2:
        return False
    shard_repository.mark_dispatched(session, [shard_id])
    lifecycle.send(session, shard.valuation_id, shard.kind, [shard_id], shard.queue, _OTHERS_SECONDS)
    return True


def stand_down(session: Session, settings: Settings, claim: Claim, worths: Sequence[ComputedWorth] = ()) -> None:
    """The job was cancelled or its deadline has passed: store the worths computed so far, and let the shard go."""
    if not leases.abandon_held(session, claim.shard_id, claim.fence):
        raise _lost(claim)
    _keep(session, claim, worths)
    valuation = repository.lock(session, claim.valuation_id)
    if lifecycle.past_deadline(valuation, repository.now(session)):
        lifecycle.request_stop(session, settings, valuation, Reason.DEADLINE)
    else:
        lifecycle.end_if_idle(session, settings, valuation)


def fill_window(session: Session, settings: Settings, valuation_id: uuid.UUID, queue: str) -> int:
    """Dispatch waiting shards of a job up to its window; returns how many.

    The window (``shard_repository.take_room``) is enough to keep every worker busy, and a short job never waits behind
    more than that.
    """
    taken = shard_repository.take_room(session, queue, valuation_id, alive_within(settings))
    _send(session, valuation_id, queue, taken)
    return len(taken)


def _send(session: Session, valuation_id: uuid.UUID, queue: str, shard_ids: Sequence[uuid.UUID]) -> None:
    if shard_ids:
        lifecycle.send(session, valuation_id, ShardKind.EVALUATE, list(shard_ids), queue)


def _another_check(session: Session, settings: Settings, claim: Claim, by: str) -> Claim | None:
    """The claim of a check of this job that waits, of worths that another worker computed."""
    waiting = shard_repository.waiting_check(session, claim.valuation_id, by)
    if waiting is None:
        return None
    return leases.claim(session, waiting, by, settings.lease_seconds, settings.max_attempts)


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"shard {claim.shard_id} was taken over after fence {claim.fence}, or its job has ended")


def _finish(session: Session, claim: Claim) -> None:
    if not leases.finish(session, claim.shard_id, claim.fence):
        raise _lost(claim)


def _keep(session: Session, claim: Claim, worths: Sequence[ComputedWorth]) -> None:
    """Worths of a shard that is not finished: stored and counted as progress, while the shard stays open."""
    if worths:
        leases.store_worths(session, claim, *_columns(worths))
        _keep_answers(session, claim, worths)
        seconds = sum(worth.seconds for worth in worths)
        shard_repository.count_worths(session, claim.valuation_id, claim.round, len(worths), seconds)


def _keep_answers(session: Session, claim: Claim, worths: Sequence[ComputedWorth]) -> None:
    """Note the blobs in which the answers behind these worths are kept."""
    for blob in dict.fromkeys(worth.kept for worth in worths):
        if blob is not None:
            answers.keep(session, claim.game_id, blob)


def _columns(worths: Sequence[ComputedWorth]) -> tuple[list[bytes], list[float], list[float]]:
    return (
        [worth.coalition for worth in worths],
        [worth.worth for worth in worths],
        [worth.seconds for worth in worths],
    )
