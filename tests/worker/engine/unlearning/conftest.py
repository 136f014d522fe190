"""Contexts that the tests of methods share, and the same contexts with the rows of some players changed."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from tests.worker.engine import tiny_language
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context

Loss = Callable[[Context, Tensor, Coalitions], Tensor]


@pytest.fixture(scope="session")
def networks(blobs) -> Callable[..., Context]:
    """A factory: the context of a small network on four players (the last two in content are copies)."""

    def make(hyper: dict[str, float | int | str] | None = None, **options: object) -> Context:
        return Evaluator(blobs("mlp", {"steps": 10} | (hyper or {}), metric="log_loss", **options)).context

    return make


@pytest.fixture(scope="session")
def network(networks) -> Context:
    return networks()


@pytest.fixture(scope="session")
def languages() -> Callable[..., Context]:
    """A factory: the context of a tiny language model on four players, two of them copies."""

    def make(**options: object) -> Context:
        return Evaluator(tiny_language.problem(**options)).context

    return make


@pytest.fixture(scope="session")
def language(languages) -> Context:
    return languages()


@pytest.fixture(scope="session")
def with_changed() -> Callable[[Context, np.ndarray], Context]:
    """``with_changed(context, players)``: the same models, and other rows of these players."""

    def make(context: Context, players: np.ndarray) -> Context:
        pool = copy(context.pool)
        pool.X = pool.X.clone()
        for (a, b), changes in zip(pool.spans, players, strict=True):
            if changes:
                pool.X[a:b] = pool.X[a:b].flip(0) * 3.0 + 1.0
        return replace(context, pool=pool, _cache={})

    return make


@pytest.fixture(scope="session")
def loss_on() -> Loss:
    """``loss_on(context, models, coalitions)``: mean cross-entropy [K] on the rows of each coalition."""

    def measure(context: Context, models: Tensor, coalitions: Coalitions) -> Tensor:
        batch: Batch = context.pool.gather(coalitions, int(context.pool.row_counts(coalitions).max()))
        logs = context.learner.logits(models, batch.X).log_softmax(dim=2)
        picked = logs.gather(2, batch.y.unsqueeze(2)).squeeze(2)
        return -(picked * batch.weight).sum(dim=1) / batch.counts

    return measure
