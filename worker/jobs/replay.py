"""Replaying a valuation against the worths that are stored: a game whose only worths are those in Postgres.

The engine's loop starts from the beginning at every plan. Where it asks for a worth that is not stored, ``NeedWorths``
ends the replay; the planner has those computed and replays again. Nothing here computes a worth, and nothing depends on
which worker computed one, or when.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import metric_of
from contract.orders.job import DomainPerplexity, Job, ShardFacts
from contract.orders.spec import ValuationSpec
from contract.results.result import StoredResult, ValuationResult
from worker.engine.games.game import FAMILIES, Coalitions, NeedWorths, Player, Worths, family
from worker.engine.games.measured import Ends
from worker.engine.loop.interactions import interactions
from worker.engine.loop.removal_curves import removal
from worker.engine.valuation import OnProgress, value
from worker.engine.without_harm import without_harm
from worker.jobs.kept_answers import KeptAnswers
from worker.jobs.kept_sums import KeptSums

LEAST_SHARD_SECONDS = 1.0
# models of a shard that agents are asked about: about what a processor's caches stack, and short enough at any latency
ASKED_TOGETHER = 24


def pack(coalitions: Coalitions) -> list[bytes]:
    """Each coalition of bool[m, n] as ceil(n / 8) bytes, bit i of byte j being player 8 j + i."""
    return [row.tobytes() for row in np.packbits(coalitions, axis=1, bitorder="little")]


def unpack(packed: bytes, count: int, n: int) -> Coalitions:
    """bool[count, n] from ``count`` packed coalitions in a row."""
    rows = np.frombuffer(packed, dtype=np.uint8).reshape(count, -(-n // 8))
    return np.unpackbits(rows, axis=1, count=n, bitorder="little").astype(bool)


@dataclass
class StoredGame:
    """A ``FidelityGame`` over stored worths.

    ``stored`` maps a source to {packed coalition: (worth, device seconds)}; ``costs`` are those that were measured when
    the models were prepared, cheapest first, in full retrainings of ``unit_seconds`` each.
    ``seconds`` counts the worths that this replay used, so that a budget of seconds is used up at the same place in
    every replay. ``kept`` are the models' answers, or what moves worths where those are too large.
    """

    players: Sequence[Player]
    costs: Mapping[str, float]
    stored: Mapping[str, Mapping[bytes, tuple[float, float]]]
    digests: Mapping[str, str] = field(default_factory=dict)
    owners: Sequence[Player] = ()
    unit_seconds: float | None = None
    kept: KeptAnswers | KeptSums | None = None
    metric: str = ""
    partial: bool = False
    _used: dict[str, set[bytes]] = field(default_factory=dict, init=False)
    _seconds: dict[str, float] = field(default_factory=dict, init=False)

    @property
    def sources(self) -> Sequence[str]:
        return list(self.costs)

    def cost(self, source: str) -> float:
        return self.costs[source]

    def seconds(self, source: str) -> float:
        return self._seconds.get(source, 0.0)

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        """Worths float64[m]; raises NeedWorths with those that are missing, each once."""
        stored = self.stored.get(source, {})
        used = self._used.setdefault(source, set())
        worths = np.empty(len(coalitions), dtype=np.float64)
        missing: dict[bytes, int] = {}
        spent = 0.0
        for row, packed in enumerate(pack(coalitions)):
            if packed not in stored:
                missing.setdefault(packed, row)
                continue
            worths[row], seconds = stored[packed]
            if packed not in used:
                used.add(packed)
                spent += seconds
        if missing:
            raise NeedWorths(source, coalitions[list(missing.values())])
        self._seconds[source] = self.seconds(source) + spent
        return worths

    def ends(self, source: str) -> Ends | None:
        """The baseline and everybody's model on the test units; None where nothing of them was kept."""
        if self.kept is None:
            return None
        metric, nobody = metric_of(self.metric), None
        if self.partial:
            none = np.zeros((1, len(self.players)), dtype=bool)
            worth = float(self.worth(source, none)[0])
            if worth > self.kept.least(metric):
                nobody = worth, self.kept.influences(metric, source, pack(none))[0]
        return self.kept.ends(metric, nobody)

    def influences(self, source: str, coalitions: Coalitions) -> NDArray[np.float64] | None:
        """How much each test unit moves worths, float64[m, T]; None where nothing of them was kept."""
        return None if self.kept is None else self.kept.influences(metric_of(self.metric), source, pack(coalitions))

    @property
    def used(self) -> Mapping[str, Set[bytes]]:
        """The coalitions whose worths this replay used, packed, by source."""
        return self._used

    def evaluations(self) -> dict[str, int]:
        """How many distinct worths this replay used, by fidelity."""
        counts = dict.fromkeys(FAMILIES, 0)
        for source, used in self._used.items():
            counts[family(source)] += len(used)
        return counts


