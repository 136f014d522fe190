"""Does ``cherish verify`` catch a forged result? Results of small games are forged in twelve ways and verified.

``python -m benchmarks.forgeries 1000`` (``make forgeries N=1000``) prints how many of each way were caught by at most
20 retrainings, with Wilson's interval of 95 %, and how many honest results were accused; a second argument names the
ways to try. Every forged file is sealed anew, and where worths are forged everything is computed from them again, as a
careful cheat would. It works in parts of a hundred, each with a seed of its own, that are kept as they are done: a run
that was stopped goes on, and parts made by several runs of the same engine add up.
"""

import os

# matrices here are of some forty rows, on which several threads are slower than one
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cli.proving import verdicts
from app.cli.valuing.request import ValueRequest
from benchmarks import store
from benchmarks.audit_truth import KINDS, METRICS, PLAYERS, problem
from contract.orders.spec import ValuationSpec
from contract.proof.sealing import sealed, spelled
from contract.results.result import ValuationResult
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import key
from worker.engine.games.game import Coalitions, Player, Worths
from worker.engine.loop.run import RETRAIN
from worker.engine.valuation import value

Document = dict[str, Any]
RETRAININGS = 20
POINT = 0.01  # of the pool: a cheat that moves no share by so much gains nothing
_STEPS = (1.0, 2.0, 4.0, 8.0, 16.0)  # usual sizes of a change, tried until a share moves by a point


@dataclass
class Altered:
    """A game whose worths pass through ``change``, (source, coalition bool[n], worth) to what is told instead."""

    whole: Evaluator
    change: Callable[[str, NDArray[np.bool_], float], float]
    names: list[str] | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def players(self) -> list[Player]:
        own = list(self.whole.players)
        return own if self.names is None else [replace(p, name=n) for p, n in zip(own, self.names, strict=True)]

    @property
    def sources(self) -> Any:
        return self.whole.sources

    def cost(self, source: str) -> float:
        return self.whole.cost(source)

    def seconds(self, source: str) -> float:
        return self.whole.seconds(source)

    @property
    def unit_seconds(self) -> float:
        return self.whole.unit_seconds

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        plain = self.whole.worth(source, coalitions)
        told = [self.change(source, row, float(worth)) for row, worth in zip(coalitions, plain, strict=True)]
        return np.array(told, dtype=np.float64)


@dataclass(frozen=True)
class Case:
    """One honest valuation, and what is needed to verify it."""

    evaluator: Evaluator
    result: ValuationResult
    request: ValueRequest

    def document(self, result: ValuationResult | None = None) -> Document:
        """The file's content, as ``cherish value`` writes it, before it is sealed."""
        whole = replace(result or self.result, digests=dict(self.result.digests))
        return {**whole.to_dict(), "request": self.request.to_json()}

    def forged(self, change: Callable[[str, NDArray[np.bool_], float], float]) -> ValuationResult:
        """Everything computed again from altered worths."""
        return value(Altered(self.evaluator, change), self.result.spec)

    def moved(self, result: ValuationResult) -> float:
        """By how much the share that moves most does."""
        shares = [np.array([p.share or 0.0 for p in each.players]) for each in (self.result, result)]
        return float(np.abs(shares[1] - shares[0]).max())


def case(kind: str, metric: str, seed: int) -> Case:
    """A logistic game of eight players and its honest result."""
    game = problem(kind, metric, seed)
    evaluator = Evaluator(game)
    result = value(evaluator, ValuationSpec(metric=metric, seed=seed, max_retrains=36))
    files = tuple((player.name, f"{player.name}.csv") for player in evaluator.players)
    request = ValueRequest(files, "test.csv", "label", "logistic", metric, "full", seed)
    return Case(evaluator, replace(result, digests={"test": "d" * 64}), request)


