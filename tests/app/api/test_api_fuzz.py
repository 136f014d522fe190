"""Schemathesis over the whole document, as nobody and as each role: no 500, no answer that the document does not have.

A seeded sample runs by default; ``make fuzz`` (CHERISH_FUZZ examples for each operation, role and mode) runs more. For
long ones CHERISH_FUZZ_MINUTES ends a run early, which says where the next goes on (CHERISH_FUZZ_FROM).
"""

import itertools
import os
import socket
import sys
import time
from collections import Counter
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import InvalidURL
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.identity import Role
from app.main import create_app
from app.settings import Settings
from tests.app.api.conftest import World

EXAMPLES = int(os.environ.get("CHERISH_FUZZ", "1"))
MINUTES = float(os.environ.get("CHERISH_FUZZ_MINUTES", "100000"))
FROM = int(os.environ.get("CHERISH_FUZZ_FROM", "0"))
SEED = int(os.environ.get("CHERISH_FUZZ_SEED", "17"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# each starts a process that reads the file
SLOW = {"upload_dataset", "upload_checkpoint"}
ASKS_OTHERS = {"set_identity_provider"}
SPEC = create_app(Settings()).openapi()
# a part of an upload is bytes, as any file is
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


def nobody(host: Any, *_: Any, **__: Any) -> Any:
    """No address is looked up, and so none is called."""
    raise socket.gaierror(socket.EAI_NONAME, f"{host} is not looked up in tests")


@pytest.mark.timeout(300 + 240 * EXAMPLES)
def test_every_answer_is_in_the_document(app: FastAPI, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    schema = schemathesis.openapi.from_dict(SPEC, config=SchemathesisConfig())
    found: list[str] = []
    answers: Counter[tuple[str, str]] = Counter()
    operations = [result.ok() for result in schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    walks = list(itertools.product((None, *Role), operations, modes))
    until, at = time.monotonic() + 60 * MINUTES, FROM
    for role, operation, mode in walks[FROM:]:
        if time.monotonic() > until:
            break
        at += 1
        client = TestClient(app, raise_server_exceptions=False)
        if role is not None:
            client.headers.update(world.known(role).client.headers)
        told = walk(client, operation, mode, world.owned[role or Role.BUYER], found)
        for status, count in told.items():
            answers[role.value if role else "nobody", f"{status // 100}xx"] += count
    if EXAMPLES > 1:
        sys.stdout.write("".join(f"\n{who}: {count} answers {kind}" for (who, kind), count in sorted(answers.items())))
        sys.stdout.write(f"\n{at} of {len(walks)} walks are done, {answers.total()} calls\n")
    assert found == [], "\n".join(found)


def walk(
    client: TestClient, operation: Any, mode: GenerationMode, ids: dict[str, str], found: list[str]
) -> Counter[int]:
    """Call one operation with generated arguments, every second time with ids of what exists; the statuses."""
    times = max(1, EXAMPLES // 2) if operation.definition.raw.get("operationId") in SLOW else EXAMPLES
    count = 0
    answers: Counter[int] = Counter()

    @seed(SEED)
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        nonlocal count
        count += 1
        if count % 2:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = ids.get(name, case.path_parameters[name])
        sent = case.as_transport_kwargs(base_url="http://testserver")
        body = sent.get("data")
        headers = {
            name: value for name, value in dict(sent["headers"] or {}).items() if name.lower() != "authorization"
        }
        try:
            answer = client.request(
                sent["method"],
                sent["url"],
                params=sent.get("params"),
                headers=headers,
                **({"json": sent["json"]} if "json" in sent else {"content": body if body is not None else b""}),
            )
        except InvalidURL:
            # longer than any address that the client sends
            return
        answers[answer.status_code] += 1
        try:
            # a server of somebody else's that does not answer is a 503
            asks = operation.definition.raw.get("operationId") in ASKS_OTHERS and answer.status_code == 503
            case.validate_response(answer, checks=CHECKS[1:] if asks else CHECKS)
        except BaseExceptionGroup as group:
            for each in group.exceptions:
                found.append(f"{case.method} {case.formatted_path}: {type(each).__name__} {str(each)[:600]}")
        except Exception as refused:
            found.append(f"{case.method} {case.formatted_path}: {type(refused).__name__} {str(refused)[:600]}")

    try:
        call()
    except Unsatisfiable:
        # an operation without arguments has nothing to be wrong about
        assert mode is GenerationMode.NEGATIVE
    return answers
