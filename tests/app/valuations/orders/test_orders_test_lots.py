"""What draws an order's test rows: the datasets and who asks, and nothing that a buyer could try again with."""

import uuid

from app.datasets.tables import Dataset
from app.disclosure.bands import Bands
from app.valuations.orders import test_lots
from app.valuations.schemas import NewValuation

BANDS, BUYER = Bands(b"k" * 32, 300), uuid.UUID(int=1)


def datasets(*digests: str) -> list[Dataset]:
    return [Dataset(id=uuid.UUID(int=at + 2), digest=each, reading={}, target="y") for at, each in enumerate(digests)]


def order(**more: object) -> NewValuation:
    ids = [uuid.UUID(int=2), uuid.UUID(int=3)]
    body = {"datasets": ids, "test_dataset": uuid.UUID(int=9), "pool": "1", "test_lot": {"part": 0.2}}
    return NewValuation.model_validate(body | more)


def seed(said: NewValuation, bands: Bands = BANDS, buyer: uuid.UUID = BUYER, *digests: str) -> str:
    drawn = test_lots.draw_of(said, bands, buyer, datasets(*(digests or ("a", "b"))))
    assert drawn is not None
    return drawn.seed


def test_no_other_order_of_the_same_data_draws_again() -> None:
    usual = seed(order())
    others = order(test_dataset=uuid.UUID(int=8), seed=5, payout={"copies": "first"}, test_lot={"part": 0.3})
    assert seed(others) == seed(order(), BANDS, BUYER, "b", "a") == usual
    # other data, another buyer, or another deployment's key: another lot
    assert len({usual, seed(order(), BANDS, BUYER, "a", "c"), seed(order(), BANDS, uuid.UUID(int=2))}) == 3
    assert seed(order(), Bands(b"q" * 32, 300)) != usual
    assert test_lots.draw_of(order(test_lot=None), BANDS, BUYER, datasets("a")) is None
