"""Withdrawal and checkpoints: what has seen the data is made to forget it before the bytes go, whatever dies meanwhile.

Real rows, a real model trained by the engine, a worker moved by hand; one test kills a real worker.
"""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sqlalchemy import text

from app.checkpoints import service as checkpoints
from app.checkpoints.schemas import CheckpointChanges
from app.datasets.tables import DatasetKind
from app.db.registry import load_tables
from app.db.session import transaction
from app.erasure import erasing, unlearning
from app.errors import Conflict, InvalidInput
from app.http.uploads import Upload
from app.identity import Caller
from app.valuations.results import certificates
from app.valuations.states import ValuationStatus
from app.webhooks import service as webhooks
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod
from tests.app.erasure.forgetting import (
    L2,
    Model,
    begin,
    erased,
    keep,
    record_of,
    step,
    train,
    value,
    weights_of,
    withdraw,
)
from tests.market import Hand, Market, rows_of


def test_trained_anew_on_what_remains_with_a_certificate_and_then_the_bytes_go(
    market: Market, hand: Hand, model: Model
) -> None:
    with transaction(market.factory) as session:
        webhooks.create_endpoint(session, market.settings, market.buyer.account_id, url="https://hooks.example.com/x")
    gone = withdraw(market, 2)
    assert step(hand) == ["forget", "unlearn", "forget"]
    X, y = (np.concatenate(parts) for parts in zip(rows_of(1, 60), rows_of(2, 40), rows_of(1, 60), strict=True))
    # the same objective, solved by somebody else: the bias is a column, so that it is penalised as the weights are
    other = LogisticRegression(C=1 / (L2 * len(y)), fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(np.hstack([X, np.ones((len(X), 1))]), y)
    found = weights_of(market, model)
    assert np.abs(np.hstack([found["weight"], found["bias"][:, None]]) - other.coef_).max() < 1e-3
    assert not market.blobs.exists(model.digest)
    assert erased(market, gone)
    digest, version = market.rows("SELECT digest, version FROM checkpoints")[0]
    assert version == 2
    record = record_of(market, model)
    assert (record["method"], record["outcome"]) == ("retrain", "unlearned")
    assert record["weights"] == {"before": model.digest, "after": digest}
    content = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone)
    assert record["forgotten"] == {"digests": [content], "rows": 50}
    assert record["remains"]["rows"] == 160
    assert record["residual"]["after"]["total_variation"] == 0.0 < record["residual"]["before"]["total_variation"]
    scores = record["membership"]
    assert scores["after"] == scores["never_saw"]
    assert scores["fell_by"]["value"] == pytest.approx(scores["before"]["value"] - scores["after"]["value"], abs=1e-5)
    lineage = market.rows("SELECT dataset_id, forgotten_by FROM checkpoint_lineage WHERE forgotten_at IS NOT NULL")
    assert lineage == [(gone, "retrain")]
    told = [row[0] for row in market.rows("SELECT type FROM webhook_events ORDER BY created_at, id")]
    assert told[-2:] == ["dataset.withdrawn", "checkpoint.unlearned"]
    # what was forgotten is not brought back under another name
    other_model = keep(market, market.buyer, found, digest=None, size_bytes=None)
    upload = Upload(path=Path("nowhere"), digest=model.digest, size=1)  # refused before it is read
    with transaction(market.factory) as session, pytest.raises(Conflict, match="were unlearned or erased here"):
        checkpoints.store_content(
            session, market.blobs, market.buyer, other_model.id, upload, checkpoints.CheckedWeights(upload.path, {})
        )


def test_the_provider_is_told_counts_and_hashes_and_the_certificate_is_the_buyers_alone(
    market: Market, hand: Hand, model: Model
) -> None:
    gone = withdraw(market, 2)
    step(hand)
    with market.factory() as session:
        duty = checkpoints.unlearnings(session, market.buyer, model.id)[0]
        signed = certificates.sign(market.settings, unlearning.content(duty))
        owner = Caller(market.providers[2], market.buyer.role, frozenset(), uuid.uuid4())
        told = erasing.record_of(erasing.erasure_of(session, owner, gone))
    assert certificates.is_genuine(signed, certificates.public_key(market.settings))
    altered = signed | {"certificate": signed["certificate"] | {"method": "newton"}}
    assert not certificates.is_genuine(altered, certificates.public_key(market.settings))
    assert told["checkpoints"] == {"unlearned": 1, "erased": 0}
    assert told["certificates"] == [signed["digest"]]
    printed = json.dumps(told)
    ids = [market.buyer.account_id.hex, model.id.hex, duty.id.hex, duty.before, duty.after, duty.reference_id.hex]
    assert not [each for each in ids if each in printed]


