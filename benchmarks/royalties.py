"""Royalties of answers beside retraining: ``python -m benchmarks.royalties``, for docs/benchmarks-text.md.

Providers' texts walk through an alphabet of 20 letters, each provider at a stride of its own or beside another's; the
model is a decoder of one layer with adapters of rank 2. Truth is the Shapley value over models retrained on every
coalition. Costs are seconds of processor, of generating with the model of everybody, one pass for each token.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contract.results.shares import shares_of
from tests.worker.engine.tiny_language import ADAPTERS, CONTEXT, VOCABULARY, base_weights, texts
from worker.engine import royalties
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import Floats, exact_operator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.royalties import TokenAnswer, TokenProbabilities
from worker.engine.tensors import batching

STRIDES = (1, 3, 7, 5, 9, 2, 11, 13)
PROMPT = 4


def game(players: int, seed: int) -> Evaluator:
    rng = np.random.default_rng(seed)
    corpora = [texts(int(rng.integers(16, 40)), stride, 10 * seed + at) for at, stride in enumerate(STRIDES[:players])]
    problem = Problem(
        players=[PlayerData(f"p{at}", X, np.zeros(len(X), dtype=np.int64)) for at, X in enumerate(corpora)],
        test=Rows(np.concatenate([texts(6, stride, 99) for stride in STRIDES[:players]]), np.zeros(6 * players, int)),
        classes=VOCABULARY,
        learner=LearnerSpec("lm", ADAPTERS),
        metric="log_loss",
        seed=seed,
        checkpoint={f"frozen.{name}": array for name, array in base_weights().items()},
    )
    evaluator = Evaluator(problem)
    evaluator.prepare()
    return evaluator


def retrained(evaluator: Evaluator, answers: list[TokenAnswer]) -> Floats:
    """Shapley values [answers, n] over models trained anew on every coalition."""
    context, every = evaluator.context, all_coalitions(len(evaluator.players))
    seed, worths = context.seed("retrain"), np.zeros((len(answers), len(every)))
    with batching.single_threaded():
        for begin in range(0, len(every), 32):
            part = every[begin : begin + 32]
            models = context.learner.train(context.base, context.pool, part, seed, context.check)
            for at, answer in enumerate(answers):
                likely, _ = context.learner.likelihoods(models, torch.from_numpy(answer.X))
                worths[at, begin : begin + 32] = likely.numpy()[:, answer.said].mean(axis=1)
    return np.asarray(worths @ exact_operator(every).T)


def generating(evaluator: Evaluator, answer: TokenAnswer) -> float:
    """Processor seconds of one greedy pass for each token of an answer, through the model of everybody."""
    X = torch.from_numpy(answer.X.copy())
    begun = time.process_time()
    with torch.no_grad(), batching.single_threaded():
        for place in range(PROMPT, CONTEXT):
            told = evaluator.learner.logits(evaluator.context.full.unsqueeze(0), X)
            X[0, place + 1] = float(told[0, 0, place].argmax())
    return time.process_time() - begun


def compared(players: int, seed: int) -> tuple[float, float, float, float]:
    """Correlation of values, mean distance of shares in points, who leads alike, and cost beside generating."""
    evaluator = game(players, seed)
    said: NDArray[np.bool_] = np.arange(CONTEXT)[None, :] >= PROMPT
    answers = [TokenAnswer(texts(1, stride, 200 + at), said) for stride in STRIDES[:players] for at in range(4)]
    told = royalties.royalties(evaluator, answers)
    begun = time.process_time()
    for answer in answers:
        royalties.royalties(evaluator, [answer])
    cost = (time.process_time() - begun) / len(answers)
    values, truth = np.array([each.values for each in told]), retrained(evaluator, answers)
    apart = [50 * np.abs(each.shares - shares_of(true)).sum() for each, true in zip(told, truth, strict=True)]
    leads = float((values.argmax(axis=1) == truth.argmax(axis=1)).mean())
    correlation = float(np.corrcoef(values.ravel(), truth.ravel())[0, 1])
    return correlation, float(np.mean(apart)), leads, cost / generating(evaluator, answers[0])


def beside_shapiq(players: int, games: int = 10) -> float:
    """The greatest distance of our values from shapiq's exact ones, by the same worths of every coalition: of answers
    of 30 tokens whose probabilities are drawn."""
    rng, every = np.random.default_rng(players), all_coalitions(players)
    answers = [
        TokenProbabilities(
            rng.random(30), rng.random((players, 30)), rng.integers(5, 50, players).astype(float), np.zeros(30)
        )
        for _ in range(games)
    ]
    worths = np.array([royalties.worths_of(each, every.astype(np.float64)) for each in answers])
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "games.npz", Path(folder) / "values.npy"
        np.savez(source, coalitions=every, worths=worths)
        asked = [".venv-peers/bin/python", "-m", "benchmarks.peers.exact_values", str(source), str(out)]
        subprocess.run(asked, check=True)
        theirs = np.load(out)
    return float(np.abs(np.array([royalties.royalty(each).values for each in answers]) - theirs).max())


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.royalties")
    parser.add_argument("--players", type=int, nargs="*", default=[3, 4, 6, 8])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shapiq", action="store_true", help="beside shapiq's exact values (make peers-env) instead")
    given = parser.parse_args()
    if given.shapiq:
        for players in given.players:
            print(f"{players} providers: {beside_shapiq(players):.1e} apart")
        return
    print("| providers | correlation with retrained worths | shares apart, points | same leader | cost of generating |")
    print("|---" * 5 + "|")
    for players in given.players:
        found = np.array([compared(players, seed) for seed in range(given.seeds)])
        mean, spread = found.mean(0), found.std(0)
        cells = [f"{a:.2f} ± {b:.2f}" for a, b in zip(mean, spread, strict=True)]
        print(f"| {players} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
