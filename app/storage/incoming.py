"""Files that uploaders send to the S3 store themselves, in parts, by addresses that were signed for each part.

A file lies below ``incoming/`` of the store, beside the blobs and never among them: what is there was not checked yet.
An address is good for one part of one length, and for a while. Signing and S3's multipart calls are botocore's, which
is loaded when it is first needed (45 MB). Who may send what is not decided here.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel

from app.errors import NotFound, PayloadTooLarge, Unavailable
from app.storage.blobs import CHUNK_BYTES

_FOLDER = "incoming"
_GONE = frozenset({"NoSuchUpload", "NoSuchKey", "404"})


@dataclass(frozen=True)
class ArrivedPart:
    """A part as the store has it: its number from 1, its bytes, and the store's own tag of them."""

    number: int
    size: int
    tag: str


@dataclass(frozen=True)
class Leftover:
    """What lies below ``incoming/``: a name, and the multipart upload (None: a file that is whole)."""

    name: str
    multipart_id: str | None


class _Item(BaseModel):
    """What S3's lists say of a part, a multipart upload or an object, in its own words."""

    Key: str = ""
    UploadId: str | None = None
    PartNumber: int = 0
    Size: int = 0
    ETag: str = ""


class _StoreAnswer(BaseModel):
    """What S3 answers, as far as it is read here."""

    UploadId: str = ""
    Parts: list[_Item] = []
    Uploads: list[_Item] = []
    Contents: list[_Item] = []
    Body: Any = None


class _Error(BaseModel):
    Code: str = ""


class _Refusal(BaseModel):
    """What S3 says where it refuses."""

    Error: _Error = _Error()


class IncomingFiles:
    """The files below ``incoming/`` of one bucket. ``address`` is where uploaders reach the store. Safe to share
    between threads."""

    def __init__(self, bucket: str, prefix: str, address: str) -> None:
        self._bucket, self._prefix, self._address = bucket, prefix, address
        self._guard = threading.Lock()
        self._clients: dict[str | None, Any] = {}

    @classmethod
    def of(cls, blob_url: str, address: str) -> Self | None:
        """None where the store is not S3, or has no address for uploaders."""
        parts = urlsplit(blob_url)
        if parts.scheme != "s3" or not address:
            return None
        prefix = parts.path.strip("/")
        return cls(parts.netloc, f"{prefix}/{_FOLDER}/" if prefix else f"{_FOLDER}/", address.rstrip("/"))

    def begin(self, name: str) -> str:
        """Expect the parts of a file; returns the store's id of them."""
        answer = _asked(lambda: self._own().create_multipart_upload(**self._place(name)))
        return _StoreAnswer.model_validate(answer).UploadId

    def signed(self, name: str, multipart_id: str, sizes: Mapping[int, int], seconds: int) -> dict[int, str]:
        """Part number -> the address that takes so many bytes for it by PUT, and no others, for ``seconds``."""
        client = self._client(self._address)
        return {
            number: client.generate_presigned_url(
                "upload_part",
                Params={
                    **self._place(name), "UploadId": multipart_id, "PartNumber": number, "ContentLength": size,
                },
                ExpiresIn=seconds,
            )
            for number, size in sizes.items()
        }  # fmt: skip

    def arrived(self, name: str, multipart_id: str) -> list[ArrivedPart] | None:
        """The parts that are there, in their order; None where they are put together already, or forgotten."""
        pages = self._own().get_paginator("list_parts").paginate(**self._place(name), UploadId=multipart_id)
        listed: list[dict[str, Any]] | None = _asked(lambda: list(pages), None)
        if listed is None:
            return None
        return [
            ArrivedPart(part.PartNumber, part.Size, part.ETag)
            for page in listed
            for part in _StoreAnswer.model_validate(page).Parts
        ]

    def join(self, name: str, multipart_id: str, parts: Sequence[ArrivedPart]) -> None:
        """Make one file of the parts; from here on none can be sent."""
        listed = {"Parts": [{"PartNumber": part.number, "ETag": part.tag} for part in parts]}
        client, place = self._own(), self._place(name)
        _asked(lambda: client.complete_multipart_upload(**place, UploadId=multipart_id, MultipartUpload=listed))

    def download(self, name: str, path: Path, most_bytes: int) -> tuple[str, int]:
        """Write a whole file to ``path``; its hex SHA-256 and size. Raises NotFound, PayloadTooLarge."""
        answer: dict[str, Any] | None = _asked(lambda: self._own().get_object(**self._place(name)), None)
        if answer is None:
            raise NotFound("the parts of this upload are not in the store (any more); begin another")
        body = _StoreAnswer.model_validate(answer).Body
        written: tuple[str, int] = _asked(lambda: _written(body, path, most_bytes))
        return written

    def forget(self, name: str, multipart_id: str | None) -> None:
        """Remove what came of a file, parts or whole, there or not."""
        client, place = self._own(), self._place(name)
        if multipart_id is not None:
            _asked(lambda: client.abort_multipart_upload(**place, UploadId=multipart_id), None)
        _asked(lambda: client.delete_object(**place), None)

    def left(self) -> Iterator[Leftover]:
        """Everything below ``incoming/``."""
        client = self._own()
        where = {"Bucket": self._bucket, "Prefix": self._prefix}
        for page in _asked(lambda: list(client.get_paginator("list_multipart_uploads").paginate(**where))):
            for upload in _StoreAnswer.model_validate(page).Uploads:
                yield Leftover(self._name(upload.Key), upload.UploadId)
        for page in _asked(lambda: list(client.get_paginator("list_objects_v2").paginate(**where))):
            for item in _StoreAnswer.model_validate(page).Contents:
                yield Leftover(self._name(item.Key), None)

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _name(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _own(self) -> Any:
        """The client at the address by which this process reaches the store."""
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        return self._client(next((os.environ[name] for name in names if os.environ.get(name)), None))

    def _client(self, address: str | None) -> Any:
        with self._guard:
            if address not in self._clients:
                self._clients[address] = _open_client(address)
            return self._clients[address]


def _open_client(address: str | None) -> Any:
    """A client with the credentials that the blob store has, too: AWS_* variables, or the machine's role."""
    import botocore.session
    from botocore.config import Config

    own = address is not None and not (urlsplit(address).hostname or "").endswith(".amazonaws.com")
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path" if own else "auto"},
        # a signed address is for the bytes alone; S3 has its own check of them, and the file's SHA-256 is ours
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = os.getenv("AWS_REGION") or os.getenv("AWS_DEFAULT_REGION") or "us-east-1"
    session = botocore.session.get_session()
    return session.create_client("s3", region_name=region, endpoint_url=address, config=config)


def _written(body: Any, path: Path, most_bytes: int) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with path.open("wb") as file, closing(body):
        for chunk in body.iter_chunks(CHUNK_BYTES):
            size += len(chunk)
            if size > most_bytes:
                raise PayloadTooLarge(f"the file in the store is larger than the {most_bytes} bytes declared")
            hasher.update(chunk)
            file.write(chunk)
    return hasher.hexdigest(), size


def _asked(ask: Callable[[], Any], *gone: Any) -> Any:
    """What the store answers; ``gone``, where it is given, if the store says that there is no such thing. Raises
    Unavailable where the store is away or refuses."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask()
    except ClientError as error:
        if gone and _Refusal.model_validate(error.response).Error.Code in _GONE:
            return gone[0]
        raise Unavailable(f"the blob store refused ({error}); nothing was stored, send this again") from error
    except BotoCoreError as error:
        raise Unavailable("the blob store is away; nothing was stored, send this again", retry_after=5) from error
