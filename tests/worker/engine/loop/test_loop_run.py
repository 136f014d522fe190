"""The valuation loop on games whose every worth is known: what it returns, why it stops, and that it repeats."""

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.games.coalitions import key
from worker.engine.games.game import (
    Coalitions,
    EvaluationFailed,
    Player,
    TableFidelityGame,
    Worths,
    all_coalitions,
)
from worker.engine.loop.audit import audit
from worker.engine.valuation import Impossible, Progress, ValuationResult, ValuationSpec, recompute, value

Floats = NDArray[np.float64]


def market(n: int = 8, seed: int = 0, copy: bool = False, **tables: Floats) -> TableFidelityGame:
    """Learning-curve worths, and surrogates that bend and blur them; with ``copy`` the last player copies the first."""
    rng = np.random.default_rng(seed)
    rows = all_coalitions(n).astype(float)
    power = rng.uniform(0.1, 1.0, n)
    power[1] = -0.15
    if copy:
        rows[:, 0] = np.maximum(rows[:, 0], rows[:, -1])
        rows[:, -1] = 0.0
    # Small coalitions are the noisiest, as retrained models of few rows are.
    rough = rng.normal(size=1 << n) * 0.02 / np.maximum(rows.sum(axis=1), 1.0)
    if copy:
        rough = rough[(rows @ (1 << np.arange(n))).astype(int)]
    truth = 1.0 - np.exp(-rows @ power) + rough
    bent = 0.2 + 0.7 * truth**1.5 * np.sign(truth) if (truth >= 0).all() else 0.2 + 0.7 * truth
    if not tables:
        tables = {"retrain": truth, "unlearn:tangent": bent + 0.03 * rng.normal(size=1 << n)}
    players = [Player(f"p{i}", 100 + 10 * i, f"digest {0 if copy and i == n - 1 else i}") for i in range(n)]
    if copy:
        index = _canonical_index(n)
        tables = {name: table[index] for name, table in tables.items()}
    return TableFidelityGame(players, {name.replace("__", ":"): table for name, table in tables.items()})


def _canonical_index(n: int) -> NDArray[np.int64]:
    """For each coalition, the one in which player 0 stands for its copy n - 1."""
    rows = all_coalitions(n)
    both = rows[:, 0] & rows[:, -1]
    either = rows[:, 0] | rows[:, -1]
    rows[:, 0], rows[:, -1] = either, both
    return rows @ (1 << np.arange(n))


def shares(result: ValuationResult) -> Floats:
    return np.array([p.share for p in result.players], dtype=np.float64)


def test_the_default_corrects_cheap_worths_by_a_few_dozen_retrainings() -> None:
    game = market(10)
    game = TableFidelityGame(game.players, game.tables, {"unlearn:tangent": 1e-3})
    exact = shares_of(exact_values(game.tables["retrain"]))
    uncorrected = shares_of(exact_values(game.tables["unlearn:tangent"]))
    results = [value(game, ValuationSpec(seed=seed)) for seed in range(4)]
    for result in results:
        assert result.estimator == "multifidelity"
        assert result.evaluations == {"unlearn": 1024, "repair": 0, "retrain": 36}
        assert 100 * np.abs(shares(result) - exact).max() < 2.0
    errors = [np.abs(shares(result) - exact).max() for result in results]
    assert np.mean(errors) < 0.65 * np.abs(uncorrected - exact).max()


def test_a_budget_that_nobody_set_is_spent_to_its_end_where_intervals_are_wide_or_rows_are_paid_for() -> None:
    def retrained(unlearned: Floats, cost: float, spec: ValuationSpec) -> tuple[int, float]:
        made = market(10, retrain=truth, unlearn__tangent=unlearned)
        result = value(TableFidelityGame(made.players, made.tables, {"retrain": cost}), spec)
        return result.evaluations["retrain"], result.trace[0].widest

    truth, cheap = market(10).tables.values()
    useless = np.random.default_rng(0).random(1 << 10)
    assert retrained(cheap, 1.0, ValuationSpec())[0] == 30
    count, widest = retrained(useless, 1.0, ValuationSpec())
    assert (count, widest > 10.0) == (36, True)
    assert retrained(cheap, 0.5, ValuationSpec())[0] == 36
    assert retrained(cheap, 1.0, ValuationSpec(max_retrains=36))[0] == 36


