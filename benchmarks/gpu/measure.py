"""Rates of a language model on one device: training and scoring in stacks, the device's own matrix rate, peak memory.

Weights and tokens are drawn, not learned: a rate does not depend on what they say. Adapters are trained by the
learner's own ``train`` and scored by its own ``scores``, so what is measured is what a job runs.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from worker.engine.evaluation import memory
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.tasks.tokens import TokenAnswers
from worker.engine.tensors.batching import Pool, single_threaded

SIZES: dict[str, dict[str, float | int | str]] = {
    "tiny": {"layers": 2, "width": 64, "heads": 2},
    "100m": {"layers": 12, "width": 768, "heads": 12},
    "400m": {"layers": 24, "width": 1152, "heads": 18},
}
_SCORED_BLOCKS = 64


@dataclass(frozen=True)
class Setting:
    """What is measured: sizes, precision, context, vocabulary, blocks in a step, steps, rank and device."""

    size: str
    device: str
    bf16: bool
    recompute: bool
    context: int
    vocabulary: int
    batch: int
    steps: int
    rank: int = 16


def learner_of(setting: Setting) -> tuple[LanguageModel, Problem]:
    """A learner with a drawn base, and a game of one player with drawn tokens."""
    rng = np.random.default_rng(0)
    shape = SIZES[setting.size]
    rows = rng.integers(0, setting.vocabulary, (max(_SCORED_BLOCKS, 4 * setting.batch), setting.context + 1))
    blocks, none = rows.astype(np.float32), np.zeros(len(rows), dtype=np.int64)
    bare = make_learner(LearnerSpec("lm", {**shape, "rank": 0}), (setting.context + 1,), setting.vocabulary)
    base = bare.layout.unpack(bare.start(0))
    hyper = {**shape, "rank": setting.rank, "steps": setting.steps, "batch": setting.batch}
    hyper |= {"bf16": int(setting.bf16), "recompute": int(setting.recompute)}
    game = Problem(
        [PlayerData("drawn", blocks, none)],
        Rows(blocks[:_SCORED_BLOCKS], none[:_SCORED_BLOCKS]),
        setting.vocabulary,
        LearnerSpec("lm", hyper),
        metric="log_loss",
    )
    learner = make_learner(game.learner, game.feature_shape, game.classes, base)
    assert isinstance(learner, LanguageModel)
    return learner, game


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply-adds times two per second of one large product: what the device gives this torch, not a data sheet."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    a @ b
    rounds, spent = 0, 0.0
    while spent < 0.5:
        begun = _now(device)
        a @ b
        spent += _now(device) - begun
        rounds += 1
    return 2.0 * n**3 * rounds / spent


def work_per_token(learner: LanguageModel, setting: Setting) -> tuple[float, float]:
    """Operations in matrices of one token: (trained, scored). Frozen matrices have no gradient of their own."""
    forward = 2.0 * learner.sizes.multiplications(learner.classes) + 2.0 * learner.layout.width
    attention = 2.0 * setting.context * learner.sizes.width * learner.sizes.layers  # half is masked
    backward = 2.0 * learner.sizes.multiplications(learner.classes) + 4.0 * learner.layout.width + 2.0 * attention
    again = forward + attention if setting.recompute else 0.0
    return forward + attention + backward + again, forward + attention


def measure(setting: Setting, stacks: list[int]) -> dict[str, Any]:
    """Tokens and coalitions per second by stack, share of the matrix rate, memory planned and peak."""
    device = torch.device(setting.device)
    learner, game = learner_of(setting)
    plan = memory.plan(learner, int(game.players[0].X.nbytes), memory.free_bytes(device))
    pool = Pool(game, device, learner.dtype)
    start, test = learner.start(0).to(device), pool.X[:_SCORED_BLOCKS]
    rate = matrix_rate(device, learner.inside)
    trained_work, scored_work = work_per_token(learner, setting)
    found = []
    for stack in (k for k in stacks if k <= plan.stack):
        everybody = np.ones((stack, 1), dtype=bool)
        with single_threaded():
            learner.train(start, pool, everybody[:1], 0, lambda: None)  # warm
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            begun = _now(device)
            models = learner.train(start, pool, everybody, 0, lambda: None)
            trained = _now(device) - begun
            begun = _now(device)
            TokenAnswers().of_models(learner, models, test)
            scored = _now(device) - begun
        tokens = stack * setting.steps * setting.batch * setting.context
        read = stack * len(test) * setting.context
        found.append(
            {
                "stack": stack,
                "trained tokens/s": tokens / trained,
                "share of matrix rate, training": tokens / trained * trained_work / rate,
                "scored tokens/s": read / scored,
                "share of matrix rate, scoring": read / scored * scored_work / rate,
                "coalitions/s": stack / (trained + scored),
                "planned bytes": plan.shared + stack * plan.each,
                "peak bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
            }
        )
    return {
        "setting": setting.__dict__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, one thread",
        "parameters": sum(array.numel() for array in learner.frozen(device).values()),
        "adapters": learner.layout.width,
        "matrix rate": rate,
        "free bytes": plan.free,
        "stack that fits": plan.stack,
        "stacks": found,
    }


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()