def test_without_the_other_rows_a_logistic_regression_goes_by_tangent_and_the_certificate_says_what_is_not_known(
    market: Market, hand: Hand
) -> None:
    kept = keep(market, market.buyer, train(market), unlearning=WithdrawalMethod.RETRAIN)
    # a partial job says nothing of what else the model has seen
    value(market, hand, kept, mode="partial")
    before = weights_of(market, kept)
    gone = withdraw(market, 2)
    step(hand)
    record = record_of(market, kept)
    assert (record["asked"], record["method"]) == ("retrain", "tangent")
    assert "not every other row" in record["reason"]
    assert "so none can be trained anew" in record["residual"]["unmeasured"]
    assert record["membership"]["never_saw"] is None
    assert record["membership"]["before"]["value"] != record["membership"]["after"]["value"]
    assert np.abs(weights_of(market, kept)["weight"] - before["weight"]).max() > 0.01
    assert erased(market, gone)


def test_a_network_whose_other_rows_are_not_here_is_erased_unless_its_owner_says_otherwise(
    market: Market, hand: Hand
) -> None:
    hyper = {"hidden": 8, "steps": 30}
    weights = train(market, Architecture.MLP, **hyper)
    columns = {"architecture": Architecture.MLP, "hyper": hyper}
    silent = keep(market, market.buyer, weights, **columns)
    other = market.add_buyer("another")
    test = market.test
    willing = keep(market, other, weights, unlearning=WithdrawalMethod.NATURAL_GRADIENT, **columns)
    value(market, hand, silent, mode="partial")
    market.test = market.add_dataset(other.account_id, DatasetKind.TEST, *rows_of(9, 80))
    market.buyer, first = other, market.buyer
    value(market, hand, willing, mode="partial")
    market.buyer, market.test = first, test
    withdraw(market, 2)
    step(hand)
    assert record_of(market, silent)["outcome"] == "erased"
    assert market.rows("SELECT digest FROM checkpoints WHERE id = :id", id=silent.id) == [(None,)]
    record = record_of(market, willing)
    assert (record["method"], record["outcome"]) == ("natural_gradient", "unlearned")
    assert not market.blobs.exists(silent.digest)


def test_anothers_same_weights_are_anothers_and_ones_own_under_another_name_are_ones_own(
    market: Market, hand: Hand, model: Model
) -> None:
    weights = weights_of(market, model)
    twin = keep(market, market.buyer, weights)
    strange = keep(market, market.add_buyer("another"), weights)
    assert {twin.digest, strange.digest} == {model.digest}
    withdraw(market, 2)
    step(hand)
    # one at a time: the two duties are of two checkpoints, so both were done
    new = market.scalar("SELECT digest FROM checkpoints WHERE id = :id", id=model.id)
    assert market.scalar("SELECT digest FROM checkpoints WHERE id = :id", id=twin.id) == new != model.digest
    assert market.scalar("SELECT digest FROM checkpoints WHERE id = :id", id=strange.id) == model.digest
    assert market.blobs.exists(model.digest)


def test_the_base_model_alone_has_seen_nothing(market: Market, hand: Hand) -> None:
    weights = {f"base.{name}": array for name, array in train(market).items()}
    kept = keep(market, market.buyer, weights)
    value(market, hand, kept)
    assert market.scalar("SELECT count(*) FROM checkpoint_lineage") == 0
    withdraw(market, 2)
    step(hand)
    assert market.blobs.exists(kept.digest)


def test_an_owner_who_has_not_said_how_is_given_time_and_the_bytes_wait(market: Market, hand: Hand) -> None:
    kept = keep(market, market.buyer, train(market), unlearning=None)
    value(market, hand, kept)
    gone = withdraw(market, 2)
    assert step(hand) == ["forget"]
    assert not erased(market, gone)
    assert market.scalar("SELECT due_at > now() + interval '50 minutes' FROM unlearnings")
    with transaction(market.factory) as session, pytest.raises(InvalidInput, match="no method neggrad_plus"):
        checkpoints.change(session, market.buyer, kept.id, CheckpointChanges(unlearning=WithdrawalMethod.NEGGRAD_PLUS))
    with transaction(market.factory) as session:
        checkpoints.change(session, market.buyer, kept.id, CheckpointChanges(unlearning=WithdrawalMethod.ERASE))
    assert step(hand) == ["unlearn", "forget"]
    record = record_of(market, kept)
    assert (record["asked"], record["method"], record["reason"]) == ("erase", "erase", None)
    assert erased(market, gone)
    assert not market.blobs.exists(kept.digest)


def test_a_job_with_the_checkpoint_is_stopped_and_none_may_name_it_until_it_has_forgotten(
    market: Market, hand: Hand, model: Model
) -> None:
    # it reads other datasets, but computes with weights that have seen the one that goes
    job_id = market.post(model=None, checkpoint=model.id, mode="partial", datasets=[market.datasets[1]])
    with transaction(market.factory) as session:
        session.execute(text("UPDATE checkpoints SET unlearning = NULL"))
    withdraw(market, 2)
    hand.letters.waiting.clear()
    assert "unlearn" not in step(hand)
    job = market.job(job_id)
    assert (job.status, job.reason) == (ValuationStatus.CANCELLED, "dataset_withdrawn")
    with pytest.raises(InvalidInput, match="is being made to forget"):
        market.post(model=None, checkpoint=model.id, mode="partial", datasets=[market.datasets[1]])
    with transaction(market.factory) as session:
        session.execute(text("UPDATE unlearnings SET due_at = now()"))
    step(hand)
    assert market.post(model=None, checkpoint=model.id, mode="partial", datasets=[market.datasets[1]])


