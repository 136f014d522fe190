"""One interval holds what other test rows, unlearning and other seeds would change, and says how much is which."""

from dataclasses import replace

import numpy as np
import pytest

from contract.metrics import METRICS, Predicts
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from contract.tasks import PREDICTIONS
from worker.engine.estimators.exact import exact, exact_values
from worker.engine.estimators.grid import full_grid
from worker.engine.estimators.posterior import CoalitionProcess
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.answered import AnsweredGame
from worker.engine.games.coalitions import exact_operator
from worker.engine.games.game import all_coalitions
from worker.engine.games.shards import cut
from worker.engine.loop.chance import Moved, Weights, chance, moved, moved_by_estimator
from worker.engine.valuation import recompute, value

RETRAIN = ValuationSpec(fidelity="retrain")


def pool(seed: int, n: int, rows: int, weakest: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Answers of all 2^n coalitions' models on many rows: each member adds its own noisy signal."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(2, rows, p=[1 / 3, 2 / 3])
    strength = weakest + rng.uniform(0.0, 1.5, n)
    signals = strength[:, None, None] * np.eye(2)[labels] + rng.normal(size=(n, rows, 2))
    answers = np.einsum("mi,irc->mrc", all_coalitions(n).astype(float), signals)
    return answers.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("metric", [each for each in PREDICTIONS[Predicts.CLASS].metrics() if not METRICS[each].needs])
def test_intervals_hold_the_share_on_the_whole_population_as_often_as_they_say(metric: str) -> None:
    answers, labels = pool(1, 3, 20_000)
    truth = shares_of(exact_values(AnsweredGame.of(metric, answers, labels).worths))
    rng, held = np.random.default_rng(2), []
    for _ in range(250):
        drawn = rng.choice(len(labels), 120, replace=False)
        result = value(AnsweredGame.of(metric, answers[:, drawn], labels[drawn]), replace(RETRAIN, metric=metric))
        for player, share in zip(result.players, truth, strict=True):
            assert player.share_ci is not None
            held.append(player.share_ci[0] <= share <= player.share_ci[1])
    assert 0.92 <= np.mean(held) <= 0.99


def test_a_third_of_the_test_rows_does_not_contradict_another() -> None:
    answers, labels = pool(4, 4, 231)
    intervals = []
    for part in range(3):
        rows = np.arange(part, 231, 3)
        result = value(AnsweredGame.of("accuracy", answers[:, rows], labels[rows]), RETRAIN)
        intervals.append([player.share_band for player in result.players])
    for bands in zip(*intervals, strict=True):
        lows, highs = zip(*(band for band in bands if band is not None), strict=True)
        assert max(lows) <= min(highs)


def test_an_enumerated_share_is_never_of_zero_width_unless_it_is_certain() -> None:
    # both providers alone already answer all rows, so no row moves one value and not the other
    labels = np.tile([0, 1], 30)
    perfect = np.eye(2, dtype=np.float32)[labels]
    answers = np.stack([np.zeros_like(perfect), perfect, perfect, perfect])
    result = value(AnsweredGame.of("accuracy", answers, labels), RETRAIN)
    for player in result.players:
        assert player.share == pytest.approx(0.5)
        assert player.share_ci is not None
        assert player.share_ci[1] - player.share_ci[0] > 0.01
        assert player.parts is not None
        assert (player.parts.unlearning, player.parts.seeds) == (0.0, 0.0)
        assert player.parts.test_rows == pytest.approx(100 * (player.share_ci[1] - player.share_ci[0]))


def test_copies_have_the_same_interval_and_alone_everything_is_certain() -> None:
    answers, labels = pool(3, 2, 80, 2.0)
    answers[2] = answers[1]
    game = AnsweredGame.of("accuracy", answers, labels)
    game = replace(game, players=[replace(player, digest="same") for player in game.players])
    one, other = value(game, RETRAIN).players
    assert (one.value_ci, one.share_ci) == (other.value_ci, other.share_ci)
    assert one.share_ci == (0.5, 0.5), "exact copies have half each, whatever the test rows"


def test_the_covariance_over_test_rows_is_that_of_a_bootstrap() -> None:
    answers, labels = pool(5, 3, 150, 2.0)
    result = value(AnsweredGame.of("clipped_log_loss", answers, labels), replace(RETRAIN, metric="clipped_log_loss"))
    assert result.chance is not None
    rng, values = np.random.default_rng(6), []
    for _ in range(2000):
        drawn = rng.integers(0, 150, 150)
        values.append(exact_values(AnsweredGame.of("clipped_log_loss", answers[:, drawn], labels[drawn]).worths))
    found = np.sqrt(np.diag(np.array(result.chance.covariance)))
    assert found.tolist() == pytest.approx(np.std(values, axis=0).tolist(), rel=0.12)


def test_values_of_a_process_move_with_observed_worths_as_it_says() -> None:
    rng, grid = np.random.default_rng(0), full_grid(4, [])
    worths = rng.normal(size=16) + grid.coalitions.sum(axis=1)
    observed = np.sort(rng.permutation(16)[:9])
    surrogate = (worths + 0.3 * rng.normal(size=16))[:, None]
    process = CoalitionProcess(grid, surrogate)
    before = process.fit(observed, worths[observed])
    # worths times a factor, and more of all: values follow, and the amounts do not change
    for after, change in ((1.5 * worths, 0.5 * worths), (worths + 3.0, np.full(16, 3.0))):
        found = process.fit(observed, after[observed]).values - before.values
        assert (before.leverage @ change[observed]).tolist() == pytest.approx(found.tolist(), abs=1e-6)
    assert before.leverage.sum(axis=1).tolist() == pytest.approx([0.0] * 4, abs=1e-6)


@pytest.mark.parametrize("name", ["permutation", "kernelshap", "stratified", "regression", "svarm"])
def test_every_estimator_says_what_test_rows_do_to_its_values(name: str) -> None:
    answers, labels = pool(7, 5, 60, 1.0)
    spec = replace(RETRAIN, estimator=name, max_evaluations=24)
    result = value(AnsweredGame.of("accuracy", answers, labels), spec)
    whole = value(AnsweredGame.of("accuracy", answers, labels), RETRAIN)
    assert result.chance is not None
    assert whole.chance is not None
    ratio = np.sqrt(np.diag(np.array(result.chance.covariance)) / np.diag(np.array(whole.chance.covariance)))
    assert 0.5 < ratio.min() <= ratio.max() < 2.5
    assert any(player.parts is not None and player.parts.unlearning for player in result.players)


def test_an_estimator_played_on_each_rows_influences_gives_what_its_matrix_gives() -> None:
    answers, labels = pool(8, 3, 40)
    game = AnsweredGame.of("log_loss", answers, labels)
    coalitions = all_coalitions(3)
    matrix = moved(game, Weights("retrain", coalitions, exact_operator(coalitions)), lambda rows: rows)
    played = moved_by_estimator(game, "retrain", coalitions, lambda one: exact(one, 8))
    assert matrix is not None
    assert played is not None
    assert np.allclose(matrix.units, played.units, atol=1e-12)


def test_the_corrected_route_joins_all_three_and_a_stored_result_repeats(digits) -> None:
    problem = digits("mlp", {"steps": 30}, rows=300)
    result = value(Evaluator(problem), ValuationSpec(max_retrains=30))
    assert result.estimator == "multifidelity"
    for player in result.players:
        assert player.parts is not None
        assert player.parts.seeds is not None
        assert player.share_ci is not None
        width = 100 * (player.share_ci[1] - player.share_ci[0])
        alone = [player.parts.test_rows or 0.0, player.parts.unlearning or 0.0, player.parts.seeds]
        assert max(alone) <= 1.1 * width
    assert recompute(result.to_json()) == result


def test_networks_are_trained_from_another_start_where_everything_is_enumerated(blobs) -> None:
    problem = blobs("mlp", {"steps": 12, "hidden": 8}, n=3)
    evaluator = Evaluator(problem)
    result = value(evaluator, ValuationSpec())
    assert result.stopped_by == "enumerated"
    replicated = [row for row in result.worths if row.source == "retrain:r1"]
    assert len(replicated) == 6
    assert all(player.parts is not None and player.parts.seeds for player in result.players)
    limited = value(Evaluator(problem), ValuationSpec(max_retrains=evaluator_distinct(result)))
    assert all(player.parts is not None and player.parts.seeds is None for player in limited.players), "not measured"


def evaluator_distinct(result) -> int:
    return len({row.coalition for row in result.worths if row.source == "retrain"})


def test_a_model_without_random_weights_has_no_luck_of_seeds(blobs) -> None:
    result = value(Evaluator(blobs("logistic", n=3)), ValuationSpec())
    assert all(player.parts is not None and player.parts.seeds == 0.0 for player in result.players)


def test_owners_of_shards_have_the_chance_of_their_sums(blobs) -> None:
    problem = blobs("logistic", n=2)
    pieces, owners = cut(problem.players, 20, 0)
    result = value(Evaluator(replace(problem, players=pieces, owners=owners)), ValuationSpec())
    assert len(result.players) == len(owners)
    assert result.chance is not None
    assert np.array(result.chance.covariance).shape == (len(owners), len(owners))
    assert all(player.parts is not None and player.parts.test_rows for player in result.players)


def test_halves_that_disagree_by_more_than_chance_are_noted() -> None:
    rng = np.random.default_rng([0, 400])
    first = np.zeros(400)
    first[rng.permutation(400)[:200]] = 1.0  # the half that seed 0 draws
    units = 1e-3 * np.stack([2 * first - 1, 1 - 2 * first])
    found = chance(np.array([0.5, 0.5]), Moved(units, np.zeros((2, 2))), 0)
    assert found.apart > 3 * found.allowed
    alike = chance(
        np.array([0.5, 0.5]), Moved(units[:, np.random.default_rng(1).permutation(400)], np.zeros((2, 2))), 0
    )
    assert alike.apart <= alike.allowed


def visits(seed: int, n: int, patients: int, each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``pool``, of patients whose visits have one label and nearly one signal, and whose visit each row is."""
    answers, labels = pool(seed, n, patients)
    noise = 0.2 * np.random.default_rng([seed, 1]).normal(size=(len(answers), patients * each, 2))
    repeated = np.repeat(answers, each, axis=1) + noise.astype(np.float32)
    return repeated, np.repeat(labels, each), np.repeat(np.arange(patients), each)


def test_of_rows_that_were_drawn_in_groups_only_intervals_by_groups_hold_the_share() -> None:
    answers, labels, _ = visits(5, 3, 3_000, 6)
    truth = shares_of(exact_values(AnsweredGame.of("clipped_log_loss", answers, labels).worths))
    rng, spec = np.random.default_rng(6), replace(RETRAIN, metric="clipped_log_loss")
    held: dict[bool, list[bool]] = {False: [], True: []}
    for _ in range(60):
        patients = rng.choice(3_000, 40, replace=False)
        rows = (patients[:, None] * 6 + np.arange(6)).ravel()
        for grouped, found in held.items():
            groups = np.repeat(np.arange(40), 6) if grouped else None
            game = AnsweredGame.of("clipped_log_loss", answers[:, rows], labels[rows], groups)
            for player, share in zip(value(game, spec).players, truth, strict=True):
                assert player.share_ci is not None
                found.append(player.share_ci[0] <= share <= player.share_ci[1])
    assert np.mean(held[False]) < 0.75
    assert 0.91 <= np.mean(held[True]) <= 0.995


def test_groups_are_the_units_of_the_chance_its_halves_and_the_gain() -> None:
    answers, labels, whose = visits(7, 3, 30, 5)
    result = value(AnsweredGame.of("accuracy", answers, labels, whose), RETRAIN)
    assert result.chance is not None
    assert result.gain is not None
    assert (result.chance.units, result.chance.within) == (30, 150)
    assert "on 150 test rows in 30 groups" in result.gain.basis
    assert recompute(result) == result
    by_rows = value(AnsweredGame.of("accuracy", answers, labels), RETRAIN)
    assert by_rows.gain is not None
    assert (result.gain.difference, result.gain.baseline) == (by_rows.gain.difference, by_rows.gain.baseline)
    assert result.gain.stderr > 1.5 * by_rows.gain.stderr
    assert result.gain.lower < by_rows.gain.lower
