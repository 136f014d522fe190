"""Hostile bytes: mutants of every format are read or refused, and nothing else; what was a 500 is a 4xx."""

import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.accounts import service as accounts
from app.audit import service as audit
from app.datasets.profiles import profiling
from app.datasets.profiles.minhash import StoredSketch
from app.datasets.profiles.profile import FileProfile
from app.datasets.tables import Dataset, DatasetVersion, ProfileStatus
from app.db.session import transaction
from app.errors import Conflict, InvalidData
from app.http.ids import parse_id
from app.identity import Role
from tests.app.conftest import Known
from tests.attacks.mutations import failures, read, seeds

Make = Callable[..., Any]


@pytest.mark.parametrize("kind", sorted(seeds()))
def test_a_reader_reads_or_refuses_whatever_it_is_given(kind: str, tmp_path: Path) -> None:
    """A sample; ``python -m tests.attacks.mutations 100000`` is the long run, in processes that may end."""
    (tmp_path / "whole").write_bytes(seeds()[kind])
    assert read(kind, tmp_path / "whole") == "read", "the mutants are of a file that is valid"
    told: list[str] = []
    found = failures(kind, 60, 3, tmp_path, told.append)
    assert told == []
    assert found["refused"] + found["read"] == 60


def safetensors(names: list[str], **entry: Any) -> bytes:
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * at, 4 * at + 4], **entry}
        for at, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\0\0\0\0" * len(names)


@pytest.mark.parametrize(
    "content",
    [
        safetensors(["a\0b"]),
        safetensors(["\ud800"]),
        safetensors(["line\nbreak"]),
        safetensors(["x" * 501]),
        safetensors(["weight"], dtype=["F32"]),
        safetensors(["weight"], dtype={}),
        safetensors(["weight"], shape=[[1]]),
        safetensors(["weight"], data_offsets=[0, 10**400]),
        (5000).to_bytes(8, "little") + b'{"a":' + b"9" * 4994 + b"}",
    ],
)
def test_weights_with_names_and_types_that_are_none_are_refused(buyer: Known, content: bytes) -> None:
    made = buyer.client.post("/v1/checkpoints", json={"name": "m", "architecture": "logistic"})
    answer = buyer.client.put(f"/v1/checkpoints/{made.json()['id']}/content", content=content)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff tail"', '"ok", "\\ud800": 1'])
def test_half_a_character_in_json_lines_is_refused(provider: Known, text: str) -> None:
    made = provider.client.post("/v1/datasets", json={"name": "d", "target": "label"}).json()["id"]
    content = ('{"a": ' + text + ', "label": "p"}\n{"a": "b", "label": "q"}\n').encode()
    answer = provider.client.put(f"/v1/datasets/{made}/content", content=content)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_text_that_the_database_cannot_keep_is_a_422_wherever_it_stands(provider: Known, text: str) -> None:
    body = f'{{"name": "a {text}", "target": "label", "description": "{text}"}}'
    answer = provider.client.post("/v1/datasets", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("path", ["/v1/registrations", "/v1/sessions"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "\\ud800", "name": "\\udfff"}',
        b'{"email": "\\u0000"}',
        b'{"email": [[1], {"a": "\\ud800"}]}',
        b"[" * 90_000,
    ],
)
def test_what_nobody_with_a_key_of_idempotency_sends_is_refused_and_no_error_of_ours(
    client: TestClient, path: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    answer = client.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "body",
    [b'{"x": "\\ud800"}', b'{"a\\u0000": 1}', b"[" * 90_000, b'{"x": ' + b"[" * 90_000, b'{"x": NaN}', b'{"x": 1e999}'],
)
def test_a_body_that_no_operation_reads_is_not_recorded_and_breaks_nothing(provider: Known, body: bytes) -> None:
    made = provider.client.post("/v1/keys", json={"name": "k", "scopes": ["keys:read"]}).json()
    headers = {"Content-Type": "application/json"}
    answer = provider.client.request("DELETE", f"/v1/keys/{made['id']}", content=body, headers=headers)
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize(("value", "kept"), [("a\ud800", "a\\ud800"), (float("nan"), "nan"), (float("-inf"), "-inf")])
def test_the_audit_log_keeps_what_the_database_can_hold(value: object, kept: str) -> None:
    assert audit.loggable("x", {"n\0\udfff": [value]}) == {"n\\udfff": [kept]}


def test_one_name_asked_for_by_many_at_once_is_given_once_and_refused_to_the_rest(market: Any) -> None:
    """Before: the second one's statement broke the database's rule, a 500."""
    answers: list[str] = []
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        try:
            with transaction(market.factory) as session:
                accounts.create_account(session, "Harbour", Role.BUYER)
            answers.append("made")
        except Conflict:
            answers.append("taken")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["made"] + ["taken"] * 7


def test_a_rule_of_the_database_that_a_race_breaks_is_a_conflict(app: FastAPI, buyer: Known) -> None:
    """Whatever was checked before: two requests at once may break a unique or a foreign key."""
    from sqlalchemy import text

    from app.http.deps import SessionDep

    @app.post("/v1/race")
    def race(session: SessionDep) -> None:
        session.execute(
            text("INSERT INTO accounts (id, name, role) SELECT gen_random_uuid(), name, role FROM accounts")
        )

    answer = TestClient(app, raise_server_exceptions=False).post("/v1/race")
    assert answer.status_code == 409, answer.text


def test_a_preview_that_is_allowed_while_a_worker_looks_is_not_lost(
    app: FastAPI, provider: Known, upload: Make, session: Any
) -> None:
    """Before: upload, then publish at once; the worker that had begun ended the task without the preview."""
    dataset_id = parse_id("ds", upload(provider, b"a,label\n1,p\n2,q\n3,p\n")["id"])
    settings = app.state.settings
    none = StoredSketch(hashes=[], distinct=0)

    def found(rows: int) -> FileProfile:
        preview = [[1, "p"], [2, "q"], [3, "p"]][:rows]
        sketches = {"rows": none, "coarse": none}
        return FileProfile(profile={"rows": 3, "columns": []}, preview=preview, sketches=sketches)

    early = profiling.begin(session, dataset_id, 1)
    assert early is not None
    terms = {"licence": {"spdx": "CC0-1.0"}, "preview_rows": 2}
    assert provider.client.post(f"/v1/datasets/ds_{dataset_id.hex}/publish", json=terms).status_code == 200
    late = profiling.begin(session, dataset_id, 1)
    assert late is not None
    profiling.finish(session, settings, dataset_id, 1, found(early.preview_rows), early.preview_rows)
    version = session.get_one(DatasetVersion, (dataset_id, 1))
    session.refresh(version, ["profile_status", "preview"])
    assert (version.profile_status, version.preview) == (ProfileStatus.PENDING, None)
    profiling.finish(session, settings, dataset_id, 1, found(late.preview_rows), late.preview_rows)
    session.refresh(version, ["profile_status", "preview"])
    assert (version.profile_status, version.preview) == (ProfileStatus.DONE, [[1, "p"], [2, "q"]])
    assert session.get_one(Dataset, dataset_id).preview_rows == 2


def test_names_are_refused_as_invalid_data_and_not_otherwise(tmp_path: Path) -> None:
    path = tmp_path / uuid.uuid4().hex
    path.write_bytes(safetensors(["a\0b"]))
    from app.checkpoints.weights import read_tensors

    with pytest.raises(InvalidData, match=r"tensor 'a\\x00b' has no name of 500 printable characters"):
        read_tensors(path, "it")
