"""Taking players out of M_full: ends are exact, what no player explains shrinks by its own power, and sizes count."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.vectors import unmerge

EVERYBODY, NOBODY = np.ones((1, 4), dtype=bool), np.zeros((1, 4), dtype=bool)


def test_whoever_forgets_nobody_has_m_full(networks) -> None:
    for options in ({}, {"mode": "partial", "unlearning": {"hidden_rows": 40}}):
        context = networks(**options)
        assert torch.allclose(unmerge.unlearn(context, EVERYBODY)[0], context.full, atol=1e-5)


def test_where_no_row_is_left_it_is_the_base(networks) -> None:
    context = networks(mode="partial", unlearning={"hidden_rows": 0})
    assert torch.allclose(unmerge.unlearn(context, NOBODY)[0], context.base, atol=1e-6)


def test_with_an_exponent_of_nothing_the_unexplained_rest_stays_whole_and_with_more_it_grows(networks) -> None:
    kept = all_coalitions(4)[[3]]

    def of(exponent: float) -> torch.Tensor:
        options = {"hidden_rows": 0, "unmerge.exponent": exponent}
        return unmerge.unlearn(networks(mode="partial", unlearning=options), kept)[0]

    none, half, one = of(0.0), of(0.5), of(1.0)
    # the rest is added as grown^exponent times one vector
    grown = float((one - none).norm() / (half - none).norm())
    context = networks(mode="partial", unlearning={"hidden_rows": 0})
    ratio = len(context.pool) / int(context.pool.row_counts(kept)[0])
    assert abs(grown - (ratio - 1) / (ratio**0.5 - 1)) < 1e-2
