"""All SQL on users and their sessions. It decides nothing; e-mail addresses come in lower case."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.accounts.tables import (
    Account,
    EndedVisit,
    Passkey,
    RecoveryCode,
    SecondFactor,
    UsedChallenge,
    User,
    UserSession,
)
from app.http.pages import PageRequest


def add(session: Session, row: User | UserSession | Passkey) -> None:
    session.add(row)
    session.flush()


def lock_account(session: Session, account_id: uuid.UUID) -> None:
    """One at a time adds or removes users of an organisation, so that the last one cannot be removed twice."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"users of {account_id}", 0))))


def user_by_email(session: Session, email: str) -> tuple[User, Account] | None:
    """The present user of this address, and the organisation."""
    row = session.execute(
        select(User, Account).join(Account).where(User.email == email, User.removed_at.is_(None))
    ).one_or_none()
    return (row[0], row[1]) if row is not None else None


def present_user(session: Session, user_id: uuid.UUID) -> tuple[User, Account] | None:
    """A user who has not been removed, and the organisation."""
    statement = select(User, Account).join(Account).where(User.id == user_id, User.removed_at.is_(None))
    row = session.execute(statement).one_or_none()
    return (row[0], row[1]) if row is not None else None


def user_by_invitation(session: Session, fingerprint: str) -> User | None:
    statement = select(User).where(User.invitation == fingerprint, User.removed_at.is_(None)).with_for_update()
    return session.scalar(statement)


def own_user(session: Session, account_id: uuid.UUID, user_id: uuid.UUID) -> User | None:
    return session.scalar(select(User).where(User.id == user_id, User.account_id == account_id))


def own_users(session: Session, account_id: uuid.UUID, page: PageRequest) -> tuple[list[User], str | None]:
    statement = select(User).where(User.account_id == account_id, User.removed_at.is_(None))
    return page.fetch(session, statement, User, {"list": "users", "account": account_id})


def count_users(session: Session, account_id: uuid.UUID) -> int:
    statement = select(func.count()).where(User.account_id == account_id, User.removed_at.is_(None))
    return int(session.scalar(statement) or 0)


def signed_in(session: Session, fingerprint: str) -> tuple[UserSession, User, Account] | None:
    """The session of this fingerprint, whatever its state, with its user and organisation."""
    row = session.execute(
        select(UserSession, User, Account)
        .join(User, User.id == UserSession.user_id)
        .join(Account, Account.id == User.account_id)
        .where(UserSession.fingerprint == fingerprint)
    ).one_or_none()
    return (row[0], row[1], row[2]) if row is not None else None


def note_use(session: Session, session_id: uuid.UUID, now: datetime) -> None:
    session.execute(update(UserSession).where(UserSession.id == session_id).values(last_used_at=now))


def open_sessions(session: Session, user_id: uuid.UUID, now: datetime, unused_since: datetime) -> Sequence[UserSession]:
    """A user's sessions that have not ended, the one that was begun last first."""
    statement = select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.ended_at.is_(None),
        UserSession.expires_at > now,
        func.coalesce(UserSession.last_used_at, UserSession.created_at) > unused_since,
    )
    return session.scalars(statement.order_by(UserSession.id.desc())).all()


def end_session(session: Session, user_id: uuid.UUID, session_id: uuid.UUID, now: datetime) -> bool:
    """End one session of a user; whether there is one, ended before or now."""
    found = update(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id)
    ended = found.values(ended_at=func.coalesce(UserSession.ended_at, now)).returning(UserSession.id)
    return session.execute(ended.execution_options(synchronize_session="fetch")).first() is not None


def session_goes_on(session: Session, session_id: uuid.UUID, now: datetime) -> bool:
    """Whether a session has not ended, nor its user been removed, nor another way of signing in been demanded."""
    statement = (
        select(UserSession.id)
        .join(User, User.id == UserSession.user_id)
        .join(Account, Account.id == User.account_id)
        .where(
            UserSession.id == session_id,
            UserSession.ended_at.is_(None),
            UserSession.expires_at > now,
            User.removed_at.is_(None),
            or_(~Account.provider_required, UserSession.provider_session.is_not(None)),
        )
    )
    return session.scalar(statement) is not None


def end_provider_sessions(
    session: Session, users: Sequence[uuid.UUID], provider_session: str | None, until: datetime, now: datetime
) -> int:
    """End the sessions of these users that their provider began before ``until``, or the one that it calls so; how
    many."""
    statement = update(UserSession).where(
        UserSession.user_id.in_(users),
        UserSession.ended_at.is_(None),
        UserSession.created_at <= until,
        UserSession.provider_session.is_not(None)
        if provider_session is None
        else UserSession.provider_session == provider_session,
    )
    ended = session.scalars(statement.values(ended_at=now).returning(UserSession.id)).all()
    session.expire_all()
    return len(ended)


