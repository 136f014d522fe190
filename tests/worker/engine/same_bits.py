"""That a worth, and the answers behind it, have the same bits however it is asked for: how many at a time, in what
order, in which stack."""

from collections.abc import Iterable

import numpy as np

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import Problem

Way = tuple[int, int | None, int]


def assert_same_bits(
    problem: Problem,
    source: str,
    coalitions: Coalitions,
    stack: int | None,
    ways: Iterable[Way],
    *,
    mixed: bool = False,
) -> None:
    """All at once in stacks of ``stack``, and so many (size, stack, threads) at a time: in order, or ``mixed``."""
    whole = Evaluator(problem, stack=stack)
    expected, count = whole.worth(source, coalitions), len(coalitions)
    answers = whole.answers(source, coalitions)
    state = whole.prepared_state()
    for size, at_once, threads in ways:
        evaluator = Evaluator(problem, prepared=state, stack=at_once, threads=threads)
        order = np.random.default_rng(size).permutation(count) if mixed else np.arange(count)
        found = [evaluator.worth(source, coalitions[order[a : a + size]]) for a in range(0, count, size)]
        assert np.concatenate(found).tobytes() == expected[order].tobytes(), (size, at_once, threads)
        # worths below the baseline are all alike; answers are not
        assert evaluator.answers(source, coalitions).tobytes() == answers.tobytes(), (size, at_once, threads)
