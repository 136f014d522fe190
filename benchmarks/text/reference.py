"""The exact game: LoRA adapters trained anew for every coalition, kept as they are found so that a stopped run goes on.

Adapters are stored, not worths: any metric and any part of the test set can be scored from them afterwards. Copies are
one content: a coalition that differs from another by which copy it keeps is the same coalition.
"""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import store
from benchmarks.text import game
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, all_coalitions
from worker.engine.games.problem import Problem
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Pool
from worker.engine.tensors.seeds import derive


def folder(seed: int) -> Path:
    return store.folder() / game.CELLS / f"seed{seed}"


def base(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """The base model of every game; trained once and kept, with its seconds."""
    path = store.folder() / "text" / f"base{seed}.npz"
    if not path.is_file():
        begun = time.process_time()
        arrays = game.train_base(seed)
        _write(path, {**arrays, "seconds": np.array(time.process_time() - begun)})
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files if name != "seconds"}


def game_of(seed: int) -> Problem:
    """The game of a seed on the kept base."""
    return game.problem(seed, base())


def distinct(problem: Problem) -> Coalitions:
    """Every coalition once, copies being interchangeable, bool[m, n]."""
    canonical = Evaluator(problem).canonical(all_coalitions(len(problem.players)))
    return np.unique(canonical, axis=0)


def key(row: NDArray[np.bool_]) -> str:
    return "".join("01"[int(kept)] for kept in row)


def place(seed: int, source: str) -> Path:
    """Where the models of a source are kept."""
    return folder(seed) / source.replace(":", "-")


def is_whole(seed: int, source: str = "retrain") -> bool:
    """Whether every coalition of a seed's game was trained."""
    return all((place(seed, source) / f"{key(row)}.npz").is_file() for row in distinct(game_of(seed)))


def measure(seed: int, part: int = 0, parts: int = 1, source: str = "retrain") -> None:
    """Train what is missing of all coalitions; several processes may each begin at a part."""
    order = sorted(distinct(game_of(seed)), key=lambda row: (min(row.sum(), (~row).sum()), key(row)))
    first = part * len(order) // parts
    train(seed, np.array(order[first:] + order[:first]), source)


def train(seed: int, coalitions: Coalitions, source: str) -> None:
    """Train what is missing of these coalitions."""
    problem = game_of(seed)
    evaluator = Evaluator(problem)
    learner, pool = evaluator.learner, Pool(problem, torch.device("cpu"), torch.float32)
    start = learner.start(problem.seed)
    luck = derive(problem.seed, source)
    for row in coalitions:
        path = place(seed, source) / f"{key(row)}.npz"
        if path.is_file():
            continue
        begun, wall = time.process_time(), time.perf_counter()
        with batching.single_threaded():
            model = learner.train(start, pool, row[None], luck, lambda: None)[0]
        spent = {"seconds": np.array(time.process_time() - begun), "wall": np.array(time.perf_counter() - wall)}
        _write(path, {"model": model.numpy(), **spent})


def load(seed: int, coalitions: Coalitions, source: str = "retrain") -> tuple[Tensor, float]:
    """Adapters [m, P] of coalitions, and the processor seconds that training them took."""
    models, seconds = [], 0.0
    for row in coalitions:
        with np.load(place(seed, source) / f"{key(row)}.npz", allow_pickle=False) as found:
            models.append(torch.from_numpy(found["model"]))
            seconds += float(found["seconds"])
    return torch.stack(models), seconds


def _write(path: Path, arrays: dict[str, NDArray[np.float32]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npz")
    np.savez(beside, **arrays)
    beside.replace(path)
