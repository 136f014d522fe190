"""What direct uploads look like over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from app.http.ids import DatasetId, UploadId
from app.http.schemas import Answer, Body, example

_DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_DIRECT: dict[str, Any] = {
    "id": "up_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "dataset_id": "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "length": 40_000_000,
    "sha256": _DIGEST,
    "part_bytes": 16_777_216,
    "parts": 3,
    "expires_at": "2026-11-24T12:00:00Z",
}
_PART: dict[str, Any] = {
    "number": 3,
    "offset": 33_554_432,
    "size": 6_445_568,
    "url": "https://offers.s3.eu-north-1.amazonaws.com/incoming/01997b6e…?partNumber=3&uploadId=…&X-Amz-Signature=…",
}


class DirectBody(Body):
    """A file that its owner will send to the store itself."""

    model_config = example(length=40_000_000, sha256=_DIGEST)

    length: int = Field(ge=1, le=2**62, description="Bytes of the whole file.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="The hex SHA-256 of all of them, which is checked."
    )


class DirectAnswer(Answer):
    """A file that its owner sends to the store in parts. All but the last have ``part_bytes``."""

    model_config = example(**_DIRECT)

    id: UploadId
    dataset_id: DatasetId
    length: int
    sha256: str
    part_bytes: int
    parts: int
    expires_at: datetime = Field(description="When it is forgotten, unless it is completed before.")


class DirectUploads(Answer):
    """Direct uploads that wait for more, newest first."""

    model_config = example(items=[_DIRECT])

    items: list[DirectAnswer]


class DirectPart(Answer):
    """A part that is not in the store yet: `PUT` these ``size`` bytes to ``url``, without a key of ours."""

    model_config = example(**_PART)

    number: int
    offset: int
    size: int
    url: str


class DirectParts(Answer):
    """The first parts that are not in the store yet, at most 100, and how many there are; none: complete it."""

    model_config = example(items=[_PART], missing=1, seconds=3600)

    items: list[DirectPart]
    missing: int
    seconds: int = Field(description="How long the addresses are good; ask again for others.")
