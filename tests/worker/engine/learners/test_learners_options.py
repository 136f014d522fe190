"""Hyper-parameters as typed data: the vocabulary's defaults under what a job says, and its refusals."""

from typing import NamedTuple

import pytest

from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS
from worker.engine.learners.logistic import LogisticOptions
from worker.engine.learners.options import read_options


def test_what_is_not_said_is_the_vocabulary_s_default() -> None:
    defaults = LEARNERS["logistic"].checked({})
    assert read_options(LogisticOptions, "logistic", {})._asdict() == defaults
    assert read_options(LogisticOptions, "logistic", {"l2": 0.5})._asdict() == defaults | {"l2": 0.5}


@pytest.mark.parametrize("hyper", [{"l3": 0.1}, {"l2": -1.0}, {"iterations": 1.5}, {"l2": "much"}])
def test_an_unknown_name_or_a_value_out_of_range_is_refused_by_name(hyper: dict[str, float | int | str]) -> None:
    (name,) = hyper
    with pytest.raises(InvalidProblem, match=name):
        read_options(LogisticOptions, "logistic", hyper)


def test_the_fields_are_the_vocabulary_s_names() -> None:
    class Fewer(NamedTuple):
        l2: float

    with pytest.raises(TypeError):
        read_options(Fewer, "logistic", {})
