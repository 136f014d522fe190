"""The OpenAPI 3.1 document: what FastAPI derives from the code, with problems, tags and examples made complete.

Every operation documents the problems that any call can meet (401, 403, 422 where it reads something, 500, 503), each
as ``application/problem+json`` with an example, in place of the framework's own 422.
"""

import hashlib
import json
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from app.errors import (
    CherishError,
    Conflict,
    Forbidden,
    InvalidInput,
    PayloadTooLarge,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from app.http.documentation import shapes as openapi_shapes
from app.http.headers import conditional, make_etag
from app.http.mounting import mount_of
from app.http.problems import MEDIA_TYPE, Fault, ProblemDetails, responses

_DESCRIPTION = """\
A data market that can prove its payouts: Shapley values of training data by unlearning, with the error measured.

Providers upload datasets; a buyer uploads a test set and posts a valuation; workers compute what each provider's rows
did for the model, with intervals, and the pool is shared by it. Errors are `application/problem+json` (RFC 9457). Every
POST that changes something takes an `Idempotency-Key`. Lists go by cursor: pass `next_cursor` back as `cursor`.
"""
EVENTS_TAG = "events"
_TAGS = {
    "accounts": "Organisations, and the keys by which they call.",
    "audit": "Every change: who did what to which object, when, and from where.",
    "admin": "For administrators: who may act, what is under way, what went wrong, and setting it right.",
    "datasets": "Files to be valued (providers) and test sets (buyers): create, upload, list, withdraw, delete.",
    "checkpoints": "A buyer's models: architecture, hyper-parameters and, if there are any, weights.",
    "explorations": "Which datasets to buy: cheap, coarse, and before anybody is paid.",
    "valuations": "Jobs: who is valued, on what, for how much; their progress and results.",
    "payouts": "Money: what was shared out, held and released.",
    "agents": "For `cherish agent`, beside tables that stay with their owners: questions and answers about sums.",
    "webhooks": "Where to be told of what happens.",
    EVENTS_TAG: "What the service sends to your webhooks; these are no calls that you make.",
    "health": "Whether this process lives, and whether it can do its work.",
}


def install(app: FastAPI) -> None:
    """Replace the application's ``openapi()`` by one that completes the document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way that FastAPI documents

    def answer(request: Request) -> Response:
        content = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
        response = Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})
        conditional(request, response, make_etag(hashlib.sha256(content).hexdigest()))
        return response

    app.add_route("/openapi.json", answer, include_in_schema=False)


def _complete(app: FastAPI) -> dict[str, Any]:
    base = mount_of(app.state.settings.public_url) or "/"
    spec = get_openapi(
        title="Cherish",
        version="1",
        description=_DESCRIPTION,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        openapi_version="3.1.0",
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": base, "description": "Where this document was fetched from."}],
    )
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name, model in (("Problem", ProblemDetails), ("Fault", Fault)):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[name] = schema
    used: set[str] = set()
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            used.update(operation.get("tags", []))
            # who needs no key says so, and generators do not guess
            operation.setdefault("security", [])
            _add_problems(operation, method, path)
    for operations in spec.get("webhooks", {}).values():
        for operation in operations.values():
            operation["tags"] = [EVENTS_TAG]
            # they carry a signature and no key
            operation.setdefault("security", [])
            used.add(EVENTS_TAG)
    described = [{"name": name, "description": text} for name, text in _TAGS.items() if name in used]
    spec["tags"] = described + [{"name": name} for name in sorted(used - _TAGS.keys())]
    openapi_shapes.complete(spec)
    _name_events(spec)
    return spec


def _name_events(spec: dict[str, Any]) -> None:
    """Events by reference, as OpenAPI 3.1 allows: openapi-generator makes calls without a type of those in place."""
    named = spec.get("webhooks", {})
    if named:
        spec["components"]["pathItems"] = dict(named)
        spec["webhooks"] = {name: {"$ref": f"#/components/pathItems/{name}"} for name in named}


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    documented = operation["responses"]
    # the framework's own 422 is never sent
    if "application/json" in _content(documented.get("422", {})):
        documented.pop("422")
    for status, answer in responses(*_common_problems(operation, method, path)).items():
        documented.setdefault(str(status), answer)
    for status, answer in documented.items():
        if status.isdecimal() and int(status) >= 400 and MEDIA_TYPE in (shown := _content(answer)):
            answer["content"] = {MEDIA_TYPE: shown[MEDIA_TYPE]}
    operation["responses"] = dict(sorted(documented.items()))


def _content(answer: dict[str, Any]) -> dict[str, Any]:
    """A documented answer's media types; none where it has no body."""
    content: dict[str, Any] = answer.get("content", {})
    return content


def _common_problems(operation: dict[str, Any], method: str, path: str) -> list[type[CherishError]]:
    kinds: list[type[CherishError]] = []
    if path.startswith("/v1/"):
        kinds += [Unauthorized, Forbidden, TooManyRequests]
    if operation.get("parameters") or "requestBody" in operation:
        kinds.append(InvalidInput)
    if "requestBody" in operation:
        kinds += [RequestTimeout, PayloadTooLarge, UnsupportedMediaType]
    if method == "post":
        # an Idempotency-Key that is still at work
        kinds.append(Conflict)
    if path != "/healthz":
        # a part that the call needs is away
        kinds.append(Unavailable)
    return [*kinds, CherishError]
