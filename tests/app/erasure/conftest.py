"""The model that tests of withdrawal begin with."""

import pytest

from tests.app.erasure.forgetting import Model, keep, train, value
from tests.market import Hand, Market


@pytest.fixture
def model(market: Market, hand: Hand) -> Model:
    """A logistic regression, valued in a full job over all datasets."""
    kept = keep(market, market.buyer, train(market))
    value(market, hand, kept)
    return kept
