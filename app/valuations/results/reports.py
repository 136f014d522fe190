"""A result as a page to keep: one HTML file with its drawings inside, and the same as PDF. Pure.

Both show the order, the values with their intervals, how far unlearning was off where it was audited, who is paid, and
the digests by which all of it can be checked. Names are escaped; the page loads nothing and runs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.http.ids import public_id
from app.valuations.results import wording
from app.valuations.results.evidence import Pair
from app.valuations.results.schemas import Payouts, PlayerValue, Values

_INK, _BLUE, _GREY = "#1c2733", "#2f6f9f", "#c9d1d8"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #c9d1d8;"
    "text-align:right}td:first-child,th:first-child{text-align:left}code{font-size:.8em;word-break:break-all}"
)


@dataclass(frozen=True)
class Report:
    """Everything the report shows."""

    values: Values
    payouts: Payouts
    metric: str
    pairs: Sequence[Pair]

    @property
    def title(self) -> str:
        return f"Valuation {public_id('val', self.values.valuation_id)}"

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
        if values.gain is not None:
            lines.insert(1, values.gain.sentence())
        if self.payouts.nobody_paid is not None:
            lines.insert(0, f"Nobody was paid: {self.payouts.nobody_paid}.")
        if values.precision is not None:
            lines.append(wording.precision(values.precision, values.audit.get("status") != "unaudited"))
        if (parts := wording.widest_parts(values.players)) is not None:
            lines.append(parts)
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


def to_html(report: Report) -> str:
    """One self-contained page."""
    titles = ("provider", "rows", "value", "95 % interval", "share", "95 % interval", "paid share", "amount", "why")
    head = f"<tr>{''.join(f'<th>{title}' for title in titles)}</tr>"
    rows = [_row(player, report.values) for player in report.values.players]
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in report.summary()),
        f"<h2>Values and shares</h2>{_bars(report)}<table>{head}{''.join(rows)}</table>{_among_all(report.values)}",
        _scatter(report.pairs),
        "<h2>Payouts</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in [*report.payouts.terms, *report.payouts.explanation]),
        "<h2>Digests</h2><table>",
        *(f"<tr><td>{escape(name)}<td><code>{escape(digest)}</code>" for name, digest in report.digests().items()),
        "</table>",
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.title)}</title>'
        f"<style>{_STYLE}</style>{''.join(sections)}</html>\n"
    )


def _row(player: PlayerValue, values: Values) -> str:
    """One player: the value, share and intervals that are paid on, and what it is paid."""
    value, band = wording.value_shown(values, player)
    cells = [
        escape(player.provider),
        str(player.rows),
        "left out" if value is None else f"{value:.4f}",
        "" if band is None else f"{band[0]:.4f} to {band[1]:.4f}",
        _percent(player.share),
        "" if player.share_ci is None else f"{_percent(player.share_ci[0])} to {_percent(player.share_ci[1])}",
        _percent(wording.paid_share(player)),
        f"{escape(player.amount)} {escape(values.currency)}",
        escape(player.reason or ""),
    ]
    return f"<tr><td>{'<td>'.join(cells)}"


def _among_all(values: Values) -> str:
    """The values of the first valuation, where the table above has those of the one without whoever does harm."""
    if values.without_harm is None:
        return ""
    rows = "".join(f"<tr><td>{escape(each.provider)}<td>{each.value:.4f}" for each in values.players)
    return (
        "<p>Whoever does harm was left out and the others were valued again; the table has the values that are paid "
        f"on. Among all players the values are:</p><table><tr><th>provider<th>value among all</tr>{rows}</table>"
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _bars(report: Report) -> str:
    """Values with their intervals, as SVG."""
    shown = [(each, *wording.value_shown(report.values, each)) for each in report.values.players]
    ends = [end for _, value, band in shown for end in (band or (value or 0.0,))] + [0.0]
    low, high = min(ends), max(ends)
    scale = 440.0 / ((high - low) or 1.0)

    def x(value: float) -> float:
        return 190.0 + (value - low) * scale

    drawn = []
    for row, (player, value, band) in enumerate(shown):
        y = 14.0 + 22.0 * row
        left, right = sorted((x(0.0), x(value or 0.0)))
        drawn.append(
            f'<text x="180" y="{y + 4:.0f}" text-anchor="end" font-size="12" fill="{_INK}">'
            f"{escape(player.provider[:26])}</text>"
            f'<rect x="{left:.1f}" y="{y - 7:.0f}" width="{max(right - left, 0.5):.1f}" height="14" fill="{_BLUE}"/>'
        )
        if band is not None:
            a, b = x(band[0]), x(band[1])
            drawn.append(f'<path d="M{a:.1f} {y:.0f}H{b:.1f}" stroke="{_INK}" stroke-width="2"/>')
    height = 22 * len(shown) + 8
    axis = f'<path d="M{x(0.0):.1f} 0V{height}" stroke="{_GREY}"/>'
    return (
        f'<svg viewBox="0 0 640 {height}" role="img" aria-label="Values with intervals" '
        f'xmlns="http://www.w3.org/2000/svg">{axis}{"".join(drawn)}</svg>'
    )


def _scatter(pairs: Sequence[Pair]) -> str:
    """Unlearned against retrained worths, as SVG; nothing where nothing was audited."""
    if len(pairs) < 2:
        return ""
    ends = [end for pair in pairs for end in (pair.unlearned, pair.retrained)]
    low, scale = min(ends), 280.0 / ((max(ends) - min(ends)) or 1.0)
    dots = "".join(
        f'<circle cx="{20 + (p.retrained - low) * scale:.1f}" cy="{300 - (p.unlearned - low) * scale:.1f}" r="3" '
        f'fill="{_BLUE}" fill-opacity=".7"/>'
        for p in pairs
    )
    return (
        "<h2>The audit: worths unlearned (upwards) against trained anew (to the right)</h2>"
        '<svg viewBox="0 0 320 320" width="320" role="img" aria-label="Unlearned against retrained worths" '
        f'xmlns="http://www.w3.org/2000/svg"><path d="M20 300L300 20" stroke="{_GREY}"/>{dots}</svg>'
    )


def _line(player: PlayerValue, values: Values) -> str:
    """One player in the PDF."""
    value, _ = wording.value_shown(values, player)
    shown = "left out" if value is None else f"value {value:.4f}"
    told = f"{player.provider}: {shown}, share {_percent(player.share)}"
    if player.share_ci is not None:
        told += f" ({_percent(player.share_ci[0])} to {_percent(player.share_ci[1])})"
    why = "" if player.reason is None else f"; {player.reason}"
    return f"{told}, paid share {_percent(wording.paid_share(player))}, {player.amount} {values.currency}{why}"


def to_pdf(report: Report) -> bytes:
    """The same as a PDF, drawn with lines and boxes; letters outside Latin-1 are replaced by a question mark."""
    # loaded here: it brings font tools that most requests never need
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_creation_date(report.payouts.disputable_until)
    pdf.set_title(report.title)
    pdf.add_page()

    def say(text: str, size: int = 10, style: str = "") -> None:
        pdf.set_font("helvetica", style, size)
        pdf.multi_cell(
            0, size * 0.5, text.encode("latin-1", "replace").decode("latin-1"), new_x="LMARGIN", new_y="NEXT"
        )
        pdf.ln(1)

    say(report.title, 15, "B")
    for sentence in report.summary():
        say(sentence)
    say("Values and shares", 12, "B")
    heights = [wording.value_shown(report.values, each)[0] or 0.0 for each in report.values.players]
    most = max(map(abs, heights), default=0.0) or 1.0
    for each, value in zip(report.values.players, heights, strict=True):
        say(_line(each, report.values))
        pdf.set_fill_color(47, 111, 159) if value >= 0 else pdf.set_fill_color(178, 60, 60)
        pdf.rect(pdf.l_margin, pdf.get_y(), max(0.3, 150.0 * abs(value) / most), 2.5, style="F")
        pdf.ln(4)
    say("Payouts", 12, "B")
    for sentence in [*report.payouts.terms, *report.payouts.explanation]:
        say(sentence)
    say("Digests", 12, "B")
    for name, digest in report.digests().items():
        say(f"{name}: {digest}", 8)
    return bytes(pdf.output())
