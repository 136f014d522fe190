"""docs/settings.md names every setting, as the code has it."""

from app.settings import Settings
from tools import settings_page


def test_the_page_is_what_the_settings_say() -> None:
    current = settings_page.PAGE.read_text("utf-8")
    assert current == settings_page.page(), "write it anew: python tools/settings_page.py --write"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert "development-only-secret" not in settings_page.page()
