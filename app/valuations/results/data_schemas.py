"""What HTTP sees of rows that a job delivers: what there is, purchases, links, copies, and whose copy a file is."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.http.ids import DatasetId, LinkId, ValuationId
from app.http.schemas import Answer, Body, example
from app.valuations.example_ids import DATASET, VALUATION

_LINK = "dl_019ab5f0c1d27e3f8a4b5c6d7e8f9a11"
_NOW = "2026-11-23T13:00:00Z"
DELIVERED_EXAMPLE: dict[str, Any] = {
    "dataset_id": DATASET, "provider": "Ward 1", "content": "ab" * 32, "format": "csv", "reason": None,
    "price": "200.00", "currency": "EUR", "share": None, "for_sale": False, "bought_at": _NOW,
}  # fmt: skip


class DeliveredDataAnswer(Answer):
    """A dataset that a job delivers: the SHA-256 of the version that was valued, or why it is not to be had."""

    model_config = example(**DELIVERED_EXAMPLE)

    dataset_id: DatasetId
    provider: str
    content: str | None
    format: str
    reason: str | None = Field(description="Null: it can be fetched now.")
    price: str | None = Field(default=None, description="What its rows cost, as agreed when the job was posted.")
    currency: str | None = Field(default=None, description="Of the price, ISO 4217.")
    share: float | None = Field(
        default=None, description="From which part of what the job divides on its rows come with the job."
    )
    for_sale: bool = Field(default=False, description="The price is all that lacks: `POST …/purchase` buys it.")
    bought_at: datetime | None = None


class PurchaseAnswer(Answer):
    """Rows that were bought: what the buyer paid, and what of it the platform keeps."""

    model_config = example(
        valuation_id=VALUATION, dataset_id=DATASET, content="ab" * 32, amount="200.00", fee="5.00", currency="EUR",
        created_at=_NOW,
    )  # fmt: skip

    valuation_id: ValuationId
    dataset_id: DatasetId
    content: str
    amount: str
    fee: str
    currency: str
    created_at: datetime


class DataLinkBody(Body):
    """For how long a link works."""

    model_config = example(hours=24)

    hours: Annotated[int, Field(ge=1, le=720)] = 24


_LINKED: dict[str, Any] = {
    "id": _LINK, "url": "https://market.example/v1/data-links/IjAxOWFi...", "ends_at": _NOW, "taken_back_at": None,
    "created_at": _NOW,
}  # fmt: skip


class DataLinkAnswer(Answer):
    """A link to rows that a job delivers. Whoever has it fetches them until it ends, and each access is shown to the
    provider; a withdrawal ends it, too."""

    model_config = example(**_LINKED)

    id: LinkId
    url: str
    ends_at: datetime
    taken_back_at: datetime | None
    created_at: datetime


class DataLinks(Answer):
    """Links to one dataset of a job, the newest first."""

    model_config = example(items=[_LINKED])

    items: list[DataLinkAnswer]


class DataAccessAnswer(Answer):
    """A buyer was given the rows of one of your datasets."""

    model_config = example(
        dataset_id=DATASET, valuation_id=VALUATION, buyer="City Hospital", content="ab" * 32, created_at=_NOW,
        by_link=False, copy_digest="cd" * 32,
    )  # fmt: skip

    dataset_id: DatasetId
    valuation_id: ValuationId
    buyer: str
    content: str
    created_at: datetime
    by_link: bool = Field(default=False, description="It was fetched by a link that the buyer had made.")
    copy_digest: str | None = Field(default=None, description="SHA-256 of the bytes that were sent.")


_MANIFEST: dict[str, Any] = {
    "algorithm": "Ed25519", "public_key": "base64...", "signature": "base64...", "digest": "ab" * 32,
    "certificate": {
        "format": "cherish-rows-1", "valuation": VALUATION, "dataset": DATASET, "version": 2, "content": "ab" * 32,
        "file_format": "csv", "rows": 412, "provider": "Hill Clinic", "buyer": "City Hospital", "licence": "CC-BY-4.0",
        "order": "drawn for each copy",
        "copies": [{"made_at": _NOW, "sha256": "cd" * 32, "seed_commitment": "ef" * 32, "link": None}],
    },
}  # fmt: skip


class ManifestAnswer(Answer):
    """What the buyer of rows holds, signed: which version, whose, for whom, and each copy that was handed over."""

    model_config = example(**_MANIFEST)

    certificate: dict[str, Any]
    digest: str
    algorithm: str
    public_key: str
    signature: str


_COPY: dict[str, Any] = {
    "valuation_id": VALUATION, "buyer": "City Hospital", "made_at": _NOW, "link_id": None, "in_order": 1.0,
    "chance": 1e-12, "names_it": True,
}  # fmt: skip


class TracedCopy(Answer):
    """One copy that was handed over, against a file: the part of neighbouring rows that are in the copy's order, and
    the chance of as many where the file comes from elsewhere."""

    model_config = example(**_COPY)

    valuation_id: ValuationId
    buyer: str
    made_at: datetime
    link_id: LinkId | None
    in_order: float
    chance: float
    names_it: bool = Field(description="The chance, times the copies that were looked at, is under one in a million.")


class TraceAnswer(Answer):
    """Whose copy a file is: the likeliest copies of a dataset first, 20 at most."""

    model_config = example(
        dataset_id=DATASET, rows_found=400, copies=34, as_uploaded=False, sentence="It is the copy of City Hospital.",
        items=[_COPY],
    )  # fmt: skip

    dataset_id: DatasetId
    rows_found: int = Field(description="Rows of the file that are in the dataset, in one version, exactly once.")
    copies: int = Field(description="Copies of that version that were handed over in an order of their own.")
    as_uploaded: bool = Field(description="The rows are in the order of the uploaded file, which no copy has.")
    sentence: str
    items: list[TracedCopy]
