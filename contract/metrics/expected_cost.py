"""Expected cost: what a model's answers cost on average, by what each wrong answer to each class costs.

A model answers with probabilities, and each unit is given the answer that costs least under them: with a dear mistake
it answers cautiously. The worth is minus the mean cost, so it is 0 at best, in the unit that costs are stated in. With
no costs told, every mistake costs one.
"""

import numpy as np
from numpy.typing import NDArray

from contract.metrics.metric import Floats, Labels, Outputs, UnitMean, WithOptions


class ExpectedCost(WithOptions, UnitMean):
    name = "expected_cost"
    title = "Expected cost"
    about = "minus the mean cost of the answers that cost least under the model's probabilities, by costs in the order"
    unit = "score"
    range = (None, 0.0)
    takes = frozenset({"costs"})
    needs = frozenset({"costs"})
    constant_is = "the answer that costs least for classes as frequent as they are"

    def size(self, labels: NDArray[np.int64]) -> float:
        """The dearest mistake that can be made on these units; 1 where none costs anything."""
        matrix = self._options.matrix
        return 1.0 if matrix is None else max(max(matrix[label]) for label in np.unique(labels)) or 1.0

    def of_units(self, outputs: Outputs, labels: Labels) -> Floats:
        costs = self._costs(outputs.shape[1])
        shifted = outputs.astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        chances = np.exp(shifted)
        # equal but for rounding is a tie, which goes to the first class
        expected = np.round(chances @ costs / chances.sum(axis=1, keepdims=True), 12)
        return np.asarray(-costs[labels, expected.argmin(axis=1)], dtype=np.float64)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.log(frequencies).astype(np.float32)

    def _costs(self, classes: int) -> Floats:
        """What each answer costs, float64[truth, answer]."""
        if self._options.matrix is None:
            if self._options.costs is not None:
                raise ValueError("costs name classes by name: resolve the metric with the classes of the game")
            return np.ones((classes, classes)) - np.eye(classes)
        return np.array(self._options.matrix, dtype=np.float64)
