"""A result as a page to keep: one HTML file with its drawings inside, and the same as PDF. Pure; it asks nobody.

Both say what was asked, who is worth what and how sure that is, how far unlearning was off where it was audited, who is
paid, and the digests by which all of it can be checked. Names are escaped; the page loads nothing and runs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.http.ids import public_id
from app.valuations.results.evidence import Pair
from app.valuations.results.schemas import Payouts, Values

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
        found = self.values
        counts = ", ".join(f"{count} by {kind}" for kind, count in found.evaluations.items() if count)
        told = [
            f"{len(found.players)} players on the metric {self.metric}; the worth of nobody's data is "
            f"{found.empty_worth:.4f}, of everybody's {found.full_worth:.4f}.",
            f"Worths computed: {counts}. The job ended by {found.stopped_by} after {found.seconds:.1f} s of computing.",
        ]
        if found.retrain_seconds_estimate is not None:
            told.append(f"Training anew for every coalition would take about {found.retrain_seconds_estimate:.0f} s.")
        told += [
            f"Perplexity per token on {each.domain} ({each.tokens} tokens): {each.base:.2f} of the base, "
            f"{each.full:.2f} with everybody."
            for each in found.domains
        ]
        told += [str(each) for each in (found.audit.get("sentence"), found.shares_note) if each]
        if found.checked is not None:
            told.append(found.checked.sentence())
        return [*told, *found.notes]

    def digests(self) -> dict[str, str]:
        return dict(self.values.digests) | {"plan": self.payouts.plan_digest}


def to_html(report: Report) -> str:
    """One self-contained page."""
    head = "<tr><th>provider<th>rows<th>value<th>95 % interval<th>share<th>amount</tr>"
    rows = []
    for player in report.values.players:
        band = "" if player.value_ci is None else f"{player.value_ci[0]:.4f} to {player.value_ci[1]:.4f}"
        share = "" if player.share is None else f"{100 * player.share:.2f} %"
        amount = f"{escape(player.amount)} {escape(report.values.currency)}"
        rows.append(
            f"<tr><td>{escape(player.provider)}<td>{player.rows}<td>{player.value:.4f}<td>{band}<td>{share}<td>{amount}"
        )
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in report.summary()),
        f"<h2>Values and shares</h2>{_bars(report)}<table>{head}{''.join(rows)}</table>",
        _scatter(report.pairs),
        "<h2>Payouts</h2>",
        *(f"<p>{escape(sentence)}</p>" for sentence in [*report.payouts.terms, *report.payouts.explanation]),
        "<h2>Digests</h2><table>",
        *(f"<tr><td>{escape(name)}<td><code>{escape(each)}</code>" for name, each in report.digests().items()),
        "</table>",
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.title)}</title>'
        f"<style>{_STYLE}</style>{''.join(sections)}</html>\n"
    )


def _bars(report: Report) -> str:
    """Values with their intervals, as SVG."""
    players = report.values.players
    ends = [end for each in players for end in (each.value_ci or (each.value, each.value))] + [0.0]
    low, high = min(ends), max(ends)
    scale = 440.0 / ((high - low) or 1.0)

    def x(value: float) -> float:
        return 190.0 + (value - low) * scale

    drawn = []
    for row, each in enumerate(players):
        y = 14.0 + 22.0 * row
        left, right = sorted((x(0.0), x(each.value)))
        drawn.append(
            f'<text x="180" y="{y + 4:.0f}" text-anchor="end" font-size="12" fill="{_INK}">'
            f"{escape(each.provider[:26])}</text>"
            f'<rect x="{left:.1f}" y="{y - 7:.0f}" width="{max(right - left, 0.5):.1f}" height="14" fill="{_BLUE}"/>'
        )
        if each.value_ci is not None:
            a, b = x(each.value_ci[0]), x(each.value_ci[1])
            drawn.append(f'<path d="M{a:.1f} {y:.0f}H{b:.1f}" stroke="{_INK}" stroke-width="2"/>')
    height = 22 * len(players) + 8
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
    most = max((abs(each.value) for each in report.values.players), default=0.0) or 1.0
    for each in report.values.players:
        share = "" if each.share is None else f"{100 * each.share:.2f} %"
        say(f"{each.provider}: value {each.value:.4f}, share {share}, {each.amount} {report.values.currency}")
        pdf.set_fill_color(47, 111, 159) if each.value >= 0 else pdf.set_fill_color(178, 60, 60)
        pdf.rect(pdf.l_margin, pdf.get_y(), max(0.3, 150.0 * abs(each.value) / most), 2.5, style="F")
        pdf.ln(4)
    say("Payouts", 12, "B")
    for sentence in [*report.payouts.terms, *report.payouts.explanation]:
        say(sentence)
    say("Digests", 12, "B")
    for name, digest in report.digests().items():
        say(f"{name}: {digest}", 8)
    return bytes(pdf.output())
