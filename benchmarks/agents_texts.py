"""Documents at home, measured: bytes and seconds of a language model's jobs, and how far worths that nothing audits are
from retrained ones.

``python -m benchmarks.agents_texts`` prints the table of docs/benchmarks-agents.md. Providers are authors of the
Gutenberg texts (``benchmarks.text``), their documents pages of 1,000 characters, 120 at most; the small base model is
trained on others. Agents are in this process: adapters and bytes are the agent's own code. Shares are exact Shapley
values of every coalition, share errors half the sum of differences, in points.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

os.environ.setdefault("CHERISH_TEXT_SIZE", "small")

from agent import adapters
from agent.bases import BaseFolder
from benchmarks.text import game as texts
from benchmarks.text.game import SHAPE, corpora, train_base
from contract.agent_adapters import AdapterQuestion
from contract.learning.learners import Hyper
from contract.results.shares import shares_of
from contract.rows.row_order import rows_digest
from contract.rows.token_blocks import fingerprints
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import FROZEN, LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.tensors.batching import single_threaded
from worker.engine.tensors.seeds import derive
from worker.engine.unlearning.provider_vectors import row_shares, weighted_sum
from worker.loading.model_folders import write_base

AUTHORS = (
    "austen-emma", "carroll-alice", "melville-moby_dick", "milton-paradise", "shakespeare-hamlet", "whitman-leaves",
    "chesterton-thursday", "austen-sense", "shakespeare-caesar", "shakespeare-macbeth",
)  # fmt: skip
PAGE, PAGES, TESTED, CONTEXT, VOCABULARY = 1000, 120, 2, 128, 256
HYPER: dict[str, float | int | str] = {**SHAPE, "rank": 4, "steps": 60, "batch": 8, "lr": 0.005}
ROUNDS = (2, 5)
AUDITED = 5  # agents up to whom every coalition is retrained
METHODS = ("mixture", "merge")
Floats = NDArray[np.float64]


@dataclass(eq=False)
class InProcess:
    """An agent in this process; ``seconds`` and ``sent`` are what its adapter took."""

    question: AdapterQuestion
    base: BaseFolder
    texts: tuple[str, ...]
    seconds: float = 0.0
    sent: int = 0

    @property
    def rows(self) -> int:
        return self.question.blocks

    def model(self, _check: Callable[[], None]) -> Callable[[], dict[str, NDArray[np.float32]]]:
        begun = time.perf_counter()
        trained = adapters.trained(self.question, self.base, self.texts)
        self.seconds, self.sent = time.perf_counter() - begun, self.question.answer_bytes
        return lambda: trained


def pages(name: str, seed: int) -> list[str]:
    """Pages of an author's text in a drawn order."""
    text = (corpora() / f"{name}.txt").read_text(encoding="latin-1")
    whole = [text[at : at + PAGE] for at in range(0, len(text) - PAGE, PAGE)]
    return [whole[at] for at in np.random.default_rng(seed).permutation(len(whole))[: PAGES + TESTED]]


def question(base: BaseFolder, blocks: int, hyper: Hyper, seed: int) -> AdapterQuestion:
    said = {
        "dataset": "0" * 32, "registration": "0" * 64, "commitment": "0" * 64, "rows": PAGES, "game": "0" * 64,
        "buyer": "acc_0", "purpose": None, "base": base.digest, "vocabulary": VOCABULARY, "context": CONTEXT,
        "blocks": blocks, "hyper": dict(hyper), "seed": seed,
    }  # fmt: skip
    return AdapterQuestion.read(said)


def game(count: int, base: BaseFolder, seed: int, composed: str, *, at_home: bool) -> Problem:
    """The game of so many authors, at home or here."""
    players, tests = [], []
    for name in AUTHORS[:count]:
        drawn = pages(name, seed)
        texts = tuple(drawn[TESTED:])
        X = base.blocks(texts, CONTEXT)
        y = np.zeros(len(X), dtype=np.int64)
        tests.append(base.blocks(tuple(drawn[:TESTED]), CONTEXT))
        digest = rows_digest(fingerprints(X), y)
        if not at_home:
            players.append(PlayerData(name, X, y, digest))
            continue
        agent = InProcess(question(base, len(X), HYPER, seed), base, texts)
        players.append(PlayerData(name, X[:0], y[:0], digest, alone=agent))
    test = np.concatenate(tests)
    return Problem(
        players=players,
        test=Rows(test, np.zeros(len(test), dtype=np.int64), "the test set"),
        classes=VOCABULARY,
        learner=LearnerSpec("lm", HYPER),
        metric="log_loss",
        seed=seed,
        checkpoint={f"{FROZEN}{name}": array for name, array in base.weights(HYPER, VOCABULARY).items()},
        composed=composed,
    )


