"""What a liar at home gains, and how surely opened rows find it where it hides its lie as best it can."""

import numpy as np
import pytest

from benchmarks.agents import question, regression
from benchmarks.attacks.at_home import LIES, OPENED, attack, false_sums, least_found
from contract.agents import AnswerHead, packed, unpacked

# found by 8 and by 32 opened rows, at least; docs/attacks.md has the means
FOUND = {"inflated": (0.99, 0.99), "another's": (0.7, 0.99), "fitted": (0.7, 0.99)}


@pytest.mark.parametrize("game", ["diabetes", "4,000 rows"])
@pytest.mark.parametrize("lie", LIES)
def test_opened_rows_find_a_lie_that_would_pay(lie: str, game: str) -> None:
    run = attack(game, lie, seed=1)
    assert run.lying > run.honest + 2.0
    assert (run.found[OPENED.index(8)], run.found[OPENED.index(32)]) >= FOUND[lie]
    assert run.found == sorted(run.found)


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_is_one_that_sums_alone_give_away(lie: str) -> None:
    parts, test = regression("diabetes", 0)
    X, y = parts[0 if lie == "inflated" else 3]
    asked = question(X.shape[1], 1, len(y), "ridge")
    head = AnswerHead(question=asked.digest, commitment=asked.commitment, rows=asked.rows)
    told = false_sums(lie, parts, test, asked, 0)
    assert unpacked(asked, packed(head, told, asked), None)["b"] == pytest.approx(told["b"])


def test_the_best_liar_is_found_least_of_all_who_make_up_for_the_lack() -> None:
    """Any rows that are chosen, and any terms put on them that add up, are found at least as often."""
    rng = np.random.default_rng(3)
    terms = rng.normal(size=40)
    total = terms.sum() + 9.0
    least = least_found(terms, total, 8)
    for _ in range(500):
        lied = rng.permutation(40)[: rng.integers(1, 40)]
        false = terms.copy()
        false[lied] = np.maximum(false[lied], 0.0) if rng.random() < 0.5 else 0.0
        false[lied] += (total - false.sum()) / len(lied)
        size = np.abs(false)
        by_size, by_place = size[lied].sum() / size.sum(), len(lied) / 40
        assert 1 - (1 - by_size) ** 4 * (1 - by_place) ** 4 >= least - 1e-12
