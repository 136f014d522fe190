"""One source and one estimator: which, within which budget, and how far it is measured to be from retraining."""

from typing import Any

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from worker.engine.estimators.exact import exact_values
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.lone import NO_DATA, lone
from worker.engine.loop.run import Impossible, Run

N = 5


def game(n: int = N, *sources: str) -> TableFidelityGame:
    rng = np.random.default_rng(0)
    rows = all_coalitions(n)
    truth = 1.0 - np.exp(-1.0 * rows @ rng.uniform(0.2, 1.0, n)) + 0.01 * rng.normal(size=1 << n)
    tables = {"retrain": truth, "unlearn:tangent": 0.1 + 0.8 * truth, "repair": 0.05 + 0.9 * truth}
    return TableFidelityGame(
        [Player(f"p{i}", 10 + i, f"d{i}") for i in range(n)], {name: tables[name] for name in sources or tables}
    )


def run(of: TableFidelityGame, **spec: Any) -> Any:
    return lone(Run(of, ValuationSpec(**spec), None))


def test_few_players_are_enumerated_at_the_source_that_the_spec_names() -> None:
    for fidelity, source in (("unlearn", "unlearn:tangent"), ("repair", "repair"), ("retrain", "retrain")):
        of = game()
        result = run(of, fidelity=fidelity)
        assert (result.source, result.stopped_by) == (source, "enumerated")
        found = {player.provider: player.value for player in result.players}
        expected = exact_values(of.tables[source])
        assert [found[f"p{i}"] for i in range(N)] == pytest.approx(expected.tolist())


def test_an_estimator_that_is_named_stays_within_the_budget() -> None:
    of = game()
    result = run(of, fidelity="unlearn", estimator="permutation", max_evaluations=20, share_ci=0.01)
    assert result.estimator == "permutation"
    assert result.evaluations["unlearn"] - 16 <= 20
    assert result.stopped_by == "max_evaluations"


def test_values_are_the_source_s_own_and_a_few_retrainings_measure_it() -> None:
    result = run(game(), fidelity="unlearn")
    assert result.audit.source == "unlearn:tangent"
    assert result.evaluations["retrain"] > 4
    assert run(game(), fidelity="unlearn", max_retrains=3).audit.status == "unaudited"
    assert "cannot retrain" in run(game(N, "unlearn:tangent"), fidelity="unlearn").audit.reason
    partial = run(game(), mode="partial")
    assert (partial.audit.status, partial.audit.reason) == ("unaudited", NO_DATA)
    assert partial.evaluations["retrain"] == 0


def test_exact_values_beyond_a_budget_or_twenty_players_are_refused_with_the_number() -> None:
    with pytest.raises(Impossible, match="exact values need 32 evaluations; max_evaluations is 31"):
        run(game(), fidelity="unlearn", estimator="exact", max_evaluations=31)
    with pytest.raises(Impossible, match="max_retrains is 7"):
        run(game(), fidelity="retrain", estimator="exact", max_retrains=7)
    many = TableFidelityGame([Player(f"p{i}", 1, f"d{i}") for i in range(21)], {"retrain": np.zeros(1)})
    with pytest.raises(Impossible, match="at most 20 players; this game has 21"):
        run(many, fidelity="retrain", estimator="exact")


def test_a_budget_under_what_the_estimator_needs_is_refused_with_the_mend() -> None:
    with pytest.raises(Impossible, match="raise max_evaluations or max_retrains"):
        run(game(), fidelity="unlearn", estimator="svarm", max_evaluations=8)


def test_one_target_player_has_a_value_between_what_the_methods_say_and_no_share() -> None:
    of = game(1)
    (player,) = run(of, mode="partial").players
    assert (player.share, player.share_ci) == (None, None)
    marginals = sorted(float(of.tables[name][1] - of.tables[name][0]) for name in ("unlearn:tangent", "repair"))
    assert list(player.value_ci) == pytest.approx(marginals)


def test_what_was_not_audited_has_no_interval_without_width() -> None:
    of = game()
    of.tables["unlearn:tangent"] = all_coalitions(N)[:, 0].astype(float)  # all of it is one player's
    result = run(of, mode="partial")
    widths = [player.share_ci[1] - player.share_ci[0] for player in result.players]
    assert min(widths) > 0.1
    assert result.players[0].share == 1.0
    assert result.players[0].share_ci[0] < 0.5
    assert all(player.parts.unlearning > 10 for player in result.players)
    assert any("not known in this job" in note for note in result.notes)
    known = run(of, mode="full", fidelity="unlearn")
    assert known.players[0].share_ci == (1.0, 1.0), (
        "audited: its error stands in the audit, its values are the source's"
    )
