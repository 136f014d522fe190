"""One of everything that the API names, for tests that walk all of its operations."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from app.checkpoints.tables import UnlearningDuty, UnlearningStatus
from app.http.ids import parse_id, public_id
from app.identity import Role
from tests.app.conftest import Known


@dataclass(frozen=True)
class World:
    """A provider, a buyer with a job on the provider's data, an admin; what each of them owns, by path parameter."""

    provider: Known
    buyer: Known
    admin: Known
    owned: dict[Role, dict[str, str]]

    def known(self, role: Role) -> Known:
        return {Role.PROVIDER: self.provider, Role.BUYER: self.buyer, Role.ADMIN: self.admin}[role]


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code < 300, answer.text
    told: dict[str, Any] = answer.json()
    return told


def unlearning(session: Session, checkpoint_id: str, dataset_id: str) -> str:
    """A duty of the checkpoint that has ended, so that there is a certificate."""
    row = UnlearningDuty(
        checkpoint_id=parse_id("ck", checkpoint_id),
        dataset_id=parse_id("ds", dataset_id),
        status=UnlearningStatus.ERASED,
        finished_at=datetime.now(UTC),
        record={"outcome": "erased"},
    )
    session.add(row)
    session.flush()
    return public_id("ul", row.id)


@pytest.fixture
def world(app: FastAPI, session: Session, known: Callable[..., Known], upload: Any, publish: Any) -> World:
    provider, buyer, admin = (known(role) for role in (Role.PROVIDER, Role.BUYER, Role.ADMIN))
    content = b"a,label\n0,x\n1,y\n2,x\n3,y\n"
    offered = [publish(owner, content, name="offered")["id"] for owner in (provider, known(Role.PROVIDER))]
    owned: dict[Role, dict[str, str]] = {
        # ready, but not in the catalogue: nobody else knows of it
        Role.PROVIDER: {"dataset_id": upload(provider, content.replace(b"3", b"4"), name="kept back")["id"]},
        Role.BUYER: {},
        Role.ADMIN: {},
    }
    test = made(buyer.client.post("/v1/datasets", json={"name": "test", "target": "label", "kind": "test"}))
    made(buyer.client.put(f"/v1/datasets/{test['id']}/content", content=b"a,label\n5,x\n6,y\n"))
    deposit = {
        "account_id": public_id("acc", buyer.account.id),
        "amount": "900.00",
        "currency": "EUR",
        "reference": "1",
    }
    made(admin.client.post("/v1/ledger/deposits", json=deposit))
    order = {"datasets": offered, "test_dataset": test["id"], "pool": "10.00"}
    model = {"name": "model", "architecture": "logistic"}
    owned[Role.BUYER] = {
        "dataset_id": test["id"],
        "valuation_id": made(buyer.client.post("/v1/valuations", json=order))["id"],
        "checkpoint_id": made(buyer.client.post("/v1/checkpoints", json=model))["id"],
    }
    for each in (provider, buyer, admin):
        ids = owned[each.account.role]
        # a key to spare: what walks may revoke it
        ids["key_id"] = made(each.client.post("/v1/keys", json={"name": "spare"}))["id"]
        user = {"email": f"{each.account.role.value}@harbour.example", "name": "Ada"}
        ids["user_id"] = made(each.client.post("/v1/users", json=user))["id"]
        hook = made(each.client.post("/v1/webhooks", json={"url": "https://hooks.example.com/x"}))["id"]
        ids["webhook_id"] = hook
        ids["delivery_id"] = made(each.client.post(f"/v1/webhooks/{hook}/ping"))["id"]
    spare = made(admin.client.post("/v1/accounts", json={"name": "spare", "role": "provider"}))
    owned[Role.ADMIN]["account_id"] = spare["id"]
    owned[Role.BUYER]["unlearning_id"] = unlearning(session, owned[Role.BUYER]["checkpoint_id"], offered[0])
    for name in ("valuation_id", "checkpoint_id", "dataset_id", "unlearning_id"):
        owned[Role.ADMIN][name] = owned[Role.BUYER][name]
    session.commit()
    return World(provider, buyer, admin, owned)
