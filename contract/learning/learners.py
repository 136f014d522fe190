"""Learners: what can be trained and unlearned, their hyper-parameters with ranges, and what each one reads.

The engine's learners take their defaults from here, the service's forms, quotes and refusals as well. What a value
does to a training is not judged here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from contract import plugins
from contract.architectures.adapters import AT, PART_RULE, is_part
from contract.architectures.decoder_families import FAMILIES
from contract.errors import InvalidProblem
from contract.learning.costs import (
    CostOf,
    boosted_trees,
    convolutional,
    language_model,
    logistic,
    neighbours,
    random_forest,
    ridge,
    small_network,
    support_vectors,
    transformer,
)
from contract.learning.installed import HyperParameter, InstalledLearner, Number
from contract.metrics import METRICS, Metric, Predicts, metric_of
from contract.names import did_you_mean, unknown
from contract.tasks import Reads

Hyper = Mapping[str, float | int | str]


class Architecture(StrEnum):
    """What a checkpoint can be: a learner, by its name, or a frozen model that learners are put on."""

    LOGISTIC = "logistic"
    MLP = "mlp"
    CNN = "cnn"
    RIDGE = "ridge"
    LM = "lm"
    ENCODER = "encoder"
    BACKBONE = "backbone"
    LORA = "lora"
    BOOSTED_TREES = "boosted_trees"
    RANDOM_FOREST = "random_forest"
    KNN = "knn"
    SVM_RBF = "svm_rbf"

    @classmethod
    def installed(cls, name: str) -> "Architecture":
        """A member for a learner of another package; it is no choice for checkpoints, of which there is a list."""
        member = str.__new__(cls, name)
        member._name_, member._value_ = name.upper(), name
        cls._value2member_map_[name] = member
        return member


@dataclass(frozen=True)
class LearnerKind:
    """One learner, or a frozen model: its name, how people call it, what it reads, what it can predict (an order's
    metric says which of these), its hyper-parameters.

    ``stands_on`` are the frozen models that can lie below it; ``needs_base``: it cannot be trained without one.
    ``draws``: training draws a start or an order of rows, so another seed gives another model. ``passes`` is how often
    one training goes through its rows, where the hyper-parameters ``steps`` or ``iterations`` do not say (quotes).
    ``vectors``: its models are vectors, which can be added and have gradients; without, methods that need either are
    not for it. ``kept``: a model can be kept as weights, uploaded and unlearned; without, a job trains all that it
    needs, and none of its models outlives it.
    ``cost`` is what its models take (``contract.learning.costs``).
    """

    name: Architecture
    title: str
    reads: frozenset[Reads]
    predicts: frozenset[Predicts]
    hyper: tuple[HyperParameter, ...]
    stands_on: tuple[Architecture, ...] = ()
    needs_base: bool = False
    trains: bool = True
    draws: bool = True
    passes: int = 0
    vectors: bool = True
    kept: bool = True
    cost: CostOf = small_network

    def predicted(self, metric: Metric) -> Predicts | None:
        """What the learner's models predict in a job that this metric measures; None where it scores none of it."""
        return next((each for each in sorted(self.predicts) if metric.why_not(each) is None), None)

    def why_not(self, metric: Metric) -> str | None:
        """Why a metric cannot score what the learner's models predict; None where it can."""
        if self.predicted(metric) is not None:
            return None
        scored = ", ".join(sorted(metric.predicts))
        predicted = " or ".join(f"a {each}" for each in sorted(self.predicts))
        return f"metric {metric.name} scores predictions of a {scored}, not of {predicted}"

    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that can score it."""
        return tuple(name for name, metric in METRICS.items() if self.predicted(metric) is not None)

    def parameter(self, name: str) -> HyperParameter | None:
        return next((each for each in self.hyper if each.name == name), None)

    def defaults(self) -> dict[str, Number]:
        """Every hyper-parameter's default, by name."""
        return {each.name: each.default for each in self.hyper}

    def orderable(self) -> tuple[HyperParameter, ...]:
        """The hyper-parameters that an order can set."""
        return tuple(each for each in self.hyper if not each.of_base)

    def of_base(self, sizes: Mapping[str, Number]) -> dict[str, Number]:
        """The hyper-parameters that come with a model folder of these sizes."""
        return {each.name: sizes[each.name] for each in self.hyper if each.of_base and each.name in sizes}

    def faults(self, hyper: Mapping[str, object], *, ordered: bool = True) -> dict[str, str]:
        """What is wrong with which hyper-parameter, one sentence each; empty where nothing is.

        ``ordered``: those that come with the model folder are refused as well.
        """
        allowed = self.orderable() if ordered else self.hyper
        names = sorted(each.name for each in allowed)
        wrong = {}
        for name, value in sorted(hyper.items()):
            plain, at, part = name.partition(AT)
            parameter = next((each for each in allowed if each.name == plain), None)
            if at and parameter is not None and not (parameter.by_part and is_part(part)):
                rule = PART_RULE.replace("NAME", plain) if parameter.by_part else f"{plain} is one number for all"
                wrong[name] = f"learner {self.name.value!r}: {name!r} names no projections; {rule}"
            elif parameter is None:
                meant, known = did_you_mean(name, names), ", ".join(names)
                wrong[name] = f"learner {self.name.value!r} has no hyper-parameter {name!r}{meant}; it knows {known}"
            elif parameter.number(value) is None:
                wrong[name] = f"learner {self.name.value!r}: {name} must be {parameter.rule}; got {value!r}"
        return wrong

    def checked(self, hyper: Hyper) -> dict[str, Number]:
        """``hyper`` over the defaults, in their kinds; raises InvalidProblem with the first fault. Those of single
        projections keep their names, NAME@PART."""
        wrong = self.faults(hyper, ordered=False)
        if wrong:
            raise InvalidProblem(next(iter(wrong.values())))
        by_name = {each.name: each for each in self.hyper}
        numbers = {name: by_name[name.partition(AT)[0]].number(value) for name, value in hyper.items()}
        return self.defaults() | {name: number for name, number in numbers.items() if number is not None}


