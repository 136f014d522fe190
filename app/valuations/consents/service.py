"""The rules of consent: a provider whose licence says so approves each job by itself. Never commits.

A job that needs consent holds its pool in escrow and computes nothing until every provider asked has answered, or the
time is over; no answer is no consent. All have approved: it is queued. Somebody has not: it ends and the pool goes
back, or, where its order says ``drop_refused``, it is admitted anew without their data (``go_on_without``). An approval
is final, and holds for the job and for what tops it up.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.datasets.tables import Dataset
from app.errors import CherishError, Conflict, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import SCOPES, Caller, Role
from app.payouts import money
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository, service
from app.valuations.consents.schemas import ConsentAnswer, JobConsent
from app.valuations.orders.asking import least_of
from app.valuations.results import answers
from app.valuations.states import ConsentStatus, Reason, ValuationStatus
from app.valuations.tables import Valuation, ValuationConsent
from app.valuations.work import consents, lifecycle
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

_NO = frozenset({ConsentStatus.REFUSED, ConsentStatus.LAPSED})


def list_mine(
    session: Session, caller: Caller, statuses: Sequence[ConsentStatus], page: PageRequest
) -> tuple[list[ConsentAnswer], str | None]:
    """What the calling provider is and was asked, newest first."""
    rows, following = consents.page_of_provider(session, caller.account_id, statuses, page)
    return [_shown(session, row) for row in rows], following


def get_mine(session: Session, caller: Caller, valuation_id: uuid.UUID) -> ConsentAnswer:
    """What the calling provider is asked about one job; raises NotFound."""
    return _shown(session, _mine(session, caller, valuation_id))


def answer(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, said: ConsentStatus, note: str | None
) -> ConsentAnswer:
    """Approve or refuse a job; the same again changes nothing, and another answer raises Conflict."""
    _mine(session, caller, valuation_id)
    valuation = repository.lock(session, valuation_id)
    consent = _mine(session, caller, valuation_id)
    session.refresh(consent)
    if consent.status is said:
        return _shown(session, consent)
    name = public_id("val", valuation_id)
    if consent.status is not ConsentStatus.PENDING:
        raise Conflict(f"your answer to valuation {name} is {consent.status.value}, and is final")
    if consent.answer_until <= repository.now(session):
        raise Conflict(f"the time to answer to valuation {name} ended at {consent.answer_until.isoformat()}")
    _set(session, valuation, consent, said, note)
    _go_on(session, settings, valuation)
    return _shown(session, consent)


def of_job(session: Session, caller: Caller, valuation_id: uuid.UUID) -> list[JobConsent]:
    """Whose consent a job of the caller's needs; raises NotFound."""
    valuation = service.get(session, caller, valuation_id)
    rows = consents.of_job(session, valuation.id)
    names = repository.account_names(session, {row.provider_id for row in rows})
    return [
        JobConsent(
            provider_id=row.provider_id,
            provider=names[row.provider_id],
            datasets=row.dataset_ids,
            status=row.status,
            answer_until=row.answer_until,
            answered_at=row.answered_at,
            note=row.note,
        )
        for row in rows
    ]


def lapse(session: Session, settings: Settings, valuation_id: uuid.UUID) -> bool:
    """Go on with a job whose providers' time is over or who have all answered. For the sweeper.

    True: it is to be admitted anew without those who did not consent (``go_on_without``).
    """
    valuation = repository.lock(session, valuation_id)
    if valuation.status is not ValuationStatus.AWAITING_CONSENT:
        return False
    now = repository.now(session)
    for consent in consents.of_job(session, valuation_id):
        if consent.status is ConsentStatus.PENDING and consent.answer_until <= now:
            _set(session, valuation, consent, ConsentStatus.LAPSED, None)
    return _go_on(session, settings, valuation)


