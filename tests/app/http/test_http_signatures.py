"""Signed texts: they come back as they went out, from nobody else, and for their own purpose only."""

import pytest
from itsdangerous import BadData

from app.http import browsers, signatures
from app.http.pages import PageRequest


@pytest.mark.parametrize("value", ["2026-11-23T12:00:00+00:00 0a", ["one", "two"], ""])
def test_a_value_comes_back_as_it_went_out(value: object) -> None:
    signed = signatures.serializer(b"secret", "lists").dumps(value)
    assert signatures.serializer(b"secret", "lists").loads(signed) == value


@pytest.mark.parametrize(("secret", "purpose"), [(b"another", "lists"), (b"secret", "sessions")])
def test_a_text_of_another_secret_or_purpose_is_refused(secret: bytes, purpose: str) -> None:
    signed = signatures.serializer(secret, purpose).dumps("value")
    with pytest.raises(BadData):
        signatures.serializer(b"secret", "lists").loads(signed)


def test_no_signature_of_a_form_token_opens_a_session() -> None:
    # the same text, signed for forms: a browser that sends it as a cookie stays nobody
    forms, sessions = (signatures.timed_serializer("secret", purpose) for purpose in ("web form", "web session"))
    with pytest.raises(BadData):
        sessions.loads(forms.dumps(["account", "key"]))


def test_a_form_token_belongs_to_one_cookie() -> None:
    token = browsers.csrf_token("secret", "one cookie")
    assert browsers.same_token("secret", "one cookie", token)
    assert not browsers.same_token("secret", "another cookie", token)
    assert not browsers.same_token("another secret", "one cookie", token)
    assert not any(
        browsers.same_token("secret", "one cookie", other) for other in ("", "ä", token[:-2], token + "xxxx")
    )


def test_a_cursor_fits_into_the_query_parameter_it_is_sent_back_in() -> None:
    page = PageRequest(50, None, b"secret")
    assert len(page.sign("2026-11-23T12:00:00.123456+00:00 " + "0a" * 16, {"owner": "x" * 1000})) < 500
