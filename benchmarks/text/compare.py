"""Every unlearning method against exact retraining on a Gutenberg game, in full and in partial mode.

Cheap methods answer for every coalition, dear ones for a seeded sample of antithetic pairs. Seconds are the
processor's (one thread), everything included: preparation, unlearning, and scoring the test set.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measures, store
from benchmarks.fidelity import judged
from benchmarks.text import game, reference
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, all_coalitions
from worker.engine.games.problem import Problem
from worker.engine.tensors import batching
from worker.engine.valuation import value

CHEAP = (
    "interpolation",
    "tangent",
    "natural_gradient",
    "ekfac",
    "merge",
    "adapter_sum",
    "logit_sum",
    "mixture",
    "unmerge",
    "negation",
)
DEAR = (
    "shrink_and_repair",
    "gradient_ascent",
    "finetune_retained",
    "simnpo",
    "npo",
    "kl_to_base",
    "neggrad_plus",
)
PARTIAL = (
    "mixture",
    "unmerge",
    "negation",
    "interpolation",
    "tangent",
    "natural_gradient",
    "ekfac",
    "gradient_ascent",
)
LOOP = ("mixture",)
AGAIN = "retrain:r1"
PAIRS = 10
BUDGETS = (16, 36, 48)  # of retrainings in the loop; 36 is what a job buys where nothing is said
JOBS = 10  # seeds of the job on which the loop is measured
Floats = NDArray[np.float64]


def full_evaluator(seed: int) -> Evaluator:
    """The game with M_full as exact retraining left it: nothing is trained twice."""
    problem = reference.game_of(seed)
    learner = Evaluator(problem).learner
    everybody = reference.load(seed, np.ones((1, len(problem.players)), dtype=bool))[0][0]
    layout = learner.layout
    prepared = {f"base.{name}": array for name, array in layout.unpack(learner.start(problem.seed)).items()}
    return Evaluator(problem, prepared=prepared | {f"full.{n}": a for n, a in layout.unpack(everybody).items()})


def sampled(evaluator: Evaluator, seed: int) -> Coalitions:
    """Nobody, everybody and antithetic pairs of uniform sizes, bool[2 + 2 PAIRS, n]."""
    rng, n = np.random.default_rng(seed), len(evaluator.players)
    rows = [np.zeros(n, dtype=bool), np.ones(n, dtype=bool)]
    for _ in range(PAIRS):
        kept = np.isin(np.arange(n), rng.permutation(n)[: rng.integers(1, n)])
        rows += [kept, ~kept]
    return np.array(rows)


def method(seed: int, name: str) -> dict[str, Any]:
    """Worths by coalition, and the processor seconds they took."""

    def measure() -> dict[str, Any]:
        evaluator = full_evaluator(seed)
        coalitions = reference.distinct(evaluator.problem) if name in CHEAP else sampled(evaluator, seed)
        evaluator.prepare()
        source = {m.name: m.source for m in evaluator._methods.values()}[name]
        begun = time.process_time()
        worths = evaluator.worth(source, coalitions)
        spent = time.process_time() - begun
        rows = evaluator.canonical(coalitions)
        return {
            "seconds": spent,
            "worths": {reference.key(row): float(w) for row, w in zip(rows, worths, strict=True)},
        }

    return store.cell(game.CELLS, f"seed{seed}/method/{name}", measure)


def retrained(seed: int, evaluator: Evaluator, rows: Coalitions, source: str = "retrain") -> dict[str, float]:
    """Worths of exact retraining on the rows that an evaluator measures with, by coalition of the whole game."""
    found = {}
    models, _ = reference.load(seed, rows, source)
    with batching.single_threaded():
        for row, model in zip(rows, models, strict=True):
            found[reference.key(row)] = float(evaluator.worths_of_models(model.unsqueeze(0))[0])
    return found


def exact_seconds(seed: int) -> float:
    """Processor seconds that training and scoring every distinct coalition took."""
    spent = 0.0
    for path in sorted(reference.place(seed, "retrain").glob("*[01].npz")):
        with np.load(path, allow_pickle=False) as stored:
            spent += float(stored["seconds"])
    return spent + exact(seed)["scored"]


@dataclass(frozen=True)
class Row:
    """A line of the table; ``spearman`` and ``tv`` are nan where only a sample was computed."""

    name: str
    correlation: float
    spearman: float
    tv: float
    worst: float
    share_of_time: float
    coalitions: int


def rows(seed: int, names: tuple[str, ...]) -> list[Row]:
    """The table of full mode for methods that were measured."""
    exact = exact_worths(seed)
    n = len(next(iter(exact)))
    truth = values_of(seed, exact)
    per_coalition = exact_seconds(seed) / len(exact)
    result = []
    for name in names:
        cell = method(seed, name)
        worths = cell["worths"]
        inner = [k for k in worths if k in exact and 0 < k.count("1") < n]
        r = measures.correlation(np.array([worths[k] for k in inner]), np.array([exact[k] for k in inner]))
        share = cell["seconds"] / (per_coalition * len(worths))
        if name in CHEAP:
            error = measures.share_error(values_of(seed, worths), truth)
            result.append(Row(name, r, error.spearman, error.tv, error.worst, share, len(worths)))
        else:
            result.append(Row(name, r, np.nan, np.nan, np.nan, share, len(inner)))
    return result


@cache
def grid(seed: int) -> tuple[str, ...]:
    """Every coalition as the one that stands for it; copies stand for each other."""
    evaluator = full_evaluator(seed)
    return tuple(reference.key(row) for row in evaluator.canonical(all_coalitions(len(evaluator.players))))


def values_of(seed: int, worths: Mapping[str, float]) -> Floats:
    """Values by enumeration from worths by coalition."""
    return exact_values(np.array([worths[key] for key in grid(seed)]))


def floor(seed: int) -> Row:
    """Retraining with another seed, in the place of a method."""
    truth, found = exact_worths(seed), exact(seed, AGAIN)["worths"]
    inner = [k for k in truth if 0 < k.count("1") < len(k)]
    r = measures.correlation(np.array([found[k] for k in inner]), np.array([truth[k] for k in inner]))
    error = measures.share_error(values_of(seed, found), values_of(seed, truth))
    return Row("retraining again", r, error.spearman, error.tv, error.worst, 1.0, len(inner))


def exact(seed: int, source: str = "retrain") -> dict[str, Any]:
    """All of exact retraining's worths, the base model's for nobody, scored once and kept; and the seconds it took."""

    def measure() -> dict[str, Any]:
        evaluator = full_evaluator(seed)
        nobody = "0" * len(evaluator.players)
        begun = time.process_time()
        found = retrained(seed, evaluator, reference.distinct(evaluator.problem), source)
        return {"worths": {**found, nobody: evaluator.empty_worth}, "scored": time.process_time() - begun}

    return store.cell(game.CELLS, f"seed{seed}/{'exact' if source == 'retrain' else 'exact again'}", measure)


def exact_worths(seed: int) -> dict[str, float]:
    """Worths of exact retraining by coalition."""
    found: dict[str, float] = exact(seed)["worths"]
    return found


def hidden_game(whole: Evaluator, hidden: tuple[str, ...]) -> Evaluator:
    """The game in partial mode: the hidden players' rows are out of reach, M_full is given."""
    problem = whole.problem
    arrays = whole.learner.layout.unpack(whole.context.full)
    smaller = Problem(
        players=[p for p in problem.players if p.name not in hidden],
        test=problem.test,
        classes=problem.classes,
        learner=problem.learner,
        metric=problem.metric,
        mode="partial",
        seed=problem.seed,
        checkpoint={**dict(problem.checkpoint or {}), **arrays},
        unlearning={"hidden_rows": sum(len(p) for p in problem.players if p.name in hidden)},
    )
    return Evaluator(smaller)


