"""Administration over HTTP: quotas that hold jobs back, work set going again, and views that show what there is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.outbox.tables import OutboxMessage
from app.settings import Settings
from app.valuations import repository
from app.valuations.states import Reason, ShardStatus
from app.valuations.tables import Shard
from app.valuations.work import leases, lifecycle
from tests.app.conftest import Known


@pytest.fixture
def post(
    buyer: Known, admin: Known, known: Callable[..., Known], publish: Any, npz: Any
) -> Callable[[], dict[str, Any]]:
    """A factory: posts one more valuation of the same two datasets for the buyer."""
    from app.identity import Role

    offered = []
    for number in range(2):
        owner = known(Role.PROVIDER)
        offered.append(publish(owner, f"a,label\n{number},x\n1,y\n".encode())["id"])
    made = buyer.client.post("/v1/datasets", json={"name": "test", "target": "label", "kind": "test"}).json()
    assert buyer.client.put(f"/v1/datasets/{made['id']}/content", content=b"a,label\n5,x\n6,y\n").status_code == 200
    deposit = {"account_id": f"acc_{buyer.account.id.hex}", "amount": "500.00", "currency": "EUR", "reference": "17"}
    assert admin.client.post("/v1/ledger/deposits", json=deposit).status_code == 201

    def make() -> dict[str, Any]:
        order = {"datasets": offered, "test_dataset": made["id"], "pool": "10.00"}
        posted = buyer.client.post("/v1/valuations", json=order)
        assert posted.status_code == 202, posted.text
        answer: dict[str, Any] = posted.json()
        return answer

    return make


def fail(session: Session, settings: Settings, job: dict[str, Any]) -> None:
    import uuid

    valuation = repository.lock(session, uuid.UUID(job["id"].removeprefix("val_")))
    lifecycle.fail(session, settings, valuation, Reason.INTERNAL, "it broke; nothing was charged", "Traceback: boom")
    session.commit()


def test_a_buyers_quota_holds_jobs_back_until_it_is_raised(admin: Known, buyer: Known, post: Any) -> None:
    path = f"/v1/admin/accounts/acc_{buyer.account.id.hex}/limits"
    admin.client.patch(path, json={"max_running_jobs": 1})
    assert [post()["status"] for _ in range(2)] == ["planning", "queued"]
    admin.client.patch(path, json={"max_running_jobs": None})
    assert post()["status"] == "planning"
    jobs = buyer.client.get("/v1/valuations").json()["items"]
    assert [each["status"] for each in jobs] == ["planning"] * 3


def test_waiting_shards_of_a_working_job_are_sent_again_with_all_attempts(
    admin: Known, post: Any, session: Session
) -> None:
    job = post()
    session.execute(update(Shard).values(attempt=2))
    before = session.scalar(select(func.count()).select_from(OutboxMessage))
    told = admin.client.post(f"/v1/admin/valuations/{job['id']}/requeue")
    assert (told.status_code, told.json()) == (200, {"valuation_id": job["id"], "shards": 1, "repeated_as": None})
    assert session.scalar(select(func.count()).select_from(OutboxMessage)) == before + 1
    session.expire_all()
    assert [(shard.attempt, shard.status) for shard in session.scalars(select(Shard))] == [(0, ShardStatus.QUEUED)]


def test_a_failed_job_is_repeated_as_a_new_one_of_the_same_buyer(
    admin: Known, buyer: Known, post: Any, session: Session, settings: Settings
) -> None:
    job = post()
    fail(session, settings, job)
    told = admin.client.post(f"/v1/admin/valuations/{job['id']}/requeue").json()
    again = buyer.client.get(f"/v1/valuations/{told['repeated_as']}").json()
    assert (again["status"], again["metadata"]) == ("planning", {"repeats": job["id"]})
    assert buyer.client.get(f"/v1/valuations/{job['id']}").json()["status"] == "failed"
    assert buyer.client.get("/v1/me/balance").json()["balances"][0]["reserved"] == "10.00"


def test_an_administrator_cancels_any_job_and_the_reason_says_so(admin: Known, buyer: Known, post: Any) -> None:
    job = post()
    assert admin.client.post(f"/v1/valuations/{job['id']}/cancel").status_code == 202
    seen = buyer.client.get(f"/v1/valuations/{job['id']}").json()
    assert (seen["status"], seen["reason"]) == ("cancelled", "cancelled_by_admin")
    assert admin.client.post(f"/v1/admin/valuations/{job['id']}/requeue").status_code == 409


def test_failures_show_the_last_traceback(admin: Known, post: Any, session: Session, settings: Settings) -> None:
    job = post()
    fail(session, settings, job)
    (failure,) = admin.client.get("/v1/admin/failures").json()["items"]
    assert (failure["valuation_id"], failure["reason"]) == (job["id"], "internal")
    assert failure["traceback"] == "Traceback: boom"


def test_queues_and_workers_are_seen(admin: Known, post: Any, session: Session) -> None:
    post()
    seen = admin.client.get("/v1/admin/queues").json()
    assert seen["jobs"] == {"planning": 1}
    (work,) = seen["work"]
    assert (work["queue"], work["kind"], work["status"], work["shards"]) == ("cpu", "prepare", "queued", 1)
    assert seen["outbox"][0]["unsent"] >= 1
    leases.beat(session, {"name": "w", "queue": "cpu", "device": "cpu", "host": "h", "pid": 1, "shard_id": None})
    session.commit()
    (worker,) = admin.client.get("/v1/admin/workers").json()["items"]
    assert (worker["name"], worker["alive"]) == ("w", True)


def test_nobody_else_administers(buyer: Known, provider: Known) -> None:
    other = f"acc_{provider.account.id.hex}"
    for caller in (buyer, provider):
        for path in ("workers", "queues", "failures", f"accounts/{other}/limits"):
            assert caller.client.get(f"/v1/admin/{path}").status_code == 403, path
        assert caller.client.post(f"/v1/admin/accounts/{other}/approve").status_code == 403
        assert caller.client.post(f"/v1/admin/valuations/val_{'0' * 32}/requeue").status_code == 403
