"""What a model is trained to make small, by what it predicts: cross-entropy of classes and tokens, squares of numbers.

A loss says how labels and outputs are compared: its derivatives at the outputs, what a row's targets are for a linear
solve, what a row's own loss is. Unlearning methods ask it, and so know no task. A squared loss is half of the square:
its derivative is what is left of the target, and its curvature is one everywhere.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from contract.metrics import Predicts
from worker.engine.tensors.batching import Batch


class Loss(ABC):
    """A loss of outputs [..., C] against labels."""

    @abstractmethod
    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Derivative [K, m, C] of the weighted sum of losses with respect to outputs [K, m, C]."""

    @abstractmethod
    def expected(self, outputs: Tensor) -> Tensor:
        """What outputs [..., C] expect of the targets, in their shape: probabilities of classes, or the number."""

    @abstractmethod
    def targets(self, labels: Tensor, width: int) -> Tensor:
        """Labels [m] as targets float64[m, C] of outputs of this width."""

    @abstractmethod
    def bend(self, outputs: Tensor) -> Tensor:
        """The loss's mean curvature float64[m] at outputs [m, C], over the directions that matter."""

    @abstractmethod
    def of_rows(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Each row's loss float64[m]: outputs [m, C] against labels [m]."""

    @abstractmethod
    def drawn(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Labels [m] as a model with outputs [m, C] holds them likely, drawn on the CPU."""

    @abstractmethod
    def sureness(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """How sure outputs [m, C] are of the labels [m], float64[m]: more is surer."""


class CrossEntropy(Loss):
    """Of classes and tokens: labels are their numbers, outputs log-odds."""

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        delta = torch.softmax(outputs, dim=2)
        delta.scatter_add_(2, batch.y.unsqueeze(2), torch.full_like(batch.weight, -1.0).unsqueeze(2))
        return delta.mul_(batch.weight.unsqueeze(2))

    def expected(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs, dim=-1)

    def targets(self, labels: Tensor, width: int) -> Tensor:
        return torch.nn.functional.one_hot(labels, width).double()

    def bend(self, outputs: Tensor) -> Tensor:
        """Of the Hessian diag(p) - p p^T."""
        p = torch.softmax(outputs, dim=1)
        return ((1.0 - p.square().sum(dim=1)) / (p.shape[1] - 1)).clamp(min=1e-6)

    def of_rows(self, outputs: Tensor, labels: Tensor) -> Tensor:
        log_p = torch.log_softmax(outputs.double(), dim=1)
        return -log_p.gather(1, labels.unsqueeze(1)).squeeze(1)

    def drawn(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        p = torch.softmax(outputs, dim=1)
        return torch.multinomial(p.cpu(), 1, generator=generator).squeeze(1).to(outputs.device)

    def sureness(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The probability of each row's label."""
        return torch.softmax(outputs, dim=1).gather(1, labels.unsqueeze(1)).squeeze(1)


class HalfSquare(Loss):
    """Of a number: labels are numbers by the scale of the targets, and outputs have one column."""

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs - batch.y.unsqueeze(2)).mul_(batch.weight.unsqueeze(2))

    def expected(self, outputs: Tensor) -> Tensor:
        return outputs

    def targets(self, labels: Tensor, width: int) -> Tensor:  # noqa: ARG002 - a number is one column
        return labels.double().unsqueeze(1)

    def bend(self, outputs: Tensor) -> Tensor:
        return torch.ones(len(outputs), dtype=torch.float64, device=outputs.device)

    def of_rows(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return 0.5 * (outputs[:, 0].double() - labels.double()).square()

    def drawn(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """The number with a noise of variance one, by which half of the square is a likelihood."""
        noise = torch.randn(len(outputs), generator=generator, dtype=torch.float64)
        return outputs[:, 0] + noise.to(outputs)

    def sureness(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The negative square of what is left."""
        return -(outputs[:, 0].double() - labels.double()).square()


_CROSS_ENTROPY = CrossEntropy()
LOSSES: dict[Predicts, Loss] = {
    Predicts.CLASS: _CROSS_ENTROPY,
    Predicts.NEXT_TOKEN: _CROSS_ENTROPY,
    Predicts.NUMBER: HalfSquare(),
}
