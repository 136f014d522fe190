"""What HTTP sees of datasets: drafts, terms, and answers to their owners."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, StringConstraints, field_validator

from app.datasets.asking_schemas import ASKING_EXAMPLE, AskingAnswer, AskingBody
from app.datasets.licences import Licence, canonical_spdx
from app.datasets.service import MAX_PREVIEW_ROWS, Draft, Terms
from app.datasets.tables import Dataset, DatasetFormat, DatasetKind, DatasetStatus, Modality, ProfileStatus
from app.errors import InvalidInput
from app.http.ids import DatasetId, UploadId
from app.http.schemas import Answer, Body, example
from app.payouts import money
from contract.orders.grants import ABOUT, Approval, Grant
from contract.rows.findings import Severity

Name = Annotated[str, Field(min_length=1, max_length=200)]
Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Territory = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

_NOW = "2026-11-23T12:00:00Z"
_LICENCE: dict[str, Any] = {
    "spdx": "CC-BY-4.0",
    "purposes": ["research", "evaluation"],
    "territories": None,
    "expires_at": "2030-01-01T00:00:00Z",
    "grants": ["value", "model"],
}
_NOTICED: dict[str, Any] = {
    "code": "missing_values",
    "severity": "note",
    "detail": "column `age`: of 412 cells 3 are missing",
    "mend": "",
    "column": "age",
    "rows": 3,
    "share": 0.007282,
}
DATASET_EXAMPLE: dict[str, Any] = {
    "id": "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "name": "ward 3, 2025",
    "description": "Admissions of one ward, one row a stay.",
    "kind": "train",
    "status": "published",
    "target": "label",
    "modality": "tabular",
    "format": "csv",
    "version": 1,
    "digest": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "size_bytes": 18233,
    "rows": 412,
    "columns": [{"name": "age", "type": "number"}, {"name": "label", "type": "text"}],
    "findings": [_NOTICED],
    "licence": _LICENCE,
    "reserve_price": "25.00",
    "reserve_currency": "EUR",
    "asking": ASKING_EXAMPLE,
    "preview_rows": 3,
    "published_at": _NOW,
    "taken_down": None,
    "created_at": _NOW,
}


_VERSION: dict[str, Any] = {
    "number": 1,
    "digest": DATASET_EXAMPLE["digest"],
    "format": "csv",
    "modality": "tabular",
    "size_bytes": 18233,
    "rows": 412,
    "profile_status": "done",
    "origin": None,
    "created_at": _NOW,
}


class DatasetBody(Body):
    """A new dataset, still without bytes. ``kind`` is train for providers and test for buyers, unless given."""

    model_config = example(name="ward 3, 2025", target="label", format="csv", kind="train")

    name: Name
    target: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="The column to predict; `y` for NPZ. Null: documents without labels, of modality text.",
        ),
    ]
    description: Annotated[str, Field(max_length=5000)] = ""
    format: Annotated[DatasetFormat | None, Field(description="Read off the bytes unless given.")] = None
    kind: DatasetKind | None = None
    modality: Annotated[
        Modality | None, Field(description="What one row is. Read off the bytes; say `text` for a table of documents.")
    ] = None

    def draft(self) -> Draft:
        return Draft(self.name, self.target, self.description, self.format, self.kind, self.modality)


class LicenceBody(Body):
    """What the data may be used for. What is null is not limited."""

    model_config = example(**_LICENCE)

    spdx: Annotated[str, Field(max_length=200, description="An SPDX expression, or `LicenseRef-` and your own name.")]
    purposes: Annotated[list[Purpose] | None, Field(min_length=1, max_length=20)] = None
    territories: Annotated[
        list[Territory] | None, Field(min_length=1, max_length=250, description="ISO 3166 country codes.")
    ] = None
    expires_at: AwareDatetime | None = None
    grants: Annotated[
        list[Grant],
        Field(
            min_length=1,
            max_length=len(Grant),
            description="What a buyer may have. "
            + "; ".join(f"{grant.value}: {about}" for grant, about in ABOUT.items())
            + ".",
        ),
    ] = Field(default=[Grant.VALUE])
    approval: Annotated[
        Approval,
        Field(
            description="automatic: a job within these terms begins at once; by_request: it waits until you approve it "
            "(`GET /v1/me/consents`)."
        ),
    ] = Approval.AUTOMATIC
    test_first: bool = Field(
        default=False,
        description="Only jobs whose test set was uploaded before this data, and so was not picked knowing it.",
    )

    @field_validator("grants")
    @classmethod
    def _with_value(cls, value: list[Grant]) -> list[Grant]:
        # whatever else is granted, values are computed: they are what is paid by
        return [grant for grant in Grant if grant in value or grant is Grant.VALUE]

    @field_validator("spdx")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return canonical_spdx(value)
        except InvalidInput as error:
            raise ValueError(error.detail) from None

    def licence(self) -> Licence:
        purposes = None if self.purposes is None else tuple(self.purposes)
        territories = None if self.territories is None else tuple(self.territories)
        return Licence(
            self.spdx, purposes, territories, self.expires_at, tuple(self.grants), self.approval, self.test_first
        )


class PublishBody(Body):
    """On what terms a dataset is published."""

    model_config = example(
        licence=_LICENCE, reserve_price="25.00", reserve_currency="EUR", preview_rows=3, asking=ASKING_EXAMPLE
    )

    licence: LicenceBody
    reserve_price: Annotated[
        str | None, Field(max_length=40, description="The least a job must pay for this dataset, else it is left out.")
    ] = None
    reserve_currency: Annotated[str, Field(min_length=3, max_length=3, description="ISO 4217.")] = "EUR"
    preview_rows: Annotated[
        int, Field(ge=0, le=MAX_PREVIEW_ROWS, description="How many rows anybody in the market may see.")
    ] = 0
    asking: AskingBody | None = None

    def terms(self) -> Terms:
        """Raises InvalidInput for an amount that is no money."""
        licence = self.licence.licence()
        asking = None if self.asking is None else self.asking.asking()
        if self.reserve_price is None:
            return Terms(licence, preview_rows=self.preview_rows, asking=asking)
        minor = money.parse(self.reserve_price, self.reserve_currency, name="reserve_price")
        return Terms(licence, minor, self.reserve_currency, self.preview_rows, asking)


_UPLOAD: dict[str, Any] = {
    "id": "up_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", "dataset_id": DATASET_EXAMPLE["id"], "offset": 8388608,
    "length": 1073741824, "sha256": None, "expires_at": "2026-11-24T12:00:00Z",
}  # fmt: skip


class UploadAnswer(Answer):
    """A file that comes in parts."""

    model_config = example(**_UPLOAD)

    id: UploadId
    dataset_id: DatasetId
    offset: int = Field(description="Bytes that are here.")
    length: int = Field(description="Bytes of the whole file.")
    sha256: str | None = Field(description="What the file must hash to, where that was declared.")
    expires_at: datetime = Field(description="When it is forgotten, unless another part comes.")


class Uploads(Answer):
    """Uploads that wait for more, newest first."""

    model_config = example(items=[_UPLOAD])

    items: list[UploadAnswer]


class Column(Answer):
    """One column of the file."""

    name: str
    type: Annotated[str, Field(description="number, integer, boolean, text, image or tensor[height, width]")]


class Noticed(Answer):
    """One finding; the codes are those of docs/datasets.md."""

    model_config = example(**_NOTICED)

    code: str
    severity: Severity
    detail: str
    mend: str
    column: str | None
    rows: int | None
    share: float | None


class LicenceAnswer(Answer):
    """What the data may be used for."""

    spdx: str
    purposes: list[str] | None
    territories: list[str] | None
    expires_at: datetime | None
    grants: list[Grant] = Field(default=[Grant.VALUE], description="What a buyer of a job may have.")
    approval: Approval = Field(default=Approval.AUTOMATIC, description="Whether each job waits for the provider.")
    test_first: bool = Field(default=False, description="Only jobs whose test set was uploaded before this data.")


class DatasetAnswer(Answer):
    """One dataset; what the bytes told is null until they are uploaded, and its terms until it is published."""

    model_config = example(**DATASET_EXAMPLE)

    id: DatasetId
    name: str
    description: str
    kind: DatasetKind
    status: DatasetStatus
    target: str | None
    modality: Modality | None
    format: DatasetFormat | None
    version: int
    digest: str | None
    size_bytes: int | None
    rows: int | None
    columns: list[Column] | None
    findings: list[Noticed] = Field(description="What was noticed when the file was read.")
    licence: LicenceAnswer | None
    reserve_price: str | None
    reserve_currency: str | None
    asking: AskingAnswer | None = None
    preview_rows: int
    published_at: datetime | None
    taken_down: str | None = Field(description="Why an administrator took the listing down; null where none did.")
    created_at: datetime

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The answer for one row."""
        known = {"reserve_price": reserve_of(dataset), "asking": AskingAnswer.of(dataset)}
        shown = {name: getattr(dataset, name) for name in DatasetAnswer.model_fields if name not in known}
        return cls.model_validate(shown | known)


