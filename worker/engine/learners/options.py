"""A learner's hyper-parameters as typed data: the values of a spec over the defaults of the contract's vocabulary."""

from collections.abc import Callable
from typing import TypeVar

from contract.architectures.adapters import AT
from contract.learning.learners import LEARNERS, Hyper

T = TypeVar("T")


def read_options(kind: Callable[..., T], learner: str, hyper: Hyper) -> T:
    """The hyper-parameters of a learner as ``kind``, whose fields have their names, without those of single
    projections; raises InvalidProblem."""
    return kind(**{name: value for name, value in LEARNERS[learner].checked(hyper).items() if AT not in name})
