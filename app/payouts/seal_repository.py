"""SQL of the ledger's proof: the hash chain over transfers, and balances summed anew from them."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.payouts.tables import LedgerAccount, LedgerSeal, LedgerTransfer, TransferState


def last_seal(session: Session) -> LedgerSeal | None:
    """The end of the chain; takes the sealers' lock, so that the chain has one end."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("ledger_seals"))))
    return last_link(session)


def last_link(session: Session) -> LedgerSeal | None:
    """The end of the chain as it is now."""
    return session.execute(
        select(LedgerSeal).order_by(LedgerSeal.day.desc(), LedgerSeal.number.desc()).limit(1)
    ).scalar_one_or_none()


def unsealed(session: Session, limit: int) -> list[LedgerTransfer]:
    """Transfers that no link of the chain covers yet, in the order of their positions."""
    return list(
        session.execute(
            select(LedgerTransfer)
            .outerjoin(LedgerSeal, LedgerSeal.transfer_id == LedgerTransfer.id)
            .where(LedgerSeal.transfer_id.is_(None))
            .order_by(LedgerTransfer.position)
            .limit(limit)
        ).scalars()
    )


def add_seals(session: Session, seals: Sequence[LedgerSeal]) -> None:
    rows = [{"day": s.day, "number": s.number, "transfer_id": s.transfer_id, "digest": s.digest} for s in seals]
    session.execute(insert(LedgerSeal), rows)


def chain(session: Session, after: tuple[date, int] | None, limit: int) -> list[tuple[LedgerSeal, LedgerTransfer]]:
    """Links with their transfers, in the chain's order, after a (day, number)."""
    query = (
        select(LedgerSeal, LedgerTransfer)
        .join(LedgerTransfer, LedgerTransfer.id == LedgerSeal.transfer_id)
        .order_by(LedgerSeal.day, LedgerSeal.number)
        .limit(limit)
    )
    if after is not None:
        day, number = after
        query = query.where(or_(LedgerSeal.day > day, and_(LedgerSeal.day == day, LedgerSeal.number > number)))
    return [(seal, transfer) for seal, transfer in session.execute(query)]


def counts(session: Session) -> tuple[int, int]:
    """How many transfers and how many seals there are."""
    transfers = session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one()
    seals = session.execute(select(func.count()).select_from(LedgerSeal)).scalar_one()
    return transfers, seals


def recomputed_balances(session: Session) -> list[tuple[LedgerAccount, int, int, int, int]]:
    """Each account with (debits posted, credits posted, debits pending, credits pending) summed anew from transfers."""
    resolution = aliased(LedgerTransfer)
    moved = case((LedgerTransfer.state.in_([TransferState.POSTED, TransferState.POST]), LedgerTransfer.amount), else_=0)
    open_ = case(
        (and_(LedgerTransfer.state == TransferState.PENDING, resolution.id.is_(None)), LedgerTransfer.amount), else_=0
    )
    facts = (
        select(
            LedgerTransfer.debit_id,
            LedgerTransfer.credit_id,
            moved.label("moved"),
            open_.label("open"),
        )
        .outerjoin(resolution, resolution.pending_id == LedgerTransfer.id)
        .cte("facts")
    )
    debits = (
        select(facts.c.debit_id, func.sum(facts.c.moved).label("moved"), func.sum(facts.c.open).label("open"))
        .group_by(facts.c.debit_id)
        .cte("debits")
    )
    credits_ = (
        select(facts.c.credit_id, func.sum(facts.c.moved).label("moved"), func.sum(facts.c.open).label("open"))
        .group_by(facts.c.credit_id)
        .cte("credits")
    )
    query = (
        select(
            LedgerAccount,
            func.coalesce(debits.c.moved, 0),
            func.coalesce(credits_.c.moved, 0),
            func.coalesce(debits.c.open, 0),
            func.coalesce(credits_.c.open, 0),
        )
        .outerjoin(debits, debits.c.debit_id == LedgerAccount.id)
        .outerjoin(credits_, credits_.c.credit_id == LedgerAccount.id)
        .order_by(LedgerAccount.id)
        .execution_options(populate_existing=True)
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in session.execute(query)]