def end_account_sessions(session: Session, account_id: uuid.UUID, now: datetime) -> None:
    """End every session of an organisation's users."""
    users = select(User.id).where(User.account_id == account_id)
    session.execute(
        update(UserSession)
        .where(UserSession.user_id.in_(users), UserSession.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session="fetch")
    )


def end_visit(session: Session, fingerprint: str, forgotten_at: datetime) -> None:
    """Remember that a visit has ended, until its cookie has expired; those of long ago are forgotten."""
    session.execute(delete(EndedVisit).where(EndedVisit.forgotten_at < func.now()))
    row = {"fingerprint": fingerprint, "forgotten_at": forgotten_at}
    session.execute(insert(EndedVisit).values(row).on_conflict_do_nothing())


def visit_ended(session: Session, fingerprint: str) -> bool:
    return session.get(EndedVisit, fingerprint) is not None


def end_sessions(session: Session, user_id: uuid.UUID, now: datetime, *, but: uuid.UUID | None = None) -> None:
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if but is not None:
        statement = statement.where(UserSession.id != but)
    session.execute(statement.values(ended_at=now))


def end_oldest_sessions(session: Session, user_id: uuid.UUID, keep: int, now: datetime) -> None:
    """End all sessions of a user but the ``keep`` that were begun last."""
    # ids are in the order of time
    latest = (
        select(UserSession.id)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.expires_at > now)
        .order_by(UserSession.id.desc())
        .limit(keep)
    )
    session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.id.not_in(latest))
        .values(ended_at=now)
        .execution_options(synchronize_session="fetch")
    )


def purge_sessions(session: Session, expired_before: datetime) -> None:
    session.execute(delete(UserSession).where(UserSession.expires_at < expired_before))


def second_factor(session: Session, user_id: uuid.UUID, *, lock: bool = False) -> SecondFactor | None:
    """A user's second factor, confirmed or not; with ``lock`` nobody else uses a code of it meanwhile."""
    statement = select(SecondFactor).where(SecondFactor.user_id == user_id)
    return session.scalar(statement.with_for_update() if lock else statement)


def drop_second_factor(session: Session, user_id: uuid.UUID) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))


def replace_recovery_codes(session: Session, user_id: uuid.UUID, fingerprints: Sequence[str]) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.add_all(RecoveryCode(user_id=user_id, fingerprint=each) for each in fingerprints)
    session.flush()


def use_recovery_code(session: Session, user_id: uuid.UUID, fingerprint: str, now: datetime) -> bool:
    """Whether this was an unused code of the user; it is used now."""
    used = session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.fingerprint == fingerprint, RecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(RecoveryCode.fingerprint)
    )
    return used.first() is not None


def strengthen(session: Session, session_id: uuid.UUID) -> None:
    """This session has shown a second factor."""
    session.execute(update(UserSession).where(UserSession.id == session_id).values(second_factor=True))


def passkeys(session: Session, user_id: uuid.UUID) -> Sequence[Passkey]:
    """A user's passkeys, oldest first."""
    return session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at)).all()


def has_passkeys(session: Session, user_id: uuid.UUID) -> bool:
    return session.scalar(select(Passkey.id).where(Passkey.user_id == user_id).limit(1)) is not None


def passkey_by_credential(session: Session, credential_id: str) -> Passkey | None:
    """The passkey of this name, locked: nobody counts its uses meanwhile."""
    return session.scalar(select(Passkey).where(Passkey.credential_id == credential_id).with_for_update())


def drop_passkeys(session: Session, user_id: uuid.UUID, passkey_id: uuid.UUID | None = None) -> bool:
    """Remove one passkey of a user, or all; whether there was one."""
    statement = delete(Passkey).where(Passkey.user_id == user_id)
    if passkey_id is not None:
        statement = statement.where(Passkey.id == passkey_id)
    return session.execute(statement.returning(Passkey.id)).first() is not None


def use_challenge(session: Session, fingerprint: str, forgotten_at: datetime) -> bool:
    """Whether this challenge was not answered before; it is now."""
    session.execute(delete(UsedChallenge).where(UsedChallenge.forgotten_at < func.now()))
    row = {"fingerprint": fingerprint, "forgotten_at": forgotten_at}
    used = insert(UsedChallenge).values(row).on_conflict_do_nothing().returning(UsedChallenge.fingerprint)
    return session.execute(used).first() is not None


def count_recovery_codes(session: Session, user_id: uuid.UUID) -> int:
    statement = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return int(session.scalar(statement) or 0)
