"""Every worth of a source: exact values, nothing to forecast, and seeds within what the budgets leave."""

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from tests.worker.engine.loop.test_loop_corrected import game
from worker.engine.estimators.exact import exact_values
from worker.engine.loop.enumerated import enumerated, replicates_of_all
from worker.engine.loop.run import REPLICATE, RETRAIN, Run


def test_values_are_exact_and_there_is_no_more_to_compute() -> None:
    of = game(4)
    result = enumerated(Run(of, ValuationSpec(), None), RETRAIN)
    assert [p.value for p in result.players] == pytest.approx(exact_values(of.tables[RETRAIN]).tolist())
    assert result.stopped_by == "enumerated"
    assert result.precision is not None
    assert (result.precision.reached, result.precision.forecast) == (None, ()), "nothing uncertain was counted"


@pytest.mark.parametrize(
    ("spec", "count"),
    [({}, 6), ({"max_retrains": 18}, 2), ({"max_retrains": 16}, 0), ({"max_evaluations": 19, "max_retrains": 90}, 3)],
)
def test_seeds_are_measured_on_as_many_coalitions_as_the_budgets_leave(spec: dict[str, int], count: int) -> None:
    of = game(4)
    of.tables[REPLICATE] = of.tables[RETRAIN] + 0.01 * np.random.default_rng(2).normal(size=16)
    run = Run(of, ValuationSpec(**spec), None)  # type: ignore[arg-type]
    assert replicates_of_all(run, RETRAIN, 14) == count
    assert replicates_of_all(run, "unlearn:tangent", 14) == 0
    assert replicates_of_all(Run(game(4), ValuationSpec(), None), RETRAIN, 14) == 0, "training draws nothing"