def beside_hidden(whole: Evaluator, evaluator: Evaluator, hidden: tuple[str, ...]) -> tuple[Coalitions, Coalitions]:
    """Coalitions of the targets (not everybody, and of copies the first), and the same in the whole game."""
    place = {p.name: i for i, p in enumerate(whole.players)}
    targets = np.unique(evaluator.canonical(all_coalitions(len(evaluator.players))[:-1]), axis=0)
    wide = np.zeros((len(targets), len(whole.players)), dtype=bool)
    wide[:, [place[name] for name in hidden]] = True
    for i, player in enumerate(evaluator.players):
        wide[:, place[player.name]] = targets[:, i]
    return targets, whole.canonical(wide)


@cache
def hidden_truth(seed: int, hidden: tuple[str, ...]) -> tuple[Evaluator, Coalitions, Floats]:
    """The game in partial mode, its targets' coalitions, and what retraining beside the hidden rows is worth."""
    whole = full_evaluator(seed)
    evaluator = hidden_game(whole, hidden)
    coalitions, wide = beside_hidden(whole, evaluator, hidden)
    return evaluator, coalitions, np.array(list(retrained(seed, evaluator, wide).values()))


def partial(seed: int, hidden: tuple[str, ...], name: str) -> dict[str, Any]:
    """Correlation of a method's worths with retraining where the hidden players' rows are out of reach."""

    def measure() -> dict[str, Any]:
        evaluator, coalitions, truth = hidden_truth(seed, hidden)
        source = {m.name: m.source for m in evaluator._methods.values()}[name]
        begun = time.process_time()
        worths = evaluator.worth(source, coalitions)
        return {
            "coalitions": len(coalitions),
            "spread": float(truth.std()),
            "r": measures.correlation(worths, truth),
            "slope": float(np.polyfit(worths, truth, 1)[0]),
            "bias": float(np.mean(worths - truth)),
            "seconds": time.process_time() - begun,
        }

    return store.cell(game.CELLS, f"seed{seed}/partial/{'+'.join(hidden)}/{name}", measure)


