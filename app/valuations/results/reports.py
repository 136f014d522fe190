"""A result as a page to keep: one HTML file with its letters and drawings inside, and the same page as PDF.

Both show who ordered, when it ended, the values with their intervals, how far unlearning was off where it was audited,
who is paid what and why, and the digests by which all of it can be checked. Names are escaped; the page loads nothing
and runs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app.drawings.bars import Bar, bars
from app.drawings.planes import Plane, Point, Series
from app.http.ids import public_id
from app.paper import printing
from app.sandbox import process
from app.valuations.results import wording
from app.valuations.results.evidence import Pair
from app.valuations.results.payout_schemas import Payouts
from app.valuations.results.schemas import PlayerValue, Values

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, auto_reload=False, trim_blocks=True
)

process.declare(printing.TASK)


@dataclass(frozen=True)
class Report:
    """Everything the report shows."""

    values: Values
    payouts: Payouts
    metric: str
    pairs: Sequence[Pair]
    buyer: str
    finished_at: datetime | None

    @property
    def title(self) -> str:
        return f"Valuation {public_id('val', self.values.valuation_id)}"

    @property
    def ended(self) -> str:
        return "—" if self.finished_at is None else f"{self.finished_at:%Y-%m-%d %H:%M} UTC"

    def ranked(self) -> list[PlayerValue]:
        """The players, the largest share first."""
        return wording.ranked(self.values.players)

    def summary(self) -> list[str]:
        """The result in sentences."""
        values = self.values
        counts = ", ".join(f"{count} by {kind}" for kind, count in values.evaluations.items() if count)
        lines = [
            f"{len(values.players)} players on the metric {self.metric}; the worth of nobody's data is "
            f"{values.empty_worth:.4f}, of everybody's {values.full_worth:.4f}.",
            f"Worths computed: {counts}. The job ended by {values.stopped_by}.",
            wording.cost(values, lambda seconds: f"{seconds:.1f} s"),
        ]
        if self.metric != values.ordered_metric:
            lines.insert(
                0,
                f"Values, shares and intervals are by {self.metric}, from the stored answers of the same models; what "
                f"was paid is as ordered, by {values.ordered_metric}.",
            )
        if values.gain is not None:
            lines.insert(1, values.gain.sentence())
        if self.payouts.nobody_paid is not None:
            lines.insert(0, f"Nobody was paid: {self.payouts.nobody_paid}.")
        if values.precision is not None:
            lines.append(wording.precision(values.precision, values.audit.get("status") != "unaudited"))
        if (parts := wording.widest_parts(values.players)) is not None:
            lines.append(parts)
        if values.chance is not None and (grouped := values.chance.grouped()) is not None:
            lines.append(grouped)
        lines += [
            f"Perplexity per token on {domain.domain} ({domain.tokens} tokens): {domain.base:.2f} of the base, "
            f"{domain.full:.2f} with everybody."
            for domain in values.domains
        ]
        lines += [str(text) for text in (values.audit.get("sentence"), values.shares_note) if text]
        if values.checked is not None:
            lines.append(values.checked.sentence())
        return [*lines, *values.notes]

    def digests(self) -> dict[str, str]:
        return dict(self.values.digests) | {"plan": self.payouts.plan_digest}


@dataclass(frozen=True)
class _Row:
    """One player as the table writes it: the value, share and intervals that are paid on, and what it is paid."""

    name: str
    rows: int
    value: str
    value_ci: str
    share: str
    share_ci: str
    paid: str
    amount: str
    why: str
    among_all: str


def to_html(report: Report) -> str:
    """One self-contained page."""
    names = wording.names(report.values.players)
    shown = {
        "report": report,
        "values": report.values,
        "rows": [_row(player, report.values, names[player.position]) for player in report.ranked()],
        "drawn": {
            "shares": _bars(report, names),
            "audit": _scatter(report.pairs) if wording.any_unlearned(report.values) else None,
        },
    }
    body = _TEMPLATES.get_template("report.html").render(shown)
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    return printing.document(str(escape(report.title)), style, body)


def to_pdf(report: Report) -> bytes:
    """The same page on paper. It is dated by the settlement and repeats to the byte."""
    question = printing.PrintQuestion(
        name="the report", page=to_html(report), title=report.title, at=report.payouts.disputable_until
    ).plain()
    answer = process.shared().ask(question, files=(), memory_bytes=printing.MEMORY_BYTES, seconds=printing.SECONDS)
    return printing.PrintAnswer.read(answer).pdf


def _row(player: PlayerValue, values: Values, name: str) -> _Row:
    value, band = wording.value_shown(values, player)
    return _Row(
        name=name,
        rows=player.rows,
        value="left out" if value is None else f"{value:.4f}",
        value_ci="—" if band is None else f"{band[0]:.4f} to {band[1]:.4f}",
        share=_percent(player.share),
        share_ci="—" if player.share_ci is None else " to ".join(_percent(end) for end in player.share_ci),
        paid=_percent(wording.paid_share(player)),
        amount=f"{player.amount} {values.currency}",
        why=player.reason or "",
        among_all=f"{player.value:.4f}",
    )


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.2f} %"


def _bars(report: Report, names: dict[int, str]) -> Markup:
    """Shares with their intervals; values where the job has no shares."""
    rows = []
    for player in report.ranked():
        name = names[player.position]
        if player.share is None:
            value, band = wording.value_shown(report.values, player)
            shown = "left out" if value is None else f"{value:.4f}"
            rows.append(Bar(name, value, band, f"{name}: value {shown}", shown))
        else:
            shown = _percent(player.share)
            rows.append(Bar(name, player.share, player.share_ci, f"{name}: share {shown}", shown))
    return bars(rows)


def _scatter(pairs: Sequence[Pair]) -> Markup | None:
    """Unlearned against retrained worths; nothing where nothing was audited."""
    if len(pairs) < 2:
        return None
    points = [
        Point(p.retrained, p.unlearned, f"unlearned {p.unlearned:.4f}, trained anew {p.retrained:.4f}") for p in pairs
    ]
    series = [Series("", points, joined=False)]
    return Plane("worth by training anew", "worth by unlearning", series, diagonal=True).draw()
