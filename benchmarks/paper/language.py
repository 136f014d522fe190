"""A small language model whose providers can be left out for real: the game of the paper's fifth table.

Twenty providers have parts of ten books and one has noise; the base is trained on other authors, and each coalition has
adapters of its own. Truth are the likelihoods that models retrained on random sets of providers give to each test
block. Everything drawn is seeded and everything trained is kept, so that a stopped run goes on. Nothing here is judged.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.datasets.rows.corpora import BYTES, pack, tokens_of
from benchmarks import store
from benchmarks.text.game import BASE_FILES, corpora
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Pool

Floats = NDArray[np.float64]
CONTEXT = 64
SHAPE = {"layers": 2, "width": 64, "heads": 2}
STEPS = 100
ADAPTERS = {**SHAPE, "rank": 4, "alpha": 8.0, "steps": STEPS, "batch": 8, "lr": 0.003}
BASE = {**SHAPE, "rank": 0, "steps": 500, "batch": 16, "lr": 0.003}
BOOKS = {
    "austen-emma": 2, "austen-persuasion": 1, "austen-sense": 2, "carroll-alice": 2, "melville-moby_dick": 3,
    "milton-paradise": 3, "shakespeare-caesar": 1, "shakespeare-hamlet": 1, "shakespeare-macbeth": 1,
    "whitman-leaves": 3,
}  # fmt: skip
TEST_BLOCKS = 4  # of each book
LEAST, MOST = 16, 48  # blocks of a provider
KEEP = (0.9, 0.75, 0.5, 0.25)
SETS = 16  # of providers that are retrained, for each part kept
HALVES = 20  # other random halves, for methods that learn from retrainings: as many as there are providers
AGAIN = 1  # seeds whose sets are retrained once more, to say what no prediction can be expected to pass
CHECKPOINTS = 5  # along the training of everybody's model


def blocks_of(files: tuple[str, ...]) -> NDArray[np.float32]:
    """Blocks of CONTEXT + 1 bytes, the last of each text, which may be short, left out."""
    texts = [tokens_of((corpora() / f"{name}.txt").read_text(encoding="latin-1")) for name in files]
    return np.concatenate([pack([text], CONTEXT)[:-1] for text in texts])


@cache
def base() -> dict[str, NDArray[np.float32]]:
    """The base model's weights, trained once from nothing on authors who provide nothing."""
    path = store.folder() / "paper" / "language" / "base.npz"
    if not path.is_file():
        rows = blocks_of(BASE_FILES)
        y = np.zeros(len(rows), dtype=np.int64)
        problem = Problem([PlayerData("base", rows, y)], Rows(rows[:8], y[:8]), BYTES, LearnerSpec("lm", BASE))
        learner = make_learner(problem.learner, problem.feature_shape, problem.classes)
        with batching.single_threaded():
            pool = Pool(problem, torch.device("cpu"), learner.dtype)
            everybody = np.ones((1, 1), dtype=bool)
            trained = learner.train(learner.start(0), pool, everybody, 0, lambda: None)
        _write(path, learner.layout.unpack(trained[0]))
    return _read(path)


def problem(seed: int, steps: int = STEPS) -> Problem:
    """The game of a seed; with fewer steps everybody's model is one on the way to the whole game's."""
    rng = np.random.default_rng([seed, 50])
    players, tests, domains = [], [], []
    for domain, (book, parts) in enumerate(BOOKS.items()):
        blocks = blocks_of((book,))
        order = rng.permutation(len(blocks))
        tests.append(blocks[order[:TEST_BLOCKS]])
        domains += [domain] * TEST_BLOCKS
        begun = TEST_BLOCKS
        for part in range(parts):
            count = int(rng.integers(LEAST, MOST + 1))
            mine = blocks[order[begun : begun + count]]
            begun += count
            players.append(PlayerData(f"{book} {part}", mine, np.full(count, domain)))
    noise = rng.permuted(blocks_of(("chesterton-thursday",))[:32].reshape(-1)).reshape(32, -1)
    players.append(PlayerData("noise", noise, np.full(32, len(BOOKS))))
    return Problem(
        players=players,
        test=Rows(np.concatenate(tests), np.array(domains)),
        classes=BYTES,
        learner=LearnerSpec("lm", {**ADAPTERS, "steps": steps}),
        metric="log_loss",
        seed=seed,
        checkpoint={f"frozen.{name}": array for name, array in base().items()},
    )


