"""Data at home, measured: rounds, bytes and seconds of jobs by the number of agents, and what noise does to shares.

``python -m benchmarks.agents`` prints the tables of docs/benchmarks-agents.md. Agents are in this process: what they
answer and how many bytes that is on the wire are the agent's own code; a connection's latency is added for each round
in which agents are asked (all at once), not waited for. The shares are exact Shapley values of every coalition.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent import noise, sums
from contract.agents import AgentQuestion, AskedColumn, AskedEncoding, NoiseTerms
from contract.gaussian_privacy import multiplier_for
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.away import RowMoments, TangentMoments
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

Floats = NDArray[np.float64]
LATENCIES = (0.0, 0.05, 0.2)
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
DELTA = 1e-6
HIDDEN = 64
HYPER: dict[str, dict[str, float | int]] = {
    "logistic": {"l2": 0.01}, "ridge": {}, "mlp": {"hidden": HIDDEN, "double": 1},
}  # fmt: skip


@dataclass
class Wire:
    """What all agents of a job sent and were sent."""

    sent: int = 0
    received: int = 0
    questions: int = 0
    rounds: set[str] = field(default_factory=set)
    steps: int = 0
    waiting: bool = False

    def answered(self) -> None:
        """An answer is waited for: those that were asked for before it make one round."""
        self.steps += self.waiting
        self.waiting = False


@dataclass(eq=False)
class InProcess:
    """An agent in this process."""

    X: NDArray[np.float32]
    y: NDArray[np.generic]
    question: AgentQuestion
    wire: Wire
    noise: NoiseTerms | None = None
    _known: RowMoments | None = None

    @property
    def rows(self) -> int:
        return len(self.y)

    def _arrays(self, question: AgentQuestion, models: Floats) -> dict[str, Floats]:
        self.wire.sent += question.answer_bytes
        self.wire.received += models.nbytes + 2000
        self.wire.questions += 1
        if question.asks == "gradients":
            # agents are asked about other models in one round, each about those of its own coalitions
            self.wire.waiting = True
        else:
            self.wire.rounds.add(f"{question.asks} {question.models} {question.network and question.dataset}")
        if self.noise is not None:
            each = multiplier_for(self.noise.epsilon, self.noise.delta)
            return noise.noisy_moments(self.X, self.y.astype(np.float64), self.noise, each)
        return sums.answered(question, self.X, self.y, models)

    def moments(self, _check: Callable[[], None]) -> RowMoments:
        if self._known is None:
            arrays = self._arrays(self.question, np.zeros(self.question.models_shape))
            self._known = RowMoments(*(torch.from_numpy(arrays[name]) for name in "Ab"))
        return self._known

    def objective(
        self, theta: torch.Tensor, _check: Callable[[], None]
    ) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
        models = theta.numpy()
        arrays = self._arrays(self.question.of("objective", models.tobytes(), len(models)), models)
        return lambda: (torch.from_numpy(arrays["values"]), torch.from_numpy(arrays["gradients"]))

    def gradients(self, models: torch.Tensor, _check: Callable[[], None]) -> Callable[[], torch.Tensor]:
        asked = self.question.of("gradients", models.numpy().tobytes(), len(models))
        gradients = torch.from_numpy(self._arrays(asked, models.numpy())["gradients"])

        def wait() -> torch.Tensor:
            self.wire.answered()
            return gradients

        return wait

    def tangents(self, reference: torch.Tensor, sketch: int, _check: Callable[[], None]) -> TangentMoments:
        models = reference.unsqueeze(0).numpy()
        arrays = self._arrays(self.question.of("tangents", models.tobytes(), sketch=sketch), models)
        return TangentMoments(*(torch.from_numpy(arrays[name]) for name in "Ab"), float(arrays["squares"][0]))

    def curvature(self, theta: torch.Tensor, _check: Callable[[], None]) -> RowMoments:
        models = theta.unsqueeze(0).numpy()
        arrays = self._arrays(self.question.of("curvature", models.tobytes()), models)
        return RowMoments(*(torch.from_numpy(arrays[name]) for name in "Ab"))


def question(width: int, classes: int, rows: int, learner: str) -> AgentQuestion:
    encoding = AskedEncoding(
        columns=tuple(AskedColumn(name=f"x{at}", kind="number") for at in range(width)),
        target="y",
        classes=tuple(map(str, range(classes))) if classes > 1 else (),
        scale=None if classes > 1 else (0.0, 1.0),
    )
    return AgentQuestion.read(
        {
            "dataset": "0" * 32, "registration": "0" * 64, "commitment": "0" * 64, "rows": rows, "game": "0" * 64,
            "buyer": "acc_0", "purpose": None, "learner": learner, "asks": "moments", "encoding": encoding.plain(),
            "network": {"hidden": HIDDEN, "layers": 1} if learner == "mlp" else None,
        }
    )  # fmt: skip


def away_problem(
    parts: list[tuple[Floats, Floats]], test: Rows, classes: int, at_home: bool, wire: Wire, learner: str = ""
) -> Problem:
    """A game of these parts, whose players are at home or here."""
    learner = learner or ("logistic" if classes > 1 else "ridge")
    metric = "clipped_log_loss" if classes > 1 else "clipped_r2"
    players = []
    for place, (X, y) in enumerate(parts):
        name, digest = f"p{place:02d}", f"{place:064x}"
        if not at_home:
            players.append(PlayerData(name, X, y, digest))
            continue
        nothing = np.zeros((0, X.shape[1]), dtype=np.float32), np.zeros(0, dtype=y.dtype)
        asked = question(X.shape[1], classes, len(y), learner).model_copy(update={"dataset": f"{place:032x}"})
        players.append(PlayerData(name, *nothing, digest, away=InProcess(X.astype(np.float32), y, asked, wire)))
    return Problem(players, test, classes, LearnerSpec(learner, HYPER[learner]), metric)


def digits(players: int, seed: int) -> tuple[list[tuple[Floats, NDArray[np.int64]]], Rows]:
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    X, y = (data.data[order] / 8 - 1).astype(np.float32), data.target[order].astype(np.int64)
    parts = np.array_split(np.arange(400, len(y)), players)
    return [(X[part], y[part]) for part in parts], Rows(X[:400], y[:400])


def rounds(learner: str, seed: int, counts: list[int]) -> None:
    print("| agents | worths | retrained | rounds | each sent, MB | each received, MB | s | at 50 ms | at 200 ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for players in counts:
        parts, test = digits(players, seed)
        wire = Wire()
        evaluator = Evaluator(away_problem(parts, test, 10, True, wire, learner))
        begun = time.perf_counter()
        result = value(evaluator, ValuationSpec(seed=seed, max_retrains=30))
        spent = time.perf_counter() - begun
        counted, taken = result.evaluations, len(wire.rounds) + wire.steps
        times = [f"{spent + taken * each:.1f}" for each in LATENCIES]
        print(
            f"| {players} | {sum(counted.values())} | {counted.get('retrain', 0)} | {taken} | "
            f"{wire.sent / players / 1e6:.1f} | {wire.received / players / 1e6:.1f} | {' | '.join(times)} |"
        )


def summed(seed: int, counts: list[int]) -> None:
    """What would be hidden if the service learned sums over three agents or more alone: of the coalitions that a job
    retrains besides everybody, those of one, two and more agents, and the rank of the latter with everybody's. All
    trainings start at one point, so where the rank is the number of agents their sums there give each agent's.
    """
    print("| agents | retrained | of one | of two | of three or more | rank of these |")
    print("|---" * 6 + "|")
    for players in counts:
        parts, test = digits(players, seed)
        evaluator = Evaluator(away_problem(parts, test, 10, False, Wire(), "mlp"))
        bought: list[NDArray[np.bool_]] = []
        worths = evaluator.worths_with_seconds

        def noted(source: str, coalitions: NDArray[np.bool_], *rest: Any) -> Any:
            if source.startswith("retrain"):
                bought.extend(coalitions)  # noqa: B023 - called within this turn of the loop
            return worths(source, coalitions, *rest)  # noqa: B023

        evaluator.worths_with_seconds = noted  # type: ignore[method-assign]
        value(evaluator, ValuationSpec(seed=seed, max_retrains=30))
        drawn = np.unique(np.array(bought), axis=0)
        sizes = drawn.sum(axis=1)
        inner = drawn[(sizes > 0) & (sizes < players)]
        of = inner.sum(axis=1)
        rank = int(np.linalg.matrix_rank(drawn[sizes > 2].astype(float)))
        print(
            f"| {players} | {len(inner)} | {(of == 1).sum()} | {(of == 2).sum()} | {(of > 2).sum()} | {rank} |",
            flush=True,
        )


def regression(name: str, seed: int) -> tuple[list[tuple[Floats, Floats]], Rows]:
    """Three games of four players: a hospital's size, a network's, and few rows. One in four has noisy targets."""
    if name == "diabetes":
        from sklearn.datasets import load_diabetes

        data = load_diabetes()
        X, y = data.data / data.data.std(axis=0), (data.target - data.target.mean()) / data.target.std()
    else:
        rng = np.random.default_rng(seed)
        rows = {"4,000 rows": 5000, "40,000 rows": 41000}[name]
        X = rng.normal(size=(rows, 10))
        y = X @ rng.normal(size=10) / 3 + rng.normal(size=rows)
        y = (y - y.mean()) / y.std()
    order = np.random.default_rng(seed).permutation(len(y))
    X, y = X[order].astype(np.float32), y[order].copy()
    tested = 142 if name == "diabetes" else 1000
    parts = np.array_split(np.arange(tested, len(y)), 4)
    y[parts[3]] = np.random.default_rng(seed + 1).permutation(y[parts[3]])
    return [(X[part], y[part]) for part in parts], Rows(X[:tested], y[:tested])


def shares(problem: Problem) -> Floats:
    evaluator = Evaluator(problem)
    coalitions = all_coalitions(len(problem.players))
    values = exact_values(evaluator.worth("unlearn:statistics", coalitions))
    order = np.argsort([player.name for player in evaluator.players])
    return np.asarray(shares_of(values))[order]


def epsilons(seeds: int, clip: float) -> None:
    print("| game | " + " | ".join(f"eps {each:g}" for each in EPSILONS) + " | eps 1e6 |")
    print("|---" * (len(EPSILONS) + 2) + "|")
    for name in ("diabetes", "4,000 rows", "40,000 rows"):
        cells = []
        for epsilon in (*EPSILONS, np.inf):
            wrong = []
            for seed in range(seeds):
                parts, test = regression(name, seed)
                truth = shares(away_problem(parts, test, 1, False, Wire()))
                problem = away_problem(parts, test, 1, True, Wire())
                for player in problem.players:
                    assert isinstance(player.away, InProcess)
                    terms = NoiseTerms(epsilon=min(epsilon, 1e6), delta=DELTA, clip=clip)
                    player.away.noise = terms
                wrong.append(100 * 0.5 * np.abs(shares(problem) - truth).sum())
            cells.append(f"{np.mean(wrong):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--agents", type=int, nargs="*", default=[3, 5, 10, 20])
    options.add_argument("--learner", nargs="*", default=["logistic", "mlp"], choices=("logistic", "mlp"))
    options.add_argument("--sums", action="store_true")
    options.add_argument("--clip", type=float, default=5.0)
    chosen = options.parse_args()
    for each in chosen.learner:
        print(f"\n{each}")
        rounds(each, chosen.seed, chosen.agents)
    if chosen.sums:
        print()
        summed(chosen.seed, chosen.agents)
    print()
    if chosen.seeds:
        epsilons(chosen.seeds, chosen.clip)
