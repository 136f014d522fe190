"""The same game through Cherish, pyDVL and shapiq in one run, one after the other on the same machine.

Writes the players' rows to an NPZ, runs ``value()`` here and each peer configuration in its own process of the peers'
environment, and judges all of them by the same table of retrained worths. Cells: ``peers/GAME/SEED``.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import store
from benchmarks.fidelity import judged
from benchmarks.markets import DataMissing, Market, make_market
from benchmarks.measures import share_error
from benchmarks.peers.configurations import CONFIGS
from benchmarks.tables import Table, problem_of, table
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import Problem
from worker.engine.valuation import ValuationSpec, value

PYTHON = store.ROOT / ".venv-peers" / "bin" / "python"
GAMES = ("adult-logistic", "digits-mlp")
LIMIT_SECONDS = 900
QUICK = ("pydvl-tmc-defaults", "shapiq-kernelshap-paired-200", "shapiq-svarm-paired-200")


def measure(seeds: Sequence[int], configs: Sequence[str] = CONFIGS) -> None:
    """Measure every cell that is not there yet; says so and does nothing where the peers' environment is absent."""
    if not PYTHON.is_file():
        print("peers: skipped, .venv-peers is absent; make it with `make peers-env`", flush=True)
        return
    for seed in seeds:
        for name in GAMES:
            try:
                market = make_market(name, seed)
            except DataMissing as missing:
                print(f"{name}: skipped, {missing}", flush=True)
                continue
            data = store.cell("peers", f"{name}/{seed}", lambda market=market: side_by_side(market, configs))
            print(f"peers {name} seed {seed}: {len(data)} configurations", flush=True)


def side_by_side(market: Market, configs: Sequence[str]) -> dict[str, Any]:
    """Every configuration once: wall and processor seconds, trainings, share error."""
    truth = table(market, "retrain")
    problem = problem_of(market)
    result: dict[str, Any] = {"exact": {"wall": truth.wall, "cpu": truth.cpu, "trainings": truth.computed}}
    result["cherish"] = cherish(problem, truth, market.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "game.npz"
        write_game(path, problem, truth)
        for config in configs:
            result[config] = peer(path, config, market.seed, truth)
    result["cherish again"] = cherish(problem, truth, market.seed)  # the machine at the end of the run
    return result


def cherish(problem: Problem, truth: Table, seed: int) -> dict[str, Any]:
    """``value()`` at its defaults, preparation included."""
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator = Evaluator(problem)
    evaluator.prepare()
    answer = value(evaluator, ValuationSpec(metric="accuracy", seed=seed))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = judged(answer, truth.names, truth.values("accuracy"))
    return {"wall": wall, "cpu": cpu, "trainings": found["evaluations"]["retrain"], **found}


def write_game(path: Path, problem: Problem, truth: Table) -> None:
    """The game as plain arrays: pooled rows, their owners, the test rows, the learner and its start."""
    arrays: dict[str, Any] = {
        "X": np.concatenate([p.X.reshape(len(p), -1) for p in problem.players]),
        "y": np.concatenate([p.y for p in problem.players]),
        "owner": np.concatenate([np.full(len(p), i) for i, p in enumerate(problem.players)]),
        "test_X": problem.test.X.reshape(len(problem.test), -1),
        "test_y": problem.test.y,
        "classes": np.array(problem.classes),
        "learner": np.array(_spec_text(problem)),
        "empty": np.array(truth.worths["accuracy"][0]),
    }
    if problem.learner.name == "mlp":
        evaluator = Evaluator(problem)
        state = evaluator.prepared_state()
        for k, name in enumerate(("0.weight", "0.bias", "2.weight", "2.bias")):
            arrays[f"start{k}"] = state[f"base.{name}"]
    np.savez(path, **arrays)


def _spec_text(problem: Problem) -> str:
    return problem.learner.name + ":" + ",".join(f"{k}={v}" for k, v in problem.learner.hyper.items())


def peer(path: Path, config: str, seed: int, truth: Table) -> dict[str, Any]:
    """One configuration in its own process; a run past its limit is reported as such, never as a number."""
    out = path.with_name(f"{config}.json")
    command = [str(PYTHON), "-m", "benchmarks.peers.run_peer", str(path), config, str(seed), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, cwd=store.ROOT, env=environment, timeout=LIMIT_SECONDS, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not finished after {LIMIT_SECONDS} s"}
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    found = json.loads(out.read_text())
    error = share_error(np.array(found["values"]), truth.values("accuracy"))
    return {**{k: found[k] for k in ("wall", "cpu", "trainings")}, "worst": error.worst, "tv": error.tv}
