"""Links to rows end by their time, by being taken back, and by a signature that is not ours; nothing unsettled."""

import uuid
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from app.errors import Conflict, NotFound
from app.settings import Settings
from app.valuations.delivery import links
from app.valuations.delivery.settled import refuse_unsettled
from app.valuations.states import ValuationStatus
from app.valuations.tables import DataLink, Valuation

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def session(link: DataLink | None) -> Mock:
    return Mock(get=Mock(return_value=link))


def made(ends: timedelta = timedelta(hours=1), taken_back: datetime | None = None) -> DataLink:
    return DataLink(id=uuid.UUID(int=7), ends_at=NOW + ends, taken_back_at=taken_back)


def token(settings: Settings) -> str:
    return links.address(settings, uuid.UUID(int=7)).rpartition("/")[2]


def test_a_link_opens_until_the_moment_it_ends(settings: Settings) -> None:
    link = made()
    assert links.opened(session(link), settings, token(settings), NOW) is link
    with pytest.raises(NotFound, match="this link ended at 2026-11-23 12:00 UTC"):
        links.opened(session(made(timedelta(0))), settings, token(settings), NOW)
    with pytest.raises(NotFound, match="was taken back"):
        links.opened(session(made(taken_back=NOW)), settings, token(settings), NOW)


@pytest.mark.parametrize("broken", ["", "x", "IjAi.abc"])
def test_what_is_not_signed_here_is_no_link(settings: Settings, broken: str) -> None:
    other = settings.model_copy(update={"signing_secret": Mock(get_secret_value=lambda: "another secret")})
    for text in (broken, token(other)):
        with pytest.raises(NotFound, match="this is no link to rows"):
            links.opened(session(made()), settings, text, NOW)
    with pytest.raises(NotFound, match="this is no link to rows"):
        links.opened(session(None), settings, token(settings), NOW)


@pytest.mark.parametrize(
    ("status", "words"),
    [(ValuationStatus.RUNNING, "released at settlement"), (ValuationStatus.FAILED, "and delivers nothing")],
)
def test_before_settlement_and_without_one_nothing_is_delivered(status: ValuationStatus, words: str) -> None:
    with pytest.raises(Conflict, match=words):
        refuse_unsettled(Valuation(id=uuid.UUID(int=1), status=status))
    refuse_unsettled(Valuation(id=uuid.UUID(int=1), status=ValuationStatus.SUCCEEDED))
