"""One peer, one configuration, one game: ``python -m benchmarks.peers.run_peer GAME.npz CONFIG SEED OUT.json``.

Runs in the peers' environment (.venv-peers). Reads the players' rows from the NPZ, lets the library value them with
real trainings, and writes values, wall and processor seconds and the number of trainings. Imports nothing of the
product.
"""

import json
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.learners import Learner

MOST_UPDATES = 2000


def main() -> None:
    path, config, seed, out = sys.argv[1:5]
    warnings.simplefilter("ignore")
    with np.load(path, allow_pickle=False) as arrays:
        game = {name: arrays[name] for name in arrays.files}
    with tempfile.TemporaryDirectory() as folder:
        tally = str(Path(folder) / "tally")
        Path(tally).touch()
        start = [game[f"start{k}"] for k in range(4)] if "start0" in game else None
        learner = Learner(str(game["learner"]), int(game["classes"]), start, tally)
        wall, cpu = time.perf_counter(), _cpu()
        run = _pydvl if config.startswith("pydvl") else _shapiq
        values = run(config, game, learner, int(seed))
        result = {
            "config": config,
            "values": [float(v) for v in values],
            "wall": time.perf_counter() - wall,
            "cpu": _cpu() - cpu,
            "trainings": os.path.getsize(tally),
        }
    Path(out).write_text(json.dumps(result))


def _cpu() -> float:
    """Processor seconds of this process and of its finished children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _pydvl(config: str, game: dict[str, Any], learner: Learner, seed: int) -> NDArray[np.float64]:
    from joblib import parallel_config
    from pydvl.utils.caching import CachedFuncConfig, InMemoryCacheBackend
    from pydvl.valuation import (
        AbsoluteStandardError,
        AntitheticPermutationSampler,
        Dataset,
        GroupedDataset,
        MaxUpdates,
        ModelUtility,
        ShapleyValuation,
        SupervisedScorer,
        TMCShapleyValuation,
    )

    train = GroupedDataset(game["X"], game["y"], data_groups=game["owner"].tolist())
    test = Dataset(game["test_X"], game["test_y"])
    scorer = SupervisedScorer(_accuracy, test, default=float(game["empty"]), range=(0.0, 1.0))
    cached = {"cache_backend": InMemoryCacheBackend(), "cached_func_options": CachedFuncConfig(time_threshold=0.0)}
    utility = ModelUtility(learner, scorer, catch_errors=False, **(cached if config.endswith("cached") else {}))
    if "antithetic" in config:
        valuation = ShapleyValuation(
            utility,
            AntitheticPermutationSampler(seed=seed),
            AbsoluteStandardError(threshold=0.01, burn_in=20) | MaxUpdates(MOST_UPDATES),
        )
    else:
        valuation = TMCShapleyValuation(utility, seed=seed)
    with parallel_config(n_jobs=os.cpu_count() if config.endswith("parallel") else 1):
        valuation.fit(train)
    result = valuation.result
    values = np.zeros(len(result))
    for index, value in zip(result.indices, result.values, strict=True):
        values[int(index)] = value
    return values


def _accuracy(model: Learner, X: NDArray[Any], y: NDArray[Any]) -> float:
    return model.score(X, y)


def _shapiq(config: str, game: dict[str, Any], learner: Learner, seed: int) -> NDArray[np.float64]:
    import shapiq

    X, y, owner, n = game["X"], game["y"], game["owner"], int(game["owner"].max()) + 1
    known: dict[bytes, float] = {bytes(n): float(game["empty"])}

    def worth(coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        coalitions = np.atleast_2d(np.asarray(coalitions, dtype=bool))
        for row in coalitions:
            if row.tobytes() not in known:
                rows = row[owner]
                known[row.tobytes()] = learner.fit(X[rows], y[rows]).score(game["test_X"], game["test_y"])
        return np.array([known[row.tobytes()] for row in coalitions])

    name, budget = config.removeprefix("shapiq-").rsplit("-", 1)
    made = {
        "permutation": lambda: shapiq.PermutationSamplingSV(n, random_state=seed),
        "kernelshap-paired": lambda: shapiq.KernelSHAP(n, pairing_trick=True, random_state=seed),
        "svarm-paired": lambda: shapiq.SVARM(n, pairing_trick=True, random_state=seed),
        "stratified": lambda: shapiq.StratifiedSamplingSV(n, random_state=seed),
    }[name]()
    return np.asarray(made.approximate(int(budget), worth).get_n_order_values(1))


if __name__ == "__main__":
    main()
