"""From a job to the engine's problem, and the evaluators that a process holds: which stay, which go, which are read."""

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.datasets.rows.encoding import EncodedRows
from app.datasets.tables import Dataset, DatasetStatus
from app.db.session import transaction
from app.errors import InvalidData, Unavailable
from app.valuations.states import ShardKind
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from contract.orders.job import Job
from worker.loading import games
from worker.loading.feature_rows import GameRows
from worker.loading.games import LoadedGames, build_problem, read_blob


def job_of(market: Any, **order: Any) -> Job:
    valuation_id = market.post(pool="10.00", **order)
    game_id = market.scalar("SELECT game_id FROM valuations WHERE id = :id", id=valuation_id)
    claim = Claim(uuid.uuid4(), valuation_id, game_id, ShardKind.PREPARE, 1, "cpu", None, None, 0, 1, 1)
    with transaction(market.factory) as session:
        return protocol.load_job(session, claim)


@pytest.fixture
def loaded(market: Any) -> LoadedGames:
    return LoadedGames(market.blobs, market.settings, "cpu")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games.time, "sleep", lambda _seconds: None)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("error", [OSError("away"), Unavailable("away")])
def test_a_read_that_the_store_refuses_is_tried_again_and_the_last_refusal_is_raised(error: Exception) -> None:
    left = [3]

    def read() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "it"

    assert read_blob(read) == "it"
    left[0] = 100
    with pytest.raises(type(error)):
        read_blob(read)
    assert left[0] == 94, "six times, and then no more"


def test_what_another_try_cannot_mend_is_raised_at_once() -> None:
    tries: list[int] = []

    def read() -> None:
        tries.append(1)
        raise InvalidData("it is no table")

    with pytest.raises(InvalidData):
        read_blob(read)
    assert len(tries) == 1


def test_a_job_becomes_the_problem_that_it_ordered(market: Any) -> None:
    job = job_of(market, metric="log_loss", seed=5)
    rng = np.random.default_rng(0)
    rows = [EncodedRows(rng.normal(size=(6, 4)).astype(np.float32), rng.integers(0, 3, 6)) for _ in job.inputs.names]
    problem = build_problem(job, GameRows(rows, rows[0]), 3, None)
    assert (problem.metric, problem.mode, problem.seed, problem.classes) == ("log_loss", "full", 5, 3)
    assert [player.digest for player in problem.players] == list(job.game.players)
    assert {player.name for player in problem.players} == set(job.inputs.names)
    assert problem.owners == ()
    sharded = replace(job, game=job.game.model_copy(update={"shard_rows": 3}))
    pieces = build_problem(sharded, GameRows(rows, rows[0]), 3, None)
    assert len(pieces.players) > len(rows)
    assert {owner.name for owner in pieces.owners} == set(job.inputs.names)


def test_a_game_is_read_once_and_again_after_it_was_forgotten(market: Any, loaded: LoadedGames) -> None:
    job = job_of(market)
    first = loaded.evaluator(job)
    assert loaded.evaluator(job) is first
    assert loaded.loaded() == {job.game_id}
    loaded.forget(job.game_id)
    loaded.forget(uuid.uuid4())
    assert loaded.loaded() == set()
    again = loaded.evaluator(job)
    assert again is not first
    assert [player.digest for player in again.problem.players] == [p.digest for p in first.problem.players]


def test_beyond_its_bytes_the_game_that_was_not_used_for_longest_goes_but_never_the_one_in_hand(market: Any) -> None:
    jobs = [job_of(market, seed=seed) for seed in range(3)]
    small = LoadedGames(market.blobs, market.settings.model_copy(update={"worker_cache_bytes": 1}), "cpu")
    for job in jobs:
        small.evaluator(job)
        assert small.loaded() == {job.game_id}
    large = LoadedGames(market.blobs, market.settings, "cpu")
    for job in jobs:
        large.evaluator(job)
    assert large.loaded() == {job.game_id for job in jobs}


def test_games_that_read_a_withdrawn_dataset_are_dropped_and_others_stay(market: Any, loaded: LoadedGames) -> None:
    all_of_them, without = job_of(market), job_of(market, datasets=market.datasets[1:])
    for job in (all_of_them, without):
        loaded.evaluator(job)
    with transaction(market.factory) as session:
        session.get_one(Dataset, market.datasets[0]).status = DatasetStatus.WITHDRAWN
    with transaction(market.factory) as session:
        loaded.drop_withdrawn(session)
    assert loaded.loaded() == {without.game_id}