def again(seed: int, hidden: tuple[str, ...]) -> dict[str, Any]:
    """Correlation of retraining with itself under another seed; its square root is what no method can be expected to
    pass."""

    def measure() -> dict[str, Any]:
        whole = full_evaluator(seed)
        evaluator = hidden_game(whole, hidden)
        _, wide = beside_hidden(whole, evaluator, hidden)
        both = [retrained(seed, evaluator, wide, source) for source in ("retrain", AGAIN)]
        return {"again": measures.correlation(*(np.array(list(worths.values())) for worths in both))}

    return store.cell(game.CELLS, f"seed{seed}/again/{'+'.join(hidden)}", measure)


class StoredGame:
    """The game from worths that were measured: retraining, and the cheap sources for every coalition. Retraining with
    a second seed is done where it is asked for."""

    def __init__(self, seed: int) -> None:
        self.seed, self.evaluator = seed, full_evaluator(seed)
        found = {m.name: m.source for m in self.evaluator._methods.values()}
        self.tables = {found[name]: method(seed, name)["worths"] for name in LOOP}
        self.tables["retrain"] = exact_worths(seed)

    @property
    def players(self) -> Any:
        return self.evaluator.players

    @property
    def sources(self) -> list[str]:
        return [*self.tables, AGAIN]

    def worth(self, source: str, coalitions: Coalitions) -> Floats:
        rows = self.evaluator.canonical(coalitions)
        if source == AGAIN:
            reference.train(self.seed, rows, AGAIN)
            return np.array(list(retrained(self.seed, self.evaluator, rows, AGAIN).values()))
        return np.array([self.tables[source][reference.key(row)] for row in rows])

    def cost(self, source: str) -> float:
        return self.evaluator.cost(source)

    def seconds(self, source: str) -> float:  # noqa: ARG002 - no budget of seconds is set
        return 0.0


def loop(seed: int, budget: int) -> dict[str, Any]:
    """The product's own loop, cheap sources corrected by ``budget`` retrainings, under ``JOBS`` seeds of the job: mean
    share error, how many 95 % intervals hold the exact share, and their mean width in points."""

    def measure() -> dict[str, Any]:
        stored = StoredGame(seed)
        names, truth = [player.name for player in stored.players], values_of(seed, stored.tables["retrain"])
        runs = []
        for job in range(JOBS):
            spec = ValuationSpec(metric="log_loss", unlearning="auto", max_retrains=budget, share_ci=0.01, seed=job)
            runs.append(judged(value(stored, spec), names, truth))
        marks = {mark: float(np.mean([run[mark] for run in runs])) for mark in ("spearman", "tv", "worst", "width")}
        held = float(np.mean([run["covered"] / run["players"] for run in runs]))
        bought = float(np.mean([run["evaluations"]["retrain"] for run in runs]))
        return {**marks, "held": held, "retrainings": bought}

    return store.cell(game.CELLS, f"seed{seed}/loop/{budget}", measure)


def corrected(seed: int, budget: int) -> Row:
    """The loop in the place of a method."""
    cell, exact = loop(seed, budget), exact_worths(seed)
    per = exact_seconds(seed) / len(exact)
    spent = sum(method(seed, name)["seconds"] for name in LOOP) / per + cell["retrainings"]
    label = f"loop, {cell['retrainings']:.0f} retrainings"
    return Row(label, np.nan, cell["spearman"], cell["tv"], cell["worst"], spent / len(exact), len(exact))
