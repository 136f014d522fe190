"""Which coalitions are retrained: informative, distinct, repeatable, and where the process says."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from worker.engine.estimators.design import audit_design, sampled_design
from worker.engine.games.coalitions import canonical, classes_of, keys, sizes_of
from worker.engine.games.game import Player


def players(n: int, copies: bool = False) -> list[Player]:
    digests = ["same" if copies and i in (0, n - 1) else f"d{i}" for i in range(n)]
    return [Player(f"p{i}", 10 + i, digest) for i, digest in enumerate(digests)]


def design(n: int, count: int, seed: int = 0, copies: bool = False, limit: int | None = None):
    people = players(n, copies)
    rows = np.array([p.rows for p in people], dtype=np.float64)
    return audit_design(rows, classes_of(people), count, np.random.default_rng(seed), limit)


def test_the_plan_is_distinct_holds_no_ends_and_lies_on_the_grid() -> None:
    for n, count, copies in ((6, 20, False), (10, 34, True), (14, 40, False), (20, 60, True)):
        grid, plan = design(n, count, copies=copies)
        assert len(plan) <= count
        assert len(plan) >= count - 1
        assert len(np.unique(plan, axis=0)) == len(plan)
        assert set(sizes_of(plan)) <= set(range(1, n))
        known = {row.tobytes() for row in grid.coalitions}
        assert all(row.tobytes() in known for row in plan)


def test_no_more_is_planned_than_there_is() -> None:
    assert len(design(4, 1000)[1]) == 14


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert np.array_equal(design(10, 34)[1], design(10, 34)[1])
    assert not np.array_equal(design(10, 34)[1], design(10, 34, seed=1)[1])


def test_every_player_is_seen_apart_before_it_is_seen_twice_over() -> None:
    plan = design(10, 34)[1]
    assert (plan.sum(axis=0) >= 5).all()
    assert ((~plan).sum(axis=0) >= 5).all()
    assert (sizes_of(plan[:10]) == 1).all()
    assert (sizes_of(design(10, 34, copies=True)[1]) == 1).sum() == 9


def test_a_prefix_of_a_longer_plan_is_the_shorter_plan() -> None:
    assert np.array_equal(design(10, 34)[1][:20], design(10, 20)[1])


def test_many_players_are_audited_in_antithetic_pairs_of_all_sizes() -> None:
    plan = design(20, 60)[1]
    known = {row.tobytes() for row in plan}
    assert all((~row).tobytes() in known for row in plan)
    assert {1, 2, 3, 5, 10} <= set(sizes_of(plan))


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("sizes", [(13, 14, 21, 40), pytest.param(range(13, 61), marks=pytest.mark.long)])
def test_a_larger_budget_holds_all_coalitions_of_a_smaller_one(sizes: Sequence[int], limited: bool) -> None:
    """Where coalitions are sampled: what a top-up computes holds what is stored, worths of both kinds."""
    for n in sizes:
        classes = classes_of(players(n, copies=n % 2 == 0))
        before: tuple[set[bytes], set[bytes]] = set(), set()
        for count in (3 * n, 6 * n, 12 * n):
            limit = 4 * count if limited else None
            drawn, plan = sampled_design(n, classes, count, np.random.default_rng(n), limit)
            cheap, dear = set(keys(canonical(drawn, classes))), set(keys(plan))
            assert dear <= cheap
            assert before[0] <= cheap, f"{n} players: cheap worths are computed anew"
            assert before[1] < dear
            assert limit is None or len(drawn) + 2 <= limit
            before = cheap, dear


def test_results_from_before_are_drawn_as_they_were() -> None:
    rows, classes = np.ones(20), classes_of(players(20))
    grid, plan = audit_design(rows, classes, 60, np.random.default_rng(0), nested=False)
    drawn = hashlib.sha256(np.packbits(grid.coalitions, axis=1).tobytes() + np.packbits(plan, axis=1).tobytes())
    assert drawn.hexdigest()[:16] == "f9f1037fb7fcc757"


def test_a_grid_of_all_coalitions_is_made_once_with_what_is_projected_on_it() -> None:
    rng = np.random.default_rng(0)
    first, plan = audit_design(np.zeros(6), [[0, 1]], 8, rng)
    again, longer = audit_design(np.zeros(6), [[0, 1]], 12, np.random.default_rng(0))
    assert again is first
    assert first.projections
    assert audit_design(np.zeros(6), [[0, 2]], 8, rng)[0] is not first
    assert (longer[: len(plan)] == plan).all()
