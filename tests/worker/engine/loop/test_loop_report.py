"""A result says what is uncertain of it and nothing else: parts, the width that was reached."""

import numpy as np

from contract.orders.spec import ValuationSpec
from contract.results.result import Forecast
from tests.worker.engine.loop.test_loop_precision import measured
from worker.engine.estimators.estimate import Estimate
from worker.engine.loop.audit import exact_audit, unaudited
from worker.engine.loop.chance import Weights
from worker.engine.loop.enumerated import enumerated
from worker.engine.loop.report import report
from worker.engine.loop.run import RETRAIN, Run

N = 7


def run() -> Run:
    return Run(measured(200), ValuationSpec(fidelity="retrain"), None)


def test_with_the_test_rows_in_it_a_width_is_reached_and_without_them_none_is_said() -> None:
    of = run()
    whole = enumerated(of, RETRAIN)
    assert whole.precision is not None
    assert whole.precision.reached == whole.precision.test_rows, "all else is known"
    assert [p.parts.unlearning for p in whole.players if p.parts] == [0.0] * N
    estimate = Estimate(np.arange(1.0, N + 1), np.eye(N), 9)
    kept = report(of, estimate, 1, None, "exact", RETRAIN, "max_retrains", exact_audit(RETRAIN))
    assert kept.precision is not None
    assert kept.chance is None
    assert kept.precision.reached is None, "the game has test rows, and what they do is not known"


def test_what_is_not_audited_reaches_nothing_and_forecasts_nothing() -> None:
    of = run()
    estimate = Estimate(np.arange(1.0, N + 1), np.eye(N), 9)
    by = Weights(RETRAIN, np.eye(N, dtype=bool), np.eye(N))
    more = (Forecast("max_retrains", 72, 1.0),)
    told = [
        report(of, estimate, 1, of.doubt(by), "x", RETRAIN, "max_retrains", audit, more=lambda _run, _chance: more)
        for audit in (unaudited("no data"), exact_audit(RETRAIN))
    ]
    precisions = [each.precision for each in told if each.precision is not None]
    assert [each.forecast for each in precisions] == [(), more]
    assert [each.reached is None for each in precisions] == [True, False]
    assert [p.parts.unlearning is None for p in told[0].players if p.parts] == [True] * N
