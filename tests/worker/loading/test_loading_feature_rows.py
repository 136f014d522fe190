"""Rows of a job on a frozen model: stored beside its models and taken out again, and only for jobs that have some."""

import uuid
from typing import Any

import numpy as np
import pytest

from app.datasets.rows.encoding import EncodedRows
from contract.orders.game import Encoding, FrozenGame, FrozenModelRows, LearnerChoice, TableEncoding
from contract.orders.job import AgreedTerms, Job, JobInputs
from contract.orders.spec import ValuationSpec
from contract.rows.files import InputFile
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.loading.feature_rows import GameRows, base_of, encoding_of, from_arrays, rows_of, to_arrays

TEXTS = FrozenModelRows(kind="features", of="text", target="label", classes=("no", "yes"), context=32)
FILE = InputFile(name="it", digest="d", format="jsonl", target="label")
RNG = np.random.default_rng(0)


def rows(count: int) -> EncodedRows:
    return EncodedRows(RNG.normal(size=(count, 3)).astype(np.float32), RNG.integers(0, 2, count))


def job(encoding: Encoding, base: str | None = "b") -> Job:
    game = FrozenGame(
        players=("a1",),
        test="t0",
        encoding=encoding,
        learner=LearnerChoice(name="logistic", hyper={}),
        checkpoint=None,
        base=base,
        metric="accuracy",
        mode="full",
        unlearning={},
        seed=3,
        device="cpu",
    )
    inputs = JobInputs(
        names=("a",),
        players=((FILE,),),
        rows=(3,),
        seating=(),
        notes=(),
        test=FILE,
        checkpoint=None,
        base=base,
        terms=AgreedTerms(fee_basis_points=0, reserves=()),
    )
    return Job(uuid.uuid4(), game, "g", inputs, ValuationSpec(), None, None)


def test_rows_come_back_as_they_were_stored_and_leave_what_else_was_stored() -> None:
    given = GameRows([rows(4), rows(2)], rows(5))
    stored: dict[str, Any] = to_arrays(given) | {"base.weight": np.zeros(2)}
    assert len(stored) == 7
    back = from_arrays(stored, 2)
    for one, other in zip([*given.players, given.test], [*back.players, back.test], strict=True):
        assert np.array_equal(one.X, other.X)
        assert np.array_equal(one.y, other.y)
    assert stored.keys() == {"base.weight"}, "models are what is left"


def test_rows_of_fewer_players_than_the_game_has_are_an_error() -> None:
    with pytest.raises(KeyError):
        from_arrays(to_arrays(GameRows([rows(4)], rows(5))), 2)


def test_the_rows_of_a_problem_are_its_players_in_its_own_order() -> None:
    players = [PlayerData(name, own.X, own.y) for name, own in (("a", rows(4)), ("b", rows(6)))]
    test = rows(5)
    problem = Problem(players, Rows(test.X, test.y), 2, LearnerSpec("logistic"))
    found = rows_of(problem)
    assert all(np.array_equal(own.X, player.X) for own, player in zip(found.players, problem.players, strict=True))
    assert np.array_equal(found.test.X, problem.test.X)


def test_only_a_job_on_a_frozen_model_has_such_rows() -> None:
    assert encoding_of(job(TEXTS)) is TEXTS
    assert base_of(job(TEXTS)) == "b"
    with pytest.raises(AssertionError, match="reads no file with a frozen model"):
        encoding_of(job(TableEncoding(columns={"classes": ["no", "yes"]})))
    with pytest.raises(AssertionError, match="stands on a model and names none"):
        base_of(job(TEXTS, None))
