"""What is told of an answer: rounded values that sum to the gain, alike for alike, and shares that follow."""

import numpy as np
import pytest

from contract.results.attributions import AttributedAnswer, Attribution, TokenisedAnswer


def test_told_values_sum_to_the_gain_are_alike_for_alike_and_tell_steps_alone() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=7)
        values[3] = values[5]
        told = AttributedAnswer.told(12, values)
        assert sum(told.values) == pytest.approx(told.gain, abs=1e-9)
        assert told.values[3] == told.values[5]
        assert told.shares[3] == told.shares[5]
        assert np.abs(np.array(told.values) - values).max() <= 0.005 + 1e-9
        near = AttributedAnswer.told(12, np.array(told.values) + rng.uniform(-0.0049, 0.0049, 7))
        assert near == told, "whatever lies within a step is told alike"
    assert AttributedAnswer.told(3, np.zeros(2)).shares == (0.0, 0.0)


def test_answers_together_count_each_token_alike() -> None:
    found = Attribution.of([0, 2], [10, 30], np.array([[1.0, 0.0], [0.0, 0.5]]))
    assert found.together.values == (0.25, 0.38)
    assert found.together.tokens == 40
    assert found.players == (0, 2)


def test_a_first_token_that_nothing_precedes_does_not_count() -> None:
    assert TokenisedAnswer(tokens=(1, 2, 3), before=0).said == 2
    assert TokenisedAnswer(tokens=(1, 2, 3), before=1).said == 2
    assert TokenisedAnswer(tokens=(1,), before=0).said == 0
