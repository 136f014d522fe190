"""Unlearning methods by name. One module per method; adding one is adding a line to ``METHODS``."""

from worker.engine.problem import InvalidProblem
from worker.engine.unlearning import (
    finetune_retained,
    gradient_ascent,
    interpolation,
    kl_to_base,
    merge,
    natural_gradient,
    negation,
    neggrad_plus,
    newton,
    paper,
    shrink_and_repair,
    tangent,
)
from worker.engine.unlearning.method import Method

METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        tangent.METHOD,
        natural_gradient.METHOD,
        shrink_and_repair.METHOD,
        merge.METHOD,
        negation.METHOD,
        interpolation.METHOD,
        gradient_ascent.METHOD,
        kl_to_base.METHOD,
        neggrad_plus.METHOD,
        finetune_retained.METHOD,
        paper.METHOD,
        newton.METHOD,
    )
}
_BY_SOURCE = {m.source: m for m in METHODS.values()}


def method_of(source: str) -> Method:
    """The method behind a source ("unlearn:tangent", "repair", ...)."""
    if source not in _BY_SOURCE:
        raise InvalidProblem(f"source {source!r} is unknown; choose one of {', '.join([*_BY_SOURCE, 'retrain'])}")
    return _BY_SOURCE[source]


def source_of(name: str) -> str:
    """The source string of a method's name ("tangent" -> "unlearn:tangent"); sources pass through."""
    if name == "retrain" or name in _BY_SOURCE:
        return name
    if name not in METHODS:
        raise InvalidProblem(f"unlearning method {name!r} is unknown; choose one of {', '.join([*METHODS, 'retrain'])}")
    return METHODS[name].source
