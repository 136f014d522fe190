"""Attribution of a small language model beside models retrained without providers: unlearning, and gradient methods.

``python -m benchmarks.paper.attributed --peers PYTHON`` prints the table of docs/paper.md. The linear datamodelling
score of a method (Park et al. 2023) is, over random sets of providers of one size, Spearman's rank correlation of what
it predicts of a test block's likelihood with what retrained models give, averaged over test blocks; here for 90 to 25 %
of the providers kept, and beside it the same of the test blocks' mean, which is the worth. Peers run in an environment
of their own (``benchmarks/peers/make_text_env.sh``); their scores of blocks are added up by provider.
"""

import argparse
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measures import spearman, spread
from benchmarks.paper import language
from benchmarks.paper.language import KEEP, Floats, Truth
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.tensors import batching
from worker.engine.unlearning import methods_for

PEER = Path(__file__).parents[1] / "peers" / "language.py"
AGAIN, REGRESSED = "retraining again", "regression on 20 retrained halves"
CORRECTED = " corrected by 20 retrained halves"
UNLEARNED = (
    "mixture", "logit_sum", "merge", "adapter_sum", "unmerge", "negation", "interpolation", "tangent",
    "natural_gradient", "ekfac",
)  # fmt: skip
# by method and part kept: the linear datamodelling score of test blocks, and of their mean, the worth
Scores = dict[str, dict[float, tuple[float, float]]]


def score(predicted: Floats, truth: Floats) -> tuple[float, float]:
    """The linear datamodelling scores of predictions [m, T]."""
    each = [spearman(predicted[:, at], truth[:, at]) for at in range(truth.shape[1])]
    return float(np.mean(each)), spearman(predicted.mean(axis=1), truth.mean(axis=1))


def scores(seed: int, python: str | None) -> Scores:
    """Scores of every method on one seed's game."""
    evaluator = Evaluator(language.problem(seed))
    truth = language.truth(seed, evaluator)
    found: Scores = {}
    for name in UNLEARNED:
        source = methods_for("lm")[name].source
        found[name] = _judged({k: _unlearned(seed, evaluator, source, k, truth) for k in KEEP}, truth)
    rows, _, given = language.halves(seed, evaluator)
    nothing = {keep: np.zeros((len(sets), given.shape[1])) for keep, sets in truth.sets.items()}
    found[REGRESSED] = _judged(corrected(rows, given, np.zeros_like(given), truth, nothing), truth)
    source = methods_for("lm")["mixture"].source
    by_mixture = {keep: _unlearned(seed, evaluator, source, keep, truth) for keep in KEEP}
    of_halves = language.kept_likelihoods(seed, evaluator, source, "halves", rows)
    found["mixture" + CORRECTED] = _judged(corrected(rows, given, of_halves, truth, by_mixture), truth)
    if truth.again:
        found[AGAIN] = _judged(truth.again, truth)
    if python:
        for name, each in peer_scores(seed, evaluator, python).items():
            linear = {keep: sets @ each for keep, sets in truth.sets.items()}
            found[name] = _judged(linear, truth)
            if name == "kronfluence ekfac":
                found[name + CORRECTED] = _judged(corrected(rows, given, rows @ each, truth, linear), truth)
    return found


def _judged(predicted: dict[float, Floats], truth: Truth) -> dict[float, tuple[float, float]]:
    return {keep: score(predicted[keep], truth.retrained[keep]) for keep in KEEP}


def _unlearned(seed: int, evaluator: Evaluator, source: str, keep: float, truth: Truth) -> Floats:
    return language.kept_likelihoods(seed, evaluator, source, f"{keep}", truth.sets[keep])


def corrected(
    rows: Coalitions, given: Floats, cheap: Floats, truth: Truth, predicted: dict[float, Floats]
) -> dict[float, Floats]:
    """Predictions of a cheap method [m, T], by the part kept, bent and corrected by what models retrained on other sets
    ``rows`` [k, n] gave, [k, T], where the method said ``cheap`` [k, T]: one slope for all test blocks, and a linear
    model of who is kept for the rest, its ridge chosen by leaving each out (Ilyas et al. 2022)."""
    X, y, c = rows - 0.5, given - given.mean(axis=0), cheap - cheap.mean(axis=0)
    slope = float((c * y).sum() / max(float((c**2).sum()), 1e-300))
    left = y - slope * c
    best, weights = np.inf, np.zeros((X.shape[1], y.shape[1]))
    for ridge in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        inverse = np.linalg.inv(X.T @ X + ridge * np.eye(X.shape[1])) @ X.T
        hat = X @ inverse
        error = float((((left - hat @ left) / (1 - np.diag(hat))[:, None]) ** 2).mean())
        if error < best:
            best, weights = error, inverse @ left
    return {keep: slope * predicted[keep] + sets @ weights for keep, sets in truth.sets.items()}


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


def lines(runs: Sequence[Scores], which: int) -> list[str]:
    """The table of test blocks (0) or of the worth (1), best at half of the providers first."""
    rows: list[tuple[float, str]] = []
    for name in sorted({name for run in runs for name in run}):
        cells = [spread([run[name][keep][which] for run in runs if name in run]) for keep in KEEP]
        text = " | ".join(cell.text(2) for cell in cells)
        rows.append((cells[KEEP.index(0.5)].mean, f"| {name.replace('_', ' ')} | {text} |"))
    return [line for _, line in sorted(rows, reverse=True)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.attributed")
    parser.add_argument("--peers", help="python of the peers' environment; without it they are left out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    given = parser.parse_args()
    runs = [scores(seed, given.peers) for seed in given.seeds]
    heads = " | ".join(f"{100 * keep:.0f} % kept" for keep in KEEP)
    for which, what in enumerate(("test blocks", "worth")):
        print(f"\n| {what} | {heads} |\n" + "|---" * (len(KEEP) + 1) + "|\n" + "\n".join(lines(runs, which)))


if __name__ == "__main__":
    main()
