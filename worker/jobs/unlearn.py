"""The task that makes a checkpoint forget a withdrawn dataset: read the rows, unlearn, measure, hand over new weights.

Everything is computed outside any transaction; what is returned is what to write, in one fenced transaction. It
measures what can be measured (distance to a model trained anew, membership scores before and after) and says why where
nothing can. It runs on the CPU, which every deployment has a worker for. Weights are read and written as safetensors.
"""

import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import obstore.exceptions
import structlog
import torch
from sqlalchemy.orm import Session, sessionmaker
from torch import Tensor

from app.checkpoints.weights import BASE
from app.erasure import unlearning, unlearning_repository
from app.erasure.unlearning import GONE, LoadedDuty, UnlearningOutcome
from app.erasure.unlearning_repository import UnlearningClaim
from app.errors import InvalidData, InvalidInput, NotFound, Unavailable
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.work.protocol import LeaseLost
from contract.errors import InvalidProblem
from contract.learning import withdrawal
from contract.learning.withdrawal import WithdrawalMethod
from contract.orders.game import ENGINE_RULES, FrozenGame
from worker.engine.evaluation import forgetting, membership
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import EvaluationFailed
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.tensors import batching
from worker.loading.unlearning_inputs import UnlearningInputs, joined, read, rounded, write
from worker.process.heartbeat import Heartbeat, Held, Stop, WorkStopped

log = structlog.get_logger(__name__)

Write = Callable[[Session], tuple[str, ...]]
_LOST, _STAYS = "forgotten", "remaining"
_NOT_WHOLE = "not every other row that the model has seen is here, so none can be trained anew to compare with"


