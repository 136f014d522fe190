"""The settings refuse what would be dangerous outside development."""

import pytest
from pydantic import ValidationError

from app.settings import Settings

LONG = "a long random string that nobody knows"


@pytest.mark.parametrize("missing", ["key_pepper", "signing_secret"])
def test_outside_development_the_default_secrets_are_refused(missing: str) -> None:
    given = {"key_pepper": LONG, "signing_secret": LONG}
    assert Settings.model_validate({"environment": "production", **given}).environment == "production"
    del given[missing]
    with pytest.raises(ValidationError, match=f"CHERISH_{missing.upper()} still has its development default"):
        Settings.model_validate({"environment": "production", **given})


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.model_validate({"key_pepper": LONG, "signing_secret": LONG})
    assert LONG not in repr(settings) + str(settings.model_dump())
