"""What a checkpoint's owner gets after a withdrawal: each method's model beside one trained anew on what remains.

``python -m benchmarks.unlearned [--games A,B] [--seeds N]``. One player is forgotten from a model trained on all ten:
an honest one, or the one with 40 % of its labels flipped, which a network must memorise. In the whole lineage every
other player's rows are at hand; in the partial one only half of them, and the model itself. Measured on test rows that
no method has seen: mean total variation to the retrained model, accuracy gap, and the membership score of the
forgotten rows before, after, and under the retrained model. Cells are kept as those of the other benchmarks; the table
is printed.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.markets import FLIPPED, Market, markets

GAMES = ("digits-logistic", "adult-logistic", "digits-mlp", "adult-mlp", "mnist-cnn")
FORGOTTEN = ("honest-1", FLIPPED)
LINEAGES = ("whole", "partial")
# the paper's own method trains on the test rows; the others are surrogates of worths: dearer than retraining, or blind
LEFT_OUT = ("paper", "merge", "interpolation")
# what needs no other rows
STEPS = ("tangent", "natural_gradient")


def measure(games: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure every cell that is not there yet."""
    for name, seed, market in markets(games, seeds):
        for lineage in LINEAGES:
            for lost in FORGOTTEN:
                key = f"{name}/{lineage}/{lost}/{seed}"
                store.cell("unlearned", key, lambda m=market, p=lost, w=lineage: forgotten(m, p, w))
                print(f"unlearned {key}", flush=True)


def forgotten(market: Market, lost: str, lineage: str) -> dict[str, Any]:
    """Every method's model against retraining, for one player forgotten."""
    from benchmarks.tables import problem_of
    from worker.engine.evaluation import forgetting
    from worker.engine.evaluation.evaluator import Evaluator

    whole = Evaluator(problem_of(market))
    whole.prepare()
    kept = _without(whole, lost)
    begun = time.process_time()
    reference = forgetting.forget(whole, kept, forgetting.RETRAIN)
    retraining = time.process_time() - begun
    evaluator = whole
    if lineage == "partial":
        full = whole.problem
        others = [p for p in full.players if p.name != lost]
        here = [p for p in full.players if p.name == lost] + others[: len(others) // 2]
        evaluator = _from_weights(whole, here, sum(len(p) for p in others[len(others) // 2 :]))
        kept = _without(evaluator, lost)
    evaluator.prepare()
    # of a whole lineage, what needs no other rows still steps away from the old weights, as a worker has it do
    stepper = _from_weights(whole, list(whole.problem.players), 0) if lineage == "whole" else evaluator
    cells = {"nothing done": _marks(evaluator, evaluator.context.full, reference, kept) | {"cost": 0.0}}
    for method in forgetting.available(evaluator):
        if method in LEFT_OUT:
            continue
        begun = time.process_time()
        try:
            model = forgetting.forget(stepper if method in STEPS else evaluator, kept, method)
        except Exception as error:  # a method that fails is a finding, not the end of the table
            cells[method] = {"failed": str(error)}
            continue
        cost = (time.process_time() - begun) / max(retraining, 1e-9)
        cells[method] = _marks(evaluator, model, reference, kept) | {"cost": cost}
    return {"methods": cells, "rows": int(sum(len(p) for p in _rows(evaluator, kept, stay=False)))}


def _from_weights(whole: Any, players: list[Any], hidden: int) -> Any:
    """The problem of whoever has the whole model's weights and these players' rows, while others' are hidden."""
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.problem import Problem

    full = whole.problem
    evaluator = Evaluator(
        Problem(
            players=players,
            test=full.test,
            classes=full.classes,
            learner=full.learner,
            metric=full.metric,
            mode="partial",
            seed=full.seed,
            checkpoint=whole.learner.layout.unpack(whole.context.full),
            unlearning={"hidden_rows": hidden},
        )
    )
    evaluator.prepare()
    return evaluator


def _without(evaluator: Any, lost: str) -> NDArray[np.bool_]:
    return np.array([p.name != lost for p in evaluator.problem.players])


def _rows(evaluator: Any, kept: NDArray[np.bool_], *, stay: bool) -> list[Any]:
    return [p for p, keeps in zip(evaluator.problem.players, kept, strict=True) if bool(keeps) is stay]


def _marks(evaluator: Any, model: Any, reference: Any, kept: NDArray[np.bool_]) -> dict[str, Any]:
    import torch

    from worker.engine.evaluation import forgetting, membership

    (gone,) = _rows(evaluator, kept, stay=False)
    X, y = torch.from_numpy(gone.X).to(evaluator.learner.dtype), torch.from_numpy(gone.y)
    strangers = (evaluator.test_X, evaluator.test_y)
    lost = {name: forgetting.losses(evaluator, each, X, y) for name, each in (("it", model), ("never", reference))}
    seen = {
        name: forgetting.losses(evaluator, each, *strangers) for name, each in (("it", model), ("never", reference))
    }
    return {
        **asdict(forgetting.distance(evaluator, model, reference, *strangers)),
        "membership": membership.score(lost["it"], seen["it"]).value,
        "never_saw": membership.score(lost["never"], seen["never"]).value,
    }


def table(games: Sequence[str]) -> str:
    """The cells as Markdown: means over seeds (and the standard deviation of the distance)."""
    found = store.cells("unlearned")
    lines = []
    for lineage in LINEAGES:
        lines += [
            f"\n{lineage} lineage\n",
            "| game | forgotten | method | distance | accuracy gap | membership | never saw | cost |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name in games:
            for lost in FORGOTTEN:
                cells = [v["data"]["methods"] for k, v in found.items() if k.startswith(f"{name}/{lineage}/{lost}/")]
                lines += [_line(name, lost, method, cells) for method in (cells[0] if cells else ())]
    return "\n".join(lines)


def _line(name: str, lost: str, method: str, cells: Sequence[dict[str, Any]]) -> str:
    marks = [cell[method] for cell in cells if "failed" not in cell[method]]
    failed = len(cells) - len(marks)
    if not marks:
        return f"| {name} | {lost} | {method} | failed {failed} times | | | | |"
    mean = {field: float(np.mean([mark[field] for mark in marks])) for field in marks[0]}
    spread = float(np.std([mark["total_variation"] for mark in marks]))
    gap = float(np.mean(np.abs([mark["accuracy_gap"] for mark in marks])))
    shown = f"{mean['total_variation']:.4f} ± {spread:.4f} | {100 * gap:.2f}"
    scores = f"{mean['membership']:.3f} | {mean['never_saw']:.3f} | {100 * mean['cost']:.1f} %"
    return f"| {name} | {lost} | {method}{f' ({failed} failed)' if failed else ''} | {shown} | {scores} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlearned", description="unlearned checkpoints")
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    games = chosen.games.split(",")
    measure(games, range(chosen.seeds))
    print(table(games))


if __name__ == "__main__":
    main()
