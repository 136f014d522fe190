"""Next tokens: a model answers a block with sums over its tokens (``contract.tasks.TOKEN_SUMS``), in float64.

All outputs of a vocabulary's breadth are too many to keep; the sums are what every metric of texts needs. A few blocks
are asked at a time. A method that knows likelihoods without outputs leaves the sum of hits NaN: nobody counted them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.metrics import Predicts, TokenSum
from contract.metrics.clipped_log_loss import floor
from contract.rows.token_blocks import NO_TOKEN
from contract.tasks import PREDICTIONS, TOKEN_SUMS, Targets, TargetScale
from worker.engine.learners.causal_lm import SCORE_ROWS, token_likelihoods
from worker.engine.learners.learner import Learner
from worker.engine.tasks.answering import Answering, Outputs, Predicted

_BLOCKS = 8  # are asked at a time where every prediction is wanted


class TokenAnswers(Answering):
    """Answers float64[K, T, 3]; the targets are the tokens of each block."""

    prediction = PREDICTIONS[Predicts.NEXT_TOKEN]

    def answers(self, learner: Learner, outputs: Outputs, X: Tensor) -> NDArray[np.float64]:
        return _joined(
            _sums(learner, token_likelihoods(logits, blocks)[0], _hits(logits, blocks))
            for blocks in _parts(X)
            for logits in [outputs(blocks)]
        )

    def of_likelihoods(self, learner: Learner, likelihoods: Outputs, X: Tensor) -> NDArray[np.float64]:
        return _joined(_sums(learner, likelihoods(blocks), None) for blocks in _parts(X))

    def targets(
        self,
        learner: Learner,
        X: Tensor,
        y: NDArray[Any],  # noqa: ARG002
        weights: NDArray[np.float64] | None,
        scale: TargetScale | None = None,  # noqa: ARG002
    ) -> Targets:
        if weights is not None:
            raise ValueError("a language model's test set has no classes to weigh; set class_weights to uniform")
        tokens = (X[:, 1:] != NO_TOKEN).sum(dim=1).cpu().numpy().astype(np.int64)
        return Targets(tokens, None, learner.classes)

    def predicted(self, learner: Learner, models: Tensor, X: Tensor, y: Tensor) -> Iterator[Predicted]:  # noqa: ARG002
        for a in range(0, len(X), _BLOCKS):
            blocks = X[a : a + _BLOCKS]
            targets = blocks[:, 1:].long()
            there = targets != NO_TOKEN
            rows = torch.arange(a, a + len(blocks), device=X.device).unsqueeze(1).expand_as(targets)
            yield Predicted(learner.logits(models, blocks)[:, there], targets[there], rows[there])

    def places(self, X: Tensor) -> int:
        return int(X.shape[1]) - 1


def _parts(X: Tensor) -> Iterator[Tensor]:
    return (X[a : a + SCORE_ROWS] for a in range(0, len(X), SCORE_ROWS))


def _hits(logits: Tensor, blocks: Tensor) -> Tensor:
    """1 where the largest output is the next token, [K, m, L]; NaN where outputs are not finite."""
    # where there is no token, the target is NO_TOKEN, which nobody answers
    hits = (logits.argmax(dim=3) == blocks[:, 1:].long()).to(logits.dtype)
    return torch.where(torch.isfinite(logits).all(dim=3), hits, torch.nan)


def _sums(learner: Learner, likelihoods: Tensor, hits: Tensor | None) -> Tensor:
    """Sums over tokens float64[K, m, 3] of log-likelihoods [K, m, L], 0 where there is no token, and of hits."""
    clipped = likelihoods.clamp(min=floor(learner.classes))
    by_name = {
        TokenSum.LOG_LIKELIHOOD: likelihoods.double().sum(dim=2),
        TokenSum.CLIPPED_LOG_LIKELIHOOD: torch.where(torch.isnan(likelihoods), likelihoods, clipped)
        .double()
        .sum(dim=2),
    }
    nobody = torch.full_like(by_name[TokenSum.LOG_LIKELIHOOD], torch.nan)
    by_name[TokenSum.HITS] = nobody if hits is None else hits.double().sum(dim=2)
    return torch.stack([by_name[name] for name in TOKEN_SUMS], dim=2)


def _joined(parts: Iterator[Tensor]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = torch.cat(list(parts), dim=1).cpu().numpy()
    return sums