def shares(evaluator: Evaluator, source: str) -> Floats:
    values = exact_values(evaluator.worth(source, all_coalitions(len(evaluator.players))))
    return np.asarray(shares_of(values))


def apart(one: Floats, other: Floats) -> float:
    return float(100 * 0.5 * np.abs(one - other).sum())


def averaged(evaluator: Evaluator, rounds: int) -> float:
    """What everybody's model is worth where players train in rounds, each from the mean of the last one's models, with
    as many steps together as one training has: federated averaging (McMahan et al. 2017)."""
    context, learner = evaluator.context, evaluator.learner
    assert isinstance(learner, LanguageModel)
    each, everybody = np.eye(len(evaluator.players), dtype=bool), np.ones((1, len(evaluator.players)), dtype=bool)
    weights = row_shares(context, everybody, of_kept=True)
    steps, model = learner.steps, context.base
    learner.steps = max(1, steps // rounds)
    with single_threaded():
        for number in range(rounds):
            seed = derive(evaluator.problem.seed, "round", number)
            moved = [learner.train(model, context.pool, own[None], seed, context.check)[0] - model for own in each]
            model = weighted_sum(model, torch.stack(moved), weights)[0]
    learner.steps = steps
    return float(evaluator.worths_of_models(model.unsqueeze(0))[0]) - evaluator.empty_worth


def measure(count: int, base: BaseFolder, seed: int, *, audited: bool) -> None:
    """One line of the table."""
    away, seconds, found, totals = Evaluator(game(count, base, seed, METHODS[0], at_home=True)), {}, {}, {}
    for method in METHODS:
        evaluator = away if method == METHODS[0] else Evaluator(game(count, base, seed, method, at_home=True))
        begun = time.perf_counter()
        found[method] = shares(evaluator, f"unlearn:{method}")
        seconds[method], totals[method] = time.perf_counter() - begun, evaluator.full_worth - evaluator.empty_worth
    agents = [player.alone for player in away.problem.players if isinstance(player.alone, InProcess)]
    each = float(np.mean([agent.seconds for agent in agents]))
    cells = [f"{agents[0].sent / 1e3:.0f}", f"{each:.1f}"]
    cells += [f"{seconds[method] - count * each:.1f}" for method in METHODS]
    if audited:
        here = Evaluator(game(count, base, seed, "", at_home=False))
        truth, again = shares(here, "retrain"), shares(here, "retrain:r1")
        errors = [f"{apart(found[method], truth):.1f}" for method in METHODS]
        total = here.full_worth - here.empty_worth
        cells += [*errors, f"{apart(again, truth):.1f}"]
        cells += [f"{100 * totals[method] / total:.0f}" for method in METHODS]
        cells += [f"{100 * averaged(here, rounds) / total:.0f}" for rounds in ROUNDS]
    else:
        cells += ["-"] * (5 + len(ROUNDS))
    print(f"| {count} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--agents", type=int, nargs="*", default=[3, 5, 10])
    options.add_argument("--steps", type=int, default=HYPER["steps"], help="of an adapter")
    options.add_argument("--base-steps", type=int, default=texts.BASE_STEPS, help="of the base")
    chosen = options.parse_args()
    HYPER["steps"], texts.BASE["steps"] = chosen.steps, chosen.base_steps
    rounds = " | ".join(f"{each} rounds" for each in ROUNDS)
    print(
        "| agents | each sent, kB | s, training beside the data | s, service: mixture | merge | share error: mixture | "
        f"merge | retrained again | total, %: mixture | merge | {rounds} |"
    )
    print("|---" * (10 + len(ROUNDS)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            write_base(Path(folder) / "base", SHAPE, train_base(seed), VOCABULARY)
            base = BaseFolder.open(Path(folder) / "base")
            for count in chosen.agents:
                measure(count, base, seed, audited=count <= AUDITED)


if __name__ == "__main__":
    main()
