"""The cost model: every learner states what its models take, from sizes alone."""

import pytest

from contract.learning.costs import ModelCost, ModelSizes, exact_is_cheap
from contract.learning.learners import LEARNERS

SHAPES = {"cnn": (28, 28), "lm": (65,), "lora": (32,)}


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_says_what_its_models_take(name: str) -> None:
    kind = LEARNERS[name]

    def cost(classes: int = 3) -> ModelCost:
        return kind.cost(ModelSizes(SHAPES.get(name, (20,)), classes, kind.defaults(), frozen=1e6))

    assert 0 < cost().training(100) <= cost().training(1000)
    assert 0 < cost().scoring(100) < cost().scoring(200)
    assert cost().scoring(100) <= cost(30).scoring(100)
    assert 0 < cost().retraining(1000, 100) <= cost().whole(1000, 100)


def test_a_logistic_coalition_is_foretold_by_the_iterations_that_everybodys_model_took() -> None:
    cost = LEARNERS["logistic"].cost
    few, many = (cost(ModelSizes((20,), 2, {"iterations_taken": taken})).training(500) for taken in (10, 100))
    assert many > 5 * few


def test_boosted_trees_cost_more_by_the_row_until_their_leaves_and_bins_are_full() -> None:
    """Against LightGBM on two shared x86-64 cores, 60 rounds: milliseconds of processor by rows, columns, leaves."""
    measured = {(160, 10, 31): 9.8, (800, 30, 31): 113.6, (1600, 100, 15): 329.3, (4000, 30, 31): 229.8}
    for (rows, columns, leaves), milliseconds in measured.items():
        cost = LEARNERS["boosted_trees"].cost(ModelSizes((columns,), 2, {"leaves": leaves}))
        assert 1 / 1.5 < 1e3 * cost.training(rows) / milliseconds < 1.5
    cost = LEARNERS["boosted_trees"].cost(ModelSizes((30,), 2, {}))
    by_row = [(cost.training(2 * rows) - cost.training(rows)) / rows for rows in (100, 4000)]
    assert by_row[0] > 2.5 * by_row[1]
    assert cost.training(15) < 0.5 * cost.training(20), "of too few rows nothing is grown"


def test_exact_values_are_cheap_under_twice_the_audit_or_ten_seconds() -> None:
    assert exact_is_cheap(64, 36, None)
    assert not exact_is_cheap(128, 36, None)
    assert exact_is_cheap(128, 36, 10.0 / 128)
    assert not exact_is_cheap(128, 36, 10.1 / 128)
