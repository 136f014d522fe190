"""The engine's shares (floats, with intervals) and the payouts' (exact, into money) are one definition of a share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contract.results.shares import shares, shares_of

values = st.lists(st.floats(min_value=-1e3, max_value=1e3, allow_nan=False).map(lambda v: round(v, 6)), max_size=20)


@given(values)
def test_the_engine_and_the_payouts_mean_the_same_by_a_share(players: list[float]) -> None:
    exact = [float(share) for share in shares(players)]
    np.testing.assert_allclose(shares_of(np.array(players)), exact, rtol=1e-12, atol=0)


@given(values)
def test_equal_values_have_equal_shares_in_both(players: list[float]) -> None:
    doubled = players + players
    floats, exact = shares_of(np.array(doubled)), shares(doubled)
    n = len(players)
    assert floats[:n].tolist() == floats[n:].tolist()
    assert exact[:n] == exact[n:]
