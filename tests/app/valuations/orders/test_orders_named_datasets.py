"""The datasets that an order names: a refusal of each that may not be used, and who offers which."""

import uuid

import pytest

from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.errors import InvalidInput
from app.valuations.orders import named_datasets
from app.valuations.schemas import NewValuation

ONE, TWO, THREE = (uuid.UUID(int=number) for number in (2, 3, 4))


def dataset(id_: uuid.UUID, owner: int, **more: object) -> Dataset:
    said = {"kind": DatasetKind.TRAIN, "status": DatasetStatus.PUBLISHED, "target": "y", "licence": {"spdx": "MIT"}}
    return Dataset(id=id_, provider_id=uuid.UUID(int=owner), **(said | more))


def order(**more: object) -> NewValuation:
    body = {"datasets": [ONE, TWO, THREE], "test_dataset": uuid.UUID(int=9), "pool": "1"}
    return NewValuation.model_validate(body | more)


def test_a_providers_datasets_are_together_unless_each_plays() -> None:
    everything = [dataset(ONE, 1), dataset(TWO, 2), dataset(THREE, 1)]
    assert [[each.id for each in group] for group in named_datasets.of_payees(order(), everything)] == [
        [ONE, THREE],
        [TWO],
    ]
    assert len(named_datasets.of_payees(order(players="dataset"), everything)) == 3


def test_one_refusal_names_every_dataset_that_may_not_be_used() -> None:
    rows = {ONE: dataset(ONE, 1, status=DatasetStatus.WITHDRAWN), TWO: dataset(TWO, 2, kind=DatasetKind.TEST)}
    with pytest.raises(InvalidInput) as refusal:
        named_datasets.offered(rows, order(), None, None)
    assert {each.pointer for each in refusal.value.errors} == {f"/datasets/{at}" for at in range(3)}
    assert "withdrawn" in refusal.value.errors[0].detail
