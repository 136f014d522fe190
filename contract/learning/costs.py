"""What models take, in seconds of one core: a model from sizes alone, never a clock, so that all replays decide alike.

Each learner states in ``LearnerKind.cost`` what one of its models takes by step, row and multiply-add, and one that
states nothing is taken for a small network; a quote and the engine read the same. The rates were measured on two shared
x86-64 cores (docs/benchmarks-cost.md), so seconds are those of such a core; their ratios hold on others.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# exact values where they take less than this many seconds, or this many times what the default takes
EXACT_SECONDS, EXACT_TIMES = 10.0, 2.0
# preparing a method is spread over so many coalitions at the most
MOST_SHARED = 1024


@dataclass(frozen=True)
class ModelSizes:
    """What a learner is put on: the shape of a row, classes (or tokens), hyper-parameters, and of a frozen model below
    what one row's forward pass takes in multiply-adds."""

    shape: tuple[int, ...]
    classes: int
    hyper: Mapping[str, float | int | str] = field(default_factory=dict)
    frozen: float = 0.0

    def number(self, name: str, default: float) -> float:
        value = self.hyper.get(name, default)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


@dataclass(frozen=True)
class ModelCost:
    """Seconds of one model among a stack: ``row`` of one row's gradient, ``step`` of each step beside its rows,
    ``score`` of one row's answer, ``steps`` of one training, each on ``batch`` rows (0: all that are kept; ``shared``:
    all of the game, whoever is kept), and ``once`` of each training besides."""

    row: float
    score: float
    steps: float
    batch: float = 0.0
    step: float = 0.0
    once: float = 0.0
    shared: bool = False

    def training(self, rows: float) -> float:
        """Seconds of training a model on so many rows."""
        return self.once + self.steps * (self.step + self.row * (self.batch or rows))

    def scoring(self, rows: float) -> float:
        """Seconds of what a model answers on so many rows."""
        return self.score * rows

    def retraining(self, rows: float, test_rows: float) -> float:
        """Seconds of one mean-size coalition: half of the rows, or all where they are shared."""
        return self.training(rows if self.shared else 0.5 * rows) + self.scoring(test_rows)

    def whole(self, rows: float, test_rows: float) -> float:
        """Seconds of the model of everybody, the unit that costs are counted in."""
        return self.training(rows) + self.scoring(test_rows)


@dataclass(frozen=True)
class TreesCost(ModelCost):
    """Trees grown by histograms: of each leaf the bins of all ``columns`` are searched, and a column has up to 255 of
    them, three rows in each at least. A tree has as many ``leaves`` as its rows fill, ``least_rows`` in each and two
    thirds more in the mean; where they fill no two, nothing is grown. ``cell`` is of a row's value, once."""

    columns: float = 0.0
    leaves: float = 2.0
    least_rows: float = 1.0
    leaf: float = 0.0
    bin: float = 0.0
    cell: float = 0.0

    def training(self, rows: float) -> float:
        once = self.once + self.cell * rows * self.columns
        if rows < 2 * self.least_rows:
            return once
        leaves = max(1.0, min(self.leaves, rows / (1.7 * self.least_rows)))
        bins = min(255.0, rows / 3)
        tree = self.step + self.row * rows + leaves * (self.leaf + self.bin * bins * self.columns)
        return once + self.steps * tree


def products(shape: tuple[int, ...]) -> float:
    """Numbers of a row."""
    result = 1
    for side in shape:
        result *= side
    return float(result)


def small_network(sizes: ModelSizes) -> ModelCost:
    """Dense layers trained by Adam; of a learner that states nothing, with the hyper-parameters that it has."""
    width, hidden, layers = products(sizes.shape), sizes.number("hidden", 64), sizes.number("layers", 1)
    forward = width * hidden + (layers - 1) * hidden**2 + hidden * sizes.classes
    # wider products run faster, and of twice the bits at half the rate
    wide = 2.0 if sizes.number("double", 0) else 1.0
    rate = 2.6e10 * min(max(forward / 5e3, 1.0) ** 0.25, 2.0) / wide
    held = wide * 1.5e-9 * (layers * hidden + sizes.classes)
    return ModelCost(
        row=3 * forward / rate + held,
        score=forward / rate + held,
        steps=sizes.number("steps", 150),
        batch=sizes.number("batch", 0),
        step=52e-6 + 4e-9 * forward,
    )


