"""A language-model game small enough to be made in a test: corpora walk through an alphabet at different strides."""

from collections.abc import Sequence

import numpy as np
import torch

from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.learners.causal_lm import LanguageModel

VOCABULARY, CONTEXT = 20, 16
SHAPE = {"layers": 1, "width": 32, "heads": 4, "kv_heads": 2}
ADAPTERS = {**SHAPE, "rank": 2, "steps": 16, "batch": 4, "lr": 0.01}


def base_weights() -> dict[str, np.ndarray]:
    learner = make_learner(LearnerSpec("lm", {**SHAPE, "rank": 0}), (CONTEXT + 1,), VOCABULARY)
    return learner.layout.unpack(learner.start(3))


def texts(rows: int, stride: int, seed: int = 0) -> np.ndarray:
    """Walks through the alphabet: a corpus's stride is what there is to learn from it."""
    steps = np.random.default_rng(seed).integers(stride, stride + 2, (rows, CONTEXT + 1))
    return (np.cumsum(steps, axis=1) % VOCABULARY).astype(np.float32)


def model(**hyper: float) -> LanguageModel:
    return LanguageModel({**ADAPTERS, **hyper}, (CONTEXT + 1,), VOCABULARY, base_weights())


def problem(players: Sequence[PlayerData] = (), **options: object) -> Problem:
    corpora = [texts(24, 1, 1), texts(32, 3, 2), texts(16, 7, 3)]
    made = [PlayerData(f"p{i}", X, np.zeros(len(X), dtype=np.int64)) for i, X in enumerate(corpora)]
    made.append(PlayerData("copy", corpora[0], np.zeros(24, dtype=np.int64)))
    test = np.concatenate([texts(20, 1, 4), texts(20, 3, 5)])
    settings = {"metric": "clipped_log_loss", "seed": 5, "learner": LearnerSpec("lm", ADAPTERS), **options}
    return Problem(
        players=players or made,
        test=Rows(test, np.repeat([0, 1], 20)),
        classes=VOCABULARY,
        **{"checkpoint": {f"frozen.{name}": array for name, array in base_weights().items()}, **settings},
    )


def moved(learner: LanguageModel, count: int) -> torch.Tensor:
    noise = torch.randn(count, learner.layout.width, generator=torch.Generator().manual_seed(1))
    return learner.start(0) + 0.05 * noise
