"""How near to retraining: every unlearning method's worths, every estimator's shares, and the default from end to end.

Cells: ``methods`` (a source's table against the retrained one), ``noise`` (retraining again with a second seed: the
floor), ``estimators`` (share error against evaluations, on the stored retrained worths), ``default`` (``value()`` as
a buyer would run it, with its whole cost), ``replays`` (the same loop on stored worths under other job seeds:
coverage), ``partial`` (half the players hidden). Truth is never shown to what is measured.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.markets import Market, markets
from benchmarks.measures import Floats, correlation, share_error, shares, spearman
from benchmarks.tables import METRICS, Table, problem_of, table
from contract.metrics import METRICS as MEASURES
from worker.engine.estimators import LONE
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, Player, TableGame, Worths, all_coalitions
from worker.engine.games.problem import PlayerData, Problem, Rows
from worker.engine.loop.audit import residual_variance_ratio
from worker.engine.valuation import ValuationResult, ValuationSpec, value

BUDGETS = (50, 100, 200, 400)
DRAWS = 10  # draws of each estimator at each budget, and job seeds of the replays
DEAR = 0.15  # in retrainings: a method above it is measured on fewer seeds in a quick run
BUDGET_RETRAINS = (16, 24, 30, 36, 48, 60)  # how many audited retrainings the default is given in ``budgets``
BUDGET_DRAWS = 4
TIMED = 32  # coalitions retrained beside each end-to-end run, to know what retraining costs at that hour


def measure(games: Sequence[str], seeds: Sequence[int], dear_seeds: int = 5) -> None:
    """Measure every cell that is not there yet, the bars first; methods dearer than ``DEAR`` retrainings for the first
    seeds only."""
    for what in (_whole, _budgets, _sampled, _methods):
        for name, seed, market in markets(games, seeds):
            began = time.perf_counter()
            what(market, seed < dear_seeds)
            print(f"fidelity{what.__name__} {name} seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)


def _whole(market: Market, _with_dear: bool) -> None:
    """The default from end to end, and again under other job seeds."""
    truth, where = table(market, "retrain"), f"{market.name}/{market.seed}"
    for metric in METRICS:
        store.cell("default", f"{where}/{metric}", lambda metric=metric: default(market, metric, truth))
    for metric in METRICS:
        store.cell("replays", f"{where}/{metric}", lambda metric=metric: replays(market, metric, truth))


def _budgets(market: Market, _with_dear: bool) -> None:
    """The default's error by how many retrainings it may buy."""
    truth, where = table(market, "retrain"), f"{market.name}/{market.seed}"
    for metric in METRICS:
        store.cell("budgets", f"{where}/{metric}", lambda metric=metric: budgets(market, metric, truth))


def _sampled(market: Market, _with_dear: bool) -> None:
    """Estimators on stored worths, and partial mode."""
    truth, where = table(market, "retrain"), f"{market.name}/{market.seed}"
    store.cell("partial", where, lambda: partial(market))
    store.cell("estimators", where, lambda: estimators(truth))


def _methods(market: Market, with_dear: bool) -> None:
    """Every method's table against the truth, and the noise floor."""
    truth, where = table(market, "retrain"), f"{market.name}/{market.seed}"
    evaluator = Evaluator(problem_of(market))
    for source in measured_sources(evaluator, with_dear=with_dear):
        key = f"{where}/{source.replace(':', '_')}"
        store.cell("methods", key, lambda source=source: method(market, source, truth, evaluator.cost(source)))
    if not market.learner.startswith("logistic") and market.seed < 2:
        store.cell("noise", where, lambda: method(market, "retrain:r1", truth, evaluator.cost("retrain")))


def measured_sources(evaluator: Evaluator, *, with_dear: bool) -> list[str]:
    """The unlearning and repair sources whose whole tables are made."""
    most = DEAR * evaluator.cost("retrain")
    return [s for s in evaluator.sources if not s.startswith("retrain") and (with_dear or evaluator.cost(s) <= most)]