def _kind_of(learner: InstalledLearner) -> LearnerKind:
    """A learner of another package among the others: it is trained by each job, and none of its models is kept."""
    return LearnerKind(
        Architecture.installed(learner.name),
        learner.title,
        _ROWS,
        _CLASS,
        learner.hyper,
        stands_on=_FROZEN,
        draws=learner.draws,
        passes=learner.passes,
        vectors=False,
        kept=False,
        cost=learner.cost,
    )


_H = HyperParameter
_ROWS = frozenset({Reads.TABLE, Reads.TEXT, Reads.IMAGE})
_CLASS, _TOKEN = frozenset({Predicts.CLASS}), frozenset({Predicts.NEXT_TOKEN})
_NUMBER = frozenset({Predicts.NUMBER})
_STEPS = "steps of Adam"
_RECOMPUTE = _H("recompute", 0, "1: a backward pass keeps only layers' inputs, and computes the rest again", most=1)
_ADAPTERS = (
    _H("rank", 4, "rank of the adapters", above=True),
    _H("alpha", 8.0, "adapters are scaled by alpha / rank", above=True),
    _H("steps", 60, _STEPS, above=True),
    _H("lr", 0.005, "learning rate", above=True),
    _H("l2", 0.0, "weight decay"),
)
_FROZEN = (Architecture.ENCODER, Architecture.BACKBONE)

