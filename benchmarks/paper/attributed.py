"""Attribution of a small language model beside models retrained without providers: unlearning, and gradient methods.

``python -m benchmarks.paper.attributed --peers PYTHON`` prints the table of docs/paper.md. The linear datamodelling
score of a method (Park et al. 2023) is, over random sets of providers of one size, Spearman's rank correlation of what
it predicts of a test block's likelihood with what retrained models give, averaged over test blocks; here for 90 to 25 %
of the providers kept. Peers run in an environment of their own (``benchmarks/peers/make_text_env.sh``); their scores of
blocks are added up by provider. Of a peer's dampings the best at half of the providers is shown, chosen afterwards.
"""

import argparse
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measures import spearman, spread
from benchmarks.paper import language
from benchmarks.paper.language import KEEP, Floats, Truth
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.tensors import batching
from worker.engine.unlearning import methods_for

PEER = Path(__file__).parents[1] / "peers" / "language.py"
AGAIN, REGRESSED = "retraining again", "regression on 20 retrained halves"
UNLEARNED = (
    "mixture", "logit_sum", "merge", "adapter_sum", "unmerge", "negation", "interpolation", "tangent",
    "natural_gradient", "ekfac",
)  # fmt: skip
Scores = dict[str, dict[float, float]]  # linear datamodelling scores by method and part kept


def score(predicted: Floats, truth: Floats) -> float:
    """The linear datamodelling score of predictions [m, T]."""
    return float(np.mean([spearman(predicted[:, at], truth[:, at]) for at in range(truth.shape[1])]))


def scores(seed: int, python: str | None) -> Scores:
    """Scores of every method on one seed's game."""
    evaluator = Evaluator(language.problem(seed))
    truth = language.truth(seed, evaluator)
    found: Scores = {}
    for name in UNLEARNED:
        source = methods_for("lm")[name].source
        found[name] = _judged({k: _unlearned(seed, evaluator, source, k, truth) for k in KEEP}, truth)
    found[REGRESSED] = _judged(regressed(seed, evaluator, truth), truth)
    if truth.again:
        found[AGAIN] = _judged(truth.again, truth)
    if python:
        for name, each in peer_scores(seed, evaluator, python).items():
            found[name] = _judged({keep: rows @ each for keep, rows in truth.sets.items()}, truth)
    return found


def _judged(predicted: dict[float, Floats], truth: Truth) -> dict[float, float]:
    return {keep: score(predicted[keep], truth.retrained[keep]) for keep in KEEP}


def _unlearned(seed: int, evaluator: Evaluator, source: str, keep: float, truth: Truth) -> Floats:
    return language.kept_likelihoods(seed, evaluator, source, f"{keep}", truth.sets[keep])


def regressed(seed: int, evaluator: Evaluator, truth: Truth) -> dict[float, Floats]:
    """What a linear model of who is kept predicts, fitted to models retrained on other random halves, its ridge chosen
    by leaving each out (Ilyas et al. 2022)."""
    rows, _, given = language.halves(seed, evaluator)
    X, y = rows - 0.5, given - given.mean(axis=0)
    best, weights = np.inf, np.zeros((X.shape[1], y.shape[1]))
    for ridge in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
        inverse = np.linalg.inv(X.T @ X + ridge * np.eye(X.shape[1])) @ X.T
        hat = X @ inverse
        error = float((((y - hat @ y) / (1 - np.diag(hat))[:, None]) ** 2).mean())
        if error < best:
            best, weights = error, inverse @ y
    return {keep: sets @ weights for keep, sets in truth.sets.items()}


def peer_scores(seed: int, evaluator: Evaluator, python: str) -> dict[str, Floats]:
    """What each provider does for each test block by each peer's method, [n, T]."""
    folder = language.folder(seed)
    out = folder / "peers.npz"
    if not out.is_file():
        write_game(folder / "game.npz", seed, evaluator)
        subprocess.run([python, str(PEER), str(folder / "game.npz"), str(out)], check=True)
    owners = np.repeat(np.arange(len(evaluator.players)), [len(each) for each in evaluator.problem.players])
    member = np.arange(len(evaluator.players))[:, None] == owners
    with np.load(out, allow_pickle=False) as found:
        return {name: member @ found[name] for name in found.files if not name.startswith("seconds")}


def write_game(path: Path, seed: int, evaluator: Evaluator) -> None:
    """The game as a peer reads it: base, adapters and where each lies in them, blocks, and outputs to check against."""
    learner, problem = evaluator.learner, evaluator.problem
    slots = learner.layout.slots
    with batching.single_threaded():
        outputs = learner.logits(evaluator.context.full[None], evaluator.test_X[:4])[0]
    arrays: dict[str, NDArray[np.generic]] = {
        **{f"base.{name}": array for name, array in language.base().items()},
        "train": np.concatenate([player.X for player in problem.players]),
        "test": evaluator.test_X.numpy(),
        "outputs": outputs.numpy(),
        "full": evaluator.context.full.numpy(),
        "halves": language.halves(seed, evaluator)[1],
        "on_the_way": language.on_the_way(seed),
        "slot_names": np.array([slot.name for slot in slots]),
        "slot_starts": np.array([slot.start for slot in slots]),
        "slot_rows": np.array([slot.shape[0] for slot in slots]),
        "slot_columns": np.array([slot.shape[1] for slot in slots]),
    }
    sizes = learner.sizes
    scale = language.ADAPTERS["alpha"] / language.ADAPTERS["rank"]
    numbers = {"layers": sizes.layers, "heads": sizes.heads, "eps": sizes.eps, "rope_base": sizes.rope_base}
    np.savez(path, rank=np.array(learner.rank), scale=np.array(scale), **arrays, **numbers)


def lines(runs: Sequence[Scores]) -> list[str]:
    """The table, best at half of the providers first; of dampings of one method the best there."""
    rows: dict[str, tuple[float, str]] = {}
    for name in sorted({name for run in runs for name in run}):
        cells = [spread([run[name][keep] for run in runs if name in run]) for keep in KEEP]
        half = cells[KEEP.index(0.5)].mean
        family = re.sub(r" [0-9.e-]+$", "", name)
        if family not in rows or half > rows[family][0]:
            rows[family] = half, f"| {name.replace('_', ' ')} | " + " | ".join(cell.text(2) for cell in cells) + " |"
    return [line for _, line in sorted(rows.values(), reverse=True)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.attributed")
    parser.add_argument("--peers", help="python of the peers' environment; without it they are left out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    given = parser.parse_args()
    runs = [scores(seed, given.peers) for seed in given.seeds]
    heads = " | ".join(f"{100 * keep:.0f} % kept" for keep in KEEP)
    print(f"| method | {heads} |\n" + "|---" * (len(KEEP) + 1) + "|\n" + "\n".join(lines(runs)))


if __name__ == "__main__":
    main()