class Unlearner:
    """Does the duties of one worker process."""

    def __init__(
        self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, heartbeat: Heartbeat
    ) -> None:
        self._factory, self._blobs, self._settings, self._heartbeat = factory, blobs, settings, heartbeat

    def claim(self, session: Session, unlearning_id: uuid.UUID) -> UnlearningClaim | None:
        """Take the lease of a duty; None where there is nothing to take."""
        settings = self._settings
        return unlearning_repository.claim(
            session, unlearning_id, self._heartbeat.name, settings.lease_seconds, settings.max_attempts
        )

    def held(self, claim: UnlearningClaim) -> Held:
        """The lease, as the heartbeat sees it; a duty is never cancelled."""
        return Held(
            f"unlearning {claim.unlearning_id}",
            None,
            lambda session, seconds: unlearning_repository.extend(session, claim, seconds),
            lambda _session: True,
        )

    def run(self, claim: UnlearningClaim, duty: LoadedDuty | None) -> Write:
        """Do a duty; returns the writes, which answer with the blobs to erase after them. Raises LeaseLost."""
        if duty is None:
            return lambda session: unlearning.nothing_to_do(session, claim)
        try:
            self._heartbeat.check()
            outcome = self._outcome(duty)
            self._heartbeat.check()
        except (WorkStopped, batching.Stopped):
            return self._stopped(claim)
        except (OSError, Unavailable, obstore.exceptions.BaseError) as error:
            # the blob store is away, which is no fault of the duty: its weights are not erased for it
            why = "".join(traceback.format_exception(error))
            log.warning("worker.unlearning_put_off", error=str(error))
            return lambda session: unlearning.put_off(session, self._settings, claim, why)
        except Exception as error:
            log.exception("worker.unlearning_failed", attempt=claim.attempt)
            final = isinstance(error, InvalidProblem | InvalidData | InvalidInput)
            known = final or isinstance(error, NotFound | EvaluationFailed)
            sentence = str(error) if known else "unlearning was stopped by an internal error"
            trace = "".join(traceback.format_exception(error))
            return self._failed(claim, sentence, trace, final=final)
        return lambda session: unlearning.finish(session, duty, outcome)

    def _stopped(self, claim: UnlearningClaim) -> Write:
        why = self._heartbeat.why_stop() or Stop.LOST
        if why is Stop.DRAINING:
            return lambda session: unlearning.give_back(session, claim)
        if why is Stop.TIME_LIMIT:
            sentence = f"unlearning took longer than the {self._settings.shard_time_limit:g} seconds allowed"
            return self._failed(claim, sentence, why.value, final=False)
        raise LeaseLost(f"unlearning {claim.unlearning_id}: {why.value}")

    def _failed(self, claim: UnlearningClaim, sentence: str, trace: str, *, final: bool) -> Write:
        settings = self._settings
        return lambda session: unlearning.fail_attempt(session, settings, claim, sentence, trace, final=final)

    def _outcome(self, duty: LoadedDuty) -> UnlearningOutcome:
        if duty.chosen is WithdrawalMethod.ERASE:
            return _erased(None, {})
        if duty.game is None or duty.test is None:
            return _erased("no job of yours says how the dataset's rows became numbers", {})
        inputs = read(self._blobs, self._settings, duty, self._heartbeat.check)
        whole = duty.whole and not inputs.missing
        architecture = duty.checkpoint.architecture
        method, reason = withdrawal.chosen(architecture, duty.chosen, whole=whole, test=inputs.test is not None)
        has_base = any(name.startswith(BASE) for name in inputs.arrays)
        if whole and not inputs.remaining:
            method, reason = (WithdrawalMethod.RETRAIN, "nothing remains but the base model") if has_base else (
                WithdrawalMethod.ERASE, "nothing remains that the model could be trained on"
            )  # fmt: skip
        described = _described(duty, duty.game, inputs, whole)
        if method is WithdrawalMethod.ERASE:
            return _erased(reason, described)
        return self._unlearned(duty, duty.game, inputs, whole, method, reason, described)

    def _unlearned(
        self,
        duty: LoadedDuty,
        game: FrozenGame,
        inputs: UnlearningInputs,
        whole: bool,
        method: WithdrawalMethod,
        reason: str | None,
        described: dict[str, Any],
    ) -> UnlearningOutcome:
        # a method that needs no other rows steps away from the old weights, whatever else is here; in full mode it
        # would start from a point that suits thousands of coalitions, and end further off
        evaluator = Evaluator(_problem(game, inputs, whole, full=method in withdrawal.NEEDS_ALL))
        evaluator.prepare(self._heartbeat.should_stop)
        kept = np.array([player.name.startswith(_STAYS) for player in evaluator.problem.players])
        model = forgetting.forget(evaluator, kept, method.value)
        layout = evaluator.learner.layout
        weights = rounded(duty, inputs.arrays | layout.unpack(model))
        # the measured weights are the stored ones, rounded to their types of number
        stored = {slot.name: weights[slot.name].double().numpy() for slot in layout.slots}
        after = layout.pack(stored, evaluator.learner.dtype)
        never_saw = after if method is WithdrawalMethod.RETRAIN else None
        if whole and never_saw is None:
            judge = Evaluator(_problem(game, inputs, whole, full=True))
            judge.prepare(self._heartbeat.should_stop)
            never_saw = forgetting.forget(judge, kept, forgetting.RETRAIN)
        measured = _measured(evaluator, after, never_saw, inputs)
        blob = write(self._blobs, duty, weights)
        return UnlearningOutcome(method, reason, blob, dict(duty.checkpoint.tensors or {}), described | measured)


def _problem(game: FrozenGame, inputs: UnlearningInputs, whole: bool, *, full: bool) -> Problem:
    """The job's own problem, with one player for each content that was seen; ``full`` or from the old weights alone."""
    players = [
        PlayerData(f"{kind} {number}", rows.X, rows.y, rows.digest)
        for kind, contents in ((_LOST, inputs.forgotten), (_STAYS, inputs.remaining))
        for number, rows in enumerate(contents.values())
    ]
    test = inputs.test
    if test is None:
        # it gives the shape of a row; nothing is trained on it, and what is measured on it says so
        test = joined(inputs.remaining or inputs.forgotten)
    return Problem(
        players=players,
        test=Rows(test.X, test.y, name="the test set"),
        classes=inputs.classes,
        scale=inputs.scale,
        columns=inputs.columns,
        learner=LearnerSpec(game.learner.name, game.learner.hyper),
        metric=game.measured_by,
        mode="full" if full else "partial",
        seed=game.seed,
        checkpoint=inputs.arrays | inputs.below,
        unlearning=game.unlearning | ({"hidden_rows": 0} if whole else {}),
    )


