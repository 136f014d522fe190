"""The rules of billing: details, money by month and currency, the document of a month that has ended. Never commits.

Everything is read from the ledger, so a document says what was booked: settlements, and what disputes took back. It is
issued when it is first asked for, under a number that follows its seller's last of the year, and kept as it is.
"""

import uuid
from datetime import UTC, date, datetime

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.billing import documents, repository
from app.billing.documents import BilledJob, BillingDocument, Party
from app.billing.schemas import BillingAnswer, BillingBody, MonthAnswer
from app.billing.tables import IssuedDocument
from app.errors import Conflict, InvalidInput, NotFound
from app.http.ids import public_id
from app.identity import Caller, Role
from app.payouts import money, months
from app.settings import Settings

_READ = TypeAdapter(BillingDocument)


def details(session: Session, account_id: uuid.UUID) -> BillingAnswer | None:
    """What an organisation's documents say of it; None before it said so."""
    stored = repository.details(session, account_id)
    return None if stored is None else BillingAnswer.model_validate(stored)


def set_details(session: Session, caller: Caller, said: BillingBody) -> BillingAnswer:
    """Say what one's documents say from now on."""
    if said.vat_percent and said.vat_note:
        raise InvalidInput("a vat_note says why no VAT is contained; leave it out, or set vat_percent to 0")
    repository.put_details(session, caller.account_id, said.model_dump())
    return BillingAnswer.model_validate(said.model_dump())


def by_month(session: Session, caller: Caller, today: date | None = None) -> list[MonthAnswer]:
    """One's money by month and currency, newest first."""
    this = (today or _today()).replace(day=1)
    return [
        MonthAnswer(
            month=f"{each.month:%Y-%m}",
            currency=each.currency,
            came_in=money.plain(each.came_in, each.currency),
            went_out=money.plain(each.went_out, each.currency),
            net=money.plain(each.came_in + each.went_out, each.currency),
            by_code={code: money.plain(amount, each.currency) for code, amount in sorted(each.by_code.items())},
            document=_address(each) if each.month < this and each.billed and caller.role is not Role.ADMIN else None,
        )
        for each in months.totals(session, caller.account_id)
    ]


def issued(session: Session, caller: Caller, month: str, currency: str) -> BillingDocument | None:
    """A document of the caller's that was issued; None where it has not been."""
    first = documents.month_of(month)
    found = None if first is None else repository.issued(session, caller.account_id, first, currency)
    return None if found is None else _READ.validate_python(found.content)


def issue(
    session: Session, settings: Settings, caller: Caller, month: str, currency: str, today: date | None = None
) -> BillingDocument:
    """A provider's credit note or a buyer's invoice of a month: the one that was issued, or a new one under its
    seller's next number. Raises Conflict before the month has ended or the organisation's details are known, NotFound
    where nothing was settled in it."""
    account = accounts.get_account(session, caller.account_id)
    credit = account.role is Role.PROVIDER
    seller = caller.account_id if credit else None
    repository.lock_series(session, seller)
    if (known := issued(session, caller, month, currency)) is not None:
        return known
    now = today or _today()
    ordinal = repository.next_ordinal(session, seller, now.year)
    number = documents.number_of(seller, now.year, ordinal)
    made = _made(session, settings, caller, month, currency, now, number, credit=credit)
    repository.add_issued(
        session,
        IssuedDocument(
            owner_id=caller.account_id,
            month=made.month,
            currency=currency,
            seller_id=seller,
            year=now.year,
            ordinal=ordinal,
            content=_READ.dump_python(made, mode="json"),
        ),
    )
    return made


def _made(
    session: Session,
    settings: Settings,
    caller: Caller,
    month: str,
    currency: str,
    today: date,
    number: str,
    *,
    credit: bool,
) -> BillingDocument:
    """The document as it would be issued today."""
    first = documents.month_of(month)
    if first is None:
        raise InvalidInput(f"month {month[:20]!r} is none; write it as 2026-11")
    money.exponent_of(currency)
    ends = documents.after(first)
    if today < ends:
        raise Conflict(f"{month} ends before {ends.isoformat()}; its document is made then, so that it never changes")
    own = repository.details(session, caller.account_id)
    if own is None:
        raise Conflict("your billing details are not known; say whom documents are made out to: PUT /v1/me/billing")
    if not settings.issuer_name:
        raise Conflict("this market has not said in whose name it bills; its operator sets CHERISH_ISSUER_NAME")
    job_totals = months.jobs(session, caller.account_id, first, ends, currency, provider=credit)
    if not job_totals:
        raise NotFound(f"nothing of yours was settled in {month} in {currency}; see GET /v1/me/months")
    return BillingDocument(
        owner_id=caller.account_id,
        credit=credit,
        month=first,
        currency=currency,
        issued=today,
        market=Party(settings.issuer_name, settings.issuer_address, settings.issuer_vat_id or None),
        organisation=Party(own.name, f"{own.address}\n{own.country}", own.vat_id),
        vat_percent=own.vat_percent,
        vat_note=own.vat_note,
        lines=tuple(BilledJob(_about(each), each.on, each.amount) for each in job_totals),
        number=number,
    )


def _about(total: months.JobTotal) -> str:
    job = public_id("val", total.job_id)
    return job if total.rows_of is None else f"{job}, rows of {total.rows_of}"


def _address(total: months.MonthTotal) -> str:
    return f"/v1/me/documents/{total.month:%Y-%m}?currency={total.currency}"


def _today() -> date:
    return datetime.now(UTC).date()
