"""Admission: a good order fixes the game, its players and who is paid; a bad one is refused by its wrong field."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.checkpoints.tables import Checkpoint
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.db.session import transaction
from app.errors import FieldError, InvalidInput
from app.http.ids import public_id
from app.payouts import money
from app.valuations.orders.admission import Admission
from app.valuations.orders.admitted import Admitted
from app.valuations.orders.terms import with_dispute_window
from app.valuations.orders.test_commitment import commitment
from contract.architectures.model_folder import ModelFacts
from contract.learning.learners import Architecture
from tests.market import Market, rows_of


def admit(market: Market, problems: list[FieldError] | None = None, **changes: Any) -> Admitted:
    order = with_dispute_window(market.order(**changes), market.settings)
    with market.factory() as session:
        return Admission(session, market.blobs, market.settings, market.buyer).admit(order, problems)


def pointers(market: Market, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        admit(market, **changes)
    return {error.pointer: error.detail for error in refusal.value.errors}


def change(market: Market, dataset_id: uuid.UUID, **columns: Any) -> None:
    with transaction(market.factory) as session:
        dataset = session.get_one(Dataset, dataset_id)
        for name, value in columns.items():
            setattr(dataset, name, value)


def test_the_game_is_the_same_in_whatever_order_the_datasets_are_named(market: Market) -> None:
    one, other = admit(market), admit(market, datasets=market.datasets[::-1])
    assert one.game == other.game
    assert [each.digest for each in one.payees] == [each.digest for each in other.payees]
    assert list(one.game.players) == sorted(one.game.players) == [each.digest for each in one.players]


def test_every_payee_has_its_player_its_rows_and_its_reserve(market: Market) -> None:
    change(market, market.datasets[1], reserve_minor=700, reserve_currency="EUR")
    admitted = admit(market)
    by_owner = {each.provider_id: each for each in admitted.payees}
    assert set(by_owner) == set(market.providers)
    assert [by_owner[owner].rows for owner in market.providers] == [60, 40, 50, 60]
    assert [by_owner[owner].reserve for owner in market.providers] == [0, 700, 0, 0]
    for payee in admitted.payees:
        assert payee.part.player is not None
        assert admitted.players[payee.part.player].digest == payee.digest
    assert admitted.pool_minor == money.parse("1000.00", "EUR", name="pool")
    assert set(admitted.contents) == set(market.datasets)


def test_datasets_of_one_provider_are_one_player_unless_each_is_to_be_one(market: Market) -> None:
    more = market.add_dataset(market.providers[0], DatasetKind.TRAIN, *rows_of(11, 10))
    datasets = [*market.datasets, more]
    together = admit(market, datasets=datasets)
    apart = admit(market, datasets=datasets, players="dataset")
    assert (len(together.players), len(apart.players)) == (4, 5)
    assert {each.name for each in apart.payees} == {f"ds_{each.hex}" for each in datasets}
    assert {each.name for each in together.payees} == {f"acc_{each.hex}" for each in market.providers}


def test_shards_are_of_a_size_that_depends_on_all_rows_and_not_on_accounts(market: Market) -> None:
    assert admit(market).game.shard_rows == 0
    assert admit(market, payout={"shards": 8}).game.shard_rows == -(-210 // 8)


def test_the_commitment_opens_for_the_test_set_and_has_a_salt_of_its_own_each_time(market: Market) -> None:
    one, other = admit(market).measured, admit(market).measured
    assert one.commitment == commitment(one.salt, one.digest)
    assert one.digest == other.digest
    assert one.salt != other.salt


def test_all_datasets_that_are_wrong_are_told_at_once(market: Market) -> None:
    withdrawn, hidden, kept, test = (*market.datasets[:3], market.test)
    change(market, withdrawn, status=DatasetStatus.WITHDRAWN)
    change(market, hidden, status=DatasetStatus.READY)
    change(market, kept, reserve_minor=5, reserve_currency="USD")
    wrong = pointers(market, datasets=[*market.datasets, test])
    assert set(wrong) == {"/datasets/0", "/datasets/1", "/datasets/2", "/datasets/4"}
    assert "was withdrawn" in wrong["/datasets/0"]
    assert "does not exist or is not published" in wrong["/datasets/1"]
    assert "reserve price in USD" in wrong["/datasets/2"]
    assert "is a test set" in wrong["/datasets/4"]


def test_what_is_not_published_cannot_be_told_from_what_does_not_exist(market: Market) -> None:
    change(market, market.datasets[0], status=DatasetStatus.READY)
    nobody = uuid.uuid4()
    sentences = [
        pointers(market, datasets=[each, *market.datasets[1:]])["/datasets/0"].replace(each.hex, "it")
        for each in (market.datasets[0], nobody)
    ]
    assert sentences[0] == sentences[1]


def test_a_licence_refuses_an_order_and_is_only_told_in_a_quote(market: Market) -> None:
    change(market, market.datasets[0], licence=Licence("CC0-1.0", purposes=("research",)).to_json())
    assert "/datasets/0" in pointers(market, purpose="advertising")
    problems: list[FieldError] = []
    assert admit(market, problems, purpose="advertising").players
    assert [(each.pointer, each.type) for each in problems] == [("/datasets/0", "licence")]
    assert admit(market, purpose="research").players


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": DatasetStatus.DRAFT}, "is not a test set of yours with content"),
        ({"kind": DatasetKind.TRAIN}, "is of kind train"),
        ({"status": DatasetStatus.WITHDRAWN}, "was withdrawn; upload another test set"),
    ],
)
def test_the_test_set_is_the_buyers_own_and_has_content(market: Market, columns: Any, words: str) -> None:
    assert market.test is not None
    change(market, market.test, **columns)
    assert words in pointers(market)["/test_dataset"]


def test_a_strangers_test_set_is_refused(market: Market) -> None:
    stranger = market.add_buyer("another")
    theirs = market.add_dataset(stranger.account_id, DatasetKind.TEST, *rows_of(9, 80))
    assert "is not a test set of yours" in pointers(market, test_dataset=theirs)["/test_dataset"]


def test_a_pool_is_divided_among_players_so_there_must_be_two(market: Market) -> None:
    assert "this job has one" in pointers(market, datasets=market.datasets[:1])["/datasets"]
    assert len(admit(market, datasets=market.datasets[:1], mode="partial").players) == 1


def test_whom_copies_leave_alone_is_valued_alone_since_a_refusal_would_tell_of_the_rows(market: Market) -> None:
    copies = [market.datasets[0], market.datasets[3]]
    assert len(admit(market, datasets=copies, payout={"copies": "group"}).players) == 1
    assert len(admit(market, datasets=copies, payout={"copies": "first"}).players) == 1
    test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(1, 60))
    assert len(admit(market, datasets=[market.datasets[0], market.datasets[1]], test_dataset=test).players) == 1


def test_where_all_rows_are_in_the_test_set_nobody_is_left(market: Market) -> None:
    test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(1, 60))
    wrong = pointers(market, datasets=[market.datasets[0], market.datasets[3]], test_dataset=test)
    assert "count for nobody" in wrong["/test_dataset"]


def test_the_budget_is_for_the_players_that_are_offered_and_tells_of_no_copies(market: Market) -> None:
    order = {"estimator": "svarm", "max_evaluations": 8, "payout": {"copies": "first"}}
    assert len(admit(market, datasets=market.datasets[:3], **order).players) == 3
    refused = pointers(market, **order)
    assert "svarm estimator needs" in refused["/estimator"], "the fourth is a copy, and three would be within it"


def test_a_budget_under_which_the_estimator_cannot_work_is_refused(market: Market) -> None:
    wrong = pointers(market, estimator="svarm", max_evaluations=5)
    assert "svarm estimator needs" in wrong["/estimator"]
    assert admit(market, estimator="svarm", max_evaluations=5, payout={"shards": 8}).players, "shards are more players"


def test_a_device_that_no_worker_serves_and_a_deadline_that_has_passed_are_refused(market: Market) -> None:
    assert "knows no worker" in pointers(market, device="gpu")["/device"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert "has passed" in pointers(market, deadline=past)["/deadline"]
    assert admit(market, deadline=datetime.now(UTC) + timedelta(hours=1)).players


def test_money_is_refused_by_its_own_field(market: Market) -> None:
    assert list(pointers(market, pool="1.005")) == ["/pool"]
    assert list(pointers(market, currency="XYZ")) == ["/currency"]
    assert list(pointers(market, payout={"policy": "interval_aware"})) == ["/payout"]


def test_images_want_a_cnn_and_columns_do_not(market: Market) -> None:
    assert "cnn takes images" in pointers(market, model={"name": "cnn"})["/model/name"]
    rng = np.random.default_rng(0)
    images = [(rng.random((12, 6, 6)).astype(np.float32), np.arange(12) % 2) for _ in range(3)]
    datasets = [
        market.add_dataset(owner, DatasetKind.TRAIN, *each)
        for owner, each in zip(market.providers, images[:2], strict=False)
    ]
    order = {
        "datasets": datasets,
        "test_dataset": market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *images[2]),
    }
    assert "these datasets hold images" in pointers(market, **order)["/model/name"]
    assert admit(market, **order, model={"name": "cnn"}).game.learner.name == "cnn"


def test_a_frozen_model_takes_images_of_its_own_size(market: Market) -> None:
    facts = ModelFacts(family="bert", sizes={}, parameters=10)
    with transaction(market.factory) as session:
        encoder = Checkpoint(
            buyer_id=market.buyer.account_id, name="it", architecture=Architecture.ENCODER,
            hyper={}, digest="d" * 64, facts=facts.plain(),
        )  # fmt: skip
        session.add(encoder)
        session.flush()
        base = public_id("ck", encoder.id)
    assert "leave image_size out" in pointers(market, base=base, image_size=32)["/image_size"]
