"""Which models can be made to forget a dataset how: the engine's methods that yield weights, by architecture. Pure.

``NEEDS_ALL`` need every other row that the model has seen; the others make do with the forgotten rows, the weights and
some rows of the owner's test set. A test holds this table to the engine's; docs/withdrawal.md has what was measured.
"""

from enum import StrEnum

from contract.learning.learners import Architecture


class WithdrawalMethod(StrEnum):
    """How a checkpoint is made to forget a dataset that was withdrawn."""

    AUTO = "auto"
    RETRAIN = "retrain"
    NEWTON = "newton"
    FINETUNE_RETAINED = "finetune_retained"
    NEGGRAD_PLUS = "neggrad_plus"
    TANGENT = "tangent"
    NATURAL_GRADIENT = "natural_gradient"
    UNMERGE = "unmerge"
    STATISTICS = "statistics"
    ERASE = "erase"


_M = WithdrawalMethod
_NETWORK = frozenset({_M.AUTO, _M.RETRAIN, _M.FINETUNE_RETAINED, _M.NEGGRAD_PLUS, _M.NATURAL_GRADIENT, _M.ERASE})
_ERASED = frozenset({_M.AUTO, _M.ERASE})
_ADAPTERS = frozenset({_M.AUTO, _M.RETRAIN, _M.FINETUNE_RETAINED, _M.NEGGRAD_PLUS, _M.UNMERGE, _M.ERASE})
# whatever can be trained can be trained anew; what else, each model says
METHODS: dict[Architecture, frozenset[WithdrawalMethod]] = dict.fromkeys(
    Architecture, frozenset({_M.AUTO, _M.RETRAIN, _M.ERASE})
) | {
    Architecture.LOGISTIC: frozenset({_M.AUTO, _M.RETRAIN, _M.NEWTON, _M.TANGENT, _M.NATURAL_GRADIENT, _M.ERASE}),
    Architecture.RIDGE: frozenset({_M.AUTO, _M.RETRAIN, _M.STATISTICS, _M.ERASE}),
    Architecture.MLP: _NETWORK,
    Architecture.CNN: _NETWORK,
    # adapters; what they and heads stand on has seen nobody's data
    Architecture.LM: _ADAPTERS | {_M.NATURAL_GRADIENT},
    Architecture.LORA: _ADAPTERS,
    Architecture.ENCODER: _ERASED,
    Architecture.BACKBONE: _ERASED,
}
NEEDS_ALL = frozenset({_M.RETRAIN, _M.NEWTON, _M.FINETUNE_RETAINED, _M.NEGGRAD_PLUS})
# what ``auto`` is without the other rows: linear models can be unlearned well; no method was measured to make a network
# forget enough, so it is erased unless its owner says otherwise
_WITHOUT = dict.fromkeys(Architecture, _M.ERASE) | {
    Architecture.LOGISTIC: _M.TANGENT,
    Architecture.RIDGE: _M.STATISTICS,
}
_MISSING = "not every other row that the model has seen is here"


def fault(architecture: Architecture, method: WithdrawalMethod | None) -> str | None:
    """Why a model cannot be unlearned so; None where it can (or nothing was chosen)."""
    known = METHODS[architecture]
    if method is None or method in known:
        return None
    names = ", ".join(sorted(each.value for each in known))
    return f"{architecture.value} has no method {method.value}; choose one of {names}"


def chosen(
    architecture: Architecture, method: WithdrawalMethod | None, *, whole: bool, test: bool
) -> tuple[WithdrawalMethod, str | None]:
    """The method to use, and why it is another than the one asked for.

    ``whole``: every other row that the model has seen is here; ``test``: the owner's test rows are.
    """
    method = method or _M.AUTO
    if method is _M.ERASE:
        return method, None
    if whole and (method is _M.AUTO or method in NEEDS_ALL or test):
        return (_M.RETRAIN if method is _M.AUTO else method), None
    if whole:
        return _M.RETRAIN, f"{method.value} goes by test rows of yours, which are gone"
    if not test:
        return _M.ERASE, f"{_MISSING}, and your test rows, which methods without them go by, are gone"
    if method is _M.AUTO or method in NEEDS_ALL:
        return _WITHOUT[architecture], f"{method.value} was asked for, but {_MISSING}"
    return method, None
