"""Asking often: what hundreds of quotes tell of one row, and that they are not answered."""

import re

import numpy as np

from app.disclosure.bands import Bands
from app.identity import Role
from app.settings import Settings
from benchmarks.attacks.membership import accuracy, budget
from tests.app.conftest import Known
from tests.attacks.test_attacks_rows import Make, csv, people, quote


def test_the_questions_of_a_whole_budget_tell_a_member_from_a_stranger_no_better_than_guessing() -> None:
    """Before: one quote told it for certain. The figure is in docs/disclosure.md."""
    settings = Settings()
    right = accuracy(Bands.of(settings), settings.told_rows, budget(settings), trials=3000, seed=1)
    assert 0.45 < right <= 0.55


def test_of_four_hundred_quotes_those_within_the_budget_are_answered_and_no_more(
    buyer: Known, known: Make, publish: Make, upload: Make, settings: Settings
) -> None:
    """Before: ten hidden rows were rebuilt in 395 quotes, by a buyer with no money. Here the questions of a budget are
    spent, the rest is refused, and what was asked before is still answered."""
    datasets = [publish(known(Role.PROVIDER), csv(people(seed, 40)))["id"] for seed in (1, 2)]
    rng = np.random.default_rng(4)
    allowed = budget(settings)
    tests = [upload(buyer, csv(people(int(rng.integers(2**31)), 20)))["id"] for _ in range(allowed + 3)]
    told = [quote(buyer, datasets, test) for test in tests]
    assert [answer.status_code for answer in told] == [200] * allowed + [429] * 3
    refused = told[-1].json()
    assert [fault["pointer"] for fault in refused["errors"]] == ["/datasets/0", "/datasets/1"]
    assert re.search(r"may spend 100 points in 30 days", refused["detail"])
    assert int(told[-1].headers["Retry-After"]) > 29 * 86_400
    again = quote(buyer, datasets, tests[0])
    assert (again.status_code, again.json()) == (200, told[0].json())