LOGISTIC = LearnerKind(
    Architecture.LOGISTIC,
    "logistic regression",
    frozenset({Reads.TABLE, Reads.TEXT, Reads.IMAGE}),
    _CLASS,
    (
        _H("l2", 1e-3, "ridge; without it an optimum may not exist", above=True),
        _H("tol", 1e-6, "gradient norm at which the optimum counts as reached", above=True),
        _H("iterations", 5000, "most iterations", above=True),
    ),
    stands_on=_FROZEN,
    draws=False,
    passes=30,
    cost=logistic,
)
MLP = LearnerKind(
    Architecture.MLP,
    "small neural network",
    frozenset({Reads.TABLE, Reads.TEXT, Reads.IMAGE}),
    _CLASS | _NUMBER,
    (
        _H("hidden", 64, "width of each hidden layer", above=True),
        _H("layers", 1, "hidden layers", above=True),
        _H("steps", 150, _STEPS, above=True),
        _H("lr", 0.01, "learning rate", above=True),
        _H("l2", 0.0, "weight decay"),
        _H("batch", 0, "rows of a minibatch; 0: all rows at every step"),
        _H("double", 0, "1: numbers of 64 bits, by which sums of providers' gradients agree to 1e-6", most=1),
    ),
    stands_on=_FROZEN,
    passes=150,
)
CNN = LearnerKind(
    Architecture.CNN,
    "convolutional network",
    frozenset({Reads.IMAGE}),
    _CLASS | _NUMBER,
    (
        _H("channels", 8, "channels of the first convolution", above=True),
        _H("steps", 120, _STEPS, above=True),
        _H("lr", 0.005, "learning rate", above=True),
        _H("l2", 0.0, "weight decay"),
        _H("batch", 64, "rows of a minibatch", above=True),
    ),
    passes=120,
    cost=convolutional,
)
RIDGE = LearnerKind(
    Architecture.RIDGE,
    "ridge regression",
    frozenset({Reads.TABLE, Reads.TEXT, Reads.IMAGE}),
    _NUMBER,
    (_H("l2", 1e-3, "ridge, of the mean squared error halved; the constant is free", above=True),),
    stands_on=_FROZEN,
    draws=False,
    passes=1,
    cost=ridge,
)
LM = LearnerKind(
    Architecture.LM,
    "language model",
    frozenset({Reads.TOKENS}),
    _TOKEN,
    (
        _H("context", 128, "tokens of a block, a multiple of 8", least=8, most=1 << 20),
        _H("layers", 2, "layers", above=True, of_base=True),
        _H("width", 128, "width", above=True, of_base=True),
        _H("heads", 4, "attention heads", above=True, of_base=True),
        _H("kv_heads", 0, "key-value heads; 0: as many as heads", of_base=True),
        _H("inner", 0, "width of the MLP; 0: eight thirds of the width", of_base=True),
        _H("rope_base", 10000.0, "base of the rotary positions", above=True, of_base=True),
        _H("eps", 1e-5, "of the norms", of_base=True),
        _H("tied", 1, "1: the last matrix is the embedding", most=1, of_base=True),
        _H("qkv_bias", 0, "1: queries, keys and values have a bias", most=1, of_base=True),
        _H("rope_factor", 1.0, "by which slow rotations are stretched", above=True, of_base=True),
        _H("rope_low", 1.0, "turns up to which a rotation is slow", above=True, of_base=True),
        _H("rope_high", 4.0, "turns from which a rotation is fast", above=True, of_base=True),
        _H("rope_original", 0, "tokens in which turns are counted; 0: no rotation is stretched", of_base=True),
        _H("head", 0, "size of a head; 0: the width divided by the heads", of_base=True),
        _H("qk_norm", 0, "1: each head's queries and keys have a norm, 2: a token's all", most=2, of_base=True),
        _H(
            "family",
            0,
            f"0 to {len(FAMILIES) - 1}: {', '.join(f.title for f in FAMILIES)}",
            most=len(FAMILIES) - 1,
            of_base=True,
        ),
        _H("window", 0, "tokens that attention looks back on; 0: all", of_base=True),
        _H("window_every", 0, "each how many-th layer has no window; 0: none", of_base=True),
        _H("rope_local", 0.0, "base of the rotary positions of windowed layers; 0: rope_base", of_base=True),
        _H("rotated", 0, "numbers of a head that are rotated; 0: all", of_base=True),
        _H("positions", 0, "learned positions; 0: none", of_base=True),
        _H("query_scale", 0.0, "whose root divides attention's scores; 0: a head's size", of_base=True),
        _H("attention_cap", 0.0, "below which attention's scores are bent; 0: none", of_base=True),
        _H("output_cap", 0.0, "below which outputs are bent; 0: none", of_base=True),
        _H("rank", 4, "rank of the adapters; 0 trains a base", by_part=True),
        _H("alpha", 8.0, "adapters are scaled by alpha / rank", by_part=True),
        _H("steps", 60, _STEPS, above=True),
        _H("lr", 0.005, "learning rate", above=True),
        _H("l2", 0.0, "weight decay"),
        _H("batch", 8, "blocks of a minibatch", above=True),
        _H("bf16", 0, "1: base and activations in bfloat16", most=1),
        _RECOMPUTE,
    ),
    stands_on=(Architecture.LM,),
    needs_base=True,
    cost=language_model,
)
LORA = LearnerKind(
    Architecture.LORA,
    "adapters in an encoder",
    frozenset({Reads.TEXT, Reads.IMAGE}),
    _CLASS | _NUMBER,
    (
        _H("heads", 0, "attention heads", of_base=True),
        _H("eps", 1e-12, "of the norms", of_base=True),
        _H("offset", 0, "rows of the positions' table before a text's first", of_base=True),
        _H("pooling", 0, "0: the mean of a text's states, 1: the first, 2: the largest", most=2, of_base=True),
        *_ADAPTERS,
        _H("batch", 16, "rows of a minibatch", above=True),
        _RECOMPUTE,
    ),
    stands_on=_FROZEN,
    needs_base=True,
    cost=transformer,
)
BOOSTED_TREES = LearnerKind(
    Architecture.BOOSTED_TREES,
    "gradient-boosted trees",
    frozenset({Reads.TABLE, Reads.TEXT, Reads.IMAGE}),
    _CLASS | _NUMBER,
    (
        _H(
            "rounds",
            60,
            "rounds of boosting, a tree for each class (of two classes, or a number, one)",
            above=True,
            most=2000,
        ),
        _H("leaves", 15, "most leaves of a tree", least=2, most=255),
        _H("lr", 0.1, "learning rate", above=True),
        _H("least_rows", 10, "fewest rows of a leaf", above=True),
        _H("l2", 1.0, "ridge of the leaves' values"),
        _H(
            "categories",
            0,
            "of a table: most values of a category that go one way, and missing cells as such; 0: a column a value",
            most=32,
        ),
    ),
    stands_on=_FROZEN,
    draws=False,
    passes=60,
    vectors=False,
    cost=boosted_trees,
)
RANDOM_FOREST = LearnerKind(
    Architecture.RANDOM_FOREST,
    "random forest",
    _ROWS,
    _CLASS,
    (
        _H("trees", 100, "trees of the forest", above=True, most=2000),
        _H("least_rows", 1, "fewest rows of a leaf", above=True),
    ),
    stands_on=_FROZEN,
    passes=100,
    vectors=False,
    kept=False,
    cost=random_forest,
)
KNN = LearnerKind(
    Architecture.KNN,
    "k nearest neighbours",
    _ROWS,
    _CLASS,
    (_H("neighbours", 5, "how many neighbours vote", above=True),),
    stands_on=_FROZEN,
    draws=False,
    passes=1,
    vectors=False,
    kept=False,
    cost=neighbours,
)
SVM_RBF = LearnerKind(
    Architecture.SVM_RBF,
    "support vector machine with a radial kernel",
    _ROWS,
    _CLASS,
    (
        _H("c", 1.0, "weight of rows on the wrong side", above=True),
        _H("gamma", 0.0, "of the kernel; 0: 1 / (columns x variance)"),
    ),
    stands_on=_FROZEN,
    draws=False,
    passes=50,
    vectors=False,
    kept=False,
    cost=support_vectors,
)
ENCODER = LearnerKind(
    Architecture.ENCODER,
    "frozen encoder of texts",
    frozenset({Reads.TEXT}),
    _CLASS,
    (_H("context", 128, "tokens of a text that it is shown", least=2),),
    trains=False,
)
BACKBONE = LearnerKind(
    Architecture.BACKBONE,
    "frozen backbone of images",
    frozenset({Reads.IMAGE}),
    _CLASS,
    (_H("size", 224, "side of the square that images are resized to", least=16, most=1024),),
    trains=False,
)

