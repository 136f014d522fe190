"""What HTTP sees of datasets."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.datasets.tables import DatasetFormat, DatasetKind, DatasetStatus
from app.http.ids import DatasetId
from app.http.schemas import Answer, Body, example

Name = Annotated[str, Field(min_length=1, max_length=200)]


class DatasetBody(Body):
    """A new dataset, still without bytes. ``kind`` is train for providers and test for buyers, unless given."""

    model_config = example(name="ward 3, 2025", target="label", format="csv", kind="train")

    name: Name
    target: Annotated[str, Field(min_length=1, max_length=200, description="The column to predict; `y` for NPZ.")]
    format: Annotated[DatasetFormat | None, Field(description="Read off the bytes unless given.")] = None
    kind: DatasetKind | None = None


class Column(Answer):
    """One column of the file."""

    name: str
    type: Annotated[str, Field(description="number, integer, boolean, text or tensor[height, width]")]


class DatasetAnswer(Answer):
    """One dataset; what the bytes told is null until they are uploaded."""

    model_config = example(
        id="ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        name="ward 3, 2025",
        kind="train",
        status="ready",
        target="label",
        format="csv",
        digest="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        size_bytes=18233,
        rows=412,
        columns=[{"name": "age", "type": "number"}, {"name": "label", "type": "text"}],
        created_at="2026-11-23T12:00:00Z",
    )

    id: DatasetId
    name: str
    kind: DatasetKind
    status: DatasetStatus
    target: str
    format: DatasetFormat | None
    digest: str | None
    size_bytes: int | None
    rows: int | None
    columns: list[Column] | None
    created_at: datetime
