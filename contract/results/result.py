"""What a valuation answers: values, shares, intervals, the audit, and every worth it rests on.

Plain data with a JSON form that loses nothing: floats are written so that they read back bit for bit, and the stored
worths let ``worker.engine.valuation.recompute`` repeat the estimate without training anything. The service keeps a
``StoredResult``: its worths are rows of their own, and the result names them by the game's digest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from functools import cache
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter

from contract.orders.job import DomainPerplexity
from contract.orders.spec import LATER_RULES, ValuationSpec
from contract.proof.evidence import EvidenceSeal
from contract.proof.sealing import SEAL
from contract.results.interactions import Interactions
from contract.results.openings import OpenedRows
from contract.results.removal import RemovalCurves
from contract.results.selection import Selection

FORMAT = 1
# what may be stored beside an answer and is no part of it
BESIDE = ("request", "findings", "pairs", *SEAL)
Interval = tuple[float, float]
_STRICT = ConfigDict(extra="forbid")


@cache
def _adapter(name: str) -> Any:
    """Pydantic's reader of a dataclass of this module, made once."""
    return TypeAdapter(globals()[name])


@dataclass(frozen=True)
class SizeRow:
    """The audit among coalitions of one size; ``forgotten`` is the mean fraction of rows that was forgotten."""

    size: int
    forgotten: float
    audited: int
    bias: float
    rmse: float
    bias_points: float
    rmse_points: float


@dataclass(frozen=True)
class Audit:
    """Unlearned against retrained worths, of all coalitions with sizes counting alike, as few audited ones tell it.

    Points are hundredths of v(N) - v(empty), which is what the pool pays for. ``*_ci`` are intervals of 95 %; None
    where too few were audited to have one.
    """

    status: str
    reason: str
    source: str | None = None
    audited: int = 0
    bias: float | None = None
    rmse: float | None = None
    correlation: float | None = None
    rvr: float | None = None
    bias_points: float | None = None
    rmse_points: float | None = None
    by_size: tuple[SizeRow, ...] = ()
    sentence: str = ""
    bias_ci: Interval | None = None
    rmse_ci: Interval | None = None
    rvr_ci: Interval | None = None


@dataclass(frozen=True)
class IntervalParts:
    """How wide a share's interval would be, in points of the pool, if one cause alone were uncertain: which test rows
    the buyer has, unlearning (and which coalitions were retrained), the seeds of training. None: not measured."""

    test_rows: float | None
    unlearning: float | None
    seeds: float | None

    def sentence(self) -> str:
        """The parts for people."""
        widths = (self.test_rows, self.unlearning, self.seeds)
        test_rows, unlearning, seeds = ("not measured" if width is None else f"{width:.1f}" for width in widths)
        return f"test rows {test_rows}, unlearning {unlearning}, seeds {seeds}"


def grouped_sentence(units: int, groups: int) -> str:
    """That groups of test units are what is counted, for people."""
    return f"The {units} test units were drawn in {groups} groups, and intervals and the test of the gain go by groups."


@dataclass(frozen=True)
class TestRowChance:
    """What other test units would change: the values' covariance over draws of as many ``units``.

    ``halves`` are the shares on two halves of the units, drawn by ``seed``; they are ``apart`` by so many points at the
    most, where chance alone keeps them within ``allowed`` in 95 of 100 jobs. ``within``, where the units are groups of
    test rows or blocks that were drawn together: how many rows or blocks these are; None: each is a unit.
    """

    __test__ = False  # for pytest: this is no test

    units: int
    covariance: tuple[tuple[float, ...], ...]
    halves: tuple[tuple[float, ...], tuple[float, ...]]
    apart: float
    allowed: float
    seed: int
    within: int | None = None

    def grouped(self) -> str | None:
        """That groups are what is counted, for people; None where each test unit is by itself."""
        return None if self.within is None else grouped_sentence(self.within, self.units)


@dataclass(frozen=True)
class PlayerResult:
    """One player's value and share. ``*_ci`` are per-player intervals at the spec's confidence, ``*_band`` hold for all
    players at once; shares are fractions of 1, and None where the job cannot say (``shares_note``). ``parts`` say what
    makes ``share_ci`` wide; None in results from before they were told apart."""

    provider: str
    rows: int
    digest: str
    value: float
    stderr: float
    value_ci: Interval
    share: float | None
    share_ci: Interval | None
    value_band: Interval
    share_band: Interval | None
    parts: IntervalParts | None = None

    def part(self, part: float) -> "PlayerResult":
        """The same of somebody to whom ``part`` of this player's value belongs."""
        if part == 1.0:
            return self
        return replace(
            self,
            value=self.value * part,
            stderr=self.stderr * part,
            value_ci=_scaled(self.value_ci, part),
            share=None if self.share is None else self.share * part,
            share_ci=None if self.share_ci is None else _scaled(self.share_ci, part),
            value_band=_scaled(self.value_band, part),
            share_band=None if self.share_band is None else _scaled(self.share_band, part),
            parts=None
            if self.parts is None
            else IntervalParts(*(None if width is None else width * part for width in astuple(self.parts))),
        )

    @classmethod
    def nothing(cls) -> "PlayerResult":
        """What is found of somebody of whose rows none is used."""
        zero = (0.0, 0.0)
        return cls("", 0, "", 0.0, 0.0, zero, 0.0, zero, zero, zero)


