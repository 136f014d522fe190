"""What a job asks of the agents beside data at home, before it is posted: rounds, bytes, and what latency adds. Pure.

Ridge regression takes one question of moments. Logistic regression is solved by L-BFGS, each of whose steps is a round
in which every agent is asked for the gradients of up to eight models: everybody's model, then the retrained
coalitions, eight at a time. Tables of few columns take fewer steps than digits, of which the number here was counted
(docs/benchmarks-agents.md). An unlearned worth follows from two answers a player.

A network takes as many rounds as training has steps for everybody's model, and as many again for each stack of
retrained ones; of a stack an agent answers for the coalitions that it is in, which are all of them at the most. Its
unlearned worths follow from one answer a player.

A language model takes one question a player, which is answered with an adapter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.valuations.job_schemas import AgentsEffort
from contract.agent_adapters import adapter_of
from contract.agent_networks import MOST_SKETCH, NetworkSettings
from contract.learning.learners import Architecture, Hyper
from contract.orders.spec import FIDELITIES

# steps of L-BFGS of a solution, as counted on digits: 149 rounds with 8 retrainings, 366 to 377 with 30
ROUNDS_EACH = 75
MODELS_AT_A_TIME = 8
# retrained networks of a stack: what is computed again as a check comes alone, and shards cut stacks
NETWORKS_AT_A_TIME = 4
_PLAYER_QUESTIONS = 2
_NUMBER, _CELL, _PATHS = 8, 20, 6000
_SINGLE, _QUESTION = 4, 2000
*_, _RETRAIN = FIDELITIES


@dataclass(frozen=True)
class _Asked:
    """Rounds, and numbers (or bytes) that each agent sends and receives."""

    rounds: int
    sent: int
    received: int


# rounds in which rows are opened: two for each direction of each answer that is looked at
_OPENING = {Architecture.RIDGE.value: 4, Architecture.LOGISTIC.value: 6, Architecture.MLP.value: 8}


def agents_effort(
    learner: str,
    hyper: Hyper,
    width: int,
    classes: int,
    evaluations: Mapping[str, int],
    agents: int,
    open_rows: int = 0,
) -> AgentsEffort:
    """For an encoding of ``width`` columns and so many classes (1: a number), worths by fidelity, and rows that are
    opened of each at the end."""
    outputs, retrained = max(1, classes), evaluations.get(_RETRAIN, 0)
    if learner == Architecture.RIDGE.value:
        asked = _Asked(1, _moments(width + 1, outputs), 0)
    elif learner == Architecture.LM.value:
        return _of_adapter(hyper, agents)
    elif learner == Architecture.MLP.value:
        asked = _of_network(hyper, width, outputs, retrained)
    else:
        asked = _of_logistic(width, outputs, retrained)
    rounds, sent, received = asked.rounds, _NUMBER * asked.sent, _NUMBER * asked.received
    if open_rows:
        # totals, then rows; a row's two paths are hashes and sums
        rounds += _OPENING[learner]
        sent += open_rows * (_PATHS + _CELL * width)
    return _effort(_Asked(rounds, sent, received), agents)


def _moments(size: int, outputs: int) -> int:
    return size * (size + outputs)


def _of_logistic(width: int, outputs: int, retrained: int) -> _Asked:
    stacks = 1 + math.ceil(retrained / MODELS_AT_A_TIME)
    models = ROUNDS_EACH * (1 + retrained) * outputs * (width + 1)
    sent = models + ROUNDS_EACH * stacks * MODELS_AT_A_TIME + _moments(width + 1, outputs)
    return _Asked(ROUNDS_EACH * stacks + _PLAYER_QUESTIONS, sent, models)


def _of_network(hyper: Hyper, width: int, outputs: int, retrained: int) -> _Asked:
    settings = NetworkSettings.of(hyper)
    numbers, steps = settings.network.width(width, outputs), settings.steps
    stacks = 1 + math.ceil(retrained / NETWORKS_AT_A_TIME)
    models = steps * (1 + retrained) * numbers
    sketch = min(numbers, MOST_SKETCH)
    return _Asked(steps * stacks + 1, models + _moments(sketch + 1, outputs) + 1, models + numbers)


def _of_adapter(hyper: Hyper, agents: int) -> AgentsEffort:
    """One question, whose answer is trained for: how long that takes is the owner's machine's to say."""
    sent = _SINGLE * sum(math.prod(shape) for _, shape in adapter_of(hyper))
    sentence = (
        f"Each of {agents} agents trains one adapter beside its documents and sends {_shown(sent)}, in one round; the "
        "base, which each agent has a copy of, is not sent."
    )
    return AgentsEffort(
        agents=agents,
        rounds=1,
        bytes_sent=sent,
        bytes_received=_QUESTION,
        seconds_per_100_ms=0.1,
        sentence=sentence,
    )


def _effort(asked: _Asked, agents: int) -> AgentsEffort:
    """Of rounds and bytes."""
    rounds, sent, received = asked.rounds, asked.sent, asked.received
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
