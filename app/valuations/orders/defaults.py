"""The unlearning method of an order that names none: what measured best for its kind of model and mode. Pure.

The engine has the same table for the command line; a test holds the two together. docs/benchmarks-text.md and
docs/benchmarks.md have the measurements.
"""

from app.valuations.schemas import NewValuation

_LABELLED = "tangent"
_BEST = {
    ("lm", "full"): "mixture",
    ("lm", "partial"): "mixture",
    ("lora", "full"): "merge",
    ("lora", "partial"): "mixture",
}


def default_method(learner: str, mode: str) -> str:
    """The method's name."""
    return _BEST.get((learner, mode), _LABELLED)


def settled(order: NewValuation, learner: str) -> NewValuation:
    """The order with the method that it will be computed by, so that everybody can read which it was."""
    if order.unlearning.method is not None:
        return order
    named = order.unlearning.model_copy(update={"method": default_method(learner, order.mode)})
    return order.model_copy(update={"unlearning": named})
