"""What models answered is kept: every stored worth follows from it to the last bit, and so do other metrics' worths."""

from typing import Any

import numpy as np

from app.storage.blobs import BlobStore
from app.valuations.states import ValuationStatus
from app.valuations.tables import BuyerGame, Valuation
from app.valuations.work import answers as answer_repository
from contract.metrics import METRICS, Predicts
from contract.results.answers import ANCHORS, Anchors, pack, pack_anchors, unpack, unpack_anchors
from contract.tasks import PREDICTIONS, Targets
from worker.jobs.kept_answers import KeptAnswers


def kept_of(market: Any, job_id: Any) -> tuple[KeptAnswers, BuyerGame]:
    with market.factory() as session:
        game = session.get_one(BuyerGame, session.get_one(Valuation, job_id).game_id)
        blobs = answer_repository.of_game(session, game.id)
    moved = tuple((game.facts or {}).get("moved", ()))
    return KeptAnswers(BlobStore.from_url(market.settings.blob_url), blobs, PREDICTIONS[Predicts.CLASS], moved), game


def test_every_worth_of_a_job_follows_from_the_answers_that_were_kept_to_the_last_bit(hand: Any) -> None:
    market = hand.market
    job = hand.finish(market.post(metric="log_loss", max_retrains=6))
    assert job.status is ValuationStatus.SUCCEEDED, job.traceback
    kept, _ = kept_of(market, job.id)
    rows = market.rows("SELECT source, coalition, worth FROM evaluations WHERE source NOT LIKE 'check:%'")
    assert len({source for source, _, _ in rows}) >= 2
    for source, coalition, worth in rows:
        assert kept.worths(METRICS["log_loss"], source, [bytes(coalition)]).tolist() == [worth]
    hits = [kept.worths(METRICS["accuracy"], source, [bytes(coalition)])[0] for source, coalition, _ in rows]
    assert 0.0 <= min(hits) < max(hits) <= 1.0


def test_a_job_of_another_metric_finds_what_the_kept_answers_say(hand: Any) -> None:
    market = hand.market
    first = hand.finish(market.post(metric="log_loss", max_retrains=6))
    kept, _ = kept_of(market, first.id)
    second = hand.finish(market.post(metric="accuracy", max_retrains=6))
    assert second.status is ValuationStatus.SUCCEEDED, second.traceback
    sql = "SELECT source, coalition, worth FROM evaluations WHERE game_id = :game AND source NOT LIKE 'check:%'"
    both = 0
    for source, coalition, worth in market.rows(sql, game=second.game_id):
        if bytes(coalition) in kept.of_source(source):
            both += 1
            assert kept.worths(METRICS["accuracy"], source, [bytes(coalition)]).tolist() == [worth]
    assert both > 10


def test_worths_that_are_moved_in_partial_mode_are_moved_under_every_metric() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 30)
    targets, prediction = Targets(labels, None, 2, np.array([0.5, 0.5])), PREDICTIONS[Predicts.CLASS]
    ends = rng.normal(size=(2, 30, 2)).astype(np.float32)
    own = rng.normal(size=(2, 30, 2)).astype(np.float32)
    blobs = BlobStore.from_url("memory:///")
    anchor = blobs.put_bytes(pack_anchors(Anchors(ends[1], None, targets))).digest
    shard = blobs.put_bytes(pack({"answers": own})).digest
    kept = KeptAnswers(
        blobs,
        [
            answer_repository.AnswerBlob(ANCHORS, anchor, (b"\x00", b"\x03")),
            answer_repository.AnswerBlob("unlearn:mixture", shard, (b"\x01", b"\x03")),
        ],
        prediction,
        moved=("unlearn:mixture",),
    )
    for metric in (METRICS[name] for name in prediction.metrics()):
        least = kept.baseline(metric).worth
        some, everybody = kept.worths(metric, "unlearn:mixture", [b"\x01", b"\x03"])
        full = float(prediction.worths(metric, ends[1:], targets)[0])
        raw = prediction.worths(metric, own, targets)
        assert everybody == max(full, least)
        assert abs(some - max(full + raw[0] - raw[1], least)) < 1e-12
        moved = kept.influences(metric, "unlearn:mixture", [b"\x03"])[0]
        expected = ends[1:] if full >= least else kept.baseline(metric).answers[None]
        assert np.allclose(moved, prediction.influences(metric, expected, targets)[0], atol=1e-12)


def test_packed_answers_read_back_bit_for_bit_and_equal_arrays_are_one_blob() -> None:
    rng = np.random.default_rng(1)
    arrays = {
        "answers": rng.normal(size=(3, 5, 2)).astype(np.float32),
        "sums": np.array([[np.nan, -0.0, 5e-324]]),
        "empty": np.zeros((0, 4), dtype=np.float32),
    }
    again = unpack(pack(arrays))
    assert {name: (each.dtype, each.shape, each.tobytes()) for name, each in arrays.items()} == {
        name: (each.dtype, each.shape, each.tobytes()) for name, each in again.items()
    }
    assert pack(arrays) == pack(dict(reversed(arrays.items())))
    weights = np.array([0.5, 0.25, 0.25])
    given = Anchors(arrays["answers"][0], arrays["answers"][1], Targets(np.array([0, 1, 1]), weights, 2))
    ends = unpack_anchors(pack_anchors(given))
    targets = ends.targets
    assert ends.everybody.tobytes() == arrays["answers"][0].tobytes()
    assert (targets.values.tolist(), targets.classes) == ([0, 1, 1], 2)
    assert targets.weights is not None
    assert targets.weights.tolist() == weights.tolist()
