"""Neighbours: the closed form is the Shapley value of the game it names, and near copies are found."""

import itertools
import math

import numpy as np
import torch

from worker.engine.rows.neighbours import K, near_copies, neighbour_values, votes


def test_the_closed_form_is_the_shapley_value_of_nearest_neighbours() -> None:
    rng = np.random.default_rng(2)
    X, units = rng.normal(size=(7, 2)), rng.normal(size=(3, 2))
    y, labels = rng.integers(0, 2, 7), rng.integers(0, 2, 3)

    def worth(rows: list[int]) -> float:
        hits = 0.0
        for unit, label in zip(units, labels, strict=True):
            nearest = sorted(rows, key=lambda row: float(np.square(X[row] - unit).sum()))[:K]
            hits += sum(y[row] == label for row in nearest) / K
        return hits / len(units)

    exact = np.zeros(7)
    for row in range(7):
        rest = [other for other in range(7) if other != row]
        for size in range(7):
            for some in itertools.combinations(rest, size):
                exact[row] += (worth([*some, row]) - worth(list(some))) / (7 * math.comb(6, size))
    found, errors = neighbour_values(torch.from_numpy(X), y, torch.from_numpy(units), labels, np.full(3, 1 / 3))
    np.testing.assert_allclose(found, exact, atol=1e-12)
    assert (errors >= 0).all()


def test_a_row_is_no_neighbour_of_its_own() -> None:
    X = torch.tensor([[0.0], [0.1], [0.2], [5.0]], dtype=torch.float64)
    y = np.array([1, 0, 0, 0])
    said, agreement, own = votes(X, y, 2)
    assert said[0] == 0
    assert agreement[0] == 1.0
    assert own[0] == 0.0


def test_a_single_row_has_nobody_to_disagree_with() -> None:
    said, _, _ = votes(torch.zeros((1, 2)), np.array([1]), 2)
    assert said.tolist() == [1]


def test_near_copies_point_to_the_first_of_their_own_owner() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6)).astype(np.float32)
    X[50] = X[3]
    X[51] = X[3] + 1e-4
    X[52] = X[20]
    owners = np.zeros(60, dtype=np.int64)
    owners[52] = 1
    found = near_copies(X, owners)
    assert found[50] == found[51] == 3
    assert found[52] == -1
    assert (found >= 0).sum() == 2
