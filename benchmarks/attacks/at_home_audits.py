"""What a provider gains whose agent lies in the gradients of retrained models, and how often opened rows find it.

``python -m benchmarks.attacks.at_home_audits`` prints a table of docs/attacks.md. Digits, four players of equal size at
home, the last of whom has its labels permuted; logistic regression and a small network, clipped log loss, every
coalition retrained, exact Shapley values. Lies are those of ``at_home``, in every answer about a model that is trained:

- *inflated*: the first player's losses and gradients, three times;
- *another's*: the last player answers with the first one's rows, a twentieth of their labels changed;
- *fitted*: the last player knows the test set, and answers with its rows, as many as it has.

A liar that opens rows hides its lie as best it can (``at_home.least_found``), along random weights and, of networks,
along the gradient that it claims; half of the rows of an order are spent on the answers that are looked at here.
"""

import argparse
import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from agent import sums
from benchmarks.agents import InProcess, Wire, away_problem, digits
from benchmarks.attacks.at_home import LIES, OPENED, TIMES, least_found
from contract.agents import AgentQuestion
from contract.openings import OpeningQuestion
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.row_terms import TermWeights, claimed_direction
from worker.engine.unlearning.opened_terms import opened_terms, opened_total

Floats = NDArray[np.float64]
Labelled = tuple[NDArray[np.float32], NDArray[np.generic]]
HYPER: dict[str, dict[str, float | int]] = {
    "logistic": {"l2": 0.01}, "mlp": {"hidden": 16, "steps": 60, "double": 1},
}  # fmt: skip
PLAYERS, DRAWS, LOOKED_AT = 4, 3, 4
ANY, EARLY, LATE = slice(None), slice(0, 20), slice(-20, None)


@dataclass(eq=False)
class Liar(InProcess):
    """An agent that answers about models by other rows, ``times`` over; what it was asked is kept."""

    false: Labelled | None = None
    times: float = 1.0
    asked: list[tuple[AgentQuestion, Floats]] = field(default_factory=list)

    def _arrays(self, question: AgentQuestion, models: Floats) -> dict[str, Floats]:
        self.asked.append((question, models.copy()))
        return self.told(question, models)

    def told(self, question: AgentQuestion, models: Floats) -> dict[str, Floats]:
        X, y = (self.X, self.y) if self.false is None else self.false
        return {name: self.times * array for name, array in sums.answered(question, X, y, models).items()}


def game(seed: int) -> tuple[list[Labelled], Rows]:
    parts, test = digits(PLAYERS, seed)
    X, y = parts[-1]
    return [*parts[:-1], (X, np.random.default_rng(seed + 1).permutation(y))], test


def agents(learner: str, parts: list[Labelled], test: Rows) -> list[PlayerData]:
    """Players at home, in the order of their parts."""
    players = []
    for player in away_problem(parts, test, 10, True, Wire(), learner).players:
        own = player.away
        if isinstance(own, InProcess) and own.question.network is not None:
            network = own.question.network.model_copy(update={"hidden": int(HYPER["mlp"]["hidden"])})
            own.question = own.question.model_copy(update={"network": network})
        players.append(player)
    return players


def retrained_shares(learner: str, players: list[PlayerData], test: Rows) -> Floats:
    problem = Problem(players, test, 10, LearnerSpec(learner, HYPER[learner]), "clipped_log_loss")
    evaluator = Evaluator(problem)
    values = exact_values(evaluator.worth("retrain", all_coalitions(PLAYERS)))
    order = np.argsort([player.name for player in evaluator.players])
    return np.asarray(shares_of(values))[order]


def found(liar: Liar, seed: int, part: slice = ANY) -> list[float]:
    """The chance that an order's opened rows meet a false term, by how many there are; mean over answers and draws, of
    answers in this part of what was asked."""
    rng, chances, among = np.random.default_rng(seed), [], liar.asked[part]
    for at in rng.choice(len(among), LOOKED_AT, replace=False):
        asked, models = among[at]
        told = liar.told(asked, models)
        for draw in range(DRAWS):
            opening = OpeningQuestion(about=asked, answer="0" * 64, seed=f"{1000 * seed + draw:064x}")
            ways = [TermWeights.of(opening)]
            if asked.asks == "gradients":
                toward = claimed_direction(told, ways[0])
                ways.append(TermWeights.of(opening.model_copy(update={"toward": toward})))
            chances.append([1.0 - _missed(liar, asked, models, told, ways, opened // 2) for opened in OPENED])
    return [float(each) for each in np.mean(chances, axis=0)]


def _missed(
    liar: Liar, asked: AgentQuestion, models: Floats, told: dict[str, Floats], ways: list[TermWeights], rows: int
) -> float:
    own = (liar.X, liar.y)
    chances = []
    for weights in ways:
        terms = opened_terms(asked, own, models, weights)
        chances.append(least_found(terms, opened_total(asked, told, weights), rows // len(ways)))
    return math.prod(1.0 - each for each in chances)


def attack(learner: str, lie: str, seed: int, part: slice) -> tuple[float, float, list[float]]:
    """The liar's share in percent with the truth and with the lie, and the chances of being found."""
    parts, test = game(seed)
    place = 0 if lie == "inflated" else PLAYERS - 1
    honest = retrained_shares(learner, agents(learner, parts, test), test)[place]
    players = agents(learner, parts, test)
    own = players[place].away
    if not isinstance(own, InProcess):
        raise AssertionError("all players are at home")
    rng, rows = np.random.default_rng(seed), len(own.y)
    liar = Liar(own.X, own.y, own.question, own.wire, times=TIMES if lie == "inflated" else 1.0)
    if lie == "another's":
        X, y = parts[0]
        changed = rng.random(len(y)) < 0.05
        liar.false = X, np.where(changed, rng.integers(0, 10, len(y)), y)
    elif lie == "fitted":
        drawn = rng.integers(0, len(test.X), rows)
        liar.false = test.X[drawn], np.asarray(test.y)[drawn]
    players[place] = replace(players[place], away=liar)
    lying = retrained_shares(learner, players, test)[place]
    return 100 * honest, 100 * lying, found(liar, seed, part)


def main(learners: list[str], seeds: int, part: slice) -> None:
    torch.set_num_threads(1)
    names = " | ".join(f"found by {count}" for count in OPENED)
    print(f"| learner | lie | share, truth | share, lie | {names} | share left by 8 | by 16 |")
    print("|---" * (6 + len(OPENED)) + "|")
    for learner in learners:
        for lie in LIES:
            runs = [attack(learner, lie, seed, part) for seed in range(seeds)]
            honest, lying = (np.mean([run[at] for run in runs]) for at in (0, 1))
            chances = np.mean([run[2] for run in runs], axis=0)
            left = [np.mean([run[1] * (1 - run[2][OPENED.index(count)]) for run in runs]) for count in (8, 16)]
            cells = " | ".join(f"{100 * each:.0f} %" for each in chances)
            print(
                f"| {learner} | {lie} | {honest:.1f} | {lying:.1f} | {cells} | {left[0]:.1f} | {left[1]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--learner", nargs="*", default=["logistic", "mlp"], choices=("logistic", "mlp"))
    parts = {"any": ANY, "early": EARLY, "late": LATE}
    options.add_argument("--answers", default="any", choices=list(parts), help="the first or last twenty alone")
    chosen = options.parse_args()
    main(chosen.learner, chosen.seeds, parts[chosen.answers])
