"""What a quote says of agents, held to what jobs on digits were counted to ask (docs/benchmarks-agents.md)."""

import pytest

from app.valuations.orders.agents_effort import agents_effort

DIGITS = 64


@pytest.mark.parametrize(
    ("agents", "retrained", "rounds", "sent"),
    [(3, 8, 149, 4.2e6), (5, 30, 366, 13.6e6), (10, 30, 375, 13.8e6), (20, 30, 377, 14.6e6)],
)
def test_rounds_and_bytes_are_near_what_was_counted(agents: int, retrained: int, rounds: int, sent: float) -> None:
    told = agents_effort("logistic", {}, DIGITS, 10, {"unlearn": 2**agents, "retrain": retrained}, agents)
    assert told.rounds == pytest.approx(rounds, rel=0.1)
    assert sent / 1.5 < told.bytes_sent < 1.5 * sent
    assert told.seconds_per_100_ms == told.rounds / 10
    assert f"Each of {agents} agents" in told.sentence


def test_ridge_takes_one_answer_of_moments() -> None:
    told = agents_effort("ridge", {}, DIGITS, 1, {"unlearn": 8, "retrain": 8}, 3)
    assert (told.rounds, told.bytes_sent) == (1, 8 * (DIGITS + 1) * (DIGITS + 2))
    assert "1 round and sends 34.3 kB" in told.sentence


def test_a_network_takes_a_round_a_step_for_each_stack_and_no_more_bytes_than_all_its_models() -> None:
    hyper = {"hidden": 64, "steps": 150, "double": 1}
    told = agents_effort("mlp", hyper, DIGITS, 10, {"unlearn": 24, "retrain": 30}, 5)
    numbers = 64 * 64 + 64 + 640 + 32  # the bias of ten outputs is filled up to 32
    assert told.rounds == 150 * 9 + 1
    assert told.bytes_sent == 8 * (150 * 31 * numbers + 1025 * 1035 + 1)
    assert agents_effort("mlp", {}, DIGITS, 10, {"retrain": 0}, 5).rounds == 151


def test_a_language_model_takes_one_adapter_whose_numbers_follow_from_its_sizes() -> None:
    hyper = {"layers": 2, "width": 32, "heads": 2, "inner": 96, "rank": 4}
    told = agents_effort("lm", hyper, 33, 256, {"unlearn": 8}, 3)
    square, wide = 4 * (32 + 32), 4 * (32 + 96)
    assert (told.rounds, told.bytes_sent) == (1, 4 * 2 * (4 * square + 3 * wide))
    assert "trains one adapter beside its documents and sends 20.5 kB" in told.sentence
