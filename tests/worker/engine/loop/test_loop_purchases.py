"""Every worth is bought once, counted by fidelity, and listed with the seconds that it took."""

import numpy as np
import pytest

from worker.engine.games.coalitions import classes_of, key
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.purchases import Purchases

EVERY = all_coalitions(3)
TRUTH = np.arange(8.0)


def bought(copies: bool = False) -> tuple[TableFidelityGame, Purchases]:
    digests = ["same", "b", "same"] if copies else ["a", "b", "c"]
    players = [Player(f"p{i}", 10, digest) for i, digest in enumerate(digests)]
    game = TableFidelityGame(players, {"retrain": TRUTH, "unlearn:tangent": 10 + TRUTH, "repair": 20 + TRUTH})
    return game, Purchases(game, classes_of(players))


def test_what_was_bought_is_not_bought_again_and_only_what_is_new_reaches_the_game() -> None:
    game, purchases = bought()
    first = purchases.worth("retrain", EVERY[[1, 2]])
    assert purchases.worth("retrain", EVERY[[2, 3, 1]]).tolist() == [2.0, 3.0, 1.0]
    assert first.tolist() == [1.0, 2.0]
    assert [len(coalitions) for _, coalitions in game.requests] == [2, 1]


def test_copies_make_coalitions_one() -> None:
    game, purchases = bought(copies=True)
    worths = purchases.worth("retrain", EVERY[[1, 4]])
    assert worths.tolist() == [1.0, 1.0]
    assert purchases.total == 1
    assert len(game.requests[0][1]) == 1


def test_counts_are_of_distinct_coalitions_by_fidelity_and_all_fidelities_are_named() -> None:
    _, purchases = bought()
    assert purchases.counts() == {"unlearn": 0, "repair": 0, "retrain": 0}
    purchases.worth("unlearn:tangent", EVERY)
    purchases.worth("retrain", EVERY[[1, 2, 2]])
    assert purchases.counts() == {"unlearn": 8, "repair": 0, "retrain": 2}
    assert purchases.total == 10


def test_each_receipt_says_what_was_bought_from_whom_for_how_many_seconds() -> None:
    _, purchases = bought()
    purchases.worth("retrain", EVERY[[1, 2]])
    purchases.worth("unlearn:tangent", EVERY[[5]])
    receipts = [(each.source, key(each.coalition), each.worth, each.seconds) for each in purchases.receipts]
    assert receipts == [
        ("retrain", key(EVERY[1]), 1.0, 0.5),
        ("retrain", key(EVERY[2]), 2.0, 0.5),
        ("unlearn:tangent", key(EVERY[5]), 15.0, 0.001),
    ]
    assert purchases.seconds() == {"retrain": pytest.approx(1.0), "unlearn:tangent": pytest.approx(0.001)}


def test_what_two_sources_share_comes_in_the_order_of_the_second() -> None:
    _, purchases = bought()
    purchases.worth("unlearn:tangent", EVERY)
    purchases.worth("retrain", EVERY[[6, 1]])
    coalitions, cheap, dear = purchases.shared("unlearn:tangent", "retrain")
    assert np.array_equal(coalitions, EVERY[[6, 1]])
    assert (cheap.tolist(), dear.tolist()) == ([16.0, 11.0], [6.0, 1.0])
    nothing, *_ = purchases.shared("repair", "retrain")
    assert nothing.shape == (0, 3)
