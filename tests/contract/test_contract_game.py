"""The frozen game: what can change a worth is in its digest, and what came later leaves older digests alone."""

from typing import Any

import pytest
from pydantic import ValidationError

from contract.document import digest_of
from contract.orders.game import (
    ENGINE_RULES,
    FrozenGame,
    FrozenModelRows,
    LearnerChoice,
    TableEncoding,
    TokenBlocks,
)
from contract.tasks import Reads

TABLE = TableEncoding(columns={"classes": ["no", "yes"], "numbers": ["a"]})
BLOCKS = TokenBlocks(context=16, vocabulary=100, domain_column=None, domains=())
TEXTS = FrozenModelRows(kind="features", of="text", target="label", classes=("no", "yes"), context=32)


def game(**changes: Any) -> FrozenGame:
    members: dict[str, Any] = {
        "players": ("a1", "b2"),
        "test": "t0",
        "encoding": TABLE,
        "learner": LearnerChoice(name="logistic", hyper={"l2": 0.01}),
        "checkpoint": None,
        "metric": "accuracy",
        "mode": "full",
        "unlearning": {},
        "seed": 3,
        "device": "cpu",
    }
    return FrozenGame(**members | changes)


CHANGES: dict[str, Any] = {
    "rules": ENGINE_RULES + 1,
    "players": ("a1", "c3"),
    "test": "t1",
    "encoding": TEXTS,
    "learner": LearnerChoice(name="logistic", hyper={"l2": 0.02}),
    "checkpoint": "c0",
    "base": "b0",
    "metric": "log_loss",
    "mode": "partial",
    "unlearning": {"tangent.k": 50},
    "seed": 4,
    "device": "gpu",
    "class_weights": "balanced",
    "shard_rows": 10,
    "groups": "g0",
    "segments": "s0",
    "statistics": "q0",
    "composed": "mixture",
}


def test_every_member_of_a_game_changes_its_digest() -> None:
    assert set(CHANGES) == set(FrozenGame.model_fields)
    digests = {game(**{name: value}).digest for name, value in CHANGES.items()}
    assert len(digests | {game().digest}) == len(CHANGES) + 1


def test_members_that_came_later_are_named_only_where_they_are_chosen() -> None:
    """Games that were stored before these members keep their digests, and so their worths."""
    plain = game().plain()
    assert not {"base", "class_weights", "shard_rows"} & set(plain)
    assert plain["encoding"] == TABLE.columns
    assert game().digest == digest_of(plain)
    chosen = game(base="b0", class_weights="pooled", shard_rows=7).plain()
    assert (chosen["base"], chosen["class_weights"], chosen["shard_rows"]) == ("b0", "pooled", 7)


@pytest.mark.parametrize("encoding", [TABLE, BLOCKS, TEXTS], ids=lambda each: each.kind)
def test_a_game_reads_back_as_it_was_written(encoding: Any) -> None:
    whole = game(encoding=encoding, shard_rows=5)
    assert FrozenGame.read(whole.plain()) == whole
    assert FrozenGame.read(whole.plain()).digest == whole.digest


def test_a_corpus_without_domains_says_so() -> None:
    assert game(encoding=BLOCKS).plain()["encoding"]["domain_column"] is None
    assert "size" not in game(encoding=TEXTS).plain()["encoding"], "sizes that do not apply are left out"


def test_players_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="in the order of their digests"):
        game(players=("b2", "a1"))


def test_what_rows_are_to_the_model_and_which_labels_they_have_follow_from_the_encoding() -> None:
    images = FrozenModelRows(kind="inputs", of="image", target="label", classes=("x", "y"), size=32)
    assert [game(encoding=each).reads for each in (TABLE, BLOCKS, TEXTS, images)] == [
        Reads.TABLE,
        Reads.TOKENS,
        Reads.TEXT,
        Reads.IMAGE,
    ]
    assert game().classes == ("no", "yes")
    assert game(encoding=images).classes == ("x", "y")
    assert game(encoding=BLOCKS).classes == (), "a language model predicts tokens"
