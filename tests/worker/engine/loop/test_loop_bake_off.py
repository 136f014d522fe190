"""Which cheap sources are bought for the whole grid: the nearly free at once, others where they save what they cost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from worker.engine.estimators.multifidelity import anchors
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.bake_off import bake
from worker.engine.loop.run import RETRAIN, Run

N = 7
RNG = np.random.default_rng(0)
TRUTH = 1.0 - np.exp(-1.0 * all_coalitions(N) @ RNG.uniform(0.1, 1.0, N)) + 0.01 * RNG.normal(size=1 << N)
GOOD = 0.1 + 0.7 * TRUTH + 0.002 * RNG.normal(size=1 << N)
USELESS = RNG.normal(size=1 << N)


def baked(tables: dict[str, np.ndarray], costs: dict[str, float], planned: int = 60, **spec: Any) -> tuple[Run, Any]:
    players = [Player(f"p{i}", 10 + i, f"d{i}") for i in range(N)]
    game = TableFidelityGame(players, {RETRAIN: TRUTH} | tables, {RETRAIN: 1.0} | costs)
    run = Run(game, ValuationSpec(max_retrains=planned, **{"unlearning": "auto"} | spec), None)
    grid, plan, _ = run.audit_plan()
    audited = np.concatenate([anchors(N), plan[:30]])
    return run, bake(run, grid, audited, run.purchases.worth(RETRAIN, audited), planned)


def bought(run: Run, source: str) -> int:
    return len(run.purchases.known(source))


def test_a_source_that_is_nearly_free_is_bought_whole_even_where_it_is_useless() -> None:
    run, _ = baked(
        {"unlearn:tangent": GOOD, "unlearn:merge": USELESS}, {"unlearn:tangent": 1e-4, "unlearn:merge": 2e-4}
    )
    assert [(c.source, c.kept) for c in run.bake_off] == [("unlearn:tangent", True), ("unlearn:merge", True)]
    assert bought(run, "unlearn:tangent") == bought(run, "unlearn:merge") == 1 << N
    assert all("nearly free" in c.reason for c in run.bake_off)


def test_a_dearer_one_is_bought_only_where_it_saves_what_it_costs() -> None:
    costs = {"unlearn:tangent": 0.1, "unlearn:merge": 0.11}
    run, _ = baked({"unlearn:tangent": GOOD, "unlearn:merge": USELESS}, costs)
    verdicts = {c.source: c for c in run.bake_off}
    assert verdicts["unlearn:tangent"].kept
    assert "pays" in verdicts["unlearn:tangent"].reason
    assert not verdicts["unlearn:merge"].kept
    assert "does not pay" in verdicts["unlearn:merge"].reason
    assert bought(run, "unlearn:tangent") == 1 << N
    assert bought(run, "unlearn:merge") == 32, "tried on the audited coalitions alone"


def test_one_that_would_not_pay_even_if_it_were_perfect_is_not_tried_unless_the_spec_names_it() -> None:
    run, _ = baked({"unlearn:tangent": GOOD}, {"unlearn:tangent": 0.9})
    (verdict,) = run.bake_off
    assert (verdict.kept, verdict.left, bought(run, "unlearn:tangent")) == (False, None, 0)
    assert verdict.reason.startswith("not tried")
    assert run.notes == ["No cheap source pays in this job: the values rest on retrainings alone."]
    named, _ = baked({"unlearn:tangent": GOOD}, {"unlearn:tangent": 0.9}, unlearning="tangent")
    (verdict,) = named.bake_off
    assert (verdict.kept, bought(named, "unlearn:tangent")) == (False, 32)
    assert verdict.left is not None


def test_a_good_source_leaves_little_unexplained_and_a_useless_one_most() -> None:
    run, _ = baked({"unlearn:tangent": GOOD, "unlearn:merge": USELESS}, {"unlearn:tangent": 0.1, "unlearn:merge": 0.09})
    verdicts = {c.source: c for c in run.bake_off}
    good, useless = verdicts["unlearn:tangent"], verdicts["unlearn:merge"]
    assert good.left is not None
    assert useless.left is not None
    assert good.rvr is not None
    assert good.left < 0.5 < 0.7 < useless.left
    assert good.rvr < 0.1
    assert (good.cost, useless.cost) == (0.1, 0.09)


def test_the_corrector_has_the_sources_that_were_kept_and_the_anchors_of_retraining() -> None:
    run, kept = baked({"unlearn:tangent": GOOD}, {"unlearn:tangent": 1e-4})
    _, without = baked({"unlearn:tangent": USELESS}, {"unlearn:tangent": 0.2})
    audited = np.concatenate([anchors(N), all_coalitions(N)[[3, 9, 17, 40, 77, 100]]])
    worths = run.purchases.worth(RETRAIN, audited)
    names = [set(each.corrected(audited, worths).posterior.weights) for each in (kept, without)]
    assert "surrogate 0" in names[0]
    assert "surrogate 0" not in names[1]


class Clocked(TableFidelityGame):
    """A game whose full retraining takes a millisecond by the cost model."""

    unit_seconds = 1e-3


@pytest.mark.parametrize(
    ("by_seconds", "sampled", "kept"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_worths_that_take_seconds_in_all_are_bought_however_quick_retraining_is(
    by_seconds: bool, sampled: bool, kept: bool
) -> None:
    players = [Player(f"p{i}", 10 + i, f"d{i}") for i in range(N)]
    game = Clocked(players, {RETRAIN: TRUTH, "unlearn:tangent": GOOD}, {RETRAIN: 1.0, "unlearn:tangent": 0.9})
    run = Run(game, ValuationSpec(max_retrains=60, by_seconds=by_seconds), None)
    grid, plan, _ = run.audit_plan()
    grid = replace(grid, sampled=sampled)
    audited = np.concatenate([anchors(N), plan[:30]])
    bake(run, grid, audited, run.purchases.worth(RETRAIN, audited), 60)
    (verdict,) = run.bake_off
    assert (verdict.kept, bought(run, "unlearn:tangent")) == (kept, (1 << N) if kept else 32)
    if kept:
        assert verdict.reason.startswith("quick")
