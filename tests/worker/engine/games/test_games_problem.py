"""A problem is canonical: what it is made of decides, never the order, the names or the files it came in."""

import numpy as np
import pytest

from contract.errors import InvalidProblem
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner


def rows(n: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)).astype(np.float32), np.arange(n) % 2


def problem(**changes: object) -> Problem:
    given: dict[str, object] = {
        "players": [PlayerData("a", *rows(6, 1)), PlayerData("b", *rows(8, 2))],
        "test": Rows(*rows(10, 3)),
        "classes": 2,
        "learner": LearnerSpec("logistic"),
    }
    return Problem(**{**given, **changes})  # type: ignore[arg-type]  # the point is to try wrong ones


def test_rows_in_another_order_are_the_same_content() -> None:
    X, y = rows(9)
    shuffled = np.random.default_rng(5).permutation(9)
    one, two = PlayerData("one", X, y), PlayerData("two", X[shuffled], y[shuffled])
    assert one.digest == two.digest
    np.testing.assert_array_equal(one.X, two.X)


def test_another_label_or_feature_is_another_content() -> None:
    X, y = rows(9)
    assert PlayerData("a", X, y).digest != PlayerData("a", X, 1 - y).digest
    assert PlayerData("a", X, y).digest != PlayerData("a", X + 1, y).digest


def test_players_stand_in_the_order_of_their_content_whatever_the_order_given() -> None:
    players = [PlayerData(name, *rows(6, seed)) for name, seed in (("a", 1), ("b", 2), ("c", 3))]
    forwards = [p.name for p in problem(players=players).players]
    backwards = [p.name for p in problem(players=players[::-1]).players]
    assert forwards == backwards


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"players": []}, "at least one player"),
        ({"players": [PlayerData("a", *rows(6, 1)), PlayerData("a", *rows(6, 2))]}, "used twice: a"),
        ({"metric": "f2"}, "accuracy, clipped_log_loss, log_loss"),
        ({"mode": "half"}, "full, partial"),
        ({"classes": 1}, "at least 2 classes"),
        ({"players": [PlayerData("a", np.zeros((3, 5)), np.zeros(3, dtype=int))]}, "rows of shape"),
        ({"players": [PlayerData("a", np.zeros((3, 2)), np.array([0, 1, 2]))]}, "class numbers run from 0 to 1"),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidProblem, match=says):
        problem(**changes)


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="NaN or infinity"):
        PlayerData("a", np.array([[np.nan, 1.0]]), np.array([0]))


def test_a_player_without_rows_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="has no rows"):
        PlayerData("a", np.zeros((0, 2)), np.zeros(0, dtype=int))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (LearnerSpec("forest"), "logistic, mlp, cnn"),
        (LearnerSpec("mlp", {"depth": 3}), "batch, double, hidden, l2, layers, lr, steps"),
        (LearnerSpec("mlp", {"hidden": 2.5}), "hidden must be a whole number"),
        (LearnerSpec("mlp", {"lr": "fast"}), "lr must be a number"),
        (LearnerSpec("logistic", {"l2": 0}), "l2 must be a number above 0"),
        (LearnerSpec("cnn"), "takes images"),
    ],
)
def test_a_learner_names_what_it_knows(spec: LearnerSpec, says: str) -> None:
    with pytest.raises(InvalidProblem, match=says):
        make_learner(spec, (5,), 3)


def test_hyper_parameters_may_come_as_text() -> None:
    assert make_learner(LearnerSpec("mlp", {"steps": "20"}), (5,), 3).row_gradients(10) == 200