def catches(case: Case, document: Document, seed: int) -> str | None:
    """The part of the verification that finds a sealed document false; None where all of it holds."""
    content = spelled(sealed(document))
    stored = ValuationResult.from_dict(sealed(document))
    asked = ValueRequest.from_json(document["request"])
    parts: dict[str, Callable[[], verdicts.Verdict]] = {
        "seal": lambda: verdicts.seal(content),
        "versions": lambda: verdicts.versions(document["request"]["versions"], asked, accepted=False),
        "request": lambda: verdicts.request(stored, asked),
        "estimate": lambda: verdicts.estimate(stored),
        "files": lambda: verdicts.files(stored, case.evaluator, case.result.digests),
        "worths": lambda: verdicts.worths(stored, _of_metric(case, stored), RETRAININGS, seed),
        "game": lambda: verdicts.game(stored, case.evaluator, []),
    }
    return next((name for name, part in parts.items() if not part().match), None)


def _of_metric(case: Case, stored: ValuationResult) -> Evaluator:
    """The game of the files and of the metric that the result names."""
    if stored.spec.metric == case.result.spec.metric:
        return case.evaluator
    return Evaluator(replace(case.evaluator.problem, metric=stored.spec.metric))


# The ways. Each gives a document, or None where the game offers no such forgery.


def _collapsed(case: Case, rng: np.random.Generator) -> Document:  # noqa: ARG001 - one signature for all ways
    document = case.document()
    for player in document["players"]:
        player["share_ci"] = player["share_band"] = [player["share"]] * 2
        player["value_ci"] = player["value_band"] = [player["value"]] * 2
    return document


def _no_covariance(case: Case, rng: np.random.Generator) -> Document:  # noqa: ARG001
    document = case.document()
    return {**document, "covariance": [[0.0] * PLAYERS for _ in range(PLAYERS)]}


def _audit(case: Case, rng: np.random.Generator) -> Document | None:
    document = case.document()
    if document["audit"]["rmse"] is None:
        return None
    document["audit"]["rmse"] *= float(rng.uniform(0.1, 0.9))
    return document


def _rows(case: Case, rng: np.random.Generator) -> Document:
    document = case.document()
    document["players"][int(rng.integers(PLAYERS))]["rows"] += int(rng.integers(1, 50))
    return document


def _metric(case: Case, rng: np.random.Generator) -> Document:
    document = case.document()
    other = str(rng.choice([name for name in METRICS if name != case.result.spec.metric]))
    document["spec"]["metric"] = document["request"]["metric"] = other
    return document


def _versions(case: Case, rng: np.random.Generator) -> Document:
    document = case.document()
    document["request"]["versions"][str(rng.choice(["cherish", "torch", "numpy"]))] = "0.0.1"
    return document


def _trace(case: Case, rng: np.random.Generator) -> Document:
    document = case.document()
    document["trace"] = [
        {**each, "widest": each["widest"] * float(rng.uniform(0.1, 0.9))} for each in document["trace"]
    ]
    return document


def _scaled(case: Case, rng: np.random.Generator) -> Document:
    factor = float(rng.uniform(1.01, 1.3))
    return case.document(case.forged(lambda _, __, worth: worth * factor))


def _swapped(case: Case, rng: np.random.Generator) -> Document:
    """Two players' worths exchanged wherever one of them is kept without the other."""
    first, second = rng.choice(PLAYERS, 2, replace=False)

    def change(source: str, row: NDArray[np.bool_], worth: float) -> float:
        if row[first] == row[second]:
            return worth
        other = row.copy()
        other[[first, second]] = row[[second, first]]
        return float(case.evaluator.worth(source, other[None])[0])

    return case.document(case.forged(change))


def _some_worths(count: int) -> Callable[[Case, np.random.Generator], Document | None]:
    """So many retrained worths changed, in favour of one player, until a share moves by a point."""

    def forge(case: Case, rng: np.random.Generator) -> Document | None:
        inner = [row for row in case.result.worths if row.source == RETRAIN and 0 < len(row.coalition) < PLAYERS]
        if len(inner) < count:
            return None
        names = [player.name for player in case.evaluator.players]
        usual = 0.25 * float(np.std([row.worth for row in inner]))
        chosen = [inner[at] for at in rng.choice(len(inner), count, replace=False)]
        favoured = str(rng.choice(names))
        for step in _STEPS:
            told = {
                key(np.array([name in row.coalition for name in names])): row.worth
                + (step if favoured in row.coalition else -step) * usual
                for row in chosen
            }
            made = case.forged(lambda of, row, worth, told=told: told.get(key(row), worth) if of == RETRAIN else worth)
            if case.moved(made) >= POINT:
                return case.document(made)
        return None

    return forge


