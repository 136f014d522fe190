"""Student's t against SciPy's."""

import pytest
from scipy import stats

from worker.engine.loop.student import quantile, upper_tail


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 99, 400])
def test_tails_and_quantiles_are_those_of_scipy(freedom: int) -> None:
    for t in (-3.2, -0.4, 0.0, 0.9, 2.5, 8.0):
        assert upper_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-12)
    for level in (0.05, 0.5, 0.9, 0.95, 0.999):
        assert quantile(level, freedom) == pytest.approx(stats.t.ppf(level, freedom), rel=1e-9, abs=1e-9)


def test_what_is_no_level_or_no_freedom_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(1.0, 3)
    with pytest.raises(ValueError, match="at least one degree of freedom"):
        upper_tail(0.1, 0)