def _scaled(interval: Interval, part: float) -> Interval:
    return interval[0] * part, interval[1] * part


@dataclass(frozen=True)
class Gain:
    """Whether everybody's model is better than the baseline: the mean paired difference on test units, and the
    one-sided test of it at the job's level. ``basis`` says in words what was compared, on what, by which rule."""

    baseline: float
    full: float
    difference: float
    stderr: float
    lower: float
    p_value: float
    gained: bool
    basis: str

    def sentence(self) -> str:
        """The test of the gain for people."""
        verdict = "is a gain" if self.gained else "is not surely a gain"
        return (
            f"Everybody's model scores {self.full:.4f} and the baseline {self.baseline:.4f}: the difference of "
            f"{self.difference:+.4f} (standard error {self.stderr:.4f}, one-sided p {self.p_value:.2g}) {verdict} "
            f"({self.basis.rstrip('.')})."
        )


@dataclass(frozen=True)
class ShardRow:
    """A player of a game that is played by shards or segments: a piece of one owner's rows, with its part of the
    owner's value. None: in results from before it was told."""

    name: str
    owner: str
    rows: int
    digest: str
    value: float | None = None
    stderr: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A source in the bake-off: its cost in retrainings per worth, what it leaves unexplained, and the verdict.

    ``left`` is the ratio of leave-one-out squared errors with and without it (None: not measured), ``rvr`` the residual
    variance ratio on the audited pairs (None: too few pairs), ``gain`` the factor by which it cheapens a given
    precision.
    """

    source: str
    cost: float
    rvr: float | None
    left: float | None
    gain: float | None
    kept: bool
    reason: str


@dataclass(frozen=True)
class TraceRow:
    """Where a valuation stood after a round; widths and differences in points of the pool."""

    round: int
    evaluations: dict[str, int]
    values: tuple[float, ...]
    stderr: tuple[float, ...]
    shares: tuple[float, ...]
    widest: float
    halves: float | None
    # with everything that is uncertain, and by the test rows alone; None where the look did not need to know
    joined: float | None = None
    test_rows: float | None = None


@dataclass(frozen=True)
class Forecast:
    """How wide the widest interval is expected to be, in points, under a larger ``budget`` (its name in an order)."""

    budget: str
    most: int
    widest: float


@dataclass(frozen=True)
class Precision:
    """The widest simultaneous share interval, in points of the pool: ``asked`` for, and ``reached`` with everything
    that is uncertain (None: it cannot be said). ``test_rows`` is how wide the test rows alone would make it, which no
    computing narrows; None: not known. ``forecast``: what more computing is expected to bring, smaller budgets first.
    """

    asked: float
    reached: float | None
    test_rows: float | None
    forecast: tuple[Forecast, ...] = ()

    @property
    def met(self) -> bool:
        return self.reached is not None and self.reached <= self.asked

    @property
    def test_rows_limit(self) -> bool:
        """Whether computing alone cannot reach what was asked for: only more test rows would help."""
        return not self.met and self.test_rows is not None and self.test_rows > self.asked

    @property
    def computing_helps(self) -> bool:
        """Whether it was missed, and a larger budget is expected to bring a narrower interval."""
        if self.met or self.reached is None:
            return False
        return any(each.widest < self.reached for each in self.forecast)

    def outlook(self) -> str | None:
        """What would narrow it, for people; None where nothing has to, or nothing is known."""
        if self.met or self.reached is None:
            return None
        lines = []
        # a later look has to be surer: where the test rows are what counts, its interval is the wider one
        narrower = [each for each in self.forecast if each.widest < self.reached]
        if narrower:
            forecasts = ", about ".join(f"{each.widest:.2f} with {each.budget} {each.most}" for each in narrower)
            lines.append(f"More computing is expected to bring about {forecasts}.")
        elif self.forecast or self.test_rows is not None:
            lines.append("No more computing would narrow it.")
        if self.test_rows_limit:
            lines.append(
                f"The test rows alone make it {self.test_rows:.2f} points wide, so only more test rows would bring "
                "what was asked for."
            )
        return " ".join(lines) or None


@dataclass(frozen=True)
class WorthRow:
    """One worth the result rests on; ``coalition`` names the players kept (of exact copies, the first ones)."""

    source: str
    fidelity: str
    coalition: tuple[str, ...]
    worth: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the engine's answer and the stored one have in common."""

    __pydantic_config__ = _STRICT

    players: tuple[PlayerResult, ...]
    covariance: tuple[tuple[float, ...], ...]
    empty_worth: float
    full_worth: float
    estimator: str
    source: str
    evaluations: dict[str, int]
    audit: Audit
    bake_off: tuple[Candidate, ...]
    stopped_by: str
    notes: tuple[str, ...]
    shares_note: str | None
    seconds: float
    seconds_by_source: dict[str, float]
    retrain_seconds_estimate: float | None
    costs: dict[str, float]
    spec: ValuationSpec
    digests: dict[str, str]
    trace: tuple[TraceRow, ...]
    format: int = FORMAT
    shards: tuple[ShardRow, ...] = ()  # who plays, where ``players`` are sums over shards
    unit_seconds: float | None = (
        None  # of one full retraining by the cost model, which ``costs`` count; None: not known
    )
    gain: Gain | None = None  # None: not tested
    chance: TestRowChance | None = None  # None: what other test units would change is not known
    precision: Precision | None = None  # None: in results from before it was told

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. What a result from before the loop's rules were named does not say is not said."""
        plain = asdict(self)
        for rule in LATER_RULES:
            if plain["spec"].get(rule) is False:
                del plain["spec"][rule]
        return plain

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The answer from plain data; raises ValueError where it is not one of this format, or is incomplete."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise ValueError(f"this is not a valuation result of format {FORMAT}; was it written by another version?")
        # What was asked (files, model) and noticed and the seal may be stored beside the answer: no part of it.
        plain = {name: value for name, value in data.items() if name not in BESIDE}
        if isinstance(plain.get("spec"), Mapping):
            plain["spec"] = {**dict.fromkeys(LATER_RULES, False), **plain["spec"]}
        try:
            answer: Self = _adapter(cls.__name__).validate_python(plain)
        except ValueError as cause:
            raise ValueError(f"this valuation result is incomplete or altered: {cause}") from cause
        return answer