def method(market: Market, source: str, truth: Table, cost: float) -> dict[str, Any]:
    """A source's whole table against the retrained one, by metric."""
    other = table(market, source)
    result: dict[str, Any] = {
        "cost_fraction": other.cpu / truth.cpu,
        "wall": other.wall,
        "cpu": other.cpu,
        "model_cost": cost,
    }
    coalitions = all_coalitions(len(truth.names))
    for metric in METRICS:
        exact, found = truth.worths[metric], other.worths[metric]
        values, wanted = exact_values(found), exact_values(exact)
        result[metric] = {
            "correlation": correlation(found, exact),
            "rmse": float(np.sqrt(((found - exact) ** 2).mean())),
            "rvr": residual_variance_ratio(coalitions, found, exact),
            **asdict(share_error(values, wanted)),
        }
    return result


def estimators(truth: Table) -> dict[str, Any]:
    """Mean worst share error of each estimator on the retrained game, by metric and evaluations, and its own
    seconds."""
    result: dict[str, Any] = {}
    for metric in METRICS:
        wanted = truth.values(metric)
        for name, estimator in LONE.items():
            if name == "exact":
                continue
            for budget in BUDGETS:
                began, errors = time.process_time(), []
                for draw in range(DRAWS):
                    estimate = estimator(TableGame(truth.worths[metric]), budget, np.random.default_rng(draw))
                    errors.append(share_error(estimate.values, wanted))
                result[f"{metric}/{name}/{budget}"] = {
                    "worst": float(np.mean([e.worst for e in errors])),
                    "tv": float(np.mean([e.tv for e in errors])),
                    "spearman": float(np.nanmean([e.spearman for e in errors])),
                    "own_seconds": (time.process_time() - began) / DRAWS,
                }
    return result


def judged(result: ValuationResult, names: Sequence[str], exact: Floats) -> dict[str, Any]:
    """A valuation against the exact values float64[n] of so named providers: share error, widths, and whose interval
    holds the exact share."""
    order = {p.provider: p for p in result.players}
    players, wanted = [order[name] for name in names], shares(exact)
    slack = 1e-9
    inside = [p.share_ci[0] - slack <= w <= p.share_ci[1] + slack for p, w in zip(players, wanted, strict=True)]
    band = [p.share_band[0] - slack <= w <= p.share_band[1] + slack for p, w in zip(players, wanted, strict=True)]
    return {
        **asdict(share_error(np.array([p.value for p in players]), exact)),
        "covered": int(sum(inside)),
        "players": len(players),
        "band_holds": bool(all(band)),
        "width": float(np.mean([100.0 * (p.share_ci[1] - p.share_ci[0]) for p in players])),
        "widest": result.trace[-1].widest,
        "evaluations": result.evaluations,
        "stopped_by": result.stopped_by,
        "estimator": result.estimator,
        "kept": [c.source for c in result.bake_off if c.kept],
    }


def default(market: Market, metric: str, truth: Table) -> dict[str, Any]:
    """``value()`` at its defaults on a fresh evaluator: everything it took, beside what retraining costs at that
    hour."""
    evaluator = Evaluator(problem_of(market, metric))
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator.prepare()
    result = value(evaluator, ValuationSpec(metric=metric, seed=market.seed))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    each_wall, each_cpu = retraining_seconds(market, metric)
    return {
        **judged(result, truth.names, truth.values(metric)),
        "wall": wall,
        "cpu": cpu,
        "exact_wall": each_wall * truth.computed,
        "exact_cpu": each_cpu * truth.computed,
        "cost_fraction": cpu / (each_cpu * truth.computed),
        "cost_fraction_wall": wall / (each_wall * truth.computed),
        "worths_seconds": result.seconds_by_source,
        "prepare_seconds": evaluator.seconds("prepare"),
    }


def retraining_seconds(market: Market, metric: str = "accuracy") -> tuple[float, float]:
    """Wall and processor seconds of one retraining of a uniformly drawn coalition, batched as exact retraining is."""
    evaluator = Evaluator(problem_of(market, metric))
    evaluator.prepare()
    n = len(market.players)
    distinct = np.unique(evaluator.canonical(all_coalitions(n)[1:-1]), axis=0)
    some = np.random.default_rng(market.seed).choice(len(distinct), min(TIMED, len(distinct)), replace=False)
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator.worth("retrain", distinct[some])
    return (time.perf_counter() - wall) / len(some), (time.process_time() - cpu) / len(some)


