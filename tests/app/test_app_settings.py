"""The settings refuse what would be dangerous outside development."""

import base64

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from app.settings import Settings, get_settings

LONG = "a long random string that nobody knows"
SEED = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("missing", ["key_pepper", "signing_secret"])
def test_outside_development_the_default_secrets_are_refused(missing: str) -> None:
    given = {"key_pepper": LONG, "signing_secret": LONG, "certificate_key": SEED}
    assert Settings.model_validate({"environment": "production", **given}).environment == "production"
    del given[missing]
    with pytest.raises(ValidationError, match=f"CHERISH_{missing.upper()} still has its development default"):
        Settings.model_validate({"environment": "production", **given})


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.model_validate({"key_pepper": LONG, "signing_secret": LONG})
    assert LONG not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("weak", ["", "x" * 31, "short"])
@pytest.mark.parametrize("name", ["key_pepper", "signing_secret"])
def test_an_empty_or_short_secret_is_refused_outside_development_with_the_mend(name: str, weak: str) -> None:
    given = {"key_pepper": LONG, "signing_secret": LONG, "certificate_key": SEED} | {name: weak}
    with pytest.raises(ValidationError, match=rf"CHERISH_{name.upper()} has {len(weak)} bytes.*token_urlsafe"):
        Settings.model_validate({"environment": "production", **given})
    assert Settings.model_validate(given).environment == "development"


def test_certificates_have_a_key_of_their_own_outside_development() -> None:
    given = {"environment": "production", "key_pepper": LONG, "signing_secret": LONG}
    with pytest.raises(ValidationError, match=r"CHERISH_CERTIFICATE_KEY is not set.*os\.urandom"):
        Settings.model_validate(given)
    for broken in ("", "!", base64.b64encode(b"16 bytes, no more").decode()):
        with pytest.raises(ValidationError, match="CHERISH_CERTIFICATE_KEY is not 32 bytes in base64"):
            Settings.model_validate(given | {"certificate_key": broken})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql://me:p@ss@host:5432/db", "p@ss"),
        ("postgresql://me:p%40ss@host:5432/db", "p@ss"),
        ("postgresql://me:a@b@c@host:5432/db?sslmode=require", "a@b@c"),
        ("postgresql://me:plain@host:5432/db", "plain"),
    ],
)
def test_a_password_with_an_at_sign_is_what_it_says(given: str, meant: str) -> None:
    url = make_url(Settings.model_validate({"database_url": given}).database_url.get_secret_value())
    assert (url.password, url.host, url.port, url.database) == (meant, "host", 5432, "db")


def test_a_url_without_a_password_is_left_as_it_is() -> None:
    for url in ("postgresql:///db?host=/run/pg", "postgresql://host/db", "postgresql://me@host/db"):
        assert Settings.model_validate({"database_url": url}).database_url.get_secret_value() == url


def test_a_process_with_wrong_settings_ends_with_a_line_for_each_and_repeats_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHERISH_CERTIFICATE_KEY", "almost-a-secret")
    monkeypatch.setenv("CHERISH_LEASE_SECONDS", "-1")
    get_settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        get_settings()
    lines = str(ended.value.code).splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == ["CHERISH_CERTIFICATE_KEY", "CHERISH_LEASE_SECONDS"]
    assert "almost-a-secret" not in str(ended.value.code)
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert "almost-a-secret" not in str(raised.value)
    get_settings.cache_clear()
