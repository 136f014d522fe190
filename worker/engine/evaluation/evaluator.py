"""Worths of coalitions, by training or by unlearning, in batches: the game that a valuation is played on.

An ``Evaluator`` holds one problem on one device: the base model, M_full, and the worths found so far. It returns the
same bits for a coalition whatever the batch, the order, the process or the copies of players it is asked with. It
never makes a number up: a training that fails, or a worth that is not finite, is an ``EvaluationFailed`` that names
source and coalition.
"""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import Metric
from contract.results import clusters
from contract.results.answers import Anchors, AnchorSums, UnitSums
from contract.results.baseline import at_least
from contract.tasks import Prediction, Targets
from worker.engine.evaluation import memory, prices
from worker.engine.evaluation.memory import MemoryPlan
from worker.engine.evaluation.models import Models, frozen_arrays, stored_state
from worker.engine.evaluation.test_rows import Score, TestRows
from worker.engine.evaluation.work import Answer, SourceWork, checked, method_key, retraining_key
from worker.engine.games.away import METHODS_WITHOUT_ROWS
from worker.engine.games.coalitions import canonical, classes_of
from worker.engine.games.game import Coalitions, Player, Worths, family
from worker.engine.games.measured import WITHOUT_PLAYERS, Ends, TestUnits
from worker.engine.games.problem import Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Chunk, ShouldStop, Stopped
from worker.engine.unlearning import method_of, methods_for
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order import tangent

Seconds = NDArray[np.float64]


def never() -> bool:
    """The should_stop of a caller that never stops."""
    return False