def reserve_of(dataset: Dataset) -> str | None:
    """The reserve price as a decimal string."""
    if dataset.reserve_minor is None or dataset.reserve_currency is None:
        return None
    return money.plain(dataset.reserve_minor, dataset.reserve_currency)


class VersionAnswer(Answer):
    """One content of a dataset."""

    model_config = example(**_VERSION)

    number: int
    digest: str
    format: DatasetFormat
    modality: Modality
    size_bytes: int
    rows: int
    profile_status: ProfileStatus
    origin: str | None = Field(
        default=None, description="The address that it was fetched from, without its query; null where it was sent."
    )
    created_at: datetime


class Versions(Answer):
    """All versions of a dataset, newest first."""

    model_config = example(items=[_VERSION])

    items: list[VersionAnswer]


_ASKER: dict[str, Any] = {"asker": "Second Hospital", "spent": 8, "questions": 5, "last_at": _NOW}


class AskerAnswer(Answer):
    """What one organisation was told of a dataset: the points that count now, its questions ever, the last one."""

    model_config = example(**_ASKER)

    asker: str
    spent: int
    questions: int
    last_at: datetime


class Disclosures(Answer):
    """Who asked questions whose answers depend on a dataset's rows, latest first, at most 200. Each organisation may
    spend so many ``points`` in any ``days``."""

    model_config = example(points=100, days=30.0, askers=[_ASKER])

    points: int
    days: float
    askers: list[AskerAnswer]


