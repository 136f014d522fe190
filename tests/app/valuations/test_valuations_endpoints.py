"""Valuations over HTTP: what a good order gets, what is wrong with a bad one, and who sees what."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from app.identity import Role
from app.outbox.tables import OutboxMessage
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations import repository
from app.valuations.states import Reason, ShardKind
from app.valuations.tables import Shard, Valuation, ValuationPlayer
from app.valuations.work import lifecycle, protocol
from contract.orders.job import GameFacts, JobProgress


def csv(seed: int, rows: int, labels: str = "abc", header: str = "u,v,label") -> bytes:
    rng = np.random.default_rng(seed)
    lines = [header]
    for i in range(rows):
        u, v = rng.normal(size=2)
        lines.append(f"{u:.4f},{v:.4f},{labels[i % len(labels)]}")
    return "\n".join(lines).encode() + b"\n"


@dataclass
class Bench:
    """A buyer with money and a test set, two providers with a dataset each."""

    buyer: Any
    providers: list[Any]
    datasets: list[str]
    test: str

    def order(self, **changes: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"datasets": self.datasets, "test_dataset": self.test, "pool": "100.00"} | changes
        return {name: value for name, value in body.items() if value is not ...}

    def post(self, **changes: Any) -> Any:
        return self.buyer.client.post("/v1/valuations", json=self.order(**changes))


@pytest.fixture
def bench(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any], session: Session
) -> Bench:
    buyer, providers = known(Role.BUYER), [known(Role.PROVIDER), known(Role.PROVIDER)]
    datasets = [publish(each, csv(i, 12))["id"] for i, each in enumerate(providers)]
    test = upload(buyer, csv(9, 9))["id"]
    payouts.deposit(session, buyer.account.id, 1_000_00, "EUR", "start")
    session.commit()
    return Bench(buyer, providers, datasets, test)


def held(session: Session, bench: Bench) -> int:
    return payouts.balances(session, bench.buyer.account.id)[0].reserved


def test_an_order_is_answered_202_with_its_place_and_the_whole_job(bench: Bench, session: Session) -> None:
    answer = bench.post(metadata={"order": "17"})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["location"] == f"/v1/valuations/{body['id']}"
    assert (body["status"], body["pool"], body["currency"], body["players"]) == ("planning", "100.00", "EUR", 2)
    assert body["metadata"] == {"order": "17"}
    assert held(session, bench) == 100_00
    message = session.scalars(select(OutboxMessage).where(OutboxMessage.task != "worker.tasks.profile")).one()
    assert message.task == "worker.tasks.prepare"
    fetched = bench.buyer.client.get(answer.headers["location"])
    assert fetched.json()["id"] == body["id"]
    kinds = [each["type"] for each in bench.buyer.client.get(f"{answer.headers['location']}/events").json()["items"]]
    assert kinds == ["valuation.queued", "valuation.planning"]


NOBODY = "ds_" + "0" * 32
BAD_ORDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a hyper-parameter that the learner lacks": (
        {"model": {"name": "logistic", "hyper": {"hidden": 3}}},
        "/model/hyper/hidden",
        "it knows iterations, l2, tol",
    ),
    "a hyper-parameter that is no number": (
        {"model": {"name": "mlp", "hyper": {"steps": 1.5}}},
        "/model/hyper/steps",
        "must be a whole number",
    ),
    "no providers": ({"datasets": []}, "/datasets", "at least 1"),
    "a dataset twice": ({"datasets": "first twice"}, "/datasets", "named twice"),
    "an unknown dataset": ({"datasets": [NOBODY]}, "/datasets/0", "does not exist"),
    "a malformed id": ({"datasets": ["17"]}, "/datasets/0", "not an id of this kind"),
    "one player in full mode": ({"datasets": "first"}, "/datasets", "this job has one"),
    "a test set among the datasets": ({"datasets": "test"}, "/datasets/0", "is a test set"),
    "a provider's dataset as test set": ({"test_dataset": "first"}, "/test_dataset", "not a test set of yours"),
    "no money": ({"pool": "0"}, "/pool", "zero"),
    "less than no money": ({"pool": "-5.00"}, "/pool", "negative"),
    "a third decimal": ({"pool": "10.005"}, "/pool", "3 decimals"),
    "an unknown currency": ({"currency": "XYZ"}, "/currency", "ISO 4217"),
    "an unknown field": ({"share_cl": 2}, "/share_cl", "not known here"),
    "a model and a checkpoint": ({"model": {}, "checkpoint": "ck_" + "0" * 32}, "", "not both"),
    "an unknown checkpoint": ({"checkpoint": "ck_" + "0" * 32}, "/checkpoint", "no checkpoint"),
    "columns for a cnn": ({"model": {"name": "cnn"}}, "/model/name", "cnn takes images"),
    "a deadline that has passed": ({"deadline": "2020-01-01T00:00:00Z"}, "/deadline", "has passed"),
    "a deadline without a zone": ({"deadline": "2090-01-01T00:00:00"}, "/deadline", "timezone"),
    "partial mode and retraining": ({"mode": "partial", "fidelity": "retrain"}, "", "nothing to retrain"),
    "a target nobody has": ({"target": "nothing"}, "nothing", "the target column is missing"),
    "no dispute window to hold for": ({"payout": {"policy": "interval_aware"}}, "/payout", "dispute"),
    "infinite precision": ({"share_ci": 0}, "/share_ci", "greater than 0"),
}


@pytest.mark.parametrize("name", BAD_ORDERS)
def test_a_bad_order_names_the_field_and_leaves_nothing_behind(bench: Bench, session: Session, name: str) -> None:
    changes, pointer, words = BAD_ORDERS[name]
    named = {"first": [bench.datasets[0]], "first twice": bench.datasets[:1] * 2, "test": [bench.test]}
    for field in ("datasets", "test_dataset"):
        if isinstance(changes.get(field), str):
            found = named[changes[field]]
            changes = changes | {field: found if field == "datasets" else found[0]}
    answer = bench.post(**changes)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    faults = answer.json()["errors"]
    assert any(each["pointer"].startswith(pointer) and words in each["detail"] for each in faults), faults
    assert session.scalar(select(func.count()).select_from(Valuation)) == 0
    asked = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.task != "worker.tasks.profile")
    assert session.scalar(asked) == 0
    assert held(session, bench) == 0


def test_a_withdrawn_dataset_is_refused(bench: Bench, session: Session) -> None:
    assert bench.post().status_code == 202
    gone = bench.providers[0].client.post(f"/v1/datasets/{bench.datasets[0]}/withdraw")
    assert gone.status_code == 200, gone.text
    answer = bench.post()
    assert answer.status_code == 422
    assert "was withdrawn by its provider" in answer.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (csv(5, 12, header="u,w,label"), "lacks `v`"),
        (csv(5, 12).replace(b"u,v,label", b"u,v,label").replace(b",a\n", b",z\n"), ""),
    ],
)
def test_datasets_that_disagree_are_refused_and_those_that_add_a_class_are_not(
    bench: Bench, publish: Callable[..., Any], content: bytes, words: str
) -> None:
    other = publish(bench.providers[1], content)["id"]
    answer = bench.post(datasets=[bench.datasets[0], other])
    if words:
        assert answer.status_code == 422
        assert words in answer.text
    else:
        assert answer.status_code == 202


def test_a_test_label_that_no_provider_has_is_refused_by_name(bench: Bench, upload: Callable[..., Any]) -> None:
    test = upload(bench.buyer, csv(9, 9, labels="abq"))["id"]
    answer = bench.post(test_dataset=test)
    assert answer.status_code == 422
    assert "`q`" in answer.text


def test_more_than_the_wallet_holds_is_a_conflict_and_stores_nothing(bench: Bench, session: Session) -> None:
    answer = bench.post(pool="1000.01")
    assert answer.status_code == 409, answer.text
    assert session.scalar(select(func.count()).select_from(Valuation)) == 0


def test_a_providers_datasets_are_one_player_unless_asked_otherwise(
    bench: Bench, publish: Callable[..., Any], session: Session
) -> None:
    second = publish(bench.providers[0], csv(7, 8))["id"]
    datasets = [*bench.datasets, second]
    assert bench.post(datasets=datasets).json()["players"] == 2
    assert bench.post(datasets=datasets, players="dataset").json()["players"] == 3
    rows = session.scalars(select(ValuationPlayer.rows).order_by(ValuationPlayer.rows)).all()
    assert rows == [8, 12, 12, 12, 20]


def test_the_game_is_the_same_for_the_same_rows_in_any_format_and_order(
    bench: Bench, publish: Callable[..., Any], session: Session
) -> None:
    lines = csv(0, 12).decode().splitlines()
    turned = publish(bench.providers[0], "\n".join([lines[0], *lines[:0:-1]]).encode() + b"\n")["id"]
    first = bench.post().json()
    second = bench.post(datasets=[bench.datasets[1], turned], pool="7.00", metadata={"a": "b"}).json()
    assert second["game_digest"] == first["game_digest"]
    assert bench.post(seed=1).json()["game_digest"] != first["game_digest"]


def test_nobody_else_finds_the_job(bench: Bench, known: Callable[..., Any]) -> None:
    place = bench.post().headers["location"]
    for stranger in (known(Role.BUYER), bench.providers[0]):
        for path in (place, f"{place}/values", f"{place}/payouts", f"{place}/events"):
            assert stranger.client.get(path).status_code == 404
        assert stranger.client.post(f"{place}/cancel").status_code in (403, 404)
        assert stranger.client.get("/v1/valuations").json()["items"] == []
    assert known(Role.ADMIN).client.get(place).status_code == 200


def test_a_provider_sees_its_own_part_and_nobody_elses(
    bench: Bench, known: Callable[..., Any], session: Session
) -> None:
    job_id = bench.post().json()["id"]
    [seen] = bench.providers[0].client.get("/v1/me/valuations").json()["items"]
    assert seen["id"] == job_id
    assert [player["datasets"] for player in seen["players"]] == [[bench.datasets[0]]]
    told = str(seen)
    assert bench.datasets[1] not in told
    assert bench.test not in told
    assert known(Role.PROVIDER).client.get("/v1/me/valuations").json()["items"] == []
    assert bench.buyer.client.get("/v1/me/valuations").status_code == 403


def test_a_cancelled_job_frees_its_pool_and_stays_cancelled(bench: Bench, session: Session) -> None:
    place = bench.post().headers["location"]
    for _ in range(2):
        answer = bench.buyer.client.post(f"{place}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert held(session, bench) == 0
    answer = bench.buyer.client.get(f"{place}/values")
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
    types = [each["type"] for each in bench.buyer.client.get(f"{place}/events", params={"after": 2}).json()["items"]]
    assert types == ["valuation.cancelling", "valuation.cancelled"]


def test_a_job_that_has_ended_otherwise_cannot_be_cancelled(
    bench: Bench, session: Session, settings: Settings, known: Callable[..., Any]
) -> None:
    place = bench.post().headers["location"]
    job = repository.lock(session, session.scalars(select(Valuation.id)).one())
    lifecycle.fail(session, settings, job, Reason.INTERNAL, "it broke; nothing was charged", "Traceback: secret")
    session.commit()
    assert bench.buyer.client.post(f"{place}/cancel").status_code == 409
    told = bench.buyer.client.get(place)
    assert told.json()["error"] == "it broke; nothing was charged"
    assert "secret" not in told.text
    failure = known(Role.ADMIN).client.get(f"/v1/admin/valuations/{told.json()['id']}/failure")
    assert failure.json()["traceback"] == "Traceback: secret"
    assert bench.buyer.client.get(f"/v1/admin/valuations/{told.json()['id']}/failure").status_code == 403


def test_lists_filter_by_status_and_go_on_by_cursor(bench: Bench) -> None:
    ids = [bench.post(pool="1.00").json()["id"] for _ in range(3)]
    bench.buyer.client.post(f"/v1/valuations/{ids[0]}/cancel")
    get = bench.buyer.client.get
    assert [each["id"] for each in get("/v1/valuations?status=planning").json()["items"]] == [ids[2], ids[1]]
    first = get("/v1/valuations?limit=2").json()
    rest = get("/v1/valuations", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    foreign = get("/v1/valuations", params={"cursor": first["next_cursor"], "status": "failed"})
    assert foreign.status_code == 422


def test_the_same_idempotency_key_is_one_job(bench: Bench, session: Session) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first, second = (bench.buyer.client.post("/v1/valuations", json=bench.order(), headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert session.scalar(select(func.count()).select_from(Valuation)) == 1
    assert held(session, bench) == 100_00


def test_an_unchanged_job_is_not_sent_again_and_waiting_ends_with_the_wait(bench: Bench) -> None:
    place = bench.post().headers["location"]
    tag = bench.buyer.client.get(place).headers["etag"]
    assert bench.buyer.client.get(place, headers={"If-None-Match": tag}).status_code == 304
    waited = bench.buyer.client.get(place, headers={"Prefer": "respond-async, wait=1"})
    assert waited.headers["preference-applied"] == "wait=1"
    assert waited.headers["etag"] == tag
    bench.buyer.client.post(f"{place}/cancel")
    ended = bench.buyer.client.get(place, headers={"If-None-Match": tag, "Prefer": "wait=30"})
    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")


def test_a_commit_that_fails_is_a_500_and_there_is_no_job(bench: Bench, app: FastAPI, session: Session) -> None:
    client = TestClient(app, headers=dict(bench.buyer.client.headers), raise_server_exceptions=False)
    factory = app.state.session_factory

    def refuse(_session: Session) -> None:
        raise ConnectionError("the database went away at the commit")

    event.listen(factory, "before_commit", refuse)
    try:
        answer = client.post("/v1/valuations", json=bench.order())
    finally:
        event.remove(factory, "before_commit", refuse)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "database went away" not in answer.text
    assert session.scalar(select(func.count()).select_from(Valuation)) == 0
    assert held(session, bench) == 0


def test_progress_counts_what_the_tables_hold(bench: Bench, session: Session, settings: Settings) -> None:
    place = bench.post().headers["location"]
    job_id = session.scalars(select(Valuation.id)).one()
    prepare = session.scalars(select(Shard.id)).one()

    def claimed(shard_id: Any) -> Any:
        found = protocol.claim(session, settings, shard_id, "a worker")
        assert found is not None
        return found

    protocol.finish_prepare(session, claimed(prepare), "ab" * 32, GameFacts(sources=(), seconds=0.1))
    plan = session.scalars(select(Shard.id).where(Shard.kind == ShardKind.PLAN)).one()
    request = protocol.RoundRequest("retrain", [b"\x00", b"\x01", b"\x02", b"\x03"], size=2)
    counts = {"unlearn": 4, "repair": 0, "retrain": 0}
    known = JobProgress(evaluations=counts, widest_share_interval=3.5, seconds_after=3.0)
    protocol.finish_plan_with_round(session, settings, claimed(plan), request, known)
    shard = session.scalars(select(Shard.id).where(Shard.kind == ShardKind.EVALUATE, Shard.ordinal == 0)).one()
    holding = claimed(shard)
    session.commit()
    assert bench.buyer.client.get(place).json()["progress"]["workers"] == 1
    found = [protocol.ComputedWorth(bytes([i]), 0.5, 0.25) for i in range(2)]
    protocol.finish_evaluate(session, settings, holding, found)
    session.commit()
    session.expire_all()
    assert bench.buyer.client.get(place).json()["progress"] == {
        "round": 1,
        "evaluations": {"unlearn": 4, "repair": 0, "retrain": 2},
        "round_done": 2,
        "round_worths": 4,
        "widest_share_interval": 3.5,
        "workers": 0,
        "seconds_left": 0.5,
        "seconds_left_at_most": 3.5,
        "device_seconds": 0.5,
    }
    assert session.get_one(Valuation, job_id).round == 1


def test_images_want_a_cnn(
    bench: Bench, upload: Callable[..., Any], publish: Callable[..., Any], known: Callable[..., Any]
) -> None:
    def images(seed: int) -> bytes:
        buffer = io.BytesIO()
        rng = np.random.default_rng(seed)
        np.savez(buffer, X=rng.random((6, 4, 4), dtype=np.float32), y=np.arange(6) % 2)
        return buffer.getvalue()

    datasets = [publish(each, images(i), target="y")["id"] for i, each in enumerate(bench.providers)]
    test = upload(bench.buyer, images(9), target="y")["id"]
    assert "set the model to cnn" in bench.post(datasets=datasets, test_dataset=test).text
    assert bench.post(datasets=datasets, test_dataset=test, model={"name": "cnn"}).status_code == 202
