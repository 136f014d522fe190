"""Gradient-boosted trees: every coalition retrained, beside each method that forgets without.

``python -m benchmarks.trees [--games A,B] [--seeds N] [--write]``. Eight players of unequal size, one of them with 40 %
of its labels drawn anew: Adult in two divisions, Adult thinned to 3 % positives, and digits. Worths of all 256
coalitions by each method are compared with retraining's: residual variance ratio, correlation of worths, total
variation of shares, seconds. ``leaf_ridge`` is a hypothesis that did not become a method: a ridge in the space of
M_full's leaf indicators, from sums per player. Cells are kept as those of the other benchmarks; with ``--write`` the
table goes to docs/benchmarks-trees.md.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.markets import adult, digits
from contract.metrics import metric_of
from contract.results.baseline import at_least, baseline
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.boosted_trees import BoostedTrees
from worker.engine.loop.audit import residual_variance_ratio

PLAYERS, FLIPPED = 8, 1
GAMES = {
    "adult-by-age": ("roc_auc", "clipped_log_loss", "accuracy"),
    "adult-alike": ("roc_auc", "clipped_log_loss", "accuracy"),
    "adult-rare": ("roc_auc", "average_precision"),
    "digits-skewed": ("accuracy", "clipped_log_loss"),
}
METHODS = ("unlearn:logit_sum", "unlearn:mixture", "repair:refit_leaves", "leaf_ridge")
ROWS, TEST_ROWS = 1600, 1000
# of the hypothesis: directions of the sketch, ridge for each row, and by how much its outputs are sharpened
_WIDTH, _RIDGE, _SHARPER = 256, 0.01, 4.0


def game(name: str, seed: int, metric: str, count: int = PLAYERS) -> Problem:
    """The game of a name and seed with ``count`` players, the same on every machine."""
    rng = np.random.default_rng(seed)
    X, y = digits() if name.startswith("digits") else adult()
    order = rng.permutation(len(y))
    if name == "adult-rare":
        positive, negative = order[y[order] == 1], order[y[order] == 0]
        taken = ROWS + TEST_ROWS
        order = rng.permutation(np.concatenate([positive[: int(0.03 * taken)], negative[: int(0.97 * taken)]]))
    test_rows = 600 if name.startswith("digits") else TEST_ROWS
    test, order = order[:test_rows], order[test_rows : test_rows + (1100 if name.startswith("digits") else ROWS)]
    if name == "adult-by-age":
        order = order[np.argsort(X[order, 0] + 0.5 * rng.normal(size=len(order)), kind="stable")]
    if name == "digits-skewed":
        order = order[np.argsort(y[order] + 2.0 * rng.normal(size=len(order)), kind="stable")]
    sizes = rng.permutation(np.geomspace(1, 5, count))
    ends = np.round(np.cumsum(sizes) / sizes.sum() * len(order)).astype(int)
    classes, players = int(y.max()) + 1, []
    for number, own in enumerate(np.split(order, ends[:-1])):
        labels = y[own].copy()
        if number == FLIPPED:
            drawn = rng.random(len(own)) < 0.4
            labels[drawn] = rng.integers(0, classes, drawn.sum())
        players.append(PlayerData(f"p{number}", X[own], labels))
    return Problem(players, Rows(X[test], y[test]), classes, LearnerSpec("boosted_trees"), metric, seed=seed)


def measure(name: str, seed: int) -> dict[str, Any]:
    """Every method beside retraining, on one game by each of its metrics: the answers of one retraining serve all."""
    metrics = GAMES[name]
    evaluator, coalitions = Evaluator(game(name, seed, metrics[0])), all_coalitions(PLAYERS)
    evaluator.prepare()
    answers, seconds = {}, {}
    for method in ("retrain", *METHODS):
        begun = time.process_time()
        if method == "leaf_ridge":
            answers[method] = _leaf_ridge(evaluator, coalitions)
        else:
            evaluator.worth(method, coalitions)
            answers[method] = evaluator.answers(method, coalitions)
        seconds[method] = time.process_time() - begun
    return {"seconds": seconds} | {metric: _compared(evaluator, metric, answers) for metric in metrics}


def _compared(evaluator: Evaluator, name: str, answers: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """By one metric: how far each method's worths and shares are from retraining's."""
    metric, prediction, targets = metric_of(name), evaluator.prediction, evaluator.targets
    nobody = baseline(prediction, metric, targets, None, "").worth
    worths = {method: at_least(prediction.worths(metric, own, targets), nobody) for method, own in answers.items()}
    truth, coalitions = worths.pop("retrain"), all_coalitions(PLAYERS)
    cells: dict[str, Any] = {"full": float(truth[-1]), "nobody": float(nobody)}
    for method, own in worths.items():
        own[0], own[-1] = truth[0], truth[-1]  # both ends are known
        apart = shares_of(exact_values(own)) - shares_of(exact_values(truth))
        cells[method] = {
            "rvr": residual_variance_ratio(coalitions, own, truth),
            # where every worth is the baseline's there is nothing to correlate
            "r": float(np.corrcoef(own, truth)[0, 1]) if own.std() and truth.std() else 0.0,
            "tv": float(np.abs(apart).sum() / 2),
            "worst": float(100 * np.abs(apart).max()),
        }
    return cells


def _leaf_ridge(evaluator: Evaluator, coalitions: Coalitions) -> NDArray[np.float32]:
    """Answers by a ridge of the labels on M_full's leaves, each coalition a sum of players' sums and one solve."""
    context = evaluator.context
    learner = cast(BoostedTrees, context.learner)
    trees, leaves = learner.layout.slots[-1].shape
    generator = torch.Generator().manual_seed(0)
    sketch = torch.randn(trees * leaves, _WIDTH, generator=generator, dtype=torch.float64) / np.sqrt(_WIDTH * trees)

    def features(X: torch.Tensor) -> torch.Tensor:
        number = learner.leaves_of(context.full, X) + torch.arange(trees) * leaves
        rows = torch.stack([sketch[own].sum(dim=0) for own in number])
        return torch.cat([rows, torch.ones((len(rows), 1), dtype=torch.float64)], dim=1)

    rows, tests, unit = features(context.pool.X), features(evaluator.test_X), torch.eye(_WIDTH + 1).double()
    labels = torch.nn.functional.one_hot(context.pool.y, learner.classes).double()
    A = torch.stack([rows[a:b].T @ rows[a:b] for a, b in context.pool.spans])
    b = torch.stack([rows[a:b].T @ labels[a:b] for a, b in context.pool.spans])
    outputs = []
    for kept, count in zip(torch.from_numpy(coalitions), context.pool.row_counts(coalitions), strict=True):
        solved = torch.linalg.solve(A[kept].sum(dim=0) + _RIDGE * max(int(count), 1) * unit, b[kept].sum(dim=0))
        outputs.append(_SHARPER * tests @ solved)
    return np.asarray(torch.stack(outputs).float().numpy())


def page(cells: dict[tuple[str, int], dict[str, Any]], seeds: Sequence[int]) -> str:
    """The page of docs: for each game and metric one row a method, mean and spread over seeds."""
    text = [
        "# Benchmarks: gradient-boosted trees",
        "",
        "`python -m benchmarks.trees --write` writes this page from measurements kept in `CHERISH_BENCH`. Seeds of the"
        f" game: {', '.join(map(str, seeds))}. Machine and caveats:"
        " [benchmarks-provenance.md](benchmarks-provenance.md).",
        "",
        "Learner `boosted_trees` at its defaults. Eight players of 1 : 5 in rows, one of them with 40 % of its labels"
        " drawn anew; all 256 coalitions retrained. Adult has 1,600 rows and 1,000 test rows, ordered by age with noise"
        " or not at all, or thinned to 3 % positives. No retraining"
        " corrects these worths, as one does in a job. RVR is the residual variance ratio, the part of what matters for"
        " values that would be left to correct ([method.md](method.md)); both ends of every game are known. Mean and"
        " standard deviation over seeds.",
    ]
    for name, metrics in GAMES.items():
        if (name, seeds[0]) not in cells:
            continue  # not measured in this run
        own = [cells[name, seed] for seed in seeds]
        text += ["", f"## {name}", ""]
        spent = {method: [cell["seconds"][method] for cell in own] for method in own[0]["seconds"]}
        whole = np.mean(spent["retrain"])
        parts = [f"{method} {100 * np.mean(spent[method]) / whole:.1f} %" for method in METHODS]
        text += [f"All retrainings take {whole:.1f} s of one core; of that: {', '.join(parts)}.", ""]
        text += ["| metric (nobody, everybody) | method | RVR | r of worths | TV of shares | worst error, points |"]
        text += ["|---|---|---|---|---|---|"]
        for metric in metrics:
            ends = [f"{np.mean([cell[metric][end] for cell in own]):.3f}" for end in ("nobody", "full")]
            for method in METHODS:
                row = [
                    _spread([cell[metric][method][what] for cell in own], digits)
                    for what, digits in (("rvr", 2), ("r", 2), ("tv", 3), ("worst", 1))
                ]
                text.append(f"| {metric} ({', '.join(ends)}) | {method} | {' | '.join(row)} |")
    return "\n".join(text) + "\n" + Path(__file__).with_name("notes-trees.md").read_text()


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f}±{np.std(values, ddof=1) if len(values) > 1 else 0.0:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    seeds, cells = range(asked.seeds), {}
    for name in asked.games.split(","):
        for seed in seeds:
            cells[name, seed] = store.cell("trees", f"{name}/{seed}", lambda n=name, s=seed: measure(n, s))
            print(name, seed, flush=True)
    if asked.write:
        (store.ROOT / "docs" / "benchmarks-trees.md").write_text(page(cells, seeds))


if __name__ == "__main__":
    main()
