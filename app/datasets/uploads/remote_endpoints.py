"""A dataset's next version fetched from an address, over HTTP. Credentials live as long as the request does."""

from typing import Annotated, Any

from fastapi import Request, status
from pydantic import Field, SecretStr, StringConstraints

from app.accounts.callers import AnyCaller
from app.datasets import schemas
from app.datasets.endpoints import ReadingDep
from app.datasets.remote.sources import BucketKey, source_of
from app.datasets.uploads.receiving import FetchOrder, fetched
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.ids import DatasetId, public_id
from app.http.lending import Lent
from app.http.problems import responses
from app.http.routes import Change, api_router, record_as
from app.http.schemas import Body, example

router = api_router("/v1/datasets", "datasets")

_URL = "https://data.example.org/ward-3.csv"
_Short = Annotated[str, Field(min_length=1, max_length=500)]


class BucketBody(Body):
    """Which S3-compatible store an `s3://` address is of, and a key that may read the object. None of it is kept."""

    model_config = example(region="eu-north-1", access_key_id="AKIA…", secret_access_key="…")  # noqa: S106  none

    region: _Short = "us-east-1"
    endpoint: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="The https address of a store that is not AWS's."
    )
    access_key_id: SecretStr | None = Field(default=None, description="Without it the object is asked for as anybody.")
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = Field(default=None, description="Of a key that was lent for a while.")

    def key(self) -> BucketKey:
        """What signs the request."""
        return BucketKey(
            region=self.region,
            endpoint=self.endpoint,
            access_key_id=_told(self.access_key_id),
            secret_access_key=_told(self.secret_access_key),
            session_token=_told(self.session_token),
        )


class FetchBody(Body):
    """An address that the service fetches a dataset's next version from."""

    model_config = example(url=_URL, sha256=schemas.DATASET_EXAMPLE["digest"])

    url: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="`https://…`, `s3://BUCKET/KEY`, or a hub's `hf://datasets/OWNER/NAME@REVISION/PATH`. What follows "
        "`?` is used and not kept.",
        examples=[_URL],
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = Field(
        default=None, description="Refuse the file unless this is its hex SHA-256."
    )
    token: SecretStr | None = Field(
        default=None, max_length=4000, description="Sent to the address's own server as a bearer token; not kept."
    )
    s3: BucketBody | None = None


@router.post(
    "/{dataset_id}/versions",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidInput, InvalidData),
)
async def add_dataset_version(
    dataset_id: DatasetId,
    body: FetchBody,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    reading: ReadingDep,
) -> schemas.DatasetAnswer:
    """Fetch a file from an address, and make it the dataset's content as `PUT …/content` does: the same checks, and the
    same bytes again change nothing. The query declares how the file is read.

    Addresses inside networks are refused, of redirects too. Key and token are used for this call and kept nowhere.
    """
    source = source_of(body.url, body.s3.key() if body.s3 else None, _told(body.token), settings.hub_url)
    lent = Lent.of(request, session)
    order = FetchOrder(dataset_id, source, reading, body.sha256)
    dataset, upload = await fetched(lent, session, settings, blobs, caller, order)
    detail: dict[str, Any] = {"url": source.shown, "digest": upload.digest, "size_bytes": upload.size}
    record_as(request, Change(caller, "add_dataset_version", public_id("ds", dataset_id), detail))
    return schemas.DatasetAnswer.of(dataset)


def _told(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
