"""What an uploader declares of a file's bytes is stored with its version and used wherever they are read again."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets.tables import DatasetVersion
from app.identity import Role
from app.payouts import service as payouts
from worker.jobs.profile import profile as work_on

BARE = "5,1;3,5;blau\n4,9;3,0;grün\n6,0;2,0;blau\n".encode("windows-1252")
DECLARED = {"columns": ["p", "q", "label"], "encoding": "windows-1252"}


def put(owner: Any, content: bytes, draft: dict[str, Any] | None = None, **reading: Any) -> Any:
    made = owner.client.post("/v1/datasets", json={"name": "data", "target": "label"} | (draft or {})).json()
    return owner.client.put(f"/v1/datasets/{made['id']}/content", content=content, params=reading)


def test_a_file_without_header_is_refused_and_read_once_its_columns_are_declared(
    provider: Any, app: FastAPI, session: Session
) -> None:
    refused = put(provider, BARE, encoding="windows-1252")
    assert refused.status_code == 422
    assert "give `columns`" in refused.json()["detail"]
    stored = put(provider, BARE, **DECLARED)
    assert stored.status_code == 200, stored.text
    answer = stored.json()
    assert [column["name"] for column in answer["columns"]] == ["p", "q", "label"]
    assert answer["rows"] == 3
    version = session.scalars(select(DatasetVersion)).one()
    assert version.reading == DECLARED
    session.commit()
    work_on(app.state.session_factory, app.state.blobs, app.state.settings, version.dataset_id, version.number)
    profiled = provider.client.get(f"/v1/datasets/{answer['id']}/profile").json()
    assert profiled["profile"]["labels"] == {"blau": 2, "grün": 1}


def test_spaces_around_a_name_in_the_header_are_no_part_of_it(provider: Any) -> None:
    stored = put(provider, b"a, b , label\n1, 2, x\n4, 5, y\n")
    assert stored.status_code == 200, stored.text
    assert [column["name"] for column in stored.json()["columns"]] == ["a", "b", "label"]


def test_labels_of_one_file_that_are_spelled_nearly_alike_are_said_at_upload(provider: Any) -> None:
    stored = put(provider, b"a,label\n1,Yes\n4,yes\n5,Yes\n6,no\n")
    (said,) = [each for each in stored.json()["findings"] if each["code"] == "label_spelling"]
    assert "`yes` in `label` is another class than `Yes`" in said["detail"]
    assert said["rows"] == 1


def test_the_same_bytes_are_one_version_however_they_are_read(provider: Any) -> None:
    content = b"a;b,c;label\n1;2,3;x\n4;5,6;y\n"
    stored = put(provider, content, delimiter=";")
    assert stored.status_code == 200, stored.text
    address = f"/v1/datasets/{stored.json()['id']}/content"
    again = provider.client.put(address, content=content, params={"delimiter": ";"})
    assert (again.status_code, again.json()["version"]) == (200, 1)
    other = provider.client.put(address, content=content, params={"delimiter": ";", "encoding": "utf-8"})
    assert other.status_code == 409
    assert "read in another way" in other.json()["detail"]


@pytest.mark.parametrize(
    ("reading", "says"),
    [
        ({"encoding": "ebcdic"}, "is not read"),
        ({"delimiter": '"'}, "one character that is no quote"),
        ({"columns": ["a", ""]}, "a name is empty"),
        ({"columns": ["a", "a"]}, "`a` is named twice"),
        ({"sheet": "one"}, "has no use for it"),
    ],
)
def test_what_cannot_be_declared_is_refused(provider: Any, reading: dict[str, Any], says: str) -> None:
    refused = put(provider, b"a,label\n1,x\n2,y\n", **reading)
    assert refused.status_code == 422
    assert says in refused.json()["detail"]


def test_a_packed_file_is_uploaded_as_the_table_in_it(provider: Any, upload: Callable[..., Any]) -> None:
    answer = upload(provider, gzip.compress(b"a\tlabel\n1\tx\n2\ty\n"))
    assert (answer["format"], answer["rows"]) == ("tsv", 2)


def test_an_order_reads_its_files_as_their_owners_declared(
    known: Callable[..., Any], upload: Callable[..., Any], session: Session
) -> None:
    def bare(start: int, count: int) -> bytes:
        return b"".join(
            b"%d|%d|%s\n" % (at % 11, at * 3 % 5, b"yes" if at % 2 else b"no") for at in range(start, start + count)
        )

    named = []
    for at in range(2):
        owner = known(Role.PROVIDER)
        stored = put(owner, bare(at, 12), columns=["u", "v", "label"])
        assert stored.status_code == 200, stored.text
        named.append(stored.json()["id"])
        owner.client.post(f"/v1/datasets/{named[-1]}/publish", json={"licence": {"spdx": "CC0-1.0"}})
    buyer = known(Role.BUYER)
    payouts.deposit(session, buyer.account.id, 60_00, "EUR", "start")
    test = upload(buyer, b"u,v,label\n" + bare(40, 9).replace(b"|", b","))
    body = {"datasets": named, "test_dataset": test["id"], "pool": "20.00"}
    quote = buyer.client.post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
