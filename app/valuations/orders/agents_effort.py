"""What a job asks of the agents beside data at home, before it is posted: rounds, bytes, and what latency adds. Pure.

Ridge regression takes one question of moments. Logistic regression is solved by L-BFGS, each of whose steps is a round
in which every agent is asked for the gradients of up to eight models: everybody's model, then the retrained
coalitions, eight at a time. Tables of few columns take fewer steps than digits, of which the number here was counted
(docs/benchmarks-agents.md). An unlearned worth follows from two answers a player.
"""

import math
from collections.abc import Mapping

from app.valuations.job_schemas import AgentsEffort
from contract.learning.learners import Architecture
from contract.orders.spec import FIDELITIES

# steps of L-BFGS of a solution, as counted on digits: 149 rounds with 8 retrainings, 366 to 377 with 30
ROUNDS_EACH = 75
MODELS_AT_A_TIME = 8
_PLAYER_QUESTIONS = 2
_NUMBER, _CELL, _PATHS = 8, 20, 6000
*_, _RETRAIN = FIDELITIES


def agents_effort(
    learner: str, width: int, classes: int, evaluations: Mapping[str, int], agents: int, open_rows: int = 0
) -> AgentsEffort:
    """For an encoding of ``width`` columns and so many classes (1: a number), worths by fidelity, and rows that are
    opened of each at the end."""
    outputs, moments = max(1, classes), (width + 1) * (width + 1 + max(1, classes))
    if learner == Architecture.RIDGE.value:
        rounds, sent, received = 1, moments, 0
    else:
        stacks = 1 + math.ceil(evaluations.get(_RETRAIN, 0) / MODELS_AT_A_TIME)
        rounds = ROUNDS_EACH * stacks + _PLAYER_QUESTIONS
        models = ROUNDS_EACH * (1 + evaluations.get(_RETRAIN, 0)) * outputs * (width + 1)
        sent, received = models + ROUNDS_EACH * stacks * MODELS_AT_A_TIME + moments, models
    sent, received = _NUMBER * sent, _NUMBER * received
    if open_rows:
        # totals, then rows, for each kind of answer that is looked at; a row's two paths are hashes and sums
        rounds += 2 * (1 if learner == Architecture.RIDGE.value else 2)
        sent += open_rows * (_PATHS + _CELL * width)
    sentence = (
        f"Each of {agents} agents is asked in {'1 round' if rounds == 1 else f'up to about {rounds} rounds'} and sends "
        f"{_shown(sent)}; a connection that takes 100 ms to answer adds {rounds / 10:.0f} s."
    )
    return AgentsEffort(
        agents=agents,
        rounds=rounds,
        bytes_sent=sent,
        bytes_received=received,
        seconds_per_100_ms=rounds / 10,
        sentence=sentence,
    )


def _shown(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
