"""Mail to people: one letter at a time, by the backend that the settings name. Knows no account and reads no database.

``console`` writes letters to the standard error stream and ``file`` into a folder, for trying things out and for
deployments that hand them on themselves; ``smtp`` sends them. Letters hold tokens: whoever reads the stream or the
folder can use them.
"""

import os
import smtplib
import ssl
import sys
import time
import uuid
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Protocol

import structlog

from app.settings import Settings

_TIMEOUT_SECONDS = 20.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Letter:
    """Plain text for one address. Line ends in the address or the subject are refused when it is sent (ValueError)."""

    to: str
    subject: str
    text: str

    def message(self, sender: str) -> EmailMessage:
        made = EmailMessage()
        headers = {
            "From": sender,
            "To": self.to,
            "Subject": self.subject,
            "Date": formatdate(localtime=False),
            "Message-ID": f"<{uuid.uuid4().hex}@cherish>",
        }
        for name, value in headers.items():
            made[name] = value
        made.set_content(self.text)
        return made


class Mailer(Protocol):
    """Hands a letter over. Raises OSError (smtplib's errors are such) where it could not."""

    def send(self, letter: Letter) -> None: ...


@dataclass(frozen=True)
class ConsoleMailer:
    """Writes letters to the standard error stream."""

    sender: str

    def send(self, letter: Letter) -> None:
        sys.stderr.write(f"--- a letter ---\n{letter.message(self.sender)}\n--- its end ---\n")


@dataclass(frozen=True)
class FileMailer:
    """Writes each letter into a file of its own that nobody else may read, the newest last by name."""

    sender: str
    folder: Path

    def send(self, letter: Letter) -> None:
        written = letter.message(self.sender).as_bytes()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.eml"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(written)


@dataclass(frozen=True)
class SmtpMailer:
    """Sends letters through a server; the certificate is verified wherever there is TLS."""

    sender: str
    host: str
    port: int
    tls: str
    user: str = ""
    password: str = ""

    def send(self, letter: Letter) -> None:
        context = ssl.create_default_context()
        if self.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT_SECONDS)
        with server:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            server.send_message(letter.message(self.sender))


def mailer(settings: Settings) -> Mailer:
    """The backend that the settings name."""
    match settings.mail:
        case "smtp":
            password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
            return SmtpMailer(
                settings.mail_from,
                settings.smtp_host,
                settings.smtp_port,
                settings.smtp_tls,
                settings.smtp_user,
                password,
            )
        case "file":
            return FileMailer(settings.mail_from, Path(settings.mail_folder))
        case "console":
            return ConsoleMailer(settings.mail_from)


def deliver(settings: Settings, letter: Letter) -> bool:
    """Send a letter; False, with a line in the log that names neither address nor text, where that failed."""
    try:
        mailer(settings).send(letter)
    except (OSError, ValueError) as error:
        log.error("mail.failed", backend=settings.mail, error=type(error).__name__)
        return False
    return True