class StoredTables:
    """The fidelity game of stored tables: what ``value`` sees is what an evaluator would have answered.

    Sources without a table are answered by the evaluator itself, which remembers what it found.
    """

    def __init__(self, evaluator: Evaluator, tables: Mapping[str, Worths]) -> None:
        self._evaluator, self._tables = evaluator, tables

    @property
    def players(self) -> Sequence[Player]:
        return self._evaluator.players

    @property
    def sources(self) -> Sequence[str]:
        return self._evaluator.sources

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        if source not in self._tables:
            return self._evaluator.worth(source, coalitions)
        return np.asarray(self._tables[source][coalitions @ (1 << np.arange(coalitions.shape[1]))], dtype=np.float64)

    def cost(self, source: str) -> float:
        return self._evaluator.cost(source)

    def seconds(self, source: str) -> float:  # noqa: ARG002 - stored worths take no time
        return 0.0


def stored(market: Market, metric: str, truth: Table) -> StoredTables:
    """The market's game with the retrained worths and the default method's taken from their tables."""
    tables = {"retrain": truth.worths[metric], "unlearn:tangent": table(market, "unlearn:tangent").worths[metric]}
    return StoredTables(Evaluator(problem_of(market, metric)), tables)


def replays(market: Market, metric: str, truth: Table) -> dict[str, Any]:
    """The default loop under ``DRAWS`` other job seeds on stored worths: share errors and coverage."""
    game = stored(market, metric, truth)
    exact = truth.values(metric)
    specs = [ValuationSpec(metric=metric, seed=100 + k) for k in range(DRAWS)]
    return {"runs": [judged(value(game, spec), truth.names, exact) for spec in specs]}


def budgets(market: Market, metric: str, truth: Table) -> dict[str, Any]:
    """The default loop on stored worths with ``max_retrains`` as its only end, under ``BUDGET_DRAWS`` job seeds."""
    game, exact, result = stored(market, metric, truth), truth.values(metric), {}
    for most in BUDGET_RETRAINS:
        specs = [
            ValuationSpec(metric=metric, seed=200 + k, max_retrains=most, share_ci=1e-6) for k in range(BUDGET_DRAWS)
        ]
        result[str(most)] = [judged(value(game, spec), truth.names, exact) for spec in specs]
    return result


def partial(market: Market) -> dict[str, Any]:
    """Half the players hidden: each method's worths against retraining (hidden rows kept), by metric."""
    rng = np.random.default_rng([market.seed, 5])
    shown: NDArray[np.int64] = np.sort(rng.permutation(len(market.players))[: len(market.players) // 2])
    hidden = [p for i, p in enumerate(market.players) if i not in shown]
    whole = problem_of(market)
    rest = Rows(np.concatenate([p.X for p in hidden]), np.concatenate([p.y for p in hidden]), name="the rest")
    problem = Problem(
        players=[PlayerData(p.name, p.X, p.y) for i, p in enumerate(market.players) if i in shown],
        test=whole.test,
        classes=whole.classes,
        learner=whole.learner,
        mode="partial",
        rest=rest,
    )
    evaluator = Evaluator(problem, keep_answers=True)
    coalitions = all_coalitions(len(shown))
    found: dict[str, NDArray[np.float64]] = {}
    for source in evaluator.sources:
        evaluator.worth(source, coalitions)
        answers = evaluator.answers(source, coalitions)
        columns = [evaluator.prediction.worths(MEASURES[name], answers, evaluator.targets) for name in METRICS]
        found[source] = np.stack(columns, axis=1)
        # everybody's worth is known to every source and says nothing of it
        found[source][coalitions.all(axis=1)] = np.nan
    result: dict[str, Any] = {"players": [market.players[i].name for i in shown]}
    for source, worths in found.items():
        if source == "retrain":
            continue
        both = np.isfinite(worths[:, 0]) & np.isfinite(found["retrain"][:, 0])
        result[source] = {
            metric: {
                "correlation": correlation(worths[both, k], found["retrain"][both, k]),
                "spearman_worths": spearman(worths[both, k], found["retrain"][both, k]),
            }
            for k, metric in enumerate(METRICS)
        }
    return result