WAYS: dict[str, Callable[[Case, np.random.Generator], Document | None]] = {
    "intervals collapsed to points": _collapsed,
    "covariance set to zero": _no_covariance,
    "audit forged": _audit,
    "rows changed": _rows,
    "metric changed": _metric,
    "versions changed": _versions,
    "trace changed": _trace,
    "all worths scaled, all computed from them": _scaled,
    "two players swapped, all computed from that": _swapped,
    "one retrained worth, all computed from it": _some_worths(1),
    "three retrained worths, likewise": _some_worths(3),
    "eight retrained worths, likewise": _some_worths(8),
}
HONEST, MISSED = "none: honest results", "nothing"
PART = 100  # forged results with one seed: some two minutes on a core


def trial(count: int, seed: int = 0, ways: str = "") -> dict[str, list[str | None]]:
    """What caught each of ``count`` forged results, by way; and what accused the honest ones. ``ways`` is in the names
    of those that are tried."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[str | None]] = defaultdict(list)
    names = [name for name in WAYS if ways in name]
    done, number, empty = 0, 0, 0
    while done < count and empty < 10:
        kind, metric = KINDS[number % len(KINDS)], METRICS[number // len(KINDS) % 2]
        honest = case(kind, metric, 1000 * seed + number)
        number += 1
        found[HONEST].append(catches(honest, honest.document(), int(rng.integers(1 << 40))))
        before = done
        for name in names[done % len(names) :] + names[: done % len(names)]:
            document = WAYS[name](honest, rng) if done < count else None
            if document is not None:
                found[name].append(catches(honest, document, int(rng.integers(1 << 40))))
                done += 1
        empty = empty + 1 if done == before else 0
    return dict(found)


def pooled(count: int, ways: str = "") -> dict[str, Counter[str]]:
    """For each way how often what caught it (``MISSED``: nothing), from all parts of ``count`` forged results."""
    total: dict[str, Counter[str]] = defaultdict(Counter)
    engine = store.engine_digest()
    for number, start in enumerate(range(0, count, PART)):
        size = min(PART, count - start)
        key = f"{engine}/{ways or 'all'}/{size}-{number}"
        part = store.cell("forgeries", key, partial(_counted, size, number, ways))
        for name, by in part.items():
            total[name].update(by)
    return dict(total)


def _counted(count: int, seed: int, ways: str) -> dict[str, dict[str, int]]:
    found = trial(count, seed, ways)
    return {name: dict(Counter(each or MISSED for each in by)) for name, by in found.items()}


def wilson(caught: int, of: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a part of which ``caught`` of ``of`` were seen."""
    if not of:
        return 0.0, 1.0
    z, part = 1.96, caught / of
    middle, spread = part + z**2 / (2 * of), z * (part * (1 - part) / of + (z / (2 * of)) ** 2) ** 0.5
    return (middle - spread) / (1 + z**2 / of), (middle + spread) / (1 + z**2 / of)


def _line(name: str, by: Counter[str]) -> str:
    of, caught = by.total(), by.total() - by[MISSED]
    low, high = wilson(caught, of)
    parts = ", ".join(part for part in by if part != MISSED)
    return f"| {name} | {of} | {caught} | {100 * low:.1f} to {100 * high:.1f} % | {parts or '-'} |"


def main() -> None:
    found = pooled(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2] if len(sys.argv) > 2 else "")
    forged: Counter[str] = sum((by for name, by in found.items() if name != HONEST), Counter())
    print("| what was forged | results | caught | part that is caught, 95 % | by |")
    print("|---|---|---|---|---|")
    for name in WAYS:
        print(_line(name, found.get(name, Counter())))
    print(_line("all of these", forged))
    print(_line(HONEST, found[HONEST]))


if __name__ == "__main__":
    main()
