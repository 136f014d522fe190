"""Signatures that the reference library accepts, secrets that the database does not hold, and the table of retries."""

import base64
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks import schedule, signing

PEPPER = "pepper"


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  jitter is no secret


def test_a_secret_has_the_form_of_the_specification_and_depends_on_salt_and_pepper() -> None:
    salt = signing.new_salt()
    secret = signing.secret_of(PEPPER, salt)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret == signing.secret_of(PEPPER, salt)
    assert secret != signing.secret_of("another", salt)
    assert secret != signing.secret_of(PEPPER, signing.new_salt())


def test_during_a_rotation_both_secrets_verify_and_no_other_does() -> None:
    new, old, other = (signing.secret_of(PEPPER, signing.new_salt()) for _ in range(3))
    body = '{"type":"valuation.succeeded","data":{"name":"Bücher"}}'.encode()
    headers = signing.signed_headers("evt_1", body, [new, old], datetime.now(UTC))
    assert Webhook(new).verify(body, headers)["data"] == {"name": "Bücher"}
    assert Webhook(old).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + b" ", headers)


def test_the_table_of_retries_is_the_specifications() -> None:
    hour = 3600
    hours = [2, 5, 10, 14, 20, 24]
    assert list(schedule.RETRY_DELAYS) == [5, 300, 1800, *(hour * each for each in hours)]
    assert schedule.ATTEMPTS == 10
    assert schedule.delay_after(10, None, seeded(0)) is None


@given(st.integers(1, 9), st.integers(0, 2**32), st.one_of(st.none(), st.floats(0, 1e9)))
def test_a_delay_is_never_shorter_than_the_table_nor_than_the_wish_up_to_a_day(
    step: int, seed: int, wish: float | None
) -> None:
    table = schedule.RETRY_DELAYS[step - 1]
    delay = schedule.delay_after(step, wish, seeded(seed))
    assert delay is not None
    assert delay == schedule.delay_after(step, wish, seeded(seed)), "the seed decides"
    assert delay >= table
    assert delay >= min(wish or 0, 86400)
    assert delay <= max(1.2 * table, min(wish or 0, 86400))


def test_jitter_spreads() -> None:
    rng = seeded(0)
    assert len({schedule.delay_after(2, None, rng) for _ in range(100)}) == 100


def test_retry_after_is_read_in_both_its_forms_and_nonsense_is_none() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert schedule.parse_retry_after("120", now) == 120
    assert schedule.parse_retry_after("Mon, 23 Nov 2026 12:02:00 GMT", now) == 120
    assert schedule.parse_retry_after("Mon, 23 Nov 2026 11:00:00 GMT", now) == 0
    assert schedule.parse_retry_after("9" * 5000, now) == float("9" * 10)
    for nonsense in (None, "", "soon", "-5", "1e9", "٣"):
        assert schedule.parse_retry_after(nonsense, now) is None
    assert schedule.parse_retry_after(format(now + timedelta(1), "%Y-%m-%d"), now) is None
