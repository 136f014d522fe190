"""What owners see of unlearning over HTTP: how it is to be done, what was done, its certificate, the new weights."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.checkpoints.tables import UnlearningDuty, UnlearningStatus
from app.cli import app as cli
from app.http.ids import parse_id, public_id
from app.identity import Role
from contract.learning.learners import Architecture
from contract.learning.withdrawal import METHODS, NEEDS_ALL, WithdrawalMethod, chosen

RETRAINING = (WithdrawalMethod.AUTO, WithdrawalMethod.RETRAIN)
WEIGHTS = save({"weight": np.ones((2, 1), np.float32), "bias": np.zeros(2, np.float32)})
ROWS = b"a,label\n0,x\n1,y\n2,x\n3,y\n"


def make(buyer: Any, **body: Any) -> str:
    made = buyer.client.post("/v1/checkpoints", json={"name": "triage", "architecture": "logistic", **body})
    assert made.status_code == 201, made.text
    identifier: str = made.json()["id"]
    return identifier


def duty(session: Session, checkpoint: str, dataset: str, **columns: Any) -> str:
    row = UnlearningDuty(
        checkpoint_id=parse_id("ck", checkpoint),
        dataset_id=parse_id("ds", dataset),
        **{"status": UnlearningStatus.WAITING} | columns,
    )
    session.add(row)
    session.commit()
    return public_id("ul", row.id)


def test_the_owner_says_how_and_only_what_the_architecture_can(buyer: Any) -> None:
    identifier = make(buyer, unlearning="newton")
    path = f"/v1/checkpoints/{identifier}"
    assert buyer.client.get(path).json()["unlearning"] == "newton"
    assert buyer.client.patch(path, json={"unlearning": "erase"}).json()["unlearning"] == "erase"
    assert buyer.client.patch(path, json={"name": "other"}).json()["unlearning"] == "erase"
    assert buyer.client.patch(path, json={"unlearning": None}).json()["unlearning"] is None
    refused = buyer.client.patch(path, json={"unlearning": "neggrad_plus"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/unlearning"
    assert "choose one of auto, erase, natural_gradient, newton, retrain, tangent" in refused.json()["detail"]
    body = {"name": "x", "architecture": "mlp", "unlearning": "newton"}
    assert buyer.client.post("/v1/checkpoints", json=body).status_code == 422


def test_weights_come_back_as_they_are_and_to_their_owner_alone(buyer: Any, known: Callable[..., Any]) -> None:
    identifier = make(buyer)
    path = f"/v1/checkpoints/{identifier}/content"
    assert buyer.client.get(path).status_code == 409
    stored = buyer.client.put(path, content=WEIGHTS).json()
    found = buyer.client.get(path)
    assert found.content == WEIGHTS
    assert found.headers["etag"] == f'"{stored["digest"]}"'
    assert known(Role.BUYER).client.get(path).status_code == 404


def test_a_certificate_is_there_at_the_end_and_is_verified_from_the_command_line(
    buyer: Any, provider: Any, publish: Any, known: Callable[..., Any], session: Session, tmp_path: Path
) -> None:
    identifier, dataset = make(buyer), publish(provider, ROWS)["id"]
    unlearning = duty(session, identifier, dataset)
    path = f"/v1/checkpoints/{identifier}/unlearnings"
    assert buyer.client.get(path).json()["items"][0]["status"] == "waiting"
    assert buyer.client.get(f"{path}/{unlearning}/certificate").status_code == 409
    row = session.get_one(UnlearningDuty, parse_id("ul", unlearning))
    row.status, row.finished_at = UnlearningStatus.UNLEARNED, datetime.now(UTC)
    row.before, row.after, row.record = "ab" * 32, "cd" * 32, {"method": "retrain"}
    session.commit()
    assert buyer.client.get(path).json()["items"][0]["after"] == "cd" * 32
    signed = buyer.client.get(f"{path}/{unlearning}/certificate").json()
    assert signed["certificate"]["format"] == "cherish-unlearning-1"
    key = buyer.client.get("/v1/valuations/certificates/key").json()["public_key"]
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(signed))
    good = CliRunner().invoke(cli, ["certificate", str(file), "--key", key])
    assert (good.exit_code, good.stdout) == (0, f"Genuine. Digest {signed['digest']}\n")
    signed["certificate"]["method"] = "erase"
    file.write_text(json.dumps(signed))
    assert CliRunner().invoke(cli, ["certificate", str(file), "--key", key]).exit_code != 0
    stranger = known(Role.BUYER)
    assert stranger.client.get(path).status_code == 404
    assert stranger.client.get(f"{path}/{unlearning}/certificate").status_code == 404
    assert provider.client.get(f"{path}/{unlearning}/certificate").status_code == 403
    # another checkpoint of the owner's does not show it either
    other = make(buyer)
    assert buyer.client.get(f"/v1/checkpoints/{other}/unlearnings/{unlearning}/certificate").status_code == 404
    missing = public_id("ul", uuid.uuid4())
    assert buyer.client.get(f"{path}/{missing}/certificate").status_code == 404


@pytest.mark.parametrize("architecture", list(Architecture))
def test_what_was_asked_for_is_done_where_it_can_be_and_another_choice_says_why(architecture: Architecture) -> None:
    for asked in (None, *METHODS[architecture]):
        whole = chosen(architecture, asked, whole=True, test=True)
        assert whole == ((WithdrawalMethod.RETRAIN if asked in (None, WithdrawalMethod.AUTO) else asked), None)
        method, reason = chosen(architecture, asked, whole=True, test=False)
        assert (reason is None) is (
            asked in (None, WithdrawalMethod.AUTO, WithdrawalMethod.ERASE) or asked in NEEDS_ALL
        )
        assert (method is WithdrawalMethod.RETRAIN) is (reason is not None or asked in (None, *RETRAINING))
        for test in (True, False):
            method, reason = chosen(architecture, asked, whole=False, test=test)
            assert method not in NEEDS_ALL
            assert test or method is WithdrawalMethod.ERASE
            assert (method is asked) or reason is not None
