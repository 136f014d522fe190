"""Unlearning methods by name. One module per method; adding one is adding a line to ``_CODE``, or to ``_OF_TOKENS``
where it is written for language models. ``contract.learning.methods`` says which learners each is for."""

from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Architecture
from contract.learning.methods import METHODS as VOCABULARY
from contract.learning.methods import methods_for as names_for
from worker.engine.unlearning.descent import (
    finetune_retained,
    gradient_ascent,
    kl_to_base,
    neggrad_plus,
    npo,
    paper,
    shrink_and_repair,
    simnpo,
)
from worker.engine.unlearning.ensembles import logit_sum, mixture, refit_leaves
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order import ekfac, hidden_quadratic, natural_gradient, newton, statistics, tangent
from worker.engine.unlearning.tokens import kl_to_base as kl_of_tokens
from worker.engine.unlearning.tokens import natural_gradient as natural_gradient_of_tokens
from worker.engine.unlearning.tokens import tangent as tangent_of_tokens
from worker.engine.unlearning.vectors import adapter_sum, interpolation, merge, negation, unmerge

_CODE = (
    tangent.METHOD,
    statistics.METHOD,
    hidden_quadratic.METHOD,
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
    ekfac.METHOD,
    adapter_sum.METHOD,
    logit_sum.METHOD,
    mixture.METHOD,
    refit_leaves.METHOD,
    unmerge.METHOD,
    npo.METHOD,
    simnpo.METHOD,
)
# methods that a language model has in a form of its own
_OF_TOKENS = (tangent_of_tokens.METHOD, natural_gradient_of_tokens.METHOD, kl_of_tokens.METHOD)


def _methods(learner: str) -> dict[str, Method]:
    code = {method.name: method for method in _CODE}
    if learner == Architecture.LM:
        code |= {method.name: method for method in _OF_TOKENS}
    return {name: code[name] for name in names_for(learner)}


_BY_LEARNER = {learner: _methods(learner) for learner in LEARNERS}


def methods_for(learner: str) -> dict[str, Method]:
    """The methods written for a learner, by name."""
    return _BY_LEARNER[learner]


def method_of(source: str, learner: str) -> Method:
    """The method behind a source ("unlearn:tangent", "repair", ...), as written for a learner."""
    by_source = {method.source: method for method in methods_for(learner).values()}
    if source not in by_source:
        known = source in {method.source for method in VOCABULARY.values()}
        what = f"cannot be used with learner {learner!r}" if known else "is unknown"
        raise InvalidProblem(f"source {source!r} {what}; choose one of {', '.join([*by_source, 'retrain'])}")
    return by_source[source]


def source_of(name: str) -> str:
    """The source string of a method's name ("tangent" -> "unlearn:tangent"); sources pass through."""
    if name == "retrain" or name in {method.source for method in VOCABULARY.values()}:
        return name
    if name not in VOCABULARY:
        names = ", ".join([*VOCABULARY, "retrain"])
        raise InvalidProblem(f"unlearning method {name!r} is unknown; choose one of {names}")
    return VOCABULARY[name].source
