"""Forged results are caught, and honest ones are not accused: a sample of ``make forgeries``."""

from pathlib import Path

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


def test_parts_of_a_run_are_kept_and_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHERISH_BENCH", str(tmp_path))
    monkeypatch.setattr(forgeries, "PART", 1)
    first = forgeries.pooled(1, "versions")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    both = forgeries.pooled(2, "versions")
    assert len(kept) == 1
    assert len(list(tmp_path.rglob("*.json"))) == 2
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items()), "a part was measured again"
    assert first["versions changed"] == {"versions": 1}
    assert both["versions changed"] == {"versions": 2}
    assert both[forgeries.HONEST] == {forgeries.MISSED: 2}


@pytest.mark.parametrize(("caught", "of", "low", "high"), [(9, 10, 0.596, 0.982), (0, 5, 0.0, 0.434), (0, 0, 0.0, 1.0)])
def test_wilsons_interval_of_a_part(caught: int, of: int, low: float, high: float) -> None:
    assert forgeries.wilson(caught, of) == pytest.approx((low, high), abs=1e-3)
