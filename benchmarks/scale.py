"""Cost by number of players, and coalitions per second by how many are stacked.

``players``: ``value()`` at its defaults for n = 5 to 100 players: evaluations, seconds, peak memory, and the share
error against a reference of many retrainings (exact where n allows). ``throughput``: the same coalitions in stacks of
1 to 64.
"""

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks import store
from benchmarks.markets import DataMissing, make_market
from benchmarks.measures import share_error
from benchmarks.tables import problem_of
from worker.engine.estimators.exact import exact_values
from worker.engine.estimators.svarm import svarm
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import FunctionGame, all_coalitions
from worker.engine.valuation import ValuationSpec, value

GAME = "adult-logistic"  # its retraining is quick and has no seed noise, so the reference can be bought
COUNTS = (5, 10, 20, 50, 100)
REFERENCE = 4096  # retrainings behind the reference above 10 players; two of them say how good it is
STACKS = (1, 2, 4, 8, 16, 32, 64)
THROUGHPUT_GAMES = ("digits-mlp", "adult-logistic", "mnist-cnn")


def measure(counts: Sequence[int] = COUNTS, reference: int = REFERENCE) -> None:
    """Measure every cell that is not there yet."""
    for n in counts:
        try:
            store.cell("scale", f"players/{GAME}/{n}", lambda n=n: players(n, reference))
            print(f"scale: {n} players", flush=True)
        except DataMissing as missing:
            print(f"scale: skipped, {missing}", flush=True)
            break
    for name in THROUGHPUT_GAMES:
        try:
            for source in ("retrain", "unlearn:tangent"):
                key = f"throughput/{name}/{source.replace(':', '_')}"
                store.cell("scale", key, lambda name=name, source=source: throughput(name, source))
            print(f"scale: throughput of {name}", flush=True)
        except DataMissing as missing:
            print(f"{name}: skipped, {missing}", flush=True)


def players(n: int, reference: int) -> dict[str, Any]:
    """One default valuation of n players with its cost, and its share error."""
    problem = problem_of(make_market(GAME, 0, n=n))
    evaluator = Evaluator(problem)
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator.prepare()
    answer = value(evaluator, ValuationSpec(seed=0))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = np.array([p.value for p in answer.players])
    truths = references(evaluator, n, reference)
    wanted = np.mean(truths, axis=0)
    return {
        "evaluations": answer.evaluations,
        "stopped_by": answer.stopped_by,
        "widest": answer.trace[-1].widest,
        "wall": wall,
        "cpu": cpu,
        "peak_mib": memory,
        "seconds_by_source": answer.seconds_by_source,
        "own_cpu": cpu - sum(answer.seconds_by_source.values()) * cpu / wall,
        **asdict(share_error(found, wanted)),
        "reference_retrainings": (1 << n) if n <= 10 else 2 * reference,
        "reference_gap": asdict(share_error(truths[0], truths[-1])),
    }


def references(evaluator: Evaluator, n: int, budget: int) -> list[np.ndarray[Any, Any]]:
    """Exact values up to 10 players; above, two independent SVARM runs of ``budget`` retrainings each."""
    if n <= 10:
        return [exact_values(evaluator.worth("retrain", all_coalitions(n)))]
    game = FunctionGame(n, lambda coalitions: evaluator.worth("retrain", coalitions))
    return [svarm(game, budget, np.random.default_rng(1000 + k)).values for k in range(2)]


def throughput(name: str, source: str) -> dict[str, Any]:
    """Coalitions per second (wall and processor) by stack size, and with two threads at the default stack."""
    problem = problem_of(make_market(name, 0))
    coalitions = all_coalitions(len(problem.players))[1:-1]
    some = coalitions[np.random.default_rng(0).choice(len(coalitions), 64, replace=False)]
    prepared = Evaluator(problem).prepared_state()
    result: dict[str, Any] = {}
    settings: list[tuple[str, int | None, int]] = [(str(k), k, 1) for k in STACKS]
    for label, stack, threads in [*settings, ("default", None, 1), ("default, 2 threads", None, 2)]:
        evaluator = Evaluator(problem, prepared=prepared, stack=stack, threads=threads)
        evaluator.prepare()
        evaluator.worth(source, some[:1])  # what a method prepares once is not throughput
        wall, cpu = time.perf_counter(), time.process_time()
        evaluator.worth(source, some[1:])
        count = len(some) - 1
        result[label] = {
            "per_second": count / (time.perf_counter() - wall),
            "per_cpu_second": count / (time.process_time() - cpu),
        }
    return result
