"""A player whose rows are not here: what a learner may have of it are sums over its rows, which their holder computes.

``Away`` is answered by asking whoever holds the rows, or from what was answered before; the engine does not know which.
No function here gives anything of a single row. Of a player that is ``TrainedAlone`` there are no sums: its own model
is trained where its rows are, and everybody's is what a method makes of such models (``Problem.composed``).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

# learners whose training and unlearning need nothing of a player but sums, and the methods that do
METHODS_WITHOUT_ROWS = {
    "ridge": frozenset({"statistics"}),
    "logistic": frozenset({"tangent"}),
    "mlp": frozenset({"tangent"}),
}
# learners of whose players' own models everybody's is composed where rows are away, and the methods that compose
COMPOSED_OF_MODELS = {"lm": frozenset({"mixture", "merge"})}
# settings without which a learner's training is no sum over rows, or not one that is the same wherever it is taken
SETTINGS_WITHOUT_ROWS: dict[str, dict[str, int]] = {"mlp": {"batch": 0, "double": 1}}


class RowMoments(NamedTuple):
    """A = sum w x x^T [d + 1, d + 1] and b = sum x t^T [d + 1, C] over rows x with a one last."""

    A: "Tensor"
    b: "Tensor"


class TangentMoments(NamedTuple):
    """A = sum phi phi^T [k + 1, k + 1] and b = sum phi t^T [k + 1, C] over tangent features phi with a one last, and
    the sum of the squares of t."""

    A: "Tensor"
    b: "Tensor"
    squares: float


class Away(Protocol):
    """One such player. ``check`` is called while an answer is waited for, and may raise to stop."""

    @property
    def rows(self) -> int:
        """How many rows it says it has."""
        ...

    def moments(self, check: Callable[[], None]) -> RowMoments:
        """With weights one, and targets: the number by its scale, or one-hot labels."""
        ...

    def objective(self, theta: "Tensor", check: Callable[[], None]) -> "Callable[[], tuple[Tensor, Tensor]]":
        """Ask for sums of cross-entropies [K] at models theta [K, C, d + 1], and their gradients [K, C, d + 1]; what is
        returned waits for them, so that several players are asked before any is waited for."""
        ...

    def curvature(self, theta: "Tensor", check: Callable[[], None]) -> RowMoments:
        """With the mean curvature of cross-entropy at one model [C, d + 1] for weights, and working responses."""
        ...

    def gradients(self, models: "Tensor", check: Callable[[], None]) -> "Callable[[], Tensor]":
        """Ask for gradients [K, P] of the summed loss at networks [K, P]; what is returned waits for them."""
        ...

    def tangents(self, reference: "Tensor", sketch: int, check: Callable[[], None]) -> TangentMoments:
        """Of tangent features at one network [P], brought to ``sketch`` numbers."""
        ...


class TrainedAlone(Protocol):
    """A player whose own model is trained where its rows are."""

    @property
    def rows(self) -> int:
        """How many rows it says it has."""
        ...

    def model(self, check: Callable[[], None]) -> Callable[[], Mapping[str, NDArray[np.float32]]]:
        """Ask for the model of its rows alone, by the learner's names, trained from the game's base with the draws of
        retraining; what is returned waits for it."""
        ...
