"""What a valuation answers: values, shares, intervals, the audit, and every worth it rests on.

Plain data with a JSON form that loses nothing: floats are written so that they read back bit for bit, and the stored
worths let ``valuation.recompute`` repeat the estimate without training anything.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from worker.engine.loop.audit import Audit, SizeRow

FORMAT = 1


@dataclass(frozen=True)
class PlayerResult:
    """One player's value and share. ``*_ci`` are per-player intervals at the spec's confidence, ``*_band`` hold for all
    players at once; shares are fractions of 1, and None where the job cannot say (``Valuation.shares_note``)."""

    provider: str
    rows: int
    digest: str
    value: float
    stderr: float
    value_ci: tuple[float, float]
    share: float | None
    share_ci: tuple[float, float] | None
    value_band: tuple[float, float]
    share_band: tuple[float, float] | None


@dataclass(frozen=True)
class Shard:
    """A player of a game that is played by shards: a piece of one owner's rows."""

    name: str
    owner: str
    rows: int
    digest: str


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


@dataclass(frozen=True)
class WorthRow:
    """One worth the result rests on; ``coalition`` names the players kept (of exact copies, the first ones)."""

    source: str
    fidelity: str
    coalition: tuple[str, ...]
    worth: float
    seconds: float


@dataclass(frozen=True)
class Valuation:
    """The whole answer of one job."""

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
    spec: dict[str, Any]
    digests: dict[str, str]
    trace: tuple[TraceRow, ...]
    worths: tuple[WorthRow, ...] = field(repr=False)
    format: int = FORMAT
    shards: tuple[Shard, ...] = ()  # who plays, where ``players`` are sums over shards

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def to_json(self, indent: int | None = None) -> str:
        """The result as JSON; ``from_json`` gives back an equal object."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Valuation":
        """Read ``to_json``'s output. Raises ValueError where it is not a result of this format."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as cause:
            raise ValueError(f"this is not a valuation result: not JSON ({cause})") from cause
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> "Valuation":
        """The result from plain data; raises ValueError as ``from_json`` does."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f"this is not a valuation result of format {FORMAT}; was it written by another version?")
        # What was asked (files, model) may be stored beside the answer; it is no part of it.
        data = {name: value for name, value in data.items() if name != "request"}
        try:
            return cls(
                **{
                    **data,
                    "players": tuple(_player(p) for p in data["players"]),
                    "covariance": tuple(tuple(row) for row in data["covariance"]),
                    "audit": Audit(
                        **{**data["audit"], "by_size": tuple(SizeRow(**r) for r in data["audit"]["by_size"])}
                    ),
                    "bake_off": tuple(Candidate(**c) for c in data["bake_off"]),
                    "notes": tuple(data["notes"]),
                    "trace": tuple(_trace(row) for row in data["trace"]),
                    "shards": tuple(Shard(**s) for s in data.get("shards", ())),
                    "worths": tuple(WorthRow(**{**w, "coalition": tuple(w["coalition"])}) for w in data["worths"]),
                }
            )
        except (KeyError, TypeError) as cause:
            raise ValueError(f"this valuation result is incomplete or altered: {cause}") from cause


def _player(data: dict[str, Any]) -> PlayerResult:
    pairs = {
        name: None if data[name] is None else (float(data[name][0]), float(data[name][1]))
        for name in ("value_ci", "share_ci", "value_band", "share_band")
    }
    return PlayerResult(**{**data, **pairs})


def _trace(data: dict[str, Any]) -> TraceRow:
    return TraceRow(**{**data, **{name: tuple(data[name]) for name in ("values", "stderr", "shares")}})