ARCHITECTURES: dict[str, LearnerKind] = {
    each.name.value: each
    for each in (
        *(LOGISTIC, MLP, CNN, RIDGE, LM, LORA),
        *(BOOSTED_TREES, RANDOM_FOREST, KNN, SVM_RBF),
        *(ENCODER, BACKBONE),
    )
}
INSTALLED: dict[str, InstalledLearner] = {}
for _each in plugins.installed(plugins.LEARNERS, InstalledLearner):
    plugins.refuse_taken(plugins.LEARNERS, _each.name, ARCHITECTURES)
    INSTALLED[_each.name], ARCHITECTURES[_each.name] = _each, _kind_of(_each)
LEARNERS: dict[str, LearnerKind] = {name: each for name, each in ARCHITECTURES.items() if each.trains}


def predicted(learner: str, metric: str) -> Predicts:
    """What models of a learner predict in a job that is measured by a metric; raises InvalidProblem."""
    if learner not in LEARNERS:
        raise InvalidProblem(unknown("learner", learner, LEARNERS))
    kind, scored = LEARNERS[learner], metric_of(metric)
    prediction = kind.predicted(scored)
    if prediction is None:
        raise InvalidProblem(f"{kind.why_not(scored)}; choose one of {', '.join(kind.metrics())}")
    return prediction
