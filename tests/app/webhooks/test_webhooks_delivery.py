"""Deliveries end to end: told in the caller's transaction, sent once by whoever claims, retried, given up, disabled."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks.webhooks import Webhook

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.http.ids import public_id
from app.identity import Role
from app.settings import Settings
from app.webhooks import repository, service
from app.webhooks.deliverer import Deliverer
from app.webhooks.delivery import DeliveryOptions, deliver
from app.webhooks.schedule import ATTEMPTS
from app.webhooks.tables import (
    DeliveryStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tests.app.webhooks.conftest import Receiver

Listen = Callable[..., tuple[WebhookEndpoint, str]]
Emitted = Callable[..., list[WebhookDelivery]]
Factory = sessionmaker[Session]
PENDING, SUCCEEDED, FAILED = DeliveryStatus.PENDING, DeliveryStatus.SUCCEEDED, DeliveryStatus.FAILED


def read(session: Session, delivery_id: uuid.UUID) -> WebhookDelivery:
    statement = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def endpoint_of(session: Session, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return session.scalars(statement.execution_options(populate_existing=True)).one()


def seconds_until_next(session: Session, delivery_id: uuid.UUID) -> float:
    sql = "SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM webhook_deliveries WHERE id = :id"
    return float(session.execute(text(sql), {"id": delivery_id}).scalar_one())


def test_a_delivered_event_is_signed_thin_and_logged(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    _, secret = listen(receiver.url)
    (delivery,) = emitted()
    assert deliver(factory, settings, delivery.id) is SUCCEEDED
    (request,) = receiver.requests
    told = Webhook(secret).verify(request.body, request.headers)
    assert told["type"] == "valuation.succeeded"
    assert set(told["data"]) == {"id", "status", "reason", "precision_met"}
    assert told["data"]["id"].startswith("val_")
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert request.headers["webhook-id"] == public_id("evt", delivery.event_id)
    (attempt,) = repository.attempts_of(session, delivery.id)
    assert (attempt.number, attempt.status, attempt.response, attempt.error) == (1, 200, "ok", None)
    done = read(session, delivery.id)
    assert (done.status, done.next_attempt_at, done.lease_until) == (SUCCEEDED, None, None)
    assert deliver(factory, settings, delivery.id) is None, "there is nothing more to do"
    assert len(receiver.requests) == 1


def test_an_event_is_told_in_the_callers_transaction_or_not_at_all(
    session: Session, factory: Factory, account: Account, listen: Listen, receiver: Receiver
) -> None:
    listen(receiver.url)
    with factory() as other, other.begin() as transaction:
        assert service.emit(other, account.id, "valuation.failed", {"id": uuid.uuid4(), "status": "failed"}) == 1
        assert other.query(WebhookDelivery).count() == 1
        transaction.rollback()
    assert session.query(WebhookEvent).count() == 0
    assert session.query(WebhookDelivery).count() == 0


def test_only_enabled_endpoints_of_the_account_with_the_type_in_their_filter_are_told(
    session: Session, settings: Settings, account: Account, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    everything, _ = listen(receiver.url)
    wanted, _ = listen(receiver.url, event_types=["valuation.succeeded"])
    listen(receiver.url, event_types=["dataset.withdrawn"])
    listen(receiver.url, enabled=False)
    stranger = accounts.create_account(session, "stranger", Role.BUYER)
    service.create_endpoint(session, settings, stranger.id, url=receiver.url)
    assert {delivery.endpoint_id for delivery in emitted()} == {everything.id, wanted.id}
    assert service.emit(session, stranger.id, "dataset.withdrawn", {"id": uuid.uuid4()}) == 1
    nobody = accounts.create_account(session, "nobody", Role.BUYER)
    before = session.query(WebhookEvent).count()
    assert service.emit(session, nobody.id, "dataset.withdrawn", {"id": uuid.uuid4()}) == 0
    assert session.query(WebhookEvent).count() == before


def test_unknown_types_and_other_shapes_are_refused(session: Session, account: Account) -> None:
    with pytest.raises(ValueError, match=r"valuation\.exploded"):
        service.emit(session, account.id, "valuation.exploded", {})
    with pytest.raises(ValueError, match="values"):
        service.emit(
            session, account.id, "valuation.succeeded", {"id": uuid.uuid4(), "status": "succeeded", "values": [1.0]}
        )


def test_during_a_rotation_old_and_new_secret_sign_and_afterwards_only_the_new(
    session: Session,
    settings: Settings,
    factory: Factory,
    account: Account,
    listen: Listen,
    emitted: Emitted,
    receiver: Receiver,
) -> None:
    endpoint, old = listen(receiver.url)
    _, new = service.rotate_secret(session, settings, account.id, endpoint.id, timedelta(hours=1))
    session.commit()
    assert new != old
    deliver(factory, settings, emitted()[0].id)
    request = receiver.requests[-1]
    for secret in (old, new):
        assert Webhook(secret).verify(request.body, request.headers)
    session.execute(text("UPDATE webhook_endpoints SET previous_until = clock_timestamp()"))
    session.commit()
    session.expire_all()
    deliver(factory, settings, emitted()[0].id)
    assert len(receiver.requests[-1].headers["webhook-signature"].split()) == 1
    assert Webhook(new).verify(receiver.requests[-1].body, receiver.requests[-1].headers)


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_only_2xx_is_success_and_the_next_attempt_comes_when_the_table_says(
    session: Session,
    settings: Settings,
    factory: Factory,
    listen: Listen,
    emitted: Emitted,
    receiver: Receiver,
    make_due: Callable[[], None],
    status: int,
) -> None:
    listen(receiver.url)
    receiver.answer = (status, {}, b"no")
    (delivery,) = emitted()
    for low, high in ((4, 6), (290, 360)):
        assert deliver(factory, settings, delivery.id) is PENDING
        assert low <= seconds_until_next(session, delivery.id) <= high
        assert deliver(factory, settings, delivery.id) is None, "not due yet"
        make_due()
    receiver.answer = (204, {}, b"")
    assert deliver(factory, settings, delivery.id) is SUCCEEDED
    log = repository.attempts_of(session, delivery.id)
    assert [attempt.status for attempt in log] == [204, status, status]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1


def test_retry_after_lengthens_the_wait(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    listen(receiver.url)
    receiver.answer = (503, {"Retry-After": "3600"}, b"")
    (delivery,) = emitted()
    deliver(factory, settings, delivery.id)
    assert 3590 <= seconds_until_next(session, delivery.id) <= 3600


def test_after_the_last_attempt_the_event_has_failed_and_enough_of_them_disable_the_endpoint(
    session: Session,
    settings: Settings,
    factory: Factory,
    listen: Listen,
    emitted: Emitted,
    receiver: Receiver,
    make_due: Callable[[], None],
) -> None:
    endpoint, _ = listen(receiver.url, event_types=["valuation.succeeded"])
    other, _ = listen(receiver.url, event_types=["webhook.disabled"])
    receiver.answer = (500, {}, b"")
    for failed in (1, 2):
        (delivery,) = emitted()
        outcomes = []
        for _ in range(ATTEMPTS):
            make_due()
            outcomes.append(deliver(factory, settings, delivery.id))
        assert outcomes == [PENDING] * (ATTEMPTS - 1) + [FAILED]
        assert endpoint_of(session, endpoint.id).failures == failed
    stopped = endpoint_of(session, endpoint.id)
    assert not stopped.enabled
    assert stopped.disabled_reason == "2 events in a row could not be delivered"
    assert emitted() == []
    (told,) = session.query(WebhookDelivery).filter_by(endpoint_id=other.id)
    assert told.event.type == "webhook.disabled"
    assert told.event.data["id"] == public_id("wh", endpoint.id)


def test_one_success_forgives_the_failures_before_it(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    endpoint, _ = listen(receiver.url)
    session.execute(text("UPDATE webhook_endpoints SET failures = 1"))
    session.commit()
    deliver(factory, settings, emitted()[0].id)
    assert endpoint_of(session, endpoint.id).failures == 0


def test_410_disables_at_once_and_what_was_pending_is_not_sent(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    endpoint, _ = listen(receiver.url)
    first, second = emitted() + emitted()
    receiver.answer = (410, {}, b"")
    assert deliver(factory, settings, first.id) is FAILED
    assert endpoint_of(session, endpoint.id).disabled_reason == "the receiver answered 410 Gone"
    assert deliver(factory, settings, second.id) is FAILED
    assert len(receiver.requests) == 1
    assert "enable it" in str(read(session, second.id).error)


def test_a_ping_is_tried_once_and_never_counted(
    session: Session,
    settings: Settings,
    factory: Factory,
    account: Account,
    listen: Listen,
    receiver: Receiver,
) -> None:
    endpoint, _ = listen(receiver.url, event_types=["dataset.withdrawn"])
    receiver.answer = (500, {}, b"broken")
    delivery = service.ping(session, account.id, endpoint.id)
    session.commit()
    assert deliver(factory, settings, delivery.id) is FAILED
    assert endpoint_of(session, endpoint.id).failures == 0
    assert json.loads(receiver.requests[0].body)["type"] == "webhook.ping"


def test_rules_that_became_stricter_hold_for_urls_stored_before(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    listen(receiver.url)
    (delivery,) = emitted()
    strict = settings.model_copy(update={"webhook_allow_private": False})
    assert deliver(factory, strict, delivery.id) is PENDING
    assert receiver.requests == []
    assert str(read(session, delivery.id).error).startswith("not sent: ")


def test_a_deleted_endpoint_gets_nothing_more(
    session: Session,
    settings: Settings,
    factory: Factory,
    account: Account,
    listen: Listen,
    emitted: Emitted,
    receiver: Receiver,
) -> None:
    endpoint, _ = listen(receiver.url)
    (delivery,) = emitted()
    service.delete_endpoint(session, account.id, endpoint.id)
    session.commit()
    session.expunge_all()
    assert deliver(factory, settings, delivery.id) is None
    assert receiver.requests == []


def test_a_process_that_died_with_a_delivery_leaves_it_to_the_next_and_cannot_do_so_for_ever(
    session: Session,
    settings: Settings,
    factory: Factory,
    listen: Listen,
    emitted: Emitted,
    receiver: Receiver,
) -> None:
    listen(receiver.url)
    (delivery,) = emitted()
    for _ in range(ATTEMPTS):
        with factory() as dying, dying.begin():
            assert repository.claim(dying, delivery.id, timedelta(seconds=90)) is not None
        assert deliver(factory, settings, delivery.id) is None, "the lease still runs"
        session.execute(text("UPDATE webhook_deliveries SET lease_until = clock_timestamp()"))
        session.commit()
    assert deliver(factory, settings, delivery.id) is FAILED
    assert receiver.requests == []


def test_an_attempt_that_was_overtaken_writes_nothing(
    session: Session, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    listen(receiver.url)
    (delivery,) = emitted()
    for attempt in (1, 2):
        with factory() as other, other.begin():
            claimed = repository.claim(other, delivery.id, timedelta(seconds=-1))
            assert claimed is not None
            assert claimed.attempts == attempt
    assert not repository.close_delivery(session, delivery.id, 1, SUCCEEDED, None)
    assert repository.close_delivery(session, delivery.id, 2, SUCCEEDED, None)


def test_old_events_are_forgotten_unless_something_of_them_is_pending(
    session: Session, settings: Settings, factory: Factory, listen: Listen, emitted: Emitted, receiver: Receiver
) -> None:
    listen(receiver.url)
    done, pending = emitted() + emitted()
    deliver(factory, settings, done.id)
    assert repository.purge_events(session, timedelta(days=1)) == 0
    session.execute(text("UPDATE webhook_events SET created_at = now() - interval '2 days'"))
    assert repository.purge_events(session, timedelta(days=1)) == 1
    session.expire_all()
    assert session.scalars(select(WebhookDelivery.id)).all() == [pending.id]
    assert session.query(WebhookAttempt).count() == 0


@pytest.fixture
def committed(engine: Engine) -> Iterator[Factory]:
    """Sessions on real, separate transactions; what they leave behind is removed."""
    factory = sessionmaker(engine, expire_on_commit=False)
    yield factory
    with factory.begin() as session:
        for table in (WebhookAttempt, WebhookDelivery, WebhookEvent, WebhookEndpoint, Account):
            session.execute(table.__table__.delete())  # type: ignore[attr-defined]  # a Table


def prepare(factory: Factory, settings: Settings, urls: list[str], events: int) -> list[uuid.UUID]:
    with factory.begin() as session:
        account = accounts.create_account(session, f"buyer {uuid.uuid4().hex}", Role.BUYER)
        for url in urls:
            service.create_endpoint(session, settings, account.id, url=url)
        for _ in range(events):
            service.emit(session, account.id, "valuation.succeeded", {"id": uuid.uuid4(), "status": "succeeded"})
        return list(session.scalars(select(WebhookDelivery.id)))


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came to pass"
        time.sleep(0.01)


def test_of_eight_that_deliver_the_same_at_once_one_sends(
    committed: Factory, settings: Settings, receiver: Receiver
) -> None:
    (delivery_id,) = prepare(committed, settings, [receiver.url], 1)
    receiver.gate = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(deliver, committed, settings, delivery_id) for _ in range(8)]
        # seven find nothing to do while the eighth's request is still out
        wait_for(lambda: sum(future.done() for future in futures) == 7)
        receiver.gate.set()
        outcomes = [future.result() for future in futures]
    assert sorted(map(str, outcomes)) == ["None"] * 7 + ["succeeded"]
    assert len(receiver.requests) == 1


def test_deliverers_send_everything_once_and_a_silent_endpoint_holds_up_nobody_else(
    committed: Factory, settings: Settings, receiver: Receiver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        prepare(committed, settings, [silent_url, receiver.url, receiver.url + "&other=1"], 10)
        stop = threading.Event()
        options = DeliveryOptions(total_seconds=60)
        loops = [
            threading.Thread(
                target=Deliverer(committed, settings, threads=2, options=options).run, args=(stop,), daemon=True
            )
            for _ in range(2)
        ]
        for loop in loops:
            loop.start()
        wait_for(lambda: len(receiver.requests) >= 20)
        stop.set()
    for loop in loops:
        loop.join(20)
        assert not loop.is_alive()

    def done() -> bool:
        with committed() as session:
            rows = session.scalars(
                select(WebhookDelivery).join(WebhookEndpoint).where(WebhookEndpoint.url != silent_url)
            )
            return {(row.status, row.attempts) for row in rows} == {(SUCCEEDED, 1)}

    wait_for(done)
    assert len(receiver.requests) == 20
    assert receiver.most_open <= 4
