"""Test rows by lot: nobody picks them, nobody outweighs the middle, and no twin of one is trained on."""

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.raw_rows import RawRows
from app.valuations.players.lots import draw, quotas
from contract.orders.lot import LotDraw

LOT = LotDraw(part=0.2, beside=True, seed="ab" * 32)


def raw(X: NDArray[np.float64], y: NDArray[np.int64]) -> RawRows:
    return RawRows.of_arrays(X.astype(np.float32), y)


def files(*counts: int, seed: int = 0) -> list[list[RawRows]]:
    rng = np.random.default_rng(seed)
    return [[raw(rng.normal(size=(count, 8)), rng.integers(0, 2, count))] for count in counts]


def everything(payees: list[list[RawRows]]) -> list[list[NDArray[np.bool_]]]:
    return [[np.ones(len(rows.y), dtype=np.bool_) for rows in own] for own in payees]


def drawn_keys(payees: list[list[RawRows]], lot: LotDraw = LOT) -> list[set[bytes]]:
    test = draw(payees, everything(payees), lot).test
    return [
        {key.tobytes() for rows, mask in zip(own, masks, strict=True) for key in rows.keys[mask]}
        for own, masks in zip(payees, test, strict=True)
    ]


def test_the_same_part_of_everybody_but_of_nobody_more_than_of_the_one_in_the_middle() -> None:
    assert quotas([100, 50, 1000], 0.2) == [20, 10, 20]
    assert quotas([100, 1000, 1000, 30], 0.2) == [20, 20, 20, 6]
    assert quotas([10, 10, 3], 0.1) == [1, 1, 1]
    # three accounts with a file's rows weigh no more than one with all of it, where that is not above the middle
    assert sum(quotas([30, 30, 30, 90, 90, 90, 90], 0.2)[:3]) == quotas([90, 90, 90, 90, 90], 0.2)[0]


def test_a_row_tests_or_trains_and_never_both() -> None:
    payees = files(50, 60, 40)
    lot = draw(payees, everything(payees), LOT)
    counts = [int(masks[0].sum()) for masks in lot.test]
    assert (counts, lot.expected) == ([10, 10, 8], 28)
    for test, train in zip(lot.test, lot.train, strict=True):
        assert not (test[0] & train[0]).any()
        # rows of their own stay: nothing honest is taken for a copy
        assert (test[0] | train[0]).all()


def test_which_rows_follows_from_their_content_and_the_seed_and_not_from_their_place() -> None:
    payees = files(50, 60, 40)
    turned = [[rows.some(np.ones(len(rows.y), dtype=np.bool_))] for (rows,) in payees]
    order = np.random.default_rng(5).permutation(50)
    turned[0] = [RawRows(payees[0][0].keys[order], payees[0][0].X[order], payees[0][0].y[order])]
    assert drawn_keys(turned) == drawn_keys(payees)
    assert drawn_keys(payees, LOT.model_copy(update={"seed": "cd" * 32})) != drawn_keys(payees)


def test_equals_of_test_rows_are_not_trained_on_whoever_holds_them() -> None:
    payees = files(60, 60, 60)
    (own,) = payees[0]
    payees[0], payees[1] = [own, own], [own]  # its own file twice, and somebody else's copy
    lot = draw(payees, everything(payees), LOT)
    picked = set(np.flatnonzero(lot.test[0][0] | lot.test[0][1] | lot.test[1][0]).tolist())
    trained = {*np.flatnonzero(lot.train[0][0]), *np.flatnonzero(lot.train[0][1]), *np.flatnonzero(lot.train[1][0])}
    assert picked
    assert not picked & trained
    # nor does a row test twice
    assert sum(int(mask.sum()) for masks in lot.test[:2] for mask in masks) == len(picked)


def test_rows_that_do_not_count_are_not_drawn() -> None:
    payees = files(50, 60, 40)
    keep = everything(payees)
    keep[0][0][:45] = False
    lot = draw(payees, keep, LOT)
    assert int(lot.test[0][0].sum()) == 5
    assert lot.expected == 28  # what is told beforehand does not follow copies