def test_two_withdrawals_are_forgotten_one_after_the_other(market: Market, hand: Hand, model: Model) -> None:
    first, second = withdraw(market, 1), withdraw(market, 2)
    for _ in range(3):
        step(hand)
    assert erased(market, first)
    assert erased(market, second)
    assert market.scalar("SELECT version FROM checkpoints") == 3
    X, y = (np.concatenate(parts) for parts in zip(rows_of(1, 60), rows_of(1, 60), strict=True))
    other = LogisticRegression(C=1 / (L2 * len(y)), fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(np.hstack([X, np.ones((len(X), 1))]), y)
    found = weights_of(market, model)
    assert np.abs(np.hstack([found["weight"], found["bias"][:, None]]) - other.coef_).max() < 1e-3


def test_of_one_checkpoint_one_duty_is_done_at_a_time(market: Market, hand: Hand, model: Model) -> None:
    for number in (1, 2):
        withdraw(market, number)
    begin(hand, 2)
    first, second = (row[0] for row in market.rows("SELECT id FROM unlearnings ORDER BY id"))
    with transaction(market.factory) as session:
        held = hand.runtime.unlearner.claim(session, first)
        assert hand.runtime.unlearner.claim(session, second) is None
    with transaction(market.factory) as session:
        unlearning.give_back(session, held)
        assert hand.runtime.unlearner.claim(session, second) is not None


def test_bytes_to_forget_that_are_gone_already_end_in_erased_weights(market: Market, hand: Hand, model: Model) -> None:
    gone = withdraw(market, 2)
    market.blobs.delete(market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone))
    for pause in (60, 300):
        step(hand)
        seconds = market.scalar("SELECT extract(epoch FROM due_at - now()) FROM unlearnings")
        assert pause - 30 < seconds <= pause
        with transaction(market.factory) as session:
            session.execute(text("UPDATE unlearnings SET due_at = now()"))
    step(hand)
    record = record_of(market, model)
    assert (record["outcome"], record["attempts"]) == ("erased", 3)
    assert "is not in the blob store" in record["reason"]
    assert not market.blobs.exists(model.digest)


def test_workers_drop_what_they_hold_in_memory(market: Market, hand: Hand) -> None:
    hand.finish(market.post())
    other = hand.finish(market.post(datasets=[market.datasets[0], market.datasets[1]]))
    held = hand.runtime.games
    assert held.loaded() == {row[0] for row in market.rows("SELECT id FROM games")}
    withdraw(market, 2)
    # a beat of the heartbeat of a process that does nothing, and has no part in the erasure
    with market.factory() as session:
        held.drop_withdrawn(session)
    assert held.loaded() == {other.game_id}


def test_a_method_that_steps_away_from_the_old_weights_is_measured_beside_one_trained_anew(
    market: Market, hand: Hand, model: Model
) -> None:
    with transaction(market.factory) as session:
        checkpoints.change(session, market.buyer, model.id, CheckpointChanges(unlearning=WithdrawalMethod.TANGENT))
    withdraw(market, 2)
    step(hand)
    record = record_of(market, model)
    assert (record["method"], record["reason"]) == ("tangent", None)
    distance = {name: record["residual"][name]["total_variation"] for name in ("before", "after")}
    assert 0 < distance["after"] < 0.5 * distance["before"]
    assert record["membership"]["never_saw"] is not None


def test_of_the_rows_nothing_is_left_but_hashes(market: Market, hand: Hand, model: Model) -> None:
    """Every blob, and every column of every table, is searched for the withdrawn rows' own numbers."""
    job = hand.finish(market.post())
    assert job.status is ValuationStatus.SUCCEEDED, job.traceback
    X, _ = rows_of(3, 50, flip=0.5)
    needles = [row.tobytes() for row in X]
    shown = [repr(float(number)) for number in X[:, 0]]

    def blobs_with_rows() -> list[str]:
        found = []
        for batch in market.blobs.listed():
            for blob in batch:
                data = market.blobs.get(blob.digest)
                if any(needle in data for needle in needles):
                    found.append(blob.digest)
        return found

    assert len(blobs_with_rows()) == 1
    withdraw(market, 2)
    step(hand)
    assert blobs_with_rows() == []
    with market.factory() as session:
        for table in load_tables().sorted_tables:
            for row in session.execute(table.select()):
                values = [str(value) for value in row if not isinstance(value, bytes)]
                assert not [each for each in shown if any(each in value for value in values)], table.name
                held = [bytes(value) for value in row if isinstance(value, bytes)]
                assert not [needle for needle in needles if any(needle in value for value in held)], table.name
    # the money is where it was, and the sums of the ledger with it
    assert market.scalar("SELECT sum(amount_minor) FROM valuation_players") == 1000_00
