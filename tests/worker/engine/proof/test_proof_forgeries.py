"""Forged results are caught, and honest ones are not accused: a sample of ``make forgeries``."""

import numpy as np
import pytest

from benchmarks import forgeries


@pytest.fixture(scope="module")
def case() -> forgeries.Case:
    return forgeries.case("dominant", "accuracy", 3)


def test_an_honest_result_is_not_accused(case: forgeries.Case) -> None:
    assert [forgeries.catches(case, case.document(), seed) for seed in range(3)] == [None] * 3


@pytest.mark.parametrize("way", forgeries.WAYS)
def test_a_result_forged_in_any_way_is_caught(case: forgeries.Case, way: str) -> None:
    document = forgeries.WAYS[way](case, np.random.default_rng(4))
    assert document is not None
    assert forgeries.catches(case, document, 5) is not None


def test_a_worth_that_is_not_chosen_is_not_caught(case: forgeries.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    document = forgeries.WAYS["one retrained worth, all computed from it"](case, np.random.default_rng(4))
    assert document is not None
    monkeypatch.setattr(forgeries, "RETRAININGS", 0)
    assert forgeries.catches(case, document, 5) is None, "the catch would be another part's"