class CroissantBody(Body):
    """A Croissant 1.0 or 1.1 document, and what it cannot say. Its bytes are uploaded afterwards, like any others."""

    model_config = example(
        croissant={
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": "ward 3, 2025",
            "description": "Admissions of one ward, one row a stay.",
            "license": "https://spdx.org/licenses/CC-BY-4.0.html",
        },
        target="label",
    )

    croissant: dict[str, Any]
    target: Annotated[
        str | None,
        Field(
            min_length=1, max_length=200, description="The column to predict; default: the one field of type cr:Label."
        ),
    ] = None
    modality: Modality | None = None


class ImportedAnswer(DatasetAnswer):
    """The draft that a Croissant document became, and the licence it names; null where that is no SPDX id."""

    model_config = example(**DATASET_EXAMPLE, proposed_licence="CC-BY-4.0")

    proposed_licence: str | None = None


# what strangers do not see of a dataset
_OWNERS = ("kind", "status", "created_at", "findings")


class Listing(Answer):
    """A published dataset, as anybody in the market sees it."""

    model_config = example(
        **{name: value for name, value in DATASET_EXAMPLE.items() if name not in _OWNERS},
        provider="Hill Clinic",
    )

    id: DatasetId
    name: str
    description: str
    provider: Annotated[str, Field(description="The name of the organisation that offers it.")]
    target: str | None
    modality: Modality
    format: DatasetFormat
    version: int
    digest: str
    size_bytes: int
    rows: int
    columns: list[Column]
    licence: LicenceAnswer
    reserve_price: str | None
    reserve_currency: str | None
    asking: AskingAnswer | None = None
    preview_rows: int
    published_at: datetime | None

    @classmethod
    def of(cls, dataset: Dataset, provider: str) -> Self:
        """The listing of one row."""
        known = {"provider": provider, "reserve_price": reserve_of(dataset), "asking": AskingAnswer.of(dataset)}
        shown = {name: getattr(dataset, name) for name in cls.model_fields if name not in known}
        return cls.model_validate(shown | known)


class Preview(Answer):
    """As many rows as the provider allows; long texts are cut, arrays are null."""

    model_config = example(columns=["age", "label"], rows=[[61, "yes"], [34, "no"]])

    columns: list[str]
    rows: list[list[Any]]
