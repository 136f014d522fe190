"""What an address stands for, and that nothing secret is in what may be told of it."""

import pytest

from app.datasets.remote.sources import BucketKey, source_of
from app.errors import InvalidInput

HUB = "https://hub.example.org"
KEY = BucketKey("eu-north-1", None, "AKIDEXAMPLE", "wJalrXUtnFEMI", "lent")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("hf://datasets/ann/rows/data/a b.csv", f"{HUB}/datasets/ann/rows/resolve/main/data/a%20b.csv"),
        ("hf://datasets/ann/rows@v1.0/a.csv", f"{HUB}/datasets/ann/rows/resolve/v1.0/a.csv"),
        (
            "hf://datasets/ann/rows@refs%2Fconvert%2Fparquet/a.parquet",
            f"{HUB}/datasets/ann/rows/resolve/refs%2Fconvert%2Fparquet/a.parquet",
        ),
        ("hf://ann/model/config.json", f"{HUB}/ann/model/resolve/main/config.json"),
        ("s3://bucket/a/b.csv", "https://bucket.s3.us-east-1.amazonaws.com/a/b.csv"),
        ("s3://with.dots/a%20b.csv", "https://s3.us-east-1.amazonaws.com/with.dots/a%20b.csv"),
    ],
)
def test_an_address_of_a_hub_or_a_bucket_is_an_https_one(url: str, address: str) -> None:
    assert source_of(url, None, None, HUB).address == address


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("ftp://example.org/a.csv", "url"),
        ("rows.csv", "url"),
        ("file:///etc/passwd", "url"),
        ("hf://datasets/ann/rows", "url"),
        ("hf://datasets/ann/../a.csv", "url"),
        ("hf://spaces/ann/rows/a.csv", "url"),
        ("hf://", "url"),
        ("s3://bucket/", "url"),
        ("s3://UPPER/a.csv", "url"),
        ("s3://bucket/a.csv?versionId=3", "url"),
    ],
)
def test_other_addresses_are_refused_by_name(url: str, place: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        source_of(url, None, None, HUB)
    assert refusal.value.errors[0].pointer == f"/{place}"


def test_a_key_signs_and_is_in_nothing_that_is_told() -> None:
    source = source_of("s3://bucket/a.csv", KEY, None, HUB)
    assert source.address.startswith(
        "https://bucket.s3.eu-north-1.amazonaws.com/a.csv?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    )
    assert "X-Amz-Security-Token=lent" in source.address
    assert source.shown == "s3://bucket/a.csv"
    plain = source_of("https://ann:pw@example.org/a.csv?sig=abc#x", None, "tok", HUB)
    assert (plain.shown, plain.headers) == ("https://example.org/a.csv", {"Authorization": "Bearer tok"})
    for text in (repr(source), repr(plain), repr(KEY)):
        assert not {part for part in ("wJalr", "X-Amz", "lent", "abc", "tok", "pw") if part in text}, text


def test_the_signature_is_by_the_given_key_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OPERATORS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "operators")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "operators-token")
    monkeypatch.setenv("AWS_ENDPOINT", "https://operators.example.org")
    own = BucketKey("eu-north-1", "https://store.example.org/", "AKIDEXAMPLE", "wJalrXUtnFEMI")
    address = source_of("s3://bucket/a.csv", own, None, HUB).address
    assert address.startswith("https://store.example.org/bucket/a.csv?")
    assert "AKIDEXAMPLE" in address
    assert "perator" not in address
    assert source_of("s3://bucket/a.csv", None, None, HUB).address.endswith("amazonaws.com/a.csv"), "not signed"


@pytest.mark.parametrize(
    ("key", "token", "place"),
    [
        (BucketKey("eu north"), None, "s3/region"),
        (BucketKey(access_key_id="AK"), None, "s3"),
        (BucketKey(endpoint="https://store.example.org/?x=1"), None, "s3/endpoint"),
        (None, "tok", "token"),
    ],
)
def test_what_does_not_belong_together_is_refused(key: BucketKey | None, token: str | None, place: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        source_of("s3://bucket/a.csv", key, token, HUB)
    assert refusal.value.errors[0].pointer == f"/{place}"
