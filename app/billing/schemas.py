"""What HTTP sees of billing: an organisation's details, and its money by month and currency."""

from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.http.schemas import Answer, Body, example

_DETAILS = {
    "name": "City Hospital GmbH", "address": "Hauptstrasse 1\n10115 Berlin", "country": "DE", "vat_id": "DE123456789",
    "vat_percent": "19.00", "vat_note": None,
}  # fmt: skip


class BillingBody(Body):
    """Whom invoices and credit notes are made out to."""

    model_config = ConfigDict(**(Body.model_config | example(**_DETAILS)))

    name: str = Field(min_length=1, max_length=300, description="The name in law.")
    address: str = Field(min_length=1, max_length=1000)
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] = Field(description="ISO 3166.")
    vat_id: Annotated[str, StringConstraints(pattern="^[A-Z]{2}[0-9A-Z+*.]{2,18}$")] | None = None
    vat_percent: Decimal = Field(
        default=Decimal(0), ge=0, le=40, max_digits=5, decimal_places=2, description="Contained in your amounts."
    )
    vat_note: str | None = Field(
        default=None, max_length=300, description="Why none is, where none is: reverse charge, small business."
    )


class BillingAnswer(Answer):
    """An organisation's billing details; all of it null before they were given."""

    model_config = example(**_DETAILS)

    name: str | None = None
    address: str | None = None
    country: str | None = None
    vat_id: str | None = None
    vat_percent: Decimal | None = None
    vat_note: str | None = None


_MONTH = {
    "month": "2026-11", "currency": "EUR", "came_in": "1310.00", "went_out": "0.00", "net": "1310.00",
    "by_code": {"payout": "1310.00"}, "document": "/v1/me/documents/2026-11?currency=EUR",
}  # fmt: skip


class MonthAnswer(Answer):
    """One month in one currency: what the statement's entries come to, by what they were for."""

    model_config = example(**_MONTH)

    month: str
    currency: str
    came_in: str
    went_out: str
    net: str
    by_code: dict[str, str] = Field(description="Signed sums by the code of the statement's entries.")
    document: str | None = Field(description="Its invoice or credit note, once the month has ended.")


class MonthsAnswer(Answer):
    """Months in which money moved, newest first."""

    model_config = example(items=[_MONTH])

    items: list[MonthAnswer]