@dataclass(frozen=True, kw_only=True)
class ValuationResult(_Answer):
    """The whole answer of one job, with every worth it rests on."""

    worths: tuple[WorthRow, ...] = field(repr=False)

    def to_json(self, indent: int | None = None) -> str:
        """The result as JSON; ``from_json`` gives back an equal object."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ValuationResult":
        """Read ``to_json``'s output. Raises ValueError where it is not a result of this format."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as cause:
            raise ValueError(f"this is not a valuation result: not JSON ({cause})") from cause
        return cls.from_dict(data)


@dataclass(frozen=True)
class RevaluedWithout:
    """The others valued again without whoever does harm: positions left out and kept, and what was found of the kept,
    in order."""

    excluded: tuple[int, ...]
    kept: tuple[int, ...]
    players: tuple[PlayerResult, ...]
    empty_worth: float
    full_worth: float
    evaluations: dict[str, int]
    stopped_by: str
    seconds: float
    gain: Gain | None = None  # of the kept players' model


@dataclass(frozen=True, kw_only=True)
class StoredResult(_Answer):
    """What the service keeps of a job that was valued: the answer without its worths, and what was made of it."""

    without_harm: RevaluedWithout | None = None
    removal: RemovalCurves | None = None
    interactions: Interactions | None = None  # None: in results from before they were told
    domains: tuple[DomainPerplexity, ...] = ()
    evidence: EvidenceSeal | None = None  # None: in results from before their evidence was kept
    selection: Selection | None = None  # of explorations
    openings: tuple[OpenedRows, ...] = ()  # of players whose rows stay with their owners

    @classmethod
    def of(
        cls,
        result: ValuationResult,
        without_harm: RevaluedWithout | None,
        removal: RemovalCurves,
        domains: tuple[DomainPerplexity, ...],
        selection: Selection | None = None,
        interactions: Interactions | None = None,
    ) -> "StoredResult":
        own = {each.name: getattr(result, each.name) for each in fields(_Answer)}
        return cls(
            **own,
            without_harm=without_harm,
            removal=removal,
            domains=domains,
            selection=selection,
            interactions=interactions,
        )

    @property
    def paid_gain(self) -> Gain | None:
        """The test of the gain of the model whose players are paid: without those who do harm, where they were left
        out. None where it was not tested."""
        return self.gain if self.without_harm is None or self.without_harm.gain is None else self.without_harm.gain

    def plain(self) -> dict[str, Any]:
        """As JSON reads it back: lists for tuples, Python's numbers for numpy's; NaN is refused."""
        whole = self.to_dict() | {"domains": [each.plain() for each in self.domains]}
        if self.evidence is None:
            # a result from before there was evidence stays what it was
            del whole["evidence"]
        else:
            whole["evidence"] = self.evidence.plain()
        if not self.openings:
            del whole["openings"]
        if self.interactions is None:
            del whole["interactions"]
        text = json.dumps(whole, allow_nan=False, default=lambda number: number.item())
        plain: dict[str, Any] = json.loads(text)
        return plain
