"""docs/datasets.md says what the code does: its calls, states, formats and settings exist."""

import re
from pathlib import Path

from fastapi import FastAPI

from app.datasets.lifecycle import DatasetStatus
from app.datasets.tables import Modality
from app.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text()


def test_every_call_that_the_page_names_exists(app: FastAPI) -> None:
    offered = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    named = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?]*)`", PAGE)
    assert len(named) > 8
    for method, path in named:
        assert (method, re.sub(r"\{\w+\}", "{}", path)) in offered, f"{method} {path}"


def test_states_modalities_and_settings_are_the_codes() -> None:
    assert re.findall(r"^\| (draft|ready|published|withdrawn) \|", PAGE, re.MULTILINE) == list(DatasetStatus)
    assert all(f"`{each.value}`" in PAGE for each in Modality)
    for name in re.findall(r"`CHERISH_(\w+)`", PAGE):
        assert name.lower() in Settings.model_fields


def test_every_code_of_a_finding_is_in_the_table_of_what_is_read() -> None:
    root = Path(__file__).parents[3]
    sources = [path.read_text() for path in (root / "app" / "datasets").rglob("*.py")]
    used = {code for text in sources for code in re.findall(r'(?:code=|_(?:counted|said)\(\s*)"([a-z_]+)"', text)}
    documented = set(re.findall(r"`([a-z_]+)`", (root / "docs" / "datasets.md").read_text()))
    assert {"missing_values", "dialect", "label_spelling"} <= used
    assert not used - documented
