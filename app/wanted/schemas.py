"""What HTTP sees of wanted ads."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.datasets.tables import Modality
from app.http.ids import AdId, DatasetId
from app.http.schemas import Answer, Body, example
from app.wanted.tables import AdStatus

_SAID: dict[str, Any] = {
    "title": "Admissions of small wards", "description": "One row a stay, 2024 or later.", "words": "ward admissions",
    "modality": "tabular", "target": "label", "min_rows": 200, "price": "500.00", "currency": "EUR",
}  # fmt: skip
_AD = {
    **_SAID, "id": "ad_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", "buyer": "City Hospital", "status": "open",
    "matches": ["ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"], "created_at": "2026-11-23T12:00:00Z", "closed_at": None,
}  # fmt: skip


class WantedAdBody(Body):
    """What you look for. Listings fit that match all of it; say at least words, a kind or a target."""

    model_config = example(**_SAID)

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=5000)] = ""
    words: Annotated[str | None, Field(min_length=1, max_length=200, description="As in the catalogue's search.")] = (
        None
    )
    modality: Modality | None = None
    target: Annotated[str | None, Field(min_length=1, max_length=200, description="The column to predict.")] = None
    min_rows: Annotated[int | None, Field(ge=1, le=2**53)] = None
    price: Annotated[str | None, Field(max_length=40, description="What a job with such data is worth to you.")] = None
    currency: Annotated[str, Field(min_length=3, max_length=3, description="ISO 4217.")] = "EUR"


class WantedAdAnswer(Answer):
    """A wanted ad. ``matches``: for its buyer the listings that fit, for a provider its own among them."""

    model_config = example(**_AD)

    id: AdId
    buyer: str
    title: str
    description: str
    words: str | None
    modality: Modality | None
    target: str | None
    min_rows: int | None
    price: str | None
    currency: str | None
    status: AdStatus
    matches: list[DatasetId]
    created_at: datetime
    closed_at: datetime | None