def test_shares_add_up_to_one_and_intervals_hold_them() -> None:
    result = value(market(8), ValuationSpec(seed=1))
    assert shares(result).sum() == pytest.approx(1.0)
    for player in result.players:
        assert player.value_ci[0] <= player.value <= player.value_ci[1]
        assert player.share is not None
        assert player.share_ci is not None
        assert player.share_band is not None
        assert player.share_band[0] - 1e-12 <= player.share_ci[0] <= player.share <= player.share_ci[1]


def test_the_audit_says_how_far_unlearning_was_off() -> None:
    result = value(market(8), ValuationSpec(seed=1))
    told = result.audit
    assert told.status == "audited"
    assert told.audited == 34
    assert told.rmse is not None
    assert told.rmse > 0.02
    assert told.rvr is not None
    assert sum(row.audited for row in told.by_size) == 34
    forgotten = [row.forgotten for row in told.by_size]
    assert forgotten == sorted(forgotten, reverse=True)
    assert "34 of the unlearned worths were checked" in told.sentence


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (4.0, "off by 0.5 (12.5 % of what the providers' data adds)"),
        (0.1, "off by 0.5 (more than the 0.1 that all data"),
    ],
)
def test_an_error_is_told_in_parts_of_what_the_data_adds_where_that_is_a_part(span: float, words: str) -> None:
    coalitions = np.array([[True, False, False], [False, True, True]])
    found = audit("unlearn:tangent", coalitions, np.array([1.5, 2.5]), np.array([1.0, 2.0]), np.ones(3), span)
    assert words in found.sentence


