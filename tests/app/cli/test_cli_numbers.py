"""A number on the command line: what is left unsaid is that of numbers, and what contradicts itself is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cli.valuing.local import evaluator_of
from app.cli.valuing.options import defaults
from app.cli.valuing.request import ValueRequest, target_is
from app.errors import InvalidData, InvalidInput

PROVIDERS = ("a", "b")


@pytest.fixture
def request_of(tmp_path: Path) -> ValueRequest:
    rng = np.random.default_rng(1)
    for name, rows in (("a", 20), ("b", 30), ("test", 40)):
        X = rng.normal(size=(rows, 2)).round(3)
        lines = [f"{u},{v},{200 + 30 * u - v + rng.normal():.2f}" for u, v in X]
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,v,price", *lines]))
    providers = tuple((name, str(tmp_path / f"{name}.csv")) for name in PROVIDERS)
    return ValueRequest(providers, str(tmp_path / "test.csv"), "price", "ridge", "mae", "full", 0)


def test_what_is_left_unsaid_is_that_of_numbers_where_one_word_says_so() -> None:
    assert defaults(None, None, None) == ("logistic", "accuracy")
    assert defaults(None, None, "number") == ("ridge", "r2")
    assert defaults("ridge:l2=0.1", None, None) == ("ridge:l2=0.1", "r2")
    assert defaults(None, "clipped_mae", None) == ("ridge", "clipped_mae")
    assert defaults("mlp", None, "number") == ("mlp", "r2")


def test_files_with_a_number_become_a_game_in_its_unit(request_of: ValueRequest) -> None:
    evaluator, _ = evaluator_of(request_of, 1)
    assert evaluator.problem.scale is not None
    assert evaluator.problem.scale.center == pytest.approx(evaluator.problem.test.y.mean())
    assert evaluator.full_worth > evaluator.empty_worth
    assert evaluator.empty_worth < -10


def test_what_contradicts_itself_or_may_be_a_number_is_refused_with_the_mend(request_of: ValueRequest) -> None:
    with pytest.raises(InvalidInput, match="a number is measured by r2, rmse, mae"):
        target_is(replace(request_of, target_is="classes"), "ridge")
    with pytest.raises(InvalidInput, match="--target-is 'number' with --metric accuracy"):
        target_is(replace(request_of, target_is="number", metric="accuracy"), "mlp")
    with pytest.raises(InvalidData, match="say target_is number"):
        evaluator_of(replace(request_of, model="logistic", metric="accuracy"), 1)
