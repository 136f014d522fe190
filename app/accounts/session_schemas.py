"""Shapes of a user's own sessions."""

from datetime import datetime

from app.http.ids import SessionId
from app.http.schemas import Answer, example

_NOW = "2026-11-23T12:00:00Z"


class OwnSession(Answer):
    """One browser in which a user is signed in. `browser` is what it called itself then; `last_used_at` is the last
    time that it read something, to a minute, null where it has not since."""

    model_config = example(
        id="ses_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", browser="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        created_at=_NOW, last_used_at=_NOW, expires_at=_NOW, second_factor=True, current=True,
    )  # fmt: skip

    id: SessionId
    browser: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime
    second_factor: bool
    current: bool


class OwnSessions(Answer):
    """All browsers in which a user is signed in."""

    model_config = example(items=[])

    items: list[OwnSession]
