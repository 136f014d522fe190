"""Erasing a withdrawn dataset: what waits is waited for, what was derived is dropped here too, and twice is once."""

from typing import Any

import pytest
from sqlalchemy import update

from app.datasets.tables import Dataset, DatasetStatus
from app.db.session import transaction
from app.valuations.states import ValuationStatus
from worker.jobs.erase import forget
from worker.loading.games import LoadedGames


@pytest.fixture
def games(market: Any) -> LoadedGames:
    return LoadedGames(market.blobs, market.settings, "cpu")


def withdraw(hand: Any, dataset_id: Any) -> None:
    """Withdrawn, and seen by the sweeper, who has the erasure sent."""
    with transaction(hand.market.factory) as session:
        session.execute(update(Dataset).where(Dataset.id == dataset_id).values(status=DatasetStatus.WITHDRAWN))
    hand.sweeper.sweep_once()


def run(market: Any, games: LoadedGames, dataset_id: Any) -> None:
    forget(market.factory, market.blobs, market.settings, games, dataset_id)


def finished(market: Any) -> list[Any]:
    return [row[0] for row in market.rows("SELECT dataset_id FROM erasures WHERE finished_at IS NOT NULL")]


def test_a_dataset_that_was_not_withdrawn_is_left_as_it_is(market: Any, games: LoadedGames) -> None:
    run(market, games, market.datasets[0])
    assert finished(market) == []
    assert market.blobs.exists(market.scalar("SELECT digest FROM datasets WHERE id = :id", id=market.datasets[0]))


def test_its_bytes_go_and_it_is_recorded_once(hand: Any, market: Any, games: LoadedGames) -> None:
    gone = market.datasets[1]
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone)
    withdraw(hand, gone)
    run(market, games, gone)
    assert not market.blobs.exists(digest)
    assert finished(market) == [gone]
    moment = market.scalar("SELECT finished_at FROM erasures")
    run(market, games, gone)
    assert market.scalar("SELECT finished_at FROM erasures") == moment


def test_a_job_that_waits_for_it_is_stopped_first(hand: Any, market: Any, games: LoadedGames) -> None:
    job_id, gone = market.post(), market.datasets[1]
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=gone)
    withdraw(hand, gone)
    run(market, games, gone)
    assert market.job(job_id).status in (ValuationStatus.CANCELLED, ValuationStatus.FAILED)
    assert not market.blobs.exists(digest)
    assert finished(market) == [gone]


def test_the_games_that_read_it_are_dropped_from_this_process(hand: Any) -> None:
    market = hand.market
    job = hand.finish(market.post(max_retrains=4))
    games = hand.runtime.games
    assert games.loaded() == {job.game_id}
    withdraw(hand, market.datasets[1])
    run(market, games, market.datasets[1])
    assert games.loaded() == set()
    assert finished(market) == [market.datasets[1]]
