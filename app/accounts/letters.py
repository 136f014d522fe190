"""What is written to people about their accounts: a forgotten password, an invitation. Text only; ``app.mail`` sends.

Whether an address belongs to anybody is never said to whoever asks: the work is done after the answer.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from app import mail
from app.accounts import people, users
from app.accounts.sessions import normal_email
from app.db.session import transaction
from app.settings import Settings

# a second letter within this time is not written: nobody's mailbox is filled by strangers
_PAUSE = timedelta(minutes=5)


def send_reset(factory: sessionmaker[Session], settings: Settings, email: str) -> bool:
    """Write to a user who has forgotten the password, if there is one; whether a letter was sent.

    Runs after the answer to whoever asked, in a transaction of its own, so that neither its words nor its time tell
    whether the address is known.
    """
    ends = datetime.now(UTC) + timedelta(minutes=settings.reset_minutes)
    with transaction(factory) as session:
        row = people.user_by_email(session, normal_email(email))
        if row is None or row[0].password_hash is None:
            return False
        user = row[0]
        if user.invited_until is not None and user.invited_until > ends - _PAUSE:
            return False
        token, address, name = users.forgotten(session, settings, user, ends), user.email, user.name
    return mail.deliver(settings, reset(settings, address, name, token))


def reset(settings: Settings, email: str, name: str, token: str) -> mail.Letter:
    """The letter with which a user sets another password."""
    text = (
        f"Hello {name},\n\nsomebody, perhaps you, asked for a new password of {email} at {settings.public_url}.\n\n"
        f"Set it here within {settings.reset_minutes:g} minutes:\n\n{_link(settings, token)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    )
    return mail.Letter(email, "Your password at Cherish", text)


def invitation(settings: Settings, email: str, name: str, organisation: str, token: str) -> mail.Letter:
    """The letter with which an invited user sets the first password."""
    text = (
        f"Hello {name},\n\nyou are invited to work for {organisation} at {settings.public_url}.\n\n"
        f"Choose a password within {settings.invitation_hours:g} hours:\n\n{_link(settings, token)}\n\n"
        "If you do not know what this is about, do nothing.\n"
    )
    return mail.Letter(email, "You are invited to Cherish", text)


def _link(settings: Settings, token: str) -> str:
    return f"{settings.public_url.rstrip('/')}/invitation?token={token}"