@dataclass(frozen=True)
class ReplayedJob:
    """What a game's stored worths come to: the engine's answer, and all that is kept of it."""

    result: ValuationResult
    stored: StoredResult


def replayed(
    game: StoredGame,
    spec: ValuationSpec,
    domains: tuple[DomainPerplexity, ...] = (),
    on_progress: OnProgress | None = None,
    *,
    revalue: bool,
) -> ReplayedJob:
    """The whole result of a game on its stored worths; NeedWorths where one is missing. ``revalue``: the others are
    valued again without whoever does harm."""
    result = value(game, spec, on_progress)
    again = without_harm(game, spec, result) if revalue else None
    curves = removal(game, result)
    pairs = interactions(game, result)
    document = None if again is None else again.document()
    return ReplayedJob(result, StoredResult.of(result, document, curves, domains, interactions=pairs))


def group_worths(rows: Iterable[Any], n: int) -> dict[str, dict[bytes, tuple[float, float]]]:
    """Stored worths of ``n`` players by source and coalition, from rows (source, coalitions, worths, seconds).

    A row holds all worths of its source: packed coalitions in a row, and big-endian doubles in a row.
    """
    size = -(-n // 8)
    grouped: dict[str, dict[bytes, tuple[float, float]]] = {}
    for source, joined, worths, seconds in rows:
        coalitions = (joined[start : start + size] for start in range(0, len(joined), size))
        numbers = (np.frombuffer(column, dtype=">f8").tolist() for column in (worths, seconds))
        grouped[source] = dict(zip(coalitions, zip(*numbers, strict=True), strict=True))
    return grouped


def shard_size(worths: int, seconds_each: float, shard_seconds: float, workers: int, largest: int) -> int:
    """Worths per shard: about ``shard_seconds`` of work, less where that lets every worker have two shards.

    ``seconds_each`` is what a worth of this source takes, measured or estimated. A shard of less than a second costs
    more to hand out than it gains. The size changes when a result is ready, never the result.
    """
    total = worths * seconds_each
    parts = max(1, min(2 * workers, int(total / LEAST_SHARD_SECONDS)), math.ceil(total / shard_seconds))
    return max(1, min(-(-worths // parts), largest))


def asked_shard_size(worths: int, largest: int) -> int:
    """Worths per shard where rows are not here and models are trained by asking: an agent answers for a stack of models
    in one round, so as many as a stack has. Seconds say nothing here: most are spent waiting."""
    return max(1, min(worths, largest, ASKED_TOGETHER))


def players_of(job: Job) -> tuple[list[Player], list[Player]]:
    """The engine's players of a prepared job, in canonical order, and their owners where shards play (else none)."""
    inputs = job.inputs
    players = [
        Player(name, count, digest)
        for name, digest, count in zip(inputs.names, job.game.players, inputs.rows, strict=True)
    ]
    if job.facts is None or not job.facts.shards:
        return players, []
    return [Player(shard.name, shard.rows, shard.digest, shard.owner) for shard in job.facts.shards], players


def shard_facts(players: Sequence[Player]) -> tuple[ShardFacts, ...]:
    """What ``players_of`` needs to know of shards, so that planning reads no data; nothing where none play."""
    return tuple(ShardFacts(name=p.name, rows=p.rows, digest=p.digest, owner=p.owner) for p in players if p.owner)