def _described(duty: LoadedDuty, game: FrozenGame, inputs: UnlearningInputs, whole: bool) -> dict[str, Any]:
    """The certificate's part about data and model: digests and counts."""
    return {
        "forgotten": {
            "digests": sorted(inputs.forgotten),
            "rows": sum(len(rows.y) for rows in inputs.forgotten.values()),
        },
        "remains": {
            "digests": sorted({part.digest for part in duty.remaining} - set(inputs.missing)),
            "rows": sum(len(rows.y) for rows in inputs.remaining.values()),
            "missing": sorted(inputs.missing),
            "whole": whole,
        },
        "model": {"learner": game.learner.plain(), "seed": game.seed, "rules": ENGINE_RULES},
        "test": None if inputs.test is None else {"digest": inputs.test.digest, "rows": len(inputs.test.y)},
    }


def _measured(
    evaluator: Evaluator, after: Tensor, never_saw: Tensor | None, inputs: UnlearningInputs
) -> dict[str, Any]:
    """The residual and the membership scores, each with its reason where it cannot be measured."""
    models: dict[str, Tensor | None] = {"before": evaluator.context.full, "after": after, "never_saw": never_saw}
    X, y = evaluator.test_X, evaluator.test_y
    kind, measure = (
        ("rmse", forgetting.rmse) if evaluator.problem.scale is not None else ("accuracy", forgetting.accuracy)
    )
    scored = {
        name: None if model is None else round(measure(evaluator, model, X, y), 6) for name, model in models.items()
    }
    residual: dict[str, Any] = {"unmeasured": _NOT_WHOLE}
    if never_saw is not None:
        residual = {
            "compared_with": "a model trained anew on what remains",
            "rows": "test" if inputs.test is not None else "remaining",
            **{
                name: _rounded(asdict(forgetting.distance(evaluator, model, never_saw, X, y)))
                for name, model in (("before", evaluator.context.full), ("after", after))
            },
        }
    return {kind: scored, "residual": residual, "membership": _membership(evaluator, models, inputs)}


def _membership(evaluator: Evaluator, models: dict[str, Tensor | None], inputs: UnlearningInputs) -> dict[str, Any]:
    lost = joined(inputs.forgotten)
    if inputs.test is None:
        return {"unmeasured": "there are no rows that the model never saw: the test set of yours is gone"}
    if min(len(lost.y), len(evaluator.test_y)) < 2:
        return {"unmeasured": "two rows that were forgotten and two that the model never saw are needed"}
    X = torch.from_numpy(lost.X).to(evaluator.learner.dtype)
    y = torch.from_numpy(evaluator.problem.trained_on(lost.y))
    losses = {
        name: (
            forgetting.losses(evaluator, model, X, y),
            forgetting.losses(evaluator, model, evaluator.test_X, evaluator.test_y),
        )
        for name, model in models.items()
        if model is not None
    }
    digests: Sequence[str] = [rows.digest for rows in inputs.remaining.values()]
    return {
        "attack": "loss threshold; area under the ROC curve, standard errors by DeLong",
        "members": len(lost.y),
        "strangers": len(evaluator.test_y),
        **{name: _score(membership.score(*losses[name])) if name in losses else None for name in models},
        "fell_by": _score(membership.fall(losses["before"], losses["after"])),
        "remains_elsewhere": any(rows.digest in digests for rows in inputs.forgotten.values()),
    }


def _score(score: membership.MembershipScore) -> dict[str, float]:
    low, high = score.interval
    return _rounded({"value": score.value, "stderr": score.stderr, "low": low, "high": high})


def _rounded(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in numbers.items()}


def _erased(reason: str | None, described: dict[str, Any]) -> UnlearningOutcome:
    gone = {"residual": {"unmeasured": GONE}, "membership": {"unmeasured": GONE}}
    return UnlearningOutcome(WithdrawalMethod.ERASE, reason, None, None, described | gone)
