"""A dataset's version from an address, over HTTP: checked as an upload, told to its owner, nothing secret kept."""

import hashlib
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.cli import app as cli
from app.datasets.remote.fetching import remote_fetcher
from app.settings import Settings
from tests.app.cli.test_cli_market import address
from tests.app.conftest import Known
from tests.app.datasets.remote.conftest import FileServer
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["address", "browser"]

ROWS = b"age,label\n" + b"".join(b"%d,%s\n" % (i, b"yes" if i % 2 else b"no") for i in range(40))
URL = "http://data.example.org/rows.csv"


@pytest.fixture
def reachable(app: FastAPI, files: FileServer) -> FileServer:
    app.state.remote_fetcher = files.fetcher()
    files.answers["/rows.csv"] = (200, {}, ROWS)
    return files


def draft(owner: Known) -> str:
    made = owner.client.post("/v1/datasets", json={"name": "rows", "target": "label"})
    return f"/v1/datasets/{made.json()['id']}"


def test_what_is_fetched_is_a_version_and_where_it_is_from_is_told_without_its_query(
    reachable: FileServer, provider: Known, session: Session
) -> None:
    dataset = draft(provider)
    secret = {"token": "tok-1234"}
    made = provider.client.post(f"{dataset}/versions", json={"url": f"{URL}?sig=sig-5678", **secret})
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["rows"]) == ("ready", 40)
    assert made.json()["digest"] == hashlib.sha256(ROWS).hexdigest()
    (version,) = provider.client.get(f"{dataset}/versions").json()["items"]
    assert version["origin"] == URL
    again = provider.client.post(f"{dataset}/versions", json={"url": URL})
    assert (again.status_code, again.json()["version"]) == (201, 1), "the same bytes are no other version"
    entries = provider.client.get("/v1/audit").json()["items"]
    (entry, first) = [each for each in entries if each["action"] == "add_dataset_version"]
    assert first["detail"] == {"url": URL, "digest": made.json()["digest"], "size_bytes": len(ROWS)}
    assert entry["object"] == dataset.removeprefix("/v1/datasets/")
    for table in ("audit_log", "dataset_versions", "datasets", "idempotent_answers"):
        rows = session.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()  # noqa: S608 - names from above
        assert not [row for row in rows if "sig-5678" in row or "tok-1234" in row], table


def test_what_is_fetched_is_checked_as_an_upload_is(reachable: FileServer, provider: Known, buyer: Known) -> None:
    dataset = draft(provider)
    wrong = provider.client.post(f"{dataset}/versions", json={"url": URL, "sha256": "0" * 64})
    assert (wrong.status_code, "it is another file" in wrong.json()["detail"]) == (422, True)
    reachable.answers["/rows.csv"] = (200, {}, b"a,b\n1,2\n")
    assert "label" in provider.client.post(f"{dataset}/versions", json={"url": URL}).json()["detail"]
    assert provider.client.get(dataset).json()["status"] == "draft"
    reachable.addresses["data.example.org"] = ["10.0.0.1"]
    inner = provider.client.post(f"{dataset}/versions", json={"url": URL})
    assert (inner.status_code, inner.json()["errors"][0]["pointer"]) == (422, "/url")
    assert "10.0.0.1" not in inner.text
    assert buyer.client.post(f"{dataset}/versions", json={"url": URL}).status_code == 404
    unknown = provider.client.post(f"{dataset}/versions", json={"url": URL, "s3": {"secret_access_key": "wJalr"}})
    assert (unknown.status_code, "wJalr" in unknown.text) == (422, False)
    declared = provider.client.post(f"{dataset}/versions?delimiter=%3B&columns=age&columns=label", json={"url": URL})
    assert declared.status_code == 422
    reachable.addresses.clear()
    reachable.answers["/rows.csv"] = (200, {}, b"1;yes\n2;no\n3;yes\n")
    declared = provider.client.post(f"{dataset}/versions?delimiter=%3B&columns=age&columns=label", json={"url": URL})
    assert (declared.status_code, declared.json()["rows"]) == (201, 3), declared.text


def test_the_page_fetches_and_says_where_a_version_is_from(
    reachable: FileServer, browser: Callable[[], Browser], provider: Known
) -> None:
    here, page = browser().log_in(provider), draft(provider).removeprefix("/v1")
    done = here.fill(f"{page}/fetch", page, url=f"{URL}?sig=sig-5678", token="tok-1234")
    assert (done.status_code, done.headers["location"]) == (303, page), done.text
    text = here.get(page).text
    assert (URL in text, "sig-5678" in text) == (True, False)
    refused = here.fill(f"{page}/fetch", page, url="ftp://example.org/a")
    assert (refused.status_code, "starts with https://" in refused.text) == (422, True)
    audit = provider.client.get("/v1/audit").json()["items"]
    assert [each["detail"]["url"] for each in audit if each["action"] == "add_dataset_version"] == [URL]
    assert "tok-1234" not in str(audit)


def test_the_command_line_has_it_fetched(
    reachable: FileServer, address: str, provider: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = draft(provider).rpartition("/")[2]
    words = ["datasets", "fetch", dataset, URL, "--api", address, "--key", provider.token]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, done.stdout) == (0, f"{dataset}\tready\t40 rows\n"), done.output
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    words[3] = "s3://offers/a.csv"
    missing = CliRunner().invoke(cli, [*words, "--with-key"])
    assert "AWS_SECRET_ACCESS_KEY are not set" in str(missing.exception)
    assert len(reachable.asked) == 1


@pytest.fixture
def store() -> Iterator[str]:
    """A real S3 server's address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_file_comes_from_a_bucket_with_a_key_for_this_once(
    app: FastAPI, settings: Settings, provider: Known, store: str
) -> None:
    allowed = settings.model_copy(update={"webhook_allow_private": True})
    app.state.remote_fetcher = remote_fetcher(allowed)
    httpx.put(f"{store}/offers", trust_env=False, timeout=60).raise_for_status()
    httpx.put(f"{store}/offers/ward%203/a%2Bb.csv", content=ROWS, trust_env=False, timeout=60).raise_for_status()
    bucket = {"endpoint": store, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
    dataset = draft(provider)
    body = {"url": "s3://offers/ward%203/a%2Bb.csv", "s3": bucket}
    made = provider.client.post(f"{dataset}/versions", json=body)
    assert (made.status_code, made.json().get("rows")) == (201, 40), made.text
    missing = provider.client.post(f"{dataset}/versions", json=body | {"url": "s3://offers/none.csv"})
    assert "answered 404" in missing.json()["detail"]
    audit = provider.client.get("/v1/audit").text
    assert ("wJalr" in audit, "AKIDEXAMPLE" in audit, "s3://offers/ward%203/a%2Bb.csv" in audit) == (False, False, True)