def go_on_without(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    valuation_id: uuid.UUID,
    refusal: CherishError | None = None,
) -> None:
    """Admit a job anew without the data whose providers did not consent, and queue it; where nothing can be valued
    without them it ends, and the pool goes back. Raises Deferred where files are to be read; ``refusal`` is what that
    came to, where it came to one."""
    valuation = repository.lock(session, valuation_id)
    if valuation.status is not ValuationStatus.AWAITING_CONSENT:
        return
    refused = [row for row in consents.of_job(session, valuation_id) if row.status in _NO]
    gone = {dataset for row in refused for dataset in row.dataset_ids}
    order = valuation.order
    left = [dataset for dataset in order.datasets if dataset not in gone]
    who = _names(session, refused)
    caller = Caller(valuation.buyer_id, Role.BUYER, SCOPES[Role.BUYER], None)
    try:
        if refusal is not None:
            raise refusal
        if not left:
            raise Conflict("no dataset is left")
        with session.begin_nested():
            kept = order.model_copy(update={"datasets": left, "metadata": valuation.labels})
            service.admit_anew(session, blobs, settings, caller, valuation, kept, f"Left out without consent: {who}.")
    except CherishError as error:
        _end(session, settings, valuation, f"{who} did not consent, and without that data: {error.detail}")
        return
    lifecycle.move(session, valuation, ValuationStatus.QUEUED, {"left_out": sorted(public_id("ds", d) for d in gone)})
    lifecycle.start_next(session, settings, valuation.buyer_id)


def _go_on(session: Session, settings: Settings, valuation: Valuation) -> bool:
    """What follows from the answers to a locked job; True where it is to be admitted anew, which takes its time."""
    rows = consents.of_job(session, valuation.id)
    refused = [row for row in rows if row.status in _NO]
    if refused and not valuation.order.drop_refused:
        _end(session, settings, valuation, f"{_names(session, refused)} did not consent to it")
        return False
    if any(row.status is ConsentStatus.PENDING for row in rows):
        return False
    if refused:
        return True
    lifecycle.move(session, valuation, ValuationStatus.QUEUED)
    lifecycle.start_next(session, settings, valuation.buyer_id)
    return False


def _end(session: Session, settings: Settings, valuation: Valuation, why: str) -> None:
    lifecycle.request_stop(session, settings, valuation, Reason.CONSENT_REFUSED, f"{why}; nothing was charged")


def _set(
    session: Session, valuation: Valuation, consent: ValuationConsent, said: ConsentStatus, note: str | None
) -> None:
    consent.status, consent.note, consent.answered_at = said, note, repository.now(session)
    session.flush()
    pending = sum(row.status is ConsentStatus.PENDING for row in consents.of_job(session, valuation.id))
    about = {"provider_id": consent.provider_id, "status": said.value, "pending": pending}
    webhooks.emit(session, valuation.buyer_id, EventType.CONSENT_ANSWERED, about | {"valuation_id": valuation.id})
    told = {"provider": public_id("acc", consent.provider_id), "status": said.value, "pending": pending}
    repository.add_event(session, valuation, "valuation.consent_answered", told)


def _mine(session: Session, caller: Caller, valuation_id: uuid.UUID) -> ValuationConsent:
    consent = consents.of_provider(session, caller.account_id, valuation_id)
    if consent is None:
        name = public_id("val", valuation_id)
        raise NotFound(f"valuation {name} asks you for no consent; list what does with GET /v1/me/consents")
    return consent


def _names(session: Session, rows: Sequence[ValuationConsent]) -> str:
    return ", ".join(sorted(repository.account_names(session, {row.provider_id for row in rows}).values()))


def _shown(session: Session, consent: ValuationConsent) -> ConsentAnswer:
    valuation = repository.of_id(session, consent.valuation_id)
    order, currency = valuation.order, valuation.currency
    buyer = pseudonyms.shown_to(session, consent.provider_id, {valuation.buyer_id})[valuation.buyer_id]
    datasets = [session.get_one(Dataset, dataset_id) for dataset_id in consent.dataset_ids]
    reserves = [least for dataset in datasets if (least := least_of(dataset, order.delivered))]
    return ConsentAnswer(
        valuation_id=valuation.id,
        status=consent.status,
        job_status=valuation.status,
        datasets=consent.dataset_ids,
        rows=sum(dataset.rows or 0 for dataset in datasets),
        buyer=buyer.name,
        buyer_id=buyer.id,
        purpose=order.purpose,
        territory=order.territory,
        deliver=list(order.deliver),
        metric=order.metric,
        pool=money.plain(valuation.pool_minor, currency),
        currency=currency,
        reserve=money.plain(sum(reserves), currency) if reserves else None,
        providers=len({player.provider_id for player in repository.players(session, valuation.id)}),
        terms=answers.agreed_terms(valuation),
        measured_on=answers.measured_on(valuation),
        answer_until=consent.answer_until,
        created_at=consent.created_at,
        answered_at=consent.answered_at,
        note=consent.note,
    )
