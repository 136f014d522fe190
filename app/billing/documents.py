"""An invoice or a credit note of one month: what is on it, its arithmetic of value added tax, its page. Pure.

Amounts contain the tax: of a gross amount at p percent 100 / (100 + p) is net, rounded half up to the minor unit once
for the whole document, and the tax is the rest. A provider's document is a credit note, by which the market bills
itself in the provider's place; a buyer's is an invoice.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from app.paper import printing
from app.payouts import money
from app.sandbox import process

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, auto_reload=False, trim_blocks=True
)

process.declare(printing.TASK)


@dataclass(frozen=True)
class Party:
    """Who is on one side of a document."""

    name: str
    address: str
    vat_id: str | None


@dataclass(frozen=True)
class BilledJob:
    """One job, or rows that were bought after it: its id, when it was settled, what it came to, in minor units."""

    text: str
    on: date
    amount: int


@dataclass(frozen=True)
class BillingDocument:
    """A document of one organisation, month and currency; ``credit`` tells a credit note from an invoice."""

    owner_id: uuid.UUID
    credit: bool
    month: date
    currency: str
    issued: date
    market: Party
    organisation: Party
    vat_percent: Decimal
    vat_note: str | None
    lines: tuple[BilledJob, ...]
    number: str  # consecutive for its seller and year: ``number_of``

    @property
    def title(self) -> str:
        return f"{'Credit note' if self.credit else 'Invoice'} {self.number}"

    @property
    def gross(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def net(self) -> int:
        part = Decimal(self.gross) * 100 / (100 + self.vat_percent)
        return int(part.to_integral_value(ROUND_HALF_UP))

    @property
    def vat(self) -> int:
        return self.gross - self.net

    def shown(self, minor: int) -> str:
        return money.format_money(minor, self.currency)


def number_of(seller_id: uuid.UUID | None, year: int, ordinal: int) -> str:
    """``IN-2026-000001`` of the market (None), ``CN-5C6D7E8F9A0B-2026-000001`` of a provider: consecutive numbers of
    one seller in one year, beginning with 1."""
    series = "IN" if seller_id is None else f"CN-{seller_id.hex[-12:].upper()}"
    return f"{series}-{year}-{ordinal:06d}"


def month_of(text: str) -> date | None:
    """The first day of a month written 2026-11; None where it is none."""
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date() if len(text) == 7 else None
    except ValueError:
        return None


def after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def to_html(document: BillingDocument) -> str:
    """One self-contained page."""
    style = (_FOLDER / "document.css").read_text(encoding="utf-8")
    body = _TEMPLATES.get_template("document.html").render(document=document, sides=_sides(document))
    return printing.document(str(escape(document.title)), style, body)


def to_pdf(document: BillingDocument) -> bytes:
    """The same on paper; dated by its issue, it repeats to the byte."""
    at = datetime(document.issued.year, document.issued.month, document.issued.day, tzinfo=UTC)
    question = printing.PrintQuestion(name="the document", page=to_html(document), title=document.title, at=at).plain()
    answer = process.shared().ask(question, files=(), memory_bytes=printing.MEMORY_BYTES, seconds=printing.SECONDS)
    return printing.PrintAnswer.read(answer).pdf


def _sides(document: BillingDocument) -> Sequence[tuple[str, Party]]:
    """Who supplies and who receives: of a credit note the provider supplies, and the market writes it."""
    if document.credit:
        return ("Supplier", document.organisation), ("Recipient, who issues this by self-billing", document.market)
    return ("Supplier", document.market), ("Recipient", document.organisation)