class Evaluator:
    """Implements ``FidelityGame`` in this process.

    ``prepared`` is what ``prepared_state`` of another evaluator of the same problem returned: models are then loaded
    instead of trained. ``threads`` chunks are computed at a time, each with one torch thread; ``stack`` limits how
    many coalitions are stacked (None: by memory). Neither changes a bit. With ``keep_answers`` what is stored of every
    model on the test units can be had of ``answers``, and with it the gain and the chance of the test units.
    """

    def __init__(
        self,
        problem: Problem,
        device: str = "cpu",
        *,
        prepared: Mapping[str, NDArray[Any]] | None = None,
        threads: int = 1,
        stack: int | None = None,
        keep_answers: bool = True,
    ) -> None:
        self.problem, self.device = problem, torch.device(device)
        frozen, rows = frozen_arrays(problem), sum(map(len, problem.players)) + len(problem.rest or ())
        self.learner = make_learner(
            problem.learner,
            problem.feature_shape,
            problem.classes,
            frozen,
            problem.predicts,
            rows=rows,
            columns=problem.columns,
        )
        self._methods = methods_for(self.learner.name)
        self.threads, self.stack = threads, stack
        self._prepared = dict(prepared) if prepared is not None else None
        self._context: Context | None = None
        self._computed: dict[tuple[str, bytes], tuple[float, float]] = {}
        self.keep_answers = keep_answers
        self._answers: dict[tuple[str, bytes], Answer] = {}
        self._seconds: dict[str, float] = {}
        self._should_stop: ShouldStop = never
        self._lock = threading.Lock()
        self._plan: MemoryPlan | None = None
        self.notes: list[str] = []
        self._models = Models(problem, self.learner, self.device, self._check)
        self._test = TestRows(problem, self.learner, self.device)
        self.test_X, self.test_y = self._test.X, self._test.y
        self._classes = classes_of(self.players)

    @property
    def players(self) -> Sequence[Player]:
        """The players in the order of the coalitions' columns."""
        return [Player(p.name, len(p), p.digest, p.owner) for p in self.problem.players]

    @property
    def owners(self) -> Sequence[Player]:
        """Who is paid, where players are shards of their data; else nobody."""
        return self.problem.owners

    @property
    def sources(self) -> Sequence[str]:
        """What can be evaluated in this problem's mode and with its learner, cheapest first; last, where training draws
        a start or minibatches, retraining with others, by which a valuation measures seed noise."""
        methods = [m for m in self._methods.values() if self._allows(m)]
        ordered = sorted(methods, key=lambda m: (self.cost(m.source), m.source))
        seeded = ["retrain:r1"] if self._can_retrain and self._random else []
        return [*(m.source for m in ordered), *(["retrain"] if self._can_retrain else []), *seeded]

    @cached_property
    def _random(self) -> bool:
        """Whether training again with another seed gives another model."""
        return bool(self.learner.batch) or self._models.draws_start()

    def _allows(self, method: Method) -> bool:
        if self.problem.composed:
            return method.name == self.problem.composed
        if self._away and method.name not in METHODS_WITHOUT_ROWS[self.learner.name]:
            return False
        return method.full if self.problem.mode == "full" else method.partial

    @cached_property
    def _away(self) -> bool:
        """Whether rows of some player are not here."""
        return any(player.away is not None for player in self.problem.players)

    @property
    def _can_retrain(self) -> bool:
        return not self.problem.composed and (self.problem.mode == "full" or self._models.rest_rows > 0)

    # Preparation

    def prepare(self, should_stop: ShouldStop | None = None) -> None:
        """Trains or loads the base model and M_full and scores both; a second call does nothing.

        Raises Stopped when ``should_stop`` answered true (asked again, it starts anew).
        """
        if self._context is None:
            self._should_stop = should_stop or self._should_stop
            with batching.single_threaded():
                self._context = self._prepare()

    def _prepare(self) -> Context:
        begun = time.perf_counter()
        if isinstance(self.learner, memory.PLANNED):
            rows = sum(p.X.nbytes for p in self.problem.players) + self.problem.test.X.nbytes
            self._plan = memory.plan(self.learner, rows, memory.free_bytes(self.device))
        context = self._models.prepare(self._test, self._prepared, self.notes)
        self._seconds["prepare"] = time.perf_counter() - begun
        return context

    @property
    def context(self) -> Context:
        self.prepare()
        assert self._context is not None  # noqa: S101 - prepare either sets it or raises
        return self._context

    def prepared_state(self) -> dict[str, NDArray[Any]]:
        """Base and full model as named arrays, to be shared with other processes."""
        return stored_state(self.context)

    def player_statistics(self) -> dict[str, NDArray[Any]]:
        """Players' sufficient statistics as named arrays, keyed by reference model and content: ``Problem.statistics``
        of any later job on the same base model (partial mode: on the same checkpoint) uses them instead of the rows'
        gradients."""
        context = self.context
        with batching.single_threaded():
            tangents = tangent.tangents_of(context)
            statistics = tangent.player_statistics(context)
        named: dict[str, NDArray[Any]] = {}
        for player, sums in zip(self.problem.players, statistics, strict=True):
            named |= sums.arrays(tangent.storage_prefix(context, tangents, player.digest))
        return named

    def hidden_statistics(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """For whoever holds D_0: its statistics at M_full, to be stored with the checkpoint for partial mode."""
        with batching.single_threaded():
            return tangent.hidden_statistics(self.context, rows)

    @property
    def empty_worth(self) -> float:
        return self.context.empty_worth

    @property
    def full_worth(self) -> float:
        return self.context.full_worth

    # Worths

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        return self.worths_with_seconds(source, coalitions)[0]

    def worths_with_seconds(
        self, source: str, coalitions: Coalitions, should_stop: ShouldStop = never
    ) -> tuple[Worths, Seconds]:
        """Worths and device seconds, float64[m] each, of coalitions bool[m, n].

        Raises:
            Stopped: ``should_stop`` answered true; asked again, only what is missing is computed.
            EvaluationFailed: a worth could not be computed.
        """
        coalitions = np.asarray(coalitions)
        n = len(self.problem.players)
        if coalitions.ndim != 2 or coalitions.shape[1] != n or coalitions.dtype != np.bool_:
            raise ValueError(f"coalitions must be bool[m, {n}]; got {coalitions.dtype}{list(coalitions.shape)}")
        self._refuse_unavailable(source)
        self.prepare(should_stop)
        canonical = self.canonical(coalitions)
        keys = [(source, row.tobytes()) for row in canonical]
        missing = {key[1]: row for key, row in zip(keys, canonical, strict=True) if key not in self._computed}
        if missing:
            self._compute(source, np.stack(list(missing.values())), should_stop)
        known = [self._computed[key] for key in keys]
        return np.array([w for w, _ in known], dtype=np.float64), np.array([s for _, s in known], dtype=np.float64)

    def worths_of_models(self, models: Tensor) -> Worths:
        """Worths float64[K] of any models [K, P] on the test units that measure worth."""
        return at_least(self._test.scores(self._test.answers_of(models)), self.context.baseline.worth)

    def scored(self, model: Tensor) -> Score:
        """What one model [P] scores on the test units that measure worth, and its standard error over draws of them."""
        self.prepare()
        return self._test.score(self._test.answers_of(model.unsqueeze(0)))

    def computed(self, source: str, coalitions: Coalitions) -> dict[int, tuple[float, float]]:
        """(worth, device seconds) of those rows of bool[m, n] that are computed already, by row; computes nothing."""
        keys = [(source, row.tobytes()) for row in self.canonical(coalitions)]
        return {row: self._computed[key] for row, key in enumerate(keys) if key in self._computed}

    def answers(self, source: str, coalitions: Coalitions) -> Answer:
        """What is stored of the models of coalitions bool[m, n] on the test units, [m, T, ...], once they were computed
        with ``keep_answers``. KeyError for others."""
        return np.stack([self._answers[(source, row.tobytes())] for row in self.canonical(coalitions)])

    def take_answers(self, source: str, coalitions: Coalitions) -> Answer:
        """``answers``, which are then no longer held here: who takes them keeps them."""
        taken = self.answers(source, coalitions)
        for row in self.canonical(coalitions):
            self._answers.pop((source, row.tobytes()), None)
        return taken

    def take_sums(self, source: str, coalitions: Coalitions, most: int) -> UnitSums:
        """What is kept in place of answers that are too large: scores, and what each test unit moves them by, ``most``
        sums of units at the most. The answers are then no longer held here."""
        taken = [self._units.sums(self.answers(source, row[None])) for row in coalitions]
        for row in self.canonical(coalitions):
            self._answers.pop((source, row.tobytes()), None)
        scores = np.concatenate([each.scores for each in taken])
        return UnitSums(scores, clusters.summed_to(np.concatenate([each.moved for each in taken]), most))

    def anchor_sums(self, most: int) -> AnchorSums:
        """The same of the baseline and of everybody's model."""
        units = self._units
        sums = units.sums(np.stack([self.context.baseline.answers, self.context.full_answers]))
        return AnchorSums(UnitSums(sums.scores, clusters.summed_to(sums.moved, most)), units.compared)

    def ends(self, source: str) -> Ends | None:
        """The baseline and everybody's model on the test units. In partial mode the baseline is what the source makes
        of M_full without all players, or the constant answer where that is better. None without ``keep_answers``."""
        if not self.keep_answers:
            return None
        nobody: NDArray[np.float64] | None = None
        worth, none = self.context.baseline.worth, np.zeros((1, len(self.problem.players)), dtype=bool)
        if self.context.partial and float(self.worth(source, none)[0]) > worth:
            worth, nobody = float(self.worth(source, none)[0]), self._influences(source, none)[0]
        return self._units.ends(self.context.full_answers, nobody, worth, WITHOUT_PLAYERS)

    def influences(self, source: str, coalitions: Coalitions) -> NDArray[np.float64] | None:
        """How much each test unit moves the worths of coalitions bool[m, n] that were computed, float64[m, T]; None
        without ``keep_answers``."""
        return self._influences(source, coalitions) if self.keep_answers else None

    def _influences(self, source: str, coalitions: Coalitions) -> NDArray[np.float64]:
        if self._is_raw(source):
            return self._units.influences(self.answers(source, coalitions), None)
        everybody = np.ones((1, len(self.problem.players)), dtype=bool)
        self.worth(source, everybody)
        own = self.answers(source, everybody)[0]
        return self._units.influences(self.answers(source, coalitions), (own, self.context.full_answers))

    def scores(self, source: str, coalitions: Coalitions) -> NDArray[np.float64]:
        """What the models of coalitions bool[m, n] score, float64[m], also below the baseline, which no worth is."""
        self.worth(source, coalitions)
        scores = self._test.scores(self.answers(source, coalitions))
        if self._is_raw(source):
            return scores
        everybody = np.ones((1, len(self.problem.players)), dtype=bool)
        self.worth(source, everybody)
        return scores + (self.context.full_score - float(self._test.scores(self.answers(source, everybody))[0]))

    @property
    def _units(self) -> TestUnits:
        test = self._test
        return TestUnits(test.answering.prediction, test.metric, test.targets, self.context.baseline, test.apart)

    @property
    def anchors(self) -> Anchors:
        """What everybody's and nobody's models answer on the test units, and what those really are."""
        return Anchors(self.context.full_answers, self.context.nobody_answers, self._test.targets, self._test.apart)

    @property
    def moved_sources(self) -> Sequence[str]:
        """Sources whose worths are moved to where everybody's is known."""
        return [source for source in self.sources if not self._is_raw(source)]

    @property
    def prediction(self) -> Prediction:
        """What this problem's models predict."""
        return self._test.answering.prediction

    @property
    def metric(self) -> Metric:
        """What worths are measured by."""
        return self._test.metric

    @property
    def targets(self) -> Targets:
        """What the test units that measure worth really are."""
        return self._test.targets

    def forget(self, source: str, coalitions: Coalitions) -> None:
        """Worths of bool[m, n] that are computed anew when they are next asked for, as a check of the first time."""
        for row in self.canonical(coalitions):
            self._computed.pop((source, row.tobytes()), None)
            self._answers.pop((source, row.tobytes()), None)

    def canonical(self, coalitions: Coalitions) -> Coalitions:
        """Coalitions by content: of k kept among equal players, the first k are kept."""
        return canonical(coalitions, self._classes)

    def cost(self, source: str) -> float:
        """Model cost of one mean-size coalition in units of one full retraining; a function of sizes alone, and of the
        iterations that everybody's model took."""
        return self._price(source) / self.unit_seconds

    @property
    def unit_seconds(self) -> float:
        """Seconds of one full retraining on a core as docs/benchmarks-cost.md has it: what costs are counted in."""
        self.prepare()
        return prices.retrained(self.problem, prices.model_cost(self.problem, self.learner))[1]

    def _price(self, source: str) -> float:
        context = self.context
        model = prices.model_cost(self.problem, self.learner)
        if family(source) == "retrain":
            return prices.retrained(self.problem, model)[0]
        return prices.unlearned(context, method_of(source, self.learner.name), model)

    def seconds(self, source: str) -> float:
        """Device seconds spent so far on this source's worths; "prepare" for the models."""
        return self._seconds.get(source, 0.0)

    def _refuse_unavailable(self, source: str) -> None:
        if re.fullmatch(r"retrain(:r[0-9]+)?", source):
            if not self._can_retrain:
                why = "players' models are trained apart" if self.problem.composed else "mode 'partial' has none"
                raise InvalidProblem(f"source {source!r} needs retained data, and {why}; use an unlearning method")
        elif not self._allows(method_of(source, self.learner.name)):
            raise InvalidProblem(
                f"source {source!r} cannot be used with learner {self.learner.name!r} in mode {self.problem.mode!r};"
                f" choose one of {', '.join(self.sources)}"
            )

    # Computation

    def _compute(self, source: str, coalitions: Coalitions, should_stop: ShouldStop) -> None:
        context = self.context
        self._should_stop = should_stop
        known = self._known(source, coalitions)
        rest = coalitions[[row.tobytes() not in known for row in coalitions]]
        with batching.single_threaded():
            work = self._work(source, context) if len(rest) or not self._is_raw(source) else None
            self._keep(source, known, 0.0, work)
            if work is None or not len(rest):
                return
            slots = memory.Slots(self.learner, self.device, self.threads, self.stack, self._plan)
            chunks = batching.plan([work.key(row) for row in rest], partial(slots.stacked, len(rest), work.places))

            def compute(chunk: Chunk) -> None:
                begun = time.perf_counter()
                rows = rest[chunk.positions]
                answers = work.answers(rows)
                scores = self._test.scores(answers) + work.level
                worths = checked(self.problem, source, rows, at_least(scores, context.baseline.worth))
                spent = time.perf_counter() - begun
                with self._lock:
                    self._seconds[source] = self._seconds.get(source, 0.0) + spent
                    for row, worth, answer in zip(rows, worths, answers, strict=True):
                        self._remember(source, row.tobytes(), float(worth), spent / len(rows), answer)

            batching.run_chunks(chunks, compute, self.threads, should_stop)

    def _known(self, source: str, coalitions: Coalitions) -> dict[bytes, tuple[float, Answer]]:
        """Anchors: worths and answers that are known exactly, whatever the source. A replicate has its own full model;
        nobody's is the base model for it too, unless there is a rest to train on."""
        context, known = self.context, {}
        replicate = source.startswith("retrain:")
        for row in coalitions:
            if row.all() and not replicate:
                known[row.tobytes()] = (context.full_worth, context.full_answers)
            elif not row.any() and not context.partial and not (replicate and context.pool.rest_rows):
                known[row.tobytes()] = (context.empty_worth, context.baseline.answers)
        return known

    def _keep(
        self, source: str, known: Mapping[bytes, tuple[float, Answer]], spent: float, work: SourceWork | None
    ) -> None:
        """Remember anchors. Of a source whose worths are moved to where everybody's is known, everybody's own answers
        are what is kept: moved, they are worth what is known."""
        for key, (worth, answer) in known.items():
            raw = answer if work is None or work.everybody is None else work.everybody
            self._remember(source, key, worth, spent, raw)

    def _remember(self, source: str, key: bytes, worth: float, spent: float, answer: Answer) -> None:
        self._computed[(source, key)] = (worth, spent)
        if self.keep_answers:
            self._answers[(source, key)] = answer

    def _is_raw(self, source: str) -> bool:
        """Whether worths of a source are the metric of its answers as they are, and not moved."""
        if family(source) == "retrain":
            return True
        return not (method_of(source, self.learner.name).level and self.context.partial)

    def _work(self, source: str, context: Context) -> SourceWork:
        if family(source) == "retrain":
            with self._lock:
                pool = self._models.retraining_pool(context.pool)
                start = self._models.start_of(context.base, source)
            return SourceWork(
                retraining_key(self.learner, pool),
                lambda rows: self._test.answers_of(self._models.trained(start, pool, rows, source)),
            )
        method = method_of(source, self.learner.name)
        if method.prepare is not None:
            begun = time.perf_counter()
            method.prepare(context)
            self._seconds[source] = self._seconds.get(source, 0.0) + time.perf_counter() - begun
        key, answers = method_key(method, self.learner, context.pool), self._test.by_method(method, context)
        if self._is_raw(source):
            return SourceWork(key, answers, places=method.places)
        nobody_forgotten = np.ones((1, len(self.problem.players)), dtype=bool)
        everybody = context.once(f"answers of {source} for everybody", lambda: answers(nobody_forgotten))
        level = context.full_score - float(self._test.scores(everybody)[0])
        return SourceWork(key, answers, level, everybody[0], method.places)

    def _check(self) -> None:
        if self._should_stop():
            raise Stopped("stopped inside a training as asked")
