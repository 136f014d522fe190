"""What an owner of adapters gets after a withdrawal: each method's model beside one trained anew on what remains.

``python -m benchmarks.unlearned_adapters --texts FOLDER``: adapters of a language model (the game of ``cherish demo
--text`` on that folder: six authors, a copy and shuffled text) and of learner ``lora`` (the games of
``benchmarks.lora``, three seeds). One provider is forgotten: an honest one, or the one whose data is wrong. Of a whole
lineage all other rows are at hand, of a partial one half of them. Prints the table of docs/withdrawal.md.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from app.cli.demonstration import text as demo_text
from benchmarks import lora
from worker.engine.evaluation import forgetting, membership
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import Problem

METHODS = ("retrain", "finetune_retained", "neggrad_plus", "unmerge", "negation", "natural_gradient")
STEPS = ("unmerge", "negation", "natural_gradient")  # need no other rows
Marks = dict[str, list[tuple[float, float, float]]]


def games(texts: Path | None) -> Iterator[tuple[str, str, Evaluator, str]]:
    """(game, which provider is forgotten, the model trained on all, that provider's name)."""
    for kind in lora.KINDS:
        for seed in lora.SEEDS:
            whole = Evaluator(lora.game(kind, seed))
            yield f"lora, {kind}", "honest", whole, "p0"
            yield f"lora, {kind}", "wrong labels", whole, "p4"
    if texts is None:
        return
    offered, spare = demo_text._authors(texts)
    with tempfile.TemporaryDirectory() as home:
        whole = demo_text._evaluator(offered, spare, Path(home), Console(quiet=True))
    names = list(offered)
    yield "lm, Gutenberg", "honest", whole, names[1]
    yield "lm, Gutenberg", "shuffled", whole, f"{names[0]}, shuffled"


def measure(whole: Evaluator, lost: str, lineage: str, found: Marks) -> None:
    """(distance to the model trained anew, membership score, that of the model trained anew), by method."""
    kept = np.array([player.name != lost for player in whole.players])
    reference = forgetting.forget(whole, kept, forgetting.RETRAIN)
    others = [player for player in whole.problem.players if player.name != lost]
    here = others if lineage == "whole" else others[: len(others) // 2]
    stepper = from_weights(whole, lost, here, sum(len(p) for p in others) - sum(len(p) for p in here))
    stay = np.array([player.name != lost for player in stepper.players])
    (gone,) = [player for player in whole.problem.players if player.name == lost]
    lost_rows = torch.from_numpy(gone.X), torch.from_numpy(gone.y)
    unseen = stepper.test_X, stepper.test_y

    def marks(model: torch.Tensor) -> tuple[float, float, float]:
        scores = [
            membership.score(forgetting.losses(whole, each, *lost_rows), forgetting.losses(whole, each, *unseen)).value
            for each in (model, reference)
        ]
        return forgetting.distance(whole, model, reference, *unseen).total_variation, scores[0], scores[1]

    found.setdefault("nothing done", []).append(marks(whole.context.full))
    for method in METHODS:
        evaluator, rows = (stepper, stay) if method in STEPS else (whole, kept)
        if method in forgetting.available(evaluator) and (lineage == "whole" or method in STEPS):
            found.setdefault(method, []).append(marks(forgetting.forget(evaluator, rows, method)))


def from_weights(whole: Evaluator, lost: str, others: Sequence[Any], hidden: int) -> Evaluator:
    """The problem of whoever has the model, the rows to forget and some others'."""
    full = whole.problem
    below = {name: array for name, array in (full.checkpoint or {}).items() if name.startswith("frozen.")}
    found = Evaluator(
        Problem(
            players=[*others, *(player for player in full.players if player.name == lost)],
            test=full.test,
            classes=full.classes,
            learner=full.learner,
            metric=full.metric,
            mode="partial",
            seed=full.seed,
            checkpoint=below | whole.learner.layout.unpack(whole.context.full),
            unlearning={"hidden_rows": hidden},
        )
    )
    found.prepare()
    return found


def line(name: str, which: str, found: Marks) -> str:
    """A line of the table: means over seeds."""
    cells = []
    for method in ("nothing done", *METHODS):
        mean: NDArray[np.float64] | None = np.mean(found[method], axis=0) if method in found else None
        cells.append("" if mean is None else f"{mean[0]:.3f} ({mean[1]:.2f})")
    never = float(np.mean([marks[2] for marks in found["nothing done"]]))
    return f"| {name}, {which} | {' | '.join(cells)} | {never:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlearned_adapters")
    parser.add_argument("--texts", type=Path, default=None)
    chosen = parser.parse_args()
    found: dict[tuple[str, str, str], Marks] = {}
    for name, which, whole, lost in games(chosen.texts):
        for lineage in ("whole", "partial"):
            measure(whole, lost, lineage, found.setdefault((lineage, name, which), {}))
    for lineage in ("whole", "partial"):
        print(f"\n{lineage} lineage\n\n| game, forgotten | nothing done | {' | '.join(METHODS)} | never saw |")
        print("|---" * (len(METHODS) + 3) + "|")
        for (of, name, which), marks in found.items():
            if of == lineage:
                print(line(name, which, marks))


if __name__ == "__main__":
    main()
