"""Where a file is fetched from: ``https://``, ``s3://`` and ``hf://`` addresses turned into the one that is asked.

It only builds addresses; whether one may be asked is the guard's (``app.webhooks.guard``), at each connection. What a
caller gives as credentials goes into the request and nowhere else: ``shown`` is what may be stored and told.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from app.errors import FieldError, InvalidInput

SIGNED_SECONDS = 900
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HUB_NAME = re.compile(r"[\w.-]{1,96}")


@dataclass(frozen=True)
class BucketKey:
    """A key for one bucket, given for one fetch. ``endpoint`` is the https address of a store that is not AWS's."""

    region: str = "us-east-1"
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RemoteSource:
    """An address to ask, with what it is asked with; ``shown`` names it without anything secret."""

    address: str = field(repr=False)
    shown: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def source_of(url: str, bucket_key: BucketKey | None, token: str | None, hub_url: str) -> RemoteSource:
    """What a URL of the caller's stands for; raises InvalidInput naming what is wrong with it."""
    scheme = urlsplit(url).scheme.lower() if "://" in url else ""
    if bucket_key is not None and scheme != "s3":
        raise refused("s3", "a bucket's key is for s3:// addresses; leave it out")
    if token is not None and scheme == "s3":
        raise refused("token", "an s3:// address takes no token; give s3.access_key_id and s3.secret_access_key")
    if scheme in ("https", "http"):
        return RemoteSource(url, _without_query(url), _bearer(token))
    if scheme == "s3":
        return _of_bucket(url, bucket_key or BucketKey())
    if scheme == "hf":
        return RemoteSource(_of_hub(url, hub_url), _without_query(url), _bearer(token))
    raise refused("url", "the address starts with https://, s3:// or hf://")


def refused(place: str, fact: str, kind: str = "address") -> InvalidInput:
    """The refusal of one member of the request."""
    detail = f"{place}: {fact}"
    return InvalidInput(detail, errors=[FieldError(f"/{place}", detail, kind)])


def signed_address(method: str, address: str, bucket_key: BucketKey, seconds: int = SIGNED_SECONDS) -> str:
    """The address with a signature in its query (AWS Signature Version 4), good for so long; asks nobody."""
    # 17 MB that a process without s3:// addresses does not hold
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credentials = Credentials(bucket_key.access_key_id, bucket_key.secret_access_key, bucket_key.session_token)
    request = AWSRequest(method, address)
    S3SigV4QueryAuth(credentials, "s3", bucket_key.region, expires=seconds).add_auth(request)
    return str(request.url)


def _of_bucket(url: str, bucket_key: BucketKey) -> RemoteSource:
    parts = urlsplit(url)
    bucket, key = parts.netloc, unquote(parts.path.removeprefix("/"))
    if not _BUCKET.fullmatch(bucket) or not key or parts.query or parts.fragment:
        raise refused("url", "an s3:// address is s3://BUCKET/KEY, with ?, # and % of the key percent-encoded")
    if not _REGION.fullmatch(bucket_key.region):
        raise refused("s3/region", f"{bucket_key.region[:60]!r} is no region; write one like eu-north-1")
    if (bucket_key.access_key_id is None) != (bucket_key.secret_access_key is None):
        raise refused("s3", "access_key_id and secret_access_key belong together; give both, or neither")
    address = f"{_place(bucket, bucket_key)}/{quote(key, safe='/~')}"
    if bucket_key.access_key_id is not None:
        address = signed_address("GET", address, bucket_key)
    return RemoteSource(address, f"s3://{bucket}/{quote(key, safe='/~')}")


def _place(bucket: str, bucket_key: BucketKey) -> str:
    if bucket_key.endpoint is not None:
        place = urlsplit(bucket_key.endpoint)
        if place.query or place.fragment:
            raise refused("s3/endpoint", "a store's address has no query and no fragment; write https://host")
        return f"{bucket_key.endpoint.rstrip('/')}/{bucket}"
    host = f"s3.{bucket_key.region}.amazonaws.com"
    # no certificate is for a name with dots of its own
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def _of_hub(url: str, hub_url: str) -> str:
    """``hf://datasets/OWNER/NAME[@REVISION]/PATH`` or ``hf://OWNER/NAME[@REVISION]/PATH`` at the hub's own address."""
    parts = url.partition("://")[2].split("/")
    kind = parts.pop(0) if parts[0] in ("datasets", "spaces") else ""
    owner, named, *path = [*parts, "", ""][: max(len(parts), 2)]
    name, _, revision = named.partition("@")
    named_well = _HUB_NAME.fullmatch(owner) and _HUB_NAME.fullmatch(name) and kind != "spaces"
    if not named_well or not all(path) or not path or {".", ".."} & {owner, name, *path}:
        raise refused("url", "a hub's address is hf://datasets/OWNER/NAME/PATH, with @REVISION after NAME if need be")
    steps = [*([kind] if kind else []), owner, name, "resolve", quote(unquote(revision) or "main", safe="")]
    return "/".join([hub_url.rstrip("/"), *steps, *(quote(unquote(step), safe="~") for step in path)])


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise refused("token", "it holds characters that no header can carry; copy it again")
    return {"Authorization": f"Bearer {token}"}


def _without_query(url: str) -> str:
    """An address without what is behind its path (a signature, often), and without a name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
