"""Files, modules, settings and calls that the README and the pages in docs/ name exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_PATH = re.compile(
    r"(?<![\w/.:$-])((?:agent|app|worker|contract|cherish|tests|benchmarks|tools|migrations)/[\w/.-]*\w)"
)
_PROGRAM = re.compile(r"python -m ([\w.]+)")
_SETTING = re.compile(r"\bCHERISH_([A-Z_]+[A-Z])\b")
_CALL = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`?]*)`")


@pytest.fixture(scope="module")
def code() -> str:
    """All source text, for variables that are no setting of the service."""
    return "\n".join(file.read_text() for file in _sources())


def _sources() -> Iterator[Path]:
    for folder in ("agent", "app", "worker", "contract", "cherish", "tests", "benchmarks"):
        yield from (ROOT / folder).rglob("*.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_modules_settings_and_calls_that_a_page_names_exist(page: Path, code: str) -> None:
    # what was renamed is named on purpose
    text = page.read_text()
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    missing += [name for name in _PROGRAM.findall(text) if not _is_program(name)]
    missing += [
        f"CHERISH_{name}"
        for name in _SETTING.findall(text)
        if name.lower() not in Settings.model_fields and f"CHERISH_{name}" not in code
    ]
    missing += [f"{method} {path}" for method, path in _CALL.findall(text) if (method, _bare(path)) not in _offered()]
    assert missing == []


def _is_program(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()


def _offered() -> set[tuple[str, str]]:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return {(method.upper(), _bare(path)) for path, methods in document["paths"].items() for method in methods}


def _bare(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)
