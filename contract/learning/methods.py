"""Unlearning methods: their names, options, which learners and modes each is written for, and the defaults.

The engine's methods register under these names (one file each, named so); a method that is not here cannot be ordered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.learning.installed import HyperParameter
from contract.learning.learners import LEARNERS, Architecture
from contract.metrics import Predicts
from contract.names import did_you_mean, unknown

AUTO = "auto"
# learners whose models are vectors: of labelled rows and standing on nothing, and all; one whose worths follow exactly
# from sums over rows needs no other method
_EXACT = (Architecture.RIDGE,)
_VECTORS = [each for each in LEARNERS.values() if each.vectors and each.name not in _EXACT]
_LABELLED = tuple(each.name for each in _VECTORS if Predicts.NEXT_TOKEN not in each.predicts and not each.needs_base)
_ALL = tuple(each.name for each in _VECTORS)
# answers of models of single players can be added whatever the models are
_NO_VECTORS = tuple(each.name for each in LEARNERS.values() if not each.vectors)
_H = HyperParameter


@dataclass(frozen=True)
class UnlearningMethod:
    """One unlearning method: ``family`` is "unlearn" or "repair" (needs the retained rows); ``partial``, ``full``: it
    can be used in that mode; ``source`` is how worths by it are named, where that is not ``family:name``.

    ``options`` are ``name.option`` in an order. A default of NaN stands for one that the method finds itself.
    """

    name: str
    family: str
    learners: tuple[Architecture, ...]
    partial: bool = False
    full: bool = True
    options: tuple[HyperParameter, ...] = ()
    source: str = field(default="")

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", f"{self.family}:{self.name}")

    def option_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}.{each.name}" for each in self.options)


_NAN = float("nan")
_STEPS = _H("steps", 20, "steps of Adam", above=True)
_LR = _H("lr", _NAN, "learning rate; by default a tenth of the learner's", above=True)
_SCALE = _H("scale", 1.0, "by how much vectors are scaled")

METHODS: dict[str, UnlearningMethod] = {
    method.name: method
    for method in (
        UnlearningMethod(
            "tangent",
            "unlearn",
            (*_LABELLED, Architecture.LM),
            partial=True,
            options=(
                _H("k", 400, "dimensions of the tangent features", above=True),
                _H("sketch", 0, "columns of the random sketch", above=True),
                _H("start", _NAN, "where features are taken between base (0) and M_full (1)", most=1),
                _H("damping", _NAN, "ridge of the solve; by default found by cross-validation"),
                _H("steps", _NAN, "steps on kept rows, of logistic models; by default up to three, as cost allows"),
                _H("stretch", 0.0, "extrapolation of small coalitions"),
                _H("temperature", _NAN, "by how much outputs are softened; by default found", above=True),
                _H("sample", 0, "sequences that gradients are sampled from", above=True),
            ),
        ),
        UnlearningMethod("statistics", "unlearn", _EXACT, partial=True),
        UnlearningMethod("hidden_quadratic", "unlearn", (Architecture.LOGISTIC,), partial=True, full=False),
        UnlearningMethod(
            "natural_gradient",
            "unlearn",
            (*_LABELLED, Architecture.LM),
            partial=True,
            options=(_H("damping", 1.0, "ridge of the Fisher matrix"),),
        ),
        UnlearningMethod(
            "newton",
            "repair",
            (Architecture.LOGISTIC,),
            options=(
                _H("steps", 2, "Newton steps", above=True),
                _H("inner", 12, "steps of conjugate gradients", above=True),
            ),
        ),
        UnlearningMethod(
            "shrink_and_repair",
            "repair",
            _ALL,
            source="repair",
            options=(
                _H("steps", 0, "steps on the retained rows; by default a tenth of a training", above=True),
                _H("shrink", 0.3, "where it starts between base (0) and M_full (1)", most=1),
            ),
        ),
        UnlearningMethod(
            "finetune_retained",
            "repair",
            _ALL,
            options=(_H("steps", 0, "steps on the retained rows; by default a fifth of a training", above=True),),
        ),
        UnlearningMethod(
            "neggrad_plus",
            "repair",
            _ALL,
            options=(
                _STEPS,
                _LR,
                _H("retain", 0.95, "weight of the retained rows", most=1),
            ),
        ),
        UnlearningMethod("merge", "unlearn", _ALL, options=(_SCALE,)),
        UnlearningMethod("negation", "unlearn", _ALL, partial=True, options=(_SCALE,)),
        UnlearningMethod("interpolation", "unlearn", _ALL, partial=True, options=(_SCALE,)),
        UnlearningMethod(
            "gradient_ascent",
            "unlearn",
            _ALL,
            partial=True,
            options=(_H("steps", 10, "steps of Adam", above=True), _LR),
        ),
        UnlearningMethod("kl_to_base", "unlearn", _ALL, partial=True, options=(_STEPS, _LR)),
        UnlearningMethod(
            "paper",
            "unlearn",
            _LABELLED,
            partial=True,
            options=(
                _STEPS,
                _LR,
                _H("anchor", 1.0, "weight of the anchor rows"),
            ),
        ),
        UnlearningMethod(
            "ekfac", "unlearn", (Architecture.LM,), partial=True, options=(_H("damping", 0.0, "ridge; 0: found"),)
        ),
        UnlearningMethod("adapter_sum", "unlearn", (Architecture.LM,), options=(_SCALE,)),
        UnlearningMethod("logit_sum", "unlearn", (Architecture.LM, Architecture.LORA, *_NO_VECTORS)),
        UnlearningMethod("mixture", "unlearn", (Architecture.LM, Architecture.LORA, *_NO_VECTORS), partial=True),
        UnlearningMethod("refit_leaves", "repair", (Architecture.BOOSTED_TREES,)),
        UnlearningMethod(
            "unmerge",
            "unlearn",
            (Architecture.LM, Architecture.LORA),
            partial=True,
            options=(_H("exponent", _NAN, "of the row weights"),),
        ),
        UnlearningMethod(
            "npo",
            "unlearn",
            (Architecture.LM,),
            partial=True,
            options=(
                _STEPS,
                _LR,
                _H("beta", 0.1, "inverse temperature", above=True),
            ),
        ),
        UnlearningMethod(
            "simnpo",
            "unlearn",
            (Architecture.LM,),
            partial=True,
            options=(
                _STEPS,
                _LR,
                _H("beta", 2.5, "inverse temperature", above=True),
                _H("margin", 0.0, "reward margin"),
            ),
        ),
    )
}
# options of no one method: rows that M_full saw and that are not here, and the part of the test set that anchors
SHARED_OPTIONS = (
    _H("hidden_rows", 0, "rows that the checkpoint was trained on besides the players'"),
    _H("anchor_share", 1 / 3, "part of the test rows that anchors unlearning in partial mode", above=True, most=1),
)
# what measured best, for an order that names no method (docs/benchmarks.md, -text.md, -trees.md)
_BEST = {
    (Architecture.RIDGE, "full"): "statistics",
    (Architecture.RIDGE, "partial"): "statistics",
    (Architecture.LOGISTIC, "partial"): "hidden_quadratic",
    **dict.fromkeys(((each, "full") for each in _NO_VECTORS), "mixture"),
    (Architecture.LM, "full"): "mixture",
    **dict.fromkeys(((each, "partial") for each in _NO_VECTORS), "mixture"),
    (Architecture.LM, "partial"): "mixture",
    (Architecture.LORA, "full"): "merge",
    (Architecture.LORA, "partial"): "mixture",
}
# methods that train one model for each player before their first worth
TRAINS_EACH_PLAYER = ("merge", "adapter_sum", "logit_sum", "mixture", "unmerge", "negation")


def known(name: str) -> UnlearningMethod:
    """What is said of a method; raises KeyError for one that is not."""
    return METHODS[name]


def default_method(learner: str, mode: str) -> str:
    """The method of an order that names none."""
    return _BEST.get((Architecture(learner), mode), "tangent")


def methods_for(learner: str, mode: str | None = None) -> tuple[str, ...]:
    """The names of the methods that are written for a learner, and can be used in a mode."""
    return tuple(
        method.name for method in METHODS.values() if learner in method.learners and _serves(method, learner, mode)
    )


def _serves(method: UnlearningMethod, learner: str, mode: str | None) -> bool:
    if mode == "partial":
        return method.partial and LEARNERS[learner].kept
    return method.full or mode is None


def mode_fault(learner: str, mode: str) -> str | None:
    """Why a learner cannot be valued in a mode; None where it can."""
    if mode == "partial" and not LEARNERS[learner].kept:
        return f"learner {learner} has no partial mode: no model of it is kept that could forget; choose mode full"
    return None


def method_fault(method: str, learner: str, mode: str) -> str | None:
    """Why an order cannot be computed by a method; None where it can."""
    allowed = (AUTO, *methods_for(learner, mode))
    if method in allowed and len(allowed) > 1:
        return None
    if (why := mode_fault(learner, mode)) is not None:
        return why
    if method not in METHODS:
        return unknown("unlearning method", method, allowed)
    why = (
        f"has no data to repair with in mode {mode}"
        if mode == "partial" and learner in METHODS[method].learners
        else f"is not written for learner {learner}"
    )
    return f"unlearning method {method!r} {why}; choose one of {', '.join(allowed)}"


def option_faults(options: Mapping[str, object], learner: str, mode: str) -> dict[str, str]:
    """What is wrong with which option of an order's unlearning, one sentence each."""
    known = {each.name: each for each in SHARED_OPTIONS}
    for name in methods_for(learner, mode):
        known |= dict(zip(METHODS[name].option_names(), METHODS[name].options, strict=True))
    wrong = {}
    for name, value in sorted(options.items()):
        if name not in known:
            meant, names = did_you_mean(name, known), ", ".join(sorted(known))
            wrong[name] = f"unlearning option {name!r} is unknown for learner {learner}{meant}; it knows {names}"
        elif known[name].number(value) is None:
            wrong[name] = f"unlearning option {name!r} must be {known[name].rule}; got {value!r}"
    return wrong
