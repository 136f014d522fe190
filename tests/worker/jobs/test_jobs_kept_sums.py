"""Where models' answers are too large to be kept, what moves worths is: the gain is tested, and intervals are whole."""

from typing import Any

import numpy as np
import pytest

from app.datasets.tables import DatasetKind
from app.storage.blobs import BlobStore
from app.valuations.states import ValuationStatus
from app.valuations.tables import BuyerGame
from app.valuations.work.answers import AnswerBlob
from contract.metrics import METRICS
from contract.results.answers import ANCHORS, AnchorSums, Compared, UnitSums, pack_anchor_sums, pack_sums
from tests.market import rows_of
from worker.jobs import steps
from worker.jobs.kept_sums import KeptSums


def finished(market: Any, hand: Any, **changes: Any) -> Any:
    job = hand.finish(market.post(**changes))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    return job


def paid(market: Any, job_id: Any) -> list[int]:
    sql = "SELECT amount_minor FROM valuation_players WHERE valuation_id = :id ORDER BY position"
    return [amount for (amount,) in market.rows(sql, id=job_id)]


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_a_job_of_large_answers_has_the_result_that_it_would_have_with_them(
    market: Any, hand: Any, metric: str
) -> None:
    other = market.add_buyer("another")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    with_answers = finished(market, hand, buyer=other, test_dataset=test, metric=metric)
    hand.runtime.steps._settings = market.settings.model_copy(update={"max_answer_bytes": 8})
    job = finished(market, hand, metric=metric)
    facts = market.factory().get_one(BuyerGame, job.game_id).facts
    assert (facts["answers_kept"], facts["sums_kept"]) == (False, True)
    for name in ("gain", "chance", "players", "precision"):
        assert job.result[name] == with_answers.result[name]
    assert job.result["gain"]["gained"] is True
    assert paid(market, job.id) == paid(market, with_answers.id)
    assert sum(paid(market, job.id)) == 1000_00


def test_of_many_test_rows_few_sums_are_kept_and_intervals_are_about_as_wide(
    market: Any, hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = market.add_buyer("another")
    test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    whole = finished(market, hand, buyer=other, test_dataset=test)
    hand.runtime.steps._settings = market.settings.model_copy(update={"max_answer_bytes": 8})
    monkeypatch.setattr(steps, "LEAST_SUMS", 40)
    job = finished(market, hand)
    assert (whole.result["chance"]["units"], job.result["chance"]["units"]) == (80, 40)
    assert job.result["chance"]["within"] is None
    for summed, by_rows in zip(job.result["players"], whole.result["players"], strict=True):
        assert summed["value"] == by_rows["value"]
        assert summed["parts"]["test_rows"] == pytest.approx(by_rows["parts"]["test_rows"], rel=0.4)


def test_a_worth_at_the_baseline_moves_as_the_baseline_and_a_moved_source_by_both_of_its_ends() -> None:
    blobs, metric = BlobStore.from_url("memory:///"), METRICS["accuracy"]
    ends = UnitSums(np.array([0.5, 0.9]), np.array([[0.1, -0.1], [0.2, -0.2]]))
    said = Compared(what="accuracy on 2 test rows", about="the most frequent class", size=1.0, within=None)
    own = UnitSums(np.array([0.3, 0.7, 0.8]), np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]))
    nobody, some, all_ = b"\x00", b"\x01", b"\x03"
    kept = [
        AnswerBlob(ANCHORS, blobs.put_bytes(pack_anchor_sums(AnchorSums(ends, said))).digest, (nobody, all_)),
        AnswerBlob("retrain", blobs.put_bytes(pack_sums(own)).digest, (nobody, some, all_)),
    ]
    plain = KeptSums(blobs, kept, "accuracy").influences(metric, "retrain", [nobody, some])
    np.testing.assert_allclose(plain, [[0.1, -0.1], [2.0, -2.0]])
    moved = KeptSums(blobs, kept, "accuracy", ("retrain",)).influences(metric, "retrain", [nobody, some])
    np.testing.assert_allclose(moved, [[0.1, -0.1], [2.0 + 0.2 - 3.0, -2.0 - 0.2 + 3.0]])
    found = KeptSums(blobs, kept, "accuracy").ends(metric, None)
    assert (found.baseline, found.full) == (0.5, 0.9)
    assert found.basis == "accuracy on 2 test rows against the baseline, the most frequent class"
    with pytest.raises(KeyError, match="sums by accuracy are kept, which say nothing of log_loss"):
        KeptSums(blobs, kept, "accuracy").least(METRICS["log_loss"])
