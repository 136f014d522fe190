"""Gradients of whole token sequences, streamed: shared by tangents and natural gradients of language models.

A row's gradient is that of its negative log-likelihood per token with respect to the adapters. It is computed for a
few rows at a time, projected or added up, and dropped; nothing holds the gradients of a corpus. Sums run in row order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.seeds import derive, torch_generator
from worker.engine.unlearning.context import Context

_BLOCK = 8
SAMPLE = 192


@dataclass(frozen=True)
class Sums:
    """Over some rows: A = sum of projected gradients' outer products [k, k], b = sum of gradients [P], rows."""

    A: Tensor
    b: Tensor
    rows: int


def language_model(context: Context) -> LanguageModel:
    return cast(LanguageModel, context.learner)


def row_gradients(context: Context, reference: Tensor, X: Tensor) -> Iterator[Tensor]:
    """Gradients [<= 8, P] of blocks of rows X [m, L + 1] at a model [P]."""
    for a in range(0, len(X), _BLOCK):
        rows = X[a : a + _BLOCK].unsqueeze(1)
        ones = torch.ones(rows.shape[:2], dtype=X.dtype, device=X.device)
        batch = Batch(rows, torch.zeros(ones.shape, dtype=torch.int64, device=X.device), ones)
        context.check()
        yield context.learner.gradient(reference.expand(len(rows), -1), batch)


def sample_rows(context: Context) -> Tensor:
    """A sample of rows for the directions of gradients: of all rows here, in partial mode of the anchor's too."""
    rows = context.pool.X
    if context.anchor is not None:
        rows = torch.cat([context.anchor[0], rows])
    count = int(context.option("tangent.sample", SAMPLE))
    generator = torch_generator(derive(context.problem.seed, "sequence sample"))
    return rows[torch.randperm(len(rows), generator=generator)[:count].sort().values.to(rows.device)]


def basis(gradients: Tensor, width: int) -> Tensor:
    """Orthonormal directions [P, k] that carry most of gradients [m, P]: their leading right singular vectors."""
    values, vectors = torch.linalg.eigh(gradients.double() @ gradients.double().T)
    keep = min(width, int((values > 1e-9 * values[-1]).sum()))
    directions: Tensor = gradients.double().T @ vectors[:, -keep:] / values[-keep:].sqrt()
    return directions.to(dtype=gradients.dtype)


def sums(context: Context, reference: Tensor, directions: Tensor, X: Tensor) -> Sums:
    """The sums of rows X at a reference model."""
    k = directions.shape[1]
    A = torch.zeros((k, k), dtype=torch.float64, device=X.device)
    b = torch.zeros(len(reference), dtype=torch.float64, device=X.device)
    for block in row_gradients(context, reference, X):
        seen = (block @ directions).double()
        A += seen.T @ seen
        b += block.double().sum(dim=0)
    return Sums(A, b, len(X))
