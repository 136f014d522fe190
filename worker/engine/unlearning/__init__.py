"""Unlearning methods by name. One module per method; adding one is adding a line to ``METHODS``, or to
``TOKEN_METHODS`` where it is written for language models. ``LORA_METHODS`` are those for adapters of an encoder."""

from contract.errors import InvalidProblem
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.engine.unlearning.descent import (
    finetune_retained,
    gradient_ascent,
    kl_to_base,
    neggrad_plus,
    paper,
    preference,
    shrink_and_repair,
)
from worker.engine.unlearning.ensembles import logit_sum, mixture
from worker.engine.unlearning.method import UnlearningMethod
from worker.engine.unlearning.second_order import ekfac, natural_gradient, newton, tangent
from worker.engine.unlearning.tokens import kl_to_base as kl_tokens
from worker.engine.unlearning.tokens import natural_gradient as natural_tokens
from worker.engine.unlearning.tokens import tangent as token_tangent
from worker.engine.unlearning.vectors import adapter_sum, interpolation, merge, negation, unmerge

METHODS: dict[str, UnlearningMethod] = {
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
# Written for labelled rows, or of them; the same names where a language model has its own.
_LABELS_ONLY = ("tangent", "natural_gradient", "kl_to_base", "paper", "newton")
TOKEN_METHODS: dict[str, UnlearningMethod] = {
    **{name: method for name, method in METHODS.items() if name not in _LABELS_ONLY},
    **{
        m.name: m
        for m in (
            token_tangent.METHOD,
            natural_tokens.METHOD,
            ekfac.METHOD,
            kl_tokens.METHOD,
            adapter_sum.METHOD,
            logit_sum.METHOD,
            mixture.METHOD,
            unmerge.METHOD,
        )
    },
    **{m.name: m for m in preference.METHODS},
}
# Adapters of an encoder on labelled rows: methods that need a gradient of each row, as wide as the adapters, are left
# out.
_ROW_GRADIENTS = ("tangent", "natural_gradient", "paper", "newton")
LORA_METHODS: dict[str, UnlearningMethod] = {
    **{name: method for name, method in METHODS.items() if name not in _ROW_GRADIENTS},
    **{m.name: m for m in (logit_sum.METHOD, mixture.METHOD, unmerge.METHOD)},
}
_EVERY = {**TOKEN_METHODS, **METHODS}


def methods_for(learner: str) -> dict[str, UnlearningMethod]:
    """The methods written for a learner's kind of rows (labelled, or tokens), by name."""
    return {LanguageModel.name: TOKEN_METHODS, AdaptedEncoder.name: LORA_METHODS}.get(learner, METHODS)


def method_of(source: str, learner: str | None = None) -> UnlearningMethod:
    """The method behind a source ("unlearn:tangent", "repair", ...), as written for a learner's kind of rows."""
    known = {m.source: m for m in (_EVERY if learner is None else methods_for(learner)).values()}
    if source not in known:
        raise InvalidProblem(f"source {source!r} is unknown; choose one of {', '.join([*known, 'retrain'])}")
    return known[source]


def source_of(name: str) -> str:
    """The source string of a method's name ("tangent" -> "unlearn:tangent"); sources pass through."""
    if name == "retrain" or name in {m.source for m in _EVERY.values()}:
        return name
    if name not in _EVERY:
        raise InvalidProblem(f"unlearning method {name!r} is unknown; choose one of {', '.join([*_EVERY, 'retrain'])}")
    return _EVERY[name].source
