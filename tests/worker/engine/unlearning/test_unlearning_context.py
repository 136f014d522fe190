"""What a method is given: rows it may see, counts of those it may not, seeds by purpose, and a memory for its sums."""

import torch

from worker.engine.tensors.seeds import derive


def test_what_is_prepared_is_computed_once_for_each_key(networks) -> None:
    context = networks()
    made: list[str] = []

    def make(name: str):
        return lambda: made.append(name) or name

    assert context.once("a", make("a")) == context.once("a", make("again")) == "a"
    assert context.once("b", make("b")) == "b"
    assert made == ["a", "b"]


def test_rows_of_no_player_can_not_be_forgotten(blobs, networks) -> None:
    assert (plain := networks()).players_only() is plain.pool
    rest = networks(rest=blobs().test)
    players = rest.players_only()
    assert rest.pool.rest_rows == 77
    assert len(players) == len(rest.pool) - 77
    assert torch.equal(players.X, rest.pool.X[77:])
    assert rest.players_only() is players


def test_hidden_rows_count_though_they_are_not_here(networks) -> None:
    partial = networks(mode="partial", unlearning={"hidden_rows": 50})
    assert partial.partial
    assert partial.total_rows == len(partial.pool) + 50
    assert not networks().partial
    assert networks().total_rows == len(networks().pool)


def test_rows_that_anchor_are_held_out_rows_that_measure_nothing(networks) -> None:
    partial, full = networks(mode="partial"), networks()
    assert partial.anchor is not None
    assert partial.held_out is partial.anchor
    assert full.anchor is None
    assert len(partial.anchor[1]) < len(full.held_out[1]) == 77


def test_draws_are_seeded_by_their_purpose_and_the_job(networks) -> None:
    context = networks()
    assert context.seed("ascent") == derive(context.problem.seed, "ascent")
    assert context.seed("ascent") != context.seed("descent")
    assert context.seed("ascent") != networks(seed=1).seed("ascent")


def test_an_option_is_what_the_job_says_or_the_method_s_own_default(networks) -> None:
    context = networks(unlearning={"paper.steps": 3})
    assert context.option("paper.steps", 20) == 3
    assert context.option("paper.anchor", 1.5) == 1.5
