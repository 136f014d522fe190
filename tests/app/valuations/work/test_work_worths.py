"""Worths come back bit for bit under (game, source, coalition), and say what a worth of their kind has cost."""

import struct
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.identity import Role
from app.valuations.states import CHECK, ShardKind, ShardStatus, ValuationStatus
from app.valuations.tables import BuyerGame, Evaluation, Round, Shard, Valuation, ValuationPlayer
from app.valuations.work import worths


@pytest.fixture
def game(session: Session, known: Callable[..., Any]) -> Callable[..., BuyerGame]:
    buyer = known(Role.BUYER)

    def make(learner: str = "logistic", base: str | None = None, seconds: float | None = None) -> BuyerGame:
        frozen = {"learner": {"name": learner}} | ({} if base is None else {"base": base})
        facts = None if seconds is None else {"seconds": seconds}
        row = BuyerGame(buyer_id=buyer.account.id, digest=uuid.uuid4().hex * 2, frozen=frozen, facts=facts)
        session.add(row)
        session.flush()
        return row

    return make


def job(session: Session, game: BuyerGame, *rows: int) -> Valuation:
    """A job on this game whose players have these rows."""
    made = Valuation(
        buyer_id=game.buyer_id,
        game_id=game.id,
        status=ValuationStatus.RUNNING,
        spec={},
        inputs={},
        pool_minor=1,
        currency="EUR",
        queue="cpu",
    )
    session.add(made)
    session.flush()
    for position, count in enumerate(rows):
        session.add(
            ValuationPlayer(
                valuation_id=made.id,
                position=position,
                provider_id=game.buyer_id,
                name=f"p{position}",
                datasets=[],
                digest="d",
                rows=count,
            )
        )
    session.flush()
    return made


def store(
    session: Session, game: BuyerGame, source: str, found: dict[bytes, float], shard: uuid.UUID | None = None
) -> None:
    for coalition, worth in found.items():
        session.add(
            Evaluation(
                game_id=game.id,
                source=source,
                coalition=coalition,
                worth=worth,
                seconds=0.25,
                valuation_id=uuid.uuid4(),
                shard_id=shard or uuid.uuid4(),
                fence=1,
            )
        )
    session.flush()


def test_worths_come_back_to_the_last_bit_and_by_source(session: Session, game: Callable[..., BuyerGame]) -> None:
    own, other = game(), game()
    exact = {b"\x01": 0.1 + 0.2, b"\x02": -0.0, b"\x03": 5e-324}
    store(session, own, "retrain", exact)
    store(session, own, "unlearn:tangent", {b"\x01": 1.0})
    store(session, other, "retrain", {b"\x07": 9.0})
    stored = {row[0]: row[1:] for row in worths.stored_worths(session, own.id)}
    assert stored.keys() == {"retrain", "unlearn:tangent"}
    coalitions, numbers, seconds = stored["retrain"]
    read = dict(zip((bytes([b]) for b in coalitions), struct.unpack(">3d", numbers), strict=True))
    assert {key: struct.pack("d", value) for key, value in read.items()} == {
        key: struct.pack("d", value) for key, value in exact.items()
    }
    assert struct.unpack(">3d", seconds) == (0.25, 0.25, 0.25)


def test_only_coalitions_with_both_worths_are_pairs(session: Session, game: Callable[..., BuyerGame]) -> None:
    own, other = game(), game()
    store(session, own, "retrain", {b"\x01": 0.5, b"\x02": 0.6})
    store(session, own, "unlearn:tangent", {b"\x01": 0.4, b"\x03": 0.7})
    store(session, other, "unlearn:tangent", {b"\x02": 0.1})
    pairs = worths.stored_in_both(session, own.id, "retrain", "unlearn:tangent")
    assert [tuple(row) for row in pairs] == [(b"\x01", 0.5, 0.4)]


def test_what_is_stored_of_a_list_is_of_this_game_and_source(session: Session, game: Callable[..., BuyerGame]) -> None:
    own, other = game(), game()
    store(session, own, "retrain", {b"\x01": 0.5, b"\x02": 0.6})
    store(session, own, "unlearn:tangent", {b"\x03": 0.4})
    store(session, other, "retrain", {b"\x04": 0.1})
    asked = [b"\x01", b"\x03", b"\x04", b"\x05"]
    assert worths.stored_among(session, own.id, "retrain", asked) == {b"\x01"}
    assert worths.stored_among(session, own.id, "retrain", []) == set()


def test_the_author_of_a_worth_is_who_held_its_shard_last(session: Session, game: Callable[..., BuyerGame]) -> None:
    own = game()
    made = job(session, own, 5)
    shards = [
        Shard(
            valuation_id=made.id,
            round=1,
            kind=ShardKind.EVALUATE,
            ordinal=at,
            status=ShardStatus.DONE,
            queue="cpu",
            worker=worker,
        )
        for at, worker in enumerate(("one", "two", None))
    ]
    session.add_all(shards)
    session.flush()
    for coalition, shard in zip((b"\x01", b"\x02", b"\x03"), shards, strict=True):
        store(session, own, "retrain", {coalition: 0.5}, shard.id)
    found = worths.authors(session, own.id, "retrain", [b"\x01", b"\x02", b"\x03", b"\x09"])
    assert found == {b"\x01": "one", b"\x02": "two", b"\x03": ""}


def test_erasing_a_game_s_worths_leaves_those_of_others(session: Session, game: Callable[..., BuyerGame]) -> None:
    own, other = game(), game()
    store(session, own, "retrain", {b"\x01": 0.5, b"\x02": 0.6})
    store(session, other, "retrain", {b"\x01": 0.5})
    assert worths.erase(session, own.id) == 2
    assert worths.erase(session, own.id) == 0
    assert worths.stored_among(session, other.id, "retrain", [b"\x01"]) == {b"\x01"}


def test_seconds_are_measured_per_worth_and_row_over_all_jobs_of_a_learner_on_a_base(
    session: Session, game: Callable[..., BuyerGame]
) -> None:
    def finished(of: BuyerGame, rows: tuple[int, ...], *rounds: tuple[str, int, float]) -> None:
        made = job(session, of, *rows)
        for number, (source, done, seconds) in enumerate(rounds):
            counts = {"worths": done, "shards": 1, "open": 0, "done": done, "seconds": seconds}
            session.add(Round(valuation_id=made.id, number=number, source=source, **counts))
        session.flush()

    nothing = worths.measured(session, "logistic")
    assert (dict(nothing.per_row), nothing.jobs) == ({}, 0)
    # 4 worths of 10 rows and 6 of 30: 220 worths' rows in 33 seconds; checks and rounds without a worth say nothing
    finished(
        game(seconds=2.0),
        (4, 6),
        ("retrain", 4, 11.0),
        ("unlearn:tangent", 5, 1.0),
        (f"{CHECK}retrain", 2, 900.0),
        ("retrain:r1", 0, 900.0),
    )
    finished(game(seconds=6.0), (30,), ("retrain", 6, 22.0))
    finished(game("mlp", seconds=50.0), (30,), ("retrain", 6, 900.0))
    finished(game(base="ckpt_1", seconds=50.0), (30,), ("retrain", 6, 900.0))
    found = worths.measured(session, "logistic")
    assert found.per_row == pytest.approx({"retrain": 33 / 220, "unlearn": 1 / 50, "prepare": 8 / 40})
    assert found.jobs == 2
    assert worths.measured(session, "logistic", "ckpt_1").per_row["retrain"] == pytest.approx(5.0)
