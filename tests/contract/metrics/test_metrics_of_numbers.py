"""Metrics of numbers against scikit-learn's; constant answers against all others; what each unit moves, in its unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from contract.metrics import METRICS, Predicts
from contract.metrics.clipped_mae import ClippedMAE
from contract.metrics.clipped_r2 import ClippedR2
from contract.metrics.clipped_rmse import ClippedRMSE
from contract.metrics.mae import MAE
from contract.metrics.number import bound, clipped_center, clipped_median, spread
from contract.metrics.r2 import R2
from contract.metrics.rmse import RMSE
from contract.results.baseline import baseline
from contract.tasks import PREDICTIONS, Targets, TargetScale

NUMBERS = PREDICTIONS[Predicts.NUMBER]
NAMES = NUMBERS.metrics()
Drawn = tuple[np.ndarray, np.ndarray]


def drawn(seed: int, rows: int = 60, noise: float = 0.7) -> Drawn:
    """Predictions float64[rows, 1] and targets around 300 with a spread of 50."""
    rng = np.random.default_rng(seed)
    targets = 300 + 50 * rng.normal(size=rows)
    return (targets + 50 * noise * rng.normal(size=rows))[:, None], targets


def targets_of(values: np.ndarray) -> Targets:
    return Targets(values, None, 1, values, TargetScale.of(values))


def test_they_are_the_metrics_of_numbers() -> None:
    assert NAMES == ("r2", "rmse", "mae", "clipped_r2", "clipped_rmse", "clipped_mae")


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    outputs, targets = drawn(seed)
    assert R2().worth(outputs, targets, None) == pytest.approx(reference.r2_score(targets, outputs[:, 0]))
    assert RMSE().worth(outputs, targets, None) == pytest.approx(
        -reference.root_mean_squared_error(targets, outputs[:, 0])
    )
    assert MAE().worth(outputs, targets, None) == pytest.approx(-reference.mean_absolute_error(targets, outputs[:, 0]))


def test_clipped_forms_are_the_others_where_no_error_is_large_and_bound_one_that_is() -> None:
    outputs, targets = drawn(1, noise=0.2)
    pairs = ((RMSE(), ClippedRMSE()), (MAE(), ClippedMAE()))
    for plain, clipped in pairs:
        assert clipped.worth(outputs, targets, None) == pytest.approx(plain.worth(outputs, targets, None))
    wild = outputs.copy()
    wild[7] += 1e9
    for plain, clipped in (*pairs, (R2(), ClippedR2())):
        before, after = (clipped.worth(each, targets, None) for each in (outputs, wild))
        assert abs(after - before) < 50
        assert plain.worth(wild, targets, None) < -1e6
    assert bound(targets) == pytest.approx(3 * spread(targets))
    assert spread(np.append(targets, 1e12)) == pytest.approx(spread(targets), rel=0.1)


@given(st.lists(st.integers(-40, 40), min_size=3, max_size=25), st.sampled_from([0.5, 3.0, 11.0, 200.0]))
def test_the_clipped_centers_are_the_best_of_all_numbers(values: list[int], most: float) -> None:
    targets = np.array(values, dtype=np.float64)
    tried = np.linspace(-45, 45, 1801)
    squares = np.minimum((targets - tried[:, None]) ** 2, most**2).sum(axis=1).min()
    assert np.minimum((targets - clipped_center(targets, most)) ** 2, most**2).sum() <= squares + 1e-7
    distances = np.minimum(np.abs(targets - tried[:, None]), most).sum(axis=1).min()
    assert np.minimum(np.abs(targets - clipped_median(targets, most)), most).sum() <= distances + 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_no_constant_answer_scores_better_than_the_baseline_and_it_knows_nothing(name: str) -> None:
    rng = np.random.default_rng(3)
    targets = targets_of(rng.gamma(1.0, 30.0, 80))
    least = baseline(NUMBERS, METRICS[name], targets, None, "")
    for answer in np.linspace(0, 200, 401):
        constant = np.full((80, 1), answer)
        assert METRICS[name].worth(constant, targets.values, None) <= least.worth + 1e-6
    if name.endswith("r2"):
        assert least.worth == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_influences_say_how_much_a_worth_varies_over_test_sets(name: str) -> None:
    """Against 2,000 fresh test sets of 80 units; and a pair of models, whose worths vary together."""
    metric, rng = METRICS[name], np.random.default_rng(4)
    worths, said = [], []
    for _ in range(2000):
        values = 300 + 50 * rng.normal(size=80)
        first = values + 30 * rng.normal(size=80)
        pair = np.stack([first, first + 20 * rng.normal(size=80) - 10])[:, :, None]
        scale = TargetScale.of(values)
        targets = Targets(values, None, 1, None, scale)
        answers = scale.scaled(pair).astype(np.float32)
        worths.append(NUMBERS.worths(metric, answers, targets))
        moved = NUMBERS.influences(metric, answers, targets)
        assert abs(moved.sum(axis=1)).max() < 1e-6
        said.append(moved @ moved.T)
    expected = np.cov(np.array(worths).T).ravel().tolist()
    assert np.mean(said, axis=0).ravel().tolist() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-3, 1e5])
def test_another_unit_of_the_target_is_another_unit_of_the_worth_and_nothing_else(name: str, unit: float) -> None:
    outputs, values = drawn(5)
    metric = METRICS[name]
    size = unit if metric.unit == "target" else 1.0
    assert metric.worth(unit * outputs, unit * values, None) == pytest.approx(
        size * metric.worth(outputs, values, None)
    )
    assert metric.size(unit * values) == pytest.approx(size * metric.size(values))
    moved = metric.influences(unit * outputs, unit * values, None)
    np.testing.assert_allclose(moved, size * metric.influences(outputs, values, None), rtol=1e-9, atol=1e-12 * size)


def test_a_perfect_model_reaches_the_best_and_broken_answers_are_never_a_score() -> None:
    _, values = drawn(6)
    targets = targets_of(values)
    assert targets.scale is not None
    perfect = targets.scale.scaled(values)[:, None]
    broken = perfect.copy()
    broken[3] = np.nan
    for name in NAMES:
        best, none = NUMBERS.worths(METRICS[name], np.stack([perfect, broken]), targets)
        assert best == pytest.approx(METRICS[name].range[1], abs=1e-9)
        assert np.isnan(none)
    with pytest.raises(ValueError, match="no classes to weigh"):
        RMSE().worth(perfect, values, np.full(60, 1 / 60))


def test_a_scale_is_the_test_sets_own_in_whatever_order_and_gives_numbers_back() -> None:
    values = np.array([5.0, 1.0, 3.0, 11.0])
    scale = TargetScale.of(values)
    assert scale == TargetScale.of(values[::-1])
    assert (scale.center, scale.spread) == (5.0, pytest.approx(np.std(values)))
    np.testing.assert_allclose(scale.numbers(scale.scaled(values)), values)
    assert TargetScale.of(np.full(3, 7.0)) == TargetScale(7.0, 1.0)
