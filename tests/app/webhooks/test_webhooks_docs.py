"""docs/webhooks.md says what the code does: its receiver verifies real deliveries, its tables are the code's."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings
from app.webhooks.delivery import deliver
from app.webhooks.events import DATA, EventType
from app.webhooks.schedule import RETRY_DELAYS
from tests.app.webhooks.conftest import Receiver

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
UNITS = {"s": 1, "min": 60, "h": 3600}


@pytest.fixture
def verify() -> Callable[..., None]:
    """The page's own function."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own page
    found: Callable[..., None] = names["verify"]
    return found


def test_the_pages_receiver_accepts_a_real_delivery_and_nothing_else(
    verify: Callable[..., None],
    settings: Settings,
    factory: sessionmaker[Session],
    listen: Callable[..., Any],
    emitted: Callable[..., Any],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, secret = listen(receiver.url)
    deliver(factory, settings, emitted()[0].id)
    (request,) = receiver.requests
    verify(secret, request.headers, request.body)
    with pytest.raises(ValueError, match="not signed"):
        verify(secret, request.headers, request.body + b" ")
    _, other = listen(receiver.url)
    with pytest.raises(ValueError, match="not signed"):
        verify(other, request.headers, request.body)
    later = time.time() + 600
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(ValueError, match="replay"):
        verify(secret, request.headers, request.body)


def test_the_pages_table_of_retries_is_the_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) (s|min|h) \|$", PAGE, re.MULTILINE)
    assert [int(attempt) for attempt, _, _ in rows] == list(range(2, len(RETRY_DELAYS) + 2))
    assert [int(amount) * UNITS[unit] for _, amount, unit in rows] == list(RETRY_DELAYS)


def test_the_pages_table_of_events_names_every_type_and_its_fields() -> None:
    rows = dict(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| .* \| (.*) \|$", PAGE, re.MULTILINE))
    assert set(rows) == {kind.value for kind in EventType}
    for kind, fields in rows.items():
        assert set(re.findall(r"`(\w+)`", fields)) == set(DATA[EventType(kind)].model_fields), kind


def test_the_pages_numbers_are_the_defaults() -> None:
    fields, words = Settings.model_fields, " ".join(PAGE.split())
    assert fields["webhook_failed_events"].default == 5
    assert "five failed events in a row" in words
    assert f"kept for {fields['webhook_log_days'].default} days" in words
