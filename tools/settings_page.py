"""Writes docs/settings.md from ``app.settings``: every variable, its default, and what it is for."""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD = """# Settings

Every process reads its settings from the environment, at its start. This page is written by `tools/settings_page.py`.

| variable | by itself | what it is |
|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    described = (field.description or "").replace("|", "\\|")
    return f"| `CHERISH_{name.upper()}` | {_default(field)} | {described} |\n"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "–"
    if hasattr(value, "get_secret_value"):
        return "for development only" if "development" in value.get_secret_value() else f"`{value.get_secret_value()}`"
    return f"`{value}`" if value not in ((), {}) else "none"


def main() -> int:
    if "--write" in sys.argv:
        PAGE.write_text(page(), "utf-8")
        return 0
    return int(not PAGE.is_file() or PAGE.read_text("utf-8") != page())


if __name__ == "__main__":
    sys.exit(main())
