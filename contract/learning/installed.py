"""What the author of a package says of a learner of its own; it knows no list of learners or metrics, so that a module
which offers both can be loaded while those lists are made (``contract.plugins``)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.learning.costs import CostOf, support_vectors

Number = float | int


@dataclass(frozen=True)
class HyperParameter:
    """One hyper-parameter: a whole number where ``default`` is an int, else any number, at least ``least`` (above it
    where ``above``). ``of_base``: a size of the model folder below, which an order cannot set. ``by_part``: NAME@PART
    sets it for some of a decoder's projections (``contract.architectures.adapters``)."""

    name: str
    default: Number
    about: str
    least: Number = 0
    above: bool = False
    most: Number | None = None
    of_base: bool = False
    by_part: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.default, int)

    @property
    def rule(self) -> str:
        """What a value must be, in words."""
        kind = "a whole number" if self.whole else "a number"
        bound = f"above {self.least:g}" if self.above else f"of at least {self.least:g}"
        return f"{kind} {bound}" + (f" and at most {self.most:g}" if self.most is not None else "")

    def number(self, value: object) -> Number | None:
        """The value as a number of the right kind; None where it breaks the rule."""
        try:
            number = float(value)  # type: ignore[arg-type]  # what is no number is refused here
        except (TypeError, ValueError):
            return None
        if not math.isfinite(number) or number < self.least or (self.above and number == self.least):
            return None
        if (self.most is not None and number > self.most) or (self.whole and number != int(number)):
            return None
        return int(number) if self.whole else number


Numbers = NDArray[np.float64]
Answer = Callable[[Mapping[str, Number], Numbers, NDArray[np.int64], Numbers, int, int], Numbers]


@dataclass(frozen=True)
class InstalledLearner:
    """A learner of another package (``contract.plugins``): an estimator that is fitted to rows, asked, and dropped.

    ``answer(options, X [n, d], y [n], asked [m, d], classes, seed)`` gives log-odds float64[m, classes] on the rows
    asked of what is fitted to the others, n above 0 and of at least two classes; the same for the same arguments, in
    one thread, whatever is computed beside it. It imports what it needs when it is called. ``title``, ``hyper``,
    ``draws``, ``passes`` and ``cost`` are as of ``LearnerKind``.
    """

    name: str
    title: str
    answer: Answer
    hyper: tuple[HyperParameter, ...] = ()
    draws: bool = False
    passes: int = 1
    cost: CostOf = support_vectors
