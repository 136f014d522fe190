"""Adam on a stack of models: full batches, or minibatches with every player's share of rows in each.

Element-wise updates of a stack are exactly K separate optimisers. Every model takes the same number of steps, so a
small coalition sees its rows more often under minibatches; that is the definition of the learner, not an accident.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.tensors.batching import Batch, Pool, rung
from worker.engine.tensors.seeds import derive, torch_generator

Gradient = Callable[[Tensor, Batch], Tensor]
Check = Callable[[], None]


class Adam:
    """Kingma & Ba (2015), bias-corrected, on one tensor [K, P] in place."""

    def __init__(self, params: Tensor, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.params, self.lr, self.betas, self.eps = params, lr, betas, eps
        self.first = torch.zeros_like(params)
        self.second = torch.zeros_like(params)
        self.steps = 0

    def step(self, gradient: Tensor) -> None:
        self.steps += 1
        a, b = self.betas
        self.first.mul_(a).add_(gradient, alpha=1 - a)
        self.second.mul_(b).addcmul_(gradient, gradient, value=1 - b)
        scale = (self.second / (1 - b**self.steps)).sqrt_().add_(self.eps)
        self.params.addcdiv_(self.first, scale, value=-self.lr / (1 - a**self.steps))


def descend(
    gradient: Gradient, start: Tensor, batches: Callable[[int], Batch], steps: int, lr: float, l2: float, check: Check
) -> Tensor:
    """``steps`` Adam steps on the mean loss of each step's batch plus (l2/2)||params||^2; ``start`` is [K, P]."""
    params = start.clone()
    optimiser = Adam(params, lr)
    for step in range(steps):
        check()
        batch = batches(step)
        update = gradient(params, batch).div_(batch.counts.unsqueeze(1))
        if l2:
            update.add_(params, alpha=l2)
        optimiser.step(update)
    return params


def full_batches(pool: Pool, coalitions: Coalitions) -> Callable[[int], Batch]:
    """Every step sees all rows of the coalition."""
    batch = pool.gather(coalitions, rung(int(pool.row_counts(coalitions).max(initial=1))))
    return lambda _step: batch


def mini_batches(pool: Pool, coalitions: Coalitions, size: int, seed: int) -> Callable[[int], Batch]:
    """Epochs of shuffled rows, each player's spread evenly over it; a short last batch is topped up from the next.

    So each batch has about its share of each player, and a worth is less a matter of luck (docs/method.md has figures).
    A row has one place in an epoch, whoever else is there: a player alone is trained on its rows in the order that they
    have in every coalition.
    """
    rows = [pool.indices(coalition).cpu() for coalition in coalitions]
    if not all(len(own) for own in rows):
        raise ValueError("a coalition without rows has no batches to draw; its worth is the base model's")
    queues = [torch.empty(0, dtype=torch.int64) for _ in rows]
    drawn = [0] * len(rows)
    epochs: list[Tensor] = []
    weight = torch.ones((len(rows), size), dtype=pool.X.dtype, device=pool.device)

    def refill(k: int) -> None:
        if drawn[k] == len(epochs):
            epochs.append(epoch_places(pool, seed, len(epochs)))
        order = torch.argsort(epochs[drawn[k]][rows[k]], stable=True)
        queues[k] = torch.cat([queues[k], rows[k][order]])
        drawn[k] += 1

    def draw(_step: int) -> Batch:
        for k in range(len(queues)):
            while len(queues[k]) < size:
                refill(k)
        index = torch.stack([queue[:size] for queue in queues]).to(pool.device)
        for k in range(len(queues)):
            queues[k] = queues[k][size:]
        return Batch(pool.X[index], pool.y[index], weight)

    return draw


def epoch_places(pool: Pool, seed: int, epoch: int) -> Tensor:
    """Where in an epoch each pooled row comes, float64[N] in [0, 1): by the player's content, and one of its m rows in
    each m-th part."""
    places = torch.empty(len(pool), dtype=torch.float64)
    for name, (a, b) in pool.contents:
        generator = torch_generator(derive(seed, "epoch", epoch, name))
        order = torch.randperm(b - a, generator=generator)
        places[a:b] = (order + torch.rand(b - a, generator=generator, dtype=torch.float64)) / (b - a)
    return places


class FixedSteps(ABC):
    """A learner that takes the same number of Adam steps on minibatches for every coalition, whatever its rows."""

    steps: int
    batch: int
    lr: float
    l2: float

    @abstractmethod
    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor: ...

    @property
    def gradients_per_row(self) -> float:
        return float(self.steps)

    def row_gradients(self, rows: float) -> float:  # noqa: ARG002 - every coalition takes the same steps
        return float(self.steps * self.batch)

    def by_rows(self) -> bool:
        return False

    def train(self, start: Tensor, pool: Pool, coalitions: Coalitions, seed: int, check: Check) -> Tensor:
        """Models [K, P] trained from ``start`` [P]; of a coalition without rows it is the start."""
        models = start.expand(len(coalitions), -1).clone()
        some = [k for k, count in enumerate(pool.row_counts(coalitions)) if count]
        if some:
            batches = mini_batches(pool, coalitions[some], self.batch, seed)
            models[some] = descend(self.gradient, models[some], batches, self.steps, self.lr, self.l2, check)
        return models