def test_the_same_spec_gives_the_same_bits_and_another_seed_others() -> None:
    one, two, other = (value(market(8), ValuationSpec(seed=s)) for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_exact_copies_are_paid_alike_to_the_last_bit_and_bought_once() -> None:
    game = market(8, copy=True)
    result = value(game, ValuationSpec(seed=3))
    first, last = result.players[0], result.players[-1]
    assert (first.value, first.stderr, first.share) == (last.value, last.stderr, last.share)
    assert (first.value_ci, first.share_ci, first.share_band) == (last.value_ci, last.share_ci, last.share_band)
    assert result.evaluations["unlearn"] == 192
    asked = [(s, key(row)) for s, rows in game.requests for row in rows]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("estimator", ["permutation", "regression", "kernelshap"])
def test_exact_copies_are_paid_alike_by_every_estimator(estimator: str) -> None:
    spec = ValuationSpec(estimator=estimator, fidelity="unlearn", max_evaluations=50, max_retrains=0)
    result = value(market(7, copy=True), spec)
    first, last = result.players[0], result.players[-1]
    assert (first.value, first.stderr, first.share, first.share_ci) == (
        last.value,
        last.stderr,
        last.share,
        last.share_ci,
    )


def test_it_stops_by_precision_and_says_so() -> None:
    rows = all_coalitions(8).astype(float)
    truth = 1.0 - np.exp(-rows @ np.linspace(0.1, 0.8, 8))
    game = market(8, retrain=truth, unlearn__tangent=0.1 + 0.8 * truth)
    seen: list[Progress] = []
    result = value(game, ValuationSpec(share_ci=2.0), seen.append)
    assert result.stopped_by == "share_ci"
    assert result.evaluations["retrain"] < 60
    assert seen[-1].widest <= 2.0
    assert all(p.share_band is not None and p.share_band[1] - p.share_band[0] <= 0.02 for p in result.players)


@pytest.mark.parametrize(
    ("spec", "ended"),
    [
        (ValuationSpec(max_retrains=30, share_ci=0.01), "max_retrains"),
        (ValuationSpec(max_evaluations=60, share_ci=0.01), "max_evaluations"),
        (ValuationSpec(max_seconds=7.0, share_ci=0.01), "max_seconds"),
        (ValuationSpec(fidelity="unlearn"), "enumerated"),
        (ValuationSpec(fidelity="retrain"), "enumerated"),
    ],
)
def test_it_stops_by_the_budget_that_is_used_up(spec: ValuationSpec, ended: str) -> None:
    result = value(market(8), spec)
    assert result.stopped_by == ended
    if spec.max_retrains:
        assert result.evaluations["retrain"] <= spec.max_retrains
    if spec.max_evaluations:
        assert sum(result.evaluations.values()) <= spec.max_evaluations


def test_a_value_that_turns_negative_does_not_end_the_job() -> None:
    """pyDVL's history rule divides by the signed value and converges at once on a slightly negative one."""
    game = market(8)
    result = value(game, ValuationSpec(share_ci=0.01))
    assert min(p.value for p in result.players) < 0
    assert result.stopped_by == "max_retrains"


def test_few_players_are_enumerated_and_the_result_says_why() -> None:
    game = market(5)
    result = value(game, ValuationSpec())
    np.testing.assert_allclose([p.value for p in result.players], exact_values(game.tables["retrain"]), atol=1e-12)
    assert result.stopped_by == "enumerated"
    assert result.evaluations["retrain"] == 32
    assert "no dearer than the audit" in result.notes[0]
    assert result.audit.status == "exact"


def test_a_useless_source_does_no_harm_and_a_dear_one_is_not_bought() -> None:
    game = market(8)
    noise = np.random.default_rng(9).normal(size=256)
    plain = value(market(8, retrain=game.tables["retrain"], unlearn__tangent=np.zeros(256)), ValuationSpec(seed=1))
    noisy = value(market(8, retrain=game.tables["retrain"], unlearn__tangent=noise), ValuationSpec(seed=1))
    exact = shares_of(exact_values(game.tables["retrain"]))
    errors = [np.abs(shares(r) - exact).max() for r in (plain, noisy)]
    assert errors[1] < 2.0 * errors[0] + 0.002
    game.costs["unlearn:tangent"] = 0.4
    dear = value(game, ValuationSpec(seed=1))
    (candidate,) = dear.bake_off
    assert not candidate.kept
    assert "does not pay" in candidate.reason
    assert dear.evaluations["unlearn"] < 60
    assert dear.audit.status == "audited"


def test_a_second_source_is_bought_for_what_it_adds_to_the_first_and_not_for_being_good() -> None:
    base = market(8).tables["retrain"]
    rng = np.random.default_rng(3)
    near, far = (base + scale * np.ptp(base) * rng.normal(size=256) for scale in (0.0005, 0.001))
    game = market(8, retrain=base, unlearn__tangent=near, repair=far)
    game.costs["repair"] = 0.03
    first, second = value(game, ValuationSpec(seed=1)).bake_off
    assert (first.kept, second.kept) == (True, False)
    assert second.rvr is not None
    assert second.rvr < 0.1, "alone it would pay"
    alone = market(8, retrain=base, repair=far)
    alone.costs["repair"] = 0.03
    assert [c.kept for c in value(alone, ValuationSpec(seed=1, unlearning="auto")).bake_off] == [True]


def test_the_bake_off_reports_every_candidate_with_cost_and_verdict() -> None:
    base = market(8)
    game = market(
        8,
        retrain=base.tables["retrain"],
        unlearn__tangent=base.tables["unlearn:tangent"],
        repair=base.tables["retrain"] + 0.001,
    )
    game.costs["repair"] = 0.3
    result = value(game, ValuationSpec(seed=1))
    assert [(c.source, c.kept) for c in result.bake_off] == [("unlearn:tangent", True), ("repair", False)]
    assert "not tried" in result.bake_off[1].reason
    assert result.evaluations["repair"] == 0


def test_seed_noise_of_retraining_widens_the_intervals() -> None:
    quiet = market(8)
    rng = np.random.default_rng(5)
    noisy = market(
        8,
        **{
            **{k.replace(":", "__"): v for k, v in quiet.tables.items()},
            "retrain__r1": quiet.tables["retrain"] + 0.05 * rng.normal(size=256),
        },
    )
    noisy.costs["retrain:r1"] = 0.5
    one, two = (value(g, ValuationSpec(seed=1, max_retrains=60)) for g in (quiet, noisy))
    assert np.mean([p.stderr for p in two.players]) > 1.3 * np.mean([p.stderr for p in one.players])
    assert two.evaluations["retrain"] <= 60


def test_partial_mode_never_retrains_and_is_unaudited_with_a_reason() -> None:
    game = market(8)
    result = value(game, ValuationSpec(mode="partial"))
    assert {source for source, _ in game.requests} == {"unlearn:tangent"}
    assert result.audit.status == "unaudited"
    assert result.audit.reason == "partial mode has no data to retrain with"
    np.testing.assert_allclose(
        [p.value for p in result.players], exact_values(game.tables["unlearn:tangent"]), atol=1e-12
    )


def test_one_target_player_has_a_value_and_an_interval_but_no_share() -> None:
    game = TableFidelityGame(
        [Player("only", 50, "d")],
        {"unlearn:tangent": np.array([0.5, 0.9]), "unlearn:negation": np.array([0.6, 0.9])},
    )
    result = value(game, ValuationSpec(mode="partial", unlearning="auto"))
    (player,) = result.players
    assert player.share is None
    assert player.share_ci is None
    assert player.value_ci == pytest.approx((0.3, 0.4))
    assert result.shares_note is not None
    assert recompute(result.to_json()) == result


def test_an_audit_can_be_switched_off_and_the_result_says_so() -> None:
    result = value(market(8), ValuationSpec(max_retrains=0))
    assert result.evaluations["retrain"] == 0
    assert result.audit.status == "unaudited"
    assert "max_retrains is 0" in result.audit.reason


def test_when_no_value_is_positive_all_shares_are_zero_with_a_reason() -> None:
    rows = all_coalitions(6).astype(float)
    result = value(
        market(6, retrain=-rows.sum(axis=1), unlearn__tangent=-rows.sum(axis=1)), ValuationSpec(max_retrains=40)
    )
    assert shares(result).tolist() == [0.0] * 6
    assert result.shares_note is not None
    assert "no value is above zero" in result.shares_note


def test_the_papers_own_algorithm_runs_by_name() -> None:
    base = market(8)
    game = market(8, retrain=base.tables["retrain"], unlearn__paper=base.tables["unlearn:tangent"])
    result = value(game, ValuationSpec(unlearning="paper", estimator="permutation", max_evaluations=80))
    assert (result.source, result.estimator) == ("unlearn:paper", "permutation")
    # Values are the unlearned game's; the audit still measures them against retraining.
    assert result.audit.status == "audited"
    assert result.evaluations["retrain"] == 18


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"unlearning": "magic"}, "unlearning method 'magic' is not among this game's sources"),
        ({"fidelity": "repair"}, "has no repair source"),
        ({"estimator": "exact", "fidelity": "unlearn", "max_evaluations": 100}, "exact values need 256 evaluations"),
        ({"estimator": "svarm", "max_evaluations": 10}, "the svarm estimator needs a budget of at least 18"),
    ],
)
def test_what_the_game_cannot_give_is_refused_with_thing_rule_and_mend(change: dict[str, object], told: str) -> None:
    with pytest.raises(Impossible, match=told):
        value(market(8), ValuationSpec(**change))  # type: ignore[arg-type] # deliberately mixed fields


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mode": "half"}, "mode .half. is unknown; choose one of full, partial"),
        ({"share_ci": 0.0}, "share_ci"),
        ({"share_ci": float("nan")}, "share_ci"),
        ({"max_retrains": -1}, "max_retrains"),
        ({"max_evaluations": 1}, "max_evaluations"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"confidence": 1.0}, "confidence"),
        ({"mode": "partial", "fidelity": "repair"}, "nothing to repair with"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ValuationSpec(**change)  # type: ignore[arg-type] # deliberately mixed fields


def test_a_failed_evaluation_fails_the_valuation_with_its_cause() -> None:
    game = market(8)
    game.tables["retrain"][37] = np.nan
    with pytest.raises(EvaluationFailed, match="is not finite"):
        value(game, ValuationSpec(fidelity="retrain"))


def test_forty_players_are_valued_on_a_sample_that_grows_as_n_log_n() -> None:
    n = 40
    rng = np.random.default_rng(0)
    power = rng.uniform(0.02, 0.2, n)

    class Wide(TableFidelityGame):
        def worth(self, source: str, coalitions: Coalitions) -> Worths:
            self.requests.append((source, coalitions))
            truth = 1.0 - np.exp(-(coalitions @ power))
            return truth if source == "retrain" else 0.1 + 0.8 * truth**1.3

    players = [Player(f"p{i}", 10, f"d{i}") for i in range(n)]
    game = Wide(players, {"retrain": np.zeros(1), "unlearn:tangent": np.zeros(1)}, {"unlearn:tangent": 1e-4})
    result = value(game, ValuationSpec(max_retrains=100, share_ci=0.5))
    # beside those that are retrained, which a larger budget has more of
    assert result.evaluations["unlearn"] <= 16 * n * np.log2(n) + 1 + result.evaluations["retrain"]
    assert result.evaluations["retrain"] <= 100
    assert np.corrcoef([p.value for p in result.players], power)[0, 1] > 0.99
    assert recompute(result) == result


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_worths_changes_no_share_no_interval_and_no_budget(unit: float) -> None:
    game = market()
    other = TableFidelityGame(game.players, {name: unit * table for name, table in game.tables.items()})
    first, second = value(game, ValuationSpec()), value(other, ValuationSpec())
    assert (first.stopped_by, first.evaluations) == (second.stopped_by, second.evaluations)
    for one, another in zip(first.players, second.players, strict=True):
        assert another.value == pytest.approx(unit * one.value, rel=1e-6)
        assert another.share == pytest.approx(one.share, abs=1e-7)
        assert another.share_band == pytest.approx(one.share_band, abs=1e-5)
