"""The OpenAPI document: complete, with an example for each request and each answer."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from app.http.documentation import openapi
from app.main import create_app
from app.settings import Settings

# signed by the payment provider; by people who have no key yet, of whom a second call is a conflict, or a second
# session or letter
WITHOUT_A_KEY = {
    # by the link alone
    "GET /v1/data-links/{token}",
    "POST /v1/ledger/provider-events",
    "POST /v1/registrations",
    "POST /v1/invitations/accept",
    "POST /v1/password-resets",
    "POST /v1/sessions/passkey/options",
    "POST /v1/sessions/passkey",
    "POST /v1/sessions",
}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def has_example(spec: dict[str, Any], media: dict[str, Any]) -> bool:
    schema = media.get("schema", {})
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return bool(media.get("example") or media.get("examples") or schema.get("examples") or schema.get("example"))


def test_every_request_and_every_answer_has_an_example(spec: dict[str, Any]) -> None:
    bare = []
    for name, operation in operations(spec):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            if not has_example(spec, media):
                bare.append(f"{name} request {kind}")
        for status, answer in operation["responses"].items():
            if status not in ("204", "304") and not answer.get("content"):
                bare.append(f"{name} {status} has no content")
            for kind, media in answer.get("content", {}).items():
                if not has_example(spec, media):
                    bare.append(f"{name} {status} {kind}")
    assert bare == []


def test_every_error_is_a_problem(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
        assert "500" in operation["responses"], name


def test_operations_have_short_unique_names_tags_and_words(spec: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(spec)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", name) for name in names), names
    described = {tag["name"] for tag in spec["tags"] if tag.get("description")}
    for name, operation in operations(spec):
        assert operation["tags"], name
        assert set(operation["tags"]) <= described, name
        assert operation.get("description"), name


def test_every_operation_of_the_api_says_how_to_authenticate(spec: dict[str, Any]) -> None:
    schemes = spec["components"]["securitySchemes"]
    assert (schemes["key"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")
    for name, operation in operations(spec):
        if " /v1/" in name and name not in WITHOUT_A_KEY:
            assert operation["security"] == [{"key": []}, {"session": []}], name


def test_every_post_takes_an_idempotency_key(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        # a quote stores nothing; a second sign-in is a second session, and a second request for a letter a second
        # letter; a provider's events carry their own ids; of a second factor no answer may be kept, and a repeat is
        # refused, as its code is used
        if name.startswith("POST ") and name not in {
            "POST /v1/valuations/quote",
            "POST /v1/explorations/quote",
            # nothing is stored of a file that is traced
            "POST /v1/datasets/{dataset_id}/trace",
            "POST /v1/valuations/{valuation_id}/top-ups/quote",
            "POST /v1/sessions",
            "POST /v1/password-resets",
            # an upload that was begun twice holds no byte, and ends by itself
            "POST /v1/datasets/{dataset_id}/uploads",
            "POST /v1/checkpoints/{checkpoint_id}/uploads",
            # the same bytes fetched again are no other version, and no answer of a call with keys is kept
            "POST /v1/datasets/{dataset_id}/versions",
            # a challenge is answered once, a passkey is removed once
            "POST /v1/sessions/passkey/options",
            "POST /v1/sessions/passkey",
            "POST /v1/me/passkeys/options",
            "POST /v1/me/passkeys",
            "POST /v1/me/passkeys/{passkey_id}/remove",
            "POST /v1/ledger/provider-events",
            "POST /v1/me/second-factor",
            "POST /v1/me/second-factor/confirm",
            "POST /v1/me/second-factor/recovery-codes",
            "POST /v1/me/second-factor/remove",
        }:
            assert "idempotency-key" in {p["name"] for p in operation.get("parameters", [])}, name


def test_bodies_refuse_unknown_fields(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json" and "$ref" in media["schema"]:
                schema = spec["components"]["schemas"][media["schema"]["$ref"].rsplit("/", 1)[1]]
                assert schema["additionalProperties"] is False, name


def test_the_service_starts_without_torch_and_without_the_workers_code(tmp_path: Path) -> None:
    code = f"""
import sys
from fastapi.testclient import TestClient
from app.main import create_app
from app.settings import Settings
app = create_app(Settings(blob_url="file://{tmp_path}/blobs"))
app.openapi()
with TestClient(app) as client:
    assert client.get("/healthz").status_code == 200
found = sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "worker", "celery"))
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """The document of three operations, of which nothing is documented by hand."""
    app = FastAPI()
    app.state.settings = Settings()

    class Named(BaseModel):
        name: str

    @app.get("/v1/things", tags=["datasets"])
    def list_things() -> None: ...

    @app.post("/v1/things", tags=["unheard"])
    def create_thing(body: Named) -> None: ...

    @app.get("/healthz", tags=["health"])
    def health() -> None: ...

    openapi.install(app)
    assert app.openapi() is app.openapi()
    return app.openapi()


def test_an_operation_documents_what_any_call_of_its_kind_can_meet(small: dict[str, Any]) -> None:
    paths = small["paths"]
    assert paths["/healthz"]["get"]["responses"].keys() == {"200", "500"}
    assert paths["/v1/things"]["get"]["responses"].keys() == {"200", "401", "403", "429", "500", "503"}
    posted = paths["/v1/things"]["post"]["responses"]
    assert list(posted) == ["200", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503"]
    # the framework's own 422 is never sent, so it is not in the document either
    assert posted["422"]["content"].keys() == {"application/problem+json"}
    assert not {"HTTPValidationError", "ValidationError"} & small["components"]["schemas"].keys()
    assert {"Problem", "Fault"} <= small["components"]["schemas"].keys()


def test_tags_in_use_are_listed_in_the_house_s_order_and_unknown_ones_last(small: dict[str, Any]) -> None:
    assert [tag["name"] for tag in small["tags"]] == ["datasets", "health", "unheard"]
    assert [tag["name"] for tag in small["tags"] if not tag.get("description")] == ["unheard"]