def sets_of(players: int, keep: float, count: int, seed: int) -> Coalitions:
    """Random sets of providers of one size, each other than the others, bool[count, players]."""
    rng, found = np.random.default_rng([seed, round(100 * keep), count]), set()
    while len(found) < count:
        found.add(tuple(np.isin(np.arange(players), rng.permutation(players)[: round(keep * players)])))
    return np.array(sorted(found))


@dataclass(frozen=True)
class Truth:
    """Of one seed: sets of providers by the part that is kept [SETS, n], and what models retrained on them, and of the
    first seeds retrained once more with other draws, give to each test block, mean log-likelihood a token [SETS, T]."""

    sets: dict[float, Coalitions]
    retrained: dict[float, Floats]
    again: dict[float, Floats]


def truth(seed: int, evaluator: Evaluator) -> Truth:
    sets = {keep: sets_of(len(evaluator.players), keep, SETS, seed) for keep in KEEP}
    return Truth(
        sets,
        {keep: kept_likelihoods(seed, evaluator, "retrain", f"{keep}", rows) for keep, rows in sets.items()},
        {
            keep: kept_likelihoods(seed, evaluator, "retrain:r1", f"{keep}", rows)
            for keep, rows in sets.items()
            if seed < AGAIN
        },
    )


def kept_likelihoods(seed: int, evaluator: Evaluator, source: str, what: str, coalitions: Coalitions) -> Floats:
    """``likelihoods``, computed once and kept."""
    path = folder(seed) / f"{source.replace(':', '-')} {what}.npz"
    if not path.is_file():
        _write(path, {"likelihoods": likelihoods(evaluator, source, coalitions)})
    return _read(path)["likelihoods"]


def likelihoods(evaluator: Evaluator, source: str, coalitions: Coalitions) -> Floats:
    """What a source's models of coalitions give to each test block, mean log-likelihood a token [m, T]."""
    evaluator.worth(source, coalitions)
    return evaluator.answers(source, coalitions)[:, :, 0] / CONTEXT


def halves(seed: int, evaluator: Evaluator) -> tuple[Coalitions, NDArray[np.float32], Floats]:
    """Random halves of the providers [HALVES, n], the adapters trained on them [HALVES, P], and what these give to
    each test block [HALVES, T]."""
    rows = sets_of(len(evaluator.players), 0.5, HALVES, seed + 1000)
    path = folder(seed) / "halves.npz"
    if not path.is_file():
        context = evaluator.context
        with batching.single_threaded():
            models = context.learner.train(context.base, context.pool, rows, context.seed("retrain"), lambda: None)
        _write(path, {"models": models.numpy()})
    return rows, _read(path)["models"], kept_likelihoods(seed, evaluator, "retrain", "halves", rows)


def on_the_way(seed: int) -> NDArray[np.float32]:
    """Everybody's adapters after each fifth of the training [CHECKPOINTS, P]."""
    path = folder(seed) / "on the way.npz"
    if not path.is_file():
        steps = [STEPS * (at + 1) // CHECKPOINTS for at in range(CHECKPOINTS)]
        _write(path, {"models": np.stack([Evaluator(problem(seed, each)).context.full.numpy() for each in steps])})
    return _read(path)["models"]


def folder(seed: int) -> Path:
    return store.folder() / "paper" / "language" / f"seed{seed}"


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _write(path: Path, arrays: dict[str, NDArray[np.float32]] | dict[str, Floats]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npz")
    np.savez(beside, **arrays)
    beside.replace(path)
