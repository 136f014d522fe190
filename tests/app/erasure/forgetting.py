"""A checkpoint that was trained on withdrawn data, and a worker moved by hand, for tests of what it forgets."""

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from app.checkpoints.tables import Checkpoint
from app.datasets import service as datasets
from app.db.session import transaction
from app.erasure import erasing
from app.identity import Caller
from app.valuations.states import ValuationStatus
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod
from tests.market import Hand, Market, rows_of
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

L2 = 0.01


@dataclass
class Model:
    """A checkpoint that was trained on all of a market's datasets, and the job that says so."""

    id: uuid.UUID
    digest: str


def train(market: Market, architecture: Architecture = Architecture.LOGISTIC, **hyper: Any) -> dict[str, Any]:
    """The weights of a model trained on every provider's rows, the flipped one's among them."""
    parts = [rows_of(1, 60), rows_of(2, 40), rows_of(3, 50, flip=0.5), rows_of(1, 60)]
    players = [PlayerData(f"p{number}", *part) for number, part in enumerate(parts)]
    problem = Problem(
        players=players, test=Rows(*rows_of(9, 80)), classes=3, metric="accuracy", mode="full", seed=3,
        learner=LearnerSpec(architecture.value, hyper or {"l2": L2}),
    )  # fmt: skip
    evaluator = Evaluator(problem)
    weights = evaluator.learner.layout.unpack(evaluator.context.full)
    return {name: np.ascontiguousarray(array.astype(np.float32)) for name, array in weights.items()}


def keep(market: Market, owner: Caller, weights: dict[str, Any], **columns: Any) -> Model:
    """Store weights as a checkpoint of the owner's, which says ``auto`` unless told otherwise."""
    blob = market.blobs.put_bytes(safetensors.numpy.save(weights))
    values = {
        "architecture": Architecture.LOGISTIC,
        "hyper": {"l2": L2},
        "unlearning": WithdrawalMethod.AUTO,
        "digest": blob.digest,
        "size_bytes": blob.size,
        "tensors": {name: {"dtype": "F32", "shape": list(array.shape)} for name, array in weights.items()},
    }
    with transaction(market.factory) as session:
        checkpoint = Checkpoint(buyer_id=owner.account_id, name="model", **values | columns)
        session.add(checkpoint)
        session.flush()
        return Model(checkpoint.id, blob.digest)


def value(market: Market, hand: Hand, model: Model, **changes: Any) -> None:
    """A job that is over names the model, so that its lineage is known; its payouts are not what is tested here."""
    job_id = market.post(model=None, checkpoint=model.id, **changes)
    with transaction(market.factory) as session:
        erasing.lifecycle.request_stop(
            session, market.settings, erasing.repository.lock(session, job_id), "cancelled_by_buyer"
        )
    hand.collect()
    assert market.job(job_id).status is ValuationStatus.CANCELLED


def withdraw(market: Market, number: int) -> uuid.UUID:
    """The provider withdraws its dataset, as the endpoint does."""
    dataset_id = market.datasets[number]
    owner = Caller(market.providers[number], market.buyer.role, frozenset(), uuid.uuid4())
    with transaction(market.factory) as session:
        datasets.withdraw(session, owner, dataset_id)
    return dataset_id


def step(hand: Hand) -> list[str]:
    """One sweep, and everything that it and its messages cause; the names of the tasks that ran."""
    hand.sweeper.sweep_once()
    ran = []
    while True:
        while hand.relay.drain_once():
            pass
        if not hand.letters.waiting:
            return ran
        for task, args, _ in [hand.letters.waiting.pop(0) for _ in list(hand.letters.waiting)]:
            ran.append(task.removeprefix("worker.tasks."))
            if task.endswith("unlearn"):
                hand.runtime.unlearn(uuid.UUID(args["unlearning_id"]))
            elif task.endswith("forget"):
                hand.runtime.forget(uuid.UUID(args["dataset_id"]))


def weights_of(market: Market, model: Model) -> dict[str, Any]:
    digest = market.scalar("SELECT digest FROM checkpoints WHERE id = :id", id=model.id)
    return safetensors.numpy.load(market.blobs.get(digest))


def record_of(market: Market, model: Model) -> dict[str, Any]:
    found = market.scalar("SELECT record FROM unlearnings WHERE checkpoint_id = :id", id=model.id)
    assert found is not None
    return dict(found)


def erased(market: Market, dataset_id: uuid.UUID) -> bool:
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=dataset_id)
    over = market.scalar("SELECT finished_at IS NOT NULL FROM erasures WHERE dataset_id = :id", id=dataset_id)
    assert over is not market.blobs.exists(digest)
    return bool(over)


def begin(hand: Hand, withdrawals: int = 1) -> None:
    """The first task of each withdrawal alone."""
    hand.sweeper.sweep_once()
    while hand.relay.drain_once():
        pass
    first = [args["dataset_id"] for _, args, _ in hand.letters.waiting]
    assert len(first) == withdrawals
    hand.letters.waiting.clear()
    for dataset_id in first:
        hand.runtime.forget(uuid.UUID(dataset_id))