def logistic(sizes: ModelSizes) -> ModelCost:
    """L-BFGS on all rows at once. ``iterations_taken``, where M_full's are known, foretell a coalition's."""
    d, C = products(sizes.shape) + 1, sizes.classes
    taken = sizes.number("iterations_taken", 0)
    dense = d <= 640
    return ModelCost(
        row=2 * d * C / 1.5e10 + 16e-9 * C,
        score=d * C / 1e10 + 30e-9 * C,
        steps=min(1.2 * taken + 5, sizes.number("iterations", 5000)) if taken else 60.0,
        step=100e-6 + 40e-9 * d * C + (1.4e-9 * d**2 if dense else 0.0),
        once=150e-6 + (16e-9 * d**2 + 0.04e-9 * d**3 if dense else 1e-6 * d),
        shared=True,
    )


def ridge(sizes: ModelSizes) -> ModelCost:
    """One product of a coalition's own rows and one solve: a third of d row-gradients of 3 d multiplications."""
    d = products(sizes.shape) + 1
    return ModelCost(
        row=3 * d / 1.4e10,
        score=d * sizes.classes / 1e10 + 30e-9,
        steps=d / 3,
        once=250e-6 + 0.1e-9 * d**3 / 3,
    )


def convolutional(sizes: ModelSizes) -> ModelCost:
    """Two convolutions of stride two, as patches times a matrix, and a head."""
    height, width, planes = (*sizes.shape, 1)[:3]
    channels = sizes.number("channels", 8)
    first, second = ((height + 1) // 2) * ((width + 1) // 2), ((height + 3) // 4) * ((width + 3) // 4)
    forward = first * 9 * planes * channels + second * 18 * channels**2 + second * 2 * channels * sizes.classes
    held = first * (9 * planes + channels) + second * (9 * channels + 2 * channels)
    return ModelCost(
        row=3 * forward / 1.6e10 + 3.4e-9 * held,
        score=forward / 1.6e10 + 4.4e-9 * held,
        steps=sizes.number("steps", 120),
        batch=sizes.number("batch", 64),
        step=190e-6,
    )


def transformer(sizes: ModelSizes, *, vocabulary: bool = False) -> ModelCost:
    """Adapters in a frozen model: what a row takes there, whatever the adapters. ``vocabulary``: each token is answered
    by all tokens, which is most of what answers take."""
    # an image is a few hundred places to a transformer or the middle of a ResNet, whatever its pixels
    tokens = products(sizes.shape) if len(sizes.shape) == 1 else 200.0
    # activations grow with the width, which is about the root of a token's products
    held = 26e-9 * tokens * math.sqrt(sizes.frozen / max(tokens, 1.0))
    words = tokens * sizes.classes if vocabulary else 0.0
    return ModelCost(
        row=3 * sizes.frozen / 3e10 + held + 3e-9 * words,
        score=sizes.frozen / 3e10 + held + 12e-9 * words,
        steps=sizes.number("steps", 60),
        batch=sizes.number("batch", 8),
        step=4e-3,
    )


def language_model(sizes: ModelSizes) -> ModelCost:
    return transformer(sizes, vocabulary=True)


def boosted_trees(sizes: ModelSizes) -> ModelCost:
    """Trees grown by LightGBM, one a round and output."""
    d, trees = products(sizes.shape), sizes.number("rounds", 60) * (1 if sizes.classes == 2 else sizes.classes)
    return TreesCost(
        row=45e-9 + 9.3e-9 * d,
        score=50e-9 * trees,
        steps=trees,
        step=60e-6,
        once=2.4e-3,
        columns=d,
        leaves=sizes.number("leaves", 15),
        least_rows=sizes.number("least_rows", 10),
        leaf=0.54e-6,
        bin=5.7e-9,
        cell=0.4e-6,
    )


def random_forest(sizes: ModelSizes) -> ModelCost:
    """Trees grown to their leaves by scikit-learn, one after the other."""
    trees = sizes.number("trees", 100)
    return ModelCost(row=1.9e-6, score=100e-9 * trees, steps=trees, step=850e-6, once=10e-3)


def neighbours(sizes: ModelSizes) -> ModelCost:
    """Distances to the kept rows, where rows are asked."""
    return ModelCost(row=1e-6, score=4e-6 + 650e-9 * products(sizes.shape), steps=1, once=500e-6)


def support_vectors(sizes: ModelSizes) -> ModelCost:
    """Kernels between rows, of which each is in many; a model for each two classes, of their rows alone."""
    d, pairs = products(sizes.shape), 1 + 0.35 * (sizes.classes - 2)
    return ModelCost(row=(1e-6 + 270e-9 * d) * pairs, score=300e-9 * d * pairs, steps=1, once=1.6e-3)


CostOf = Callable[[ModelSizes], ModelCost]


def exact_is_cheap(exact: float, default: float, unit_seconds: float | None) -> bool:
    """Whether every coalition should be retrained: both costs in full retrainings, of so many seconds each (None: not
    known)."""
    quick = unit_seconds is not None and exact * unit_seconds <= EXACT_SECONDS
    return quick or exact <= EXACT_TIMES * default
