"""What a worker found in a dataset's version, as its owner is told."""

from typing import Annotated

from pydantic import Field

from app.datasets.tables import ProfileStatus
from app.http.schemas import Answer, example


class FrequentValue(Answer):
    """A value of a column, and how many rows have it."""

    value: str
    rows: int


class ColumnProfile(Answer):
    """What was found in one column; what its type has none of is null."""

    name: str
    type: str
    missing: int
    distinct: int | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    histogram: Annotated[
        list[int] | None, Field(description="Rows in each of twelve equally wide bins between `min` and `max`.")
    ] = None
    most_frequent: Annotated[
        list[FrequentValue] | None, Field(description="The values of a text that most rows have, eight at most.")
    ] = None


class Elsewhere(Answer):
    """How much of the dataset one other listing has: none, some, much, or unknown (too few rows). Not whose, and not
    exactly: the bounds are drawn anew for each pair of datasets."""

    rows: Annotated[str, Field(description="Rows that are equal in every value.")]
    coarse: Annotated[str, Field(description="Rows that are nearly equal, whatever their label.")]


class Findings(Answer):
    """What a worker found in a version."""

    rows: int
    columns: list[ColumnProfile]
    labels: dict[str, int] | None
    repeated_rows: int
    in_other_listings: Elsewhere


class ProfileAnswer(Answer):
    """The profile of a dataset's newest version; ``profile`` is null until a worker has looked at it."""

    model_config = example(
        number=1,
        profile_status="done",
        profile={
            "rows": 412,
            "columns": [
                {"name": "age", "type": "integer", "missing": 0, "distinct": None, "min": 19, "max": 97, "mean": 61.2},
                {"name": "label", "type": "text", "missing": 0, "distinct": 2, "min": None, "max": None, "mean": None},
            ],
            "labels": {"yes": 251, "no": 161},
            "repeated_rows": 3,
            "in_other_listings": {"rows": "none", "coarse": "some"},
        },
    )

    number: int
    profile_status: ProfileStatus
    profile: Findings | None
