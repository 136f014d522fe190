"""The pages of measurements and of the method: code can write its parts of them, and what they name exists."""

import importlib.util
import re
from pathlib import Path

import pytest

from benchmarks import marks

ROOT = Path(__file__).parents[1]
NAMES = ["benchmarks", "benchmarks-api", "benchmarks-provenance", "benchmarks-text", "benchmarks-text-alike"]
PAGES = [ROOT / "docs" / f"{name}.md" for name in [*NAMES, "attacks", "method", "scaling", "text"]]
# where benchmarks write a part of a page that is otherwise written by hand
MARKS = {"attacks": ["gains"], "scaling": ["measured"], "benchmarks-provenance": ["engine", "text", "text-alike"]}
MARKS["benchmarks-provenance"] += ["api", "dispatch"]


def test_what_code_writes_replaces_the_text_between_the_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- a: begin -->\n\nold\n\n<!-- a: end -->\n\n<!-- b: begin -->\nb\n<!-- b: end -->\n")
    marks.fill(page, "a", "| new |\n")
    assert page.read_text() == (
        "before\n\n<!-- a: begin -->\n\n| new |\n\n<!-- a: end -->\n\n<!-- b: begin -->\nb\n<!-- b: end -->\n"
    )


@pytest.mark.parametrize("text", ["", "<!-- a: begin -->", "<!-- a: end -->\n<!-- a: begin -->"])
def test_a_page_without_its_two_marks_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md: needs the mark <!-- a: begin --> once"):
        marks.fill(page, "a", "new")
    assert page.read_text() == text


def test_every_page_has_the_marks_that_code_writes_between(tmp_path: Path) -> None:
    for name, parts in MARKS.items():
        copy = tmp_path / f"{name}.md"
        copy.write_text((ROOT / "docs" / f"{name}.md").read_text())
        for part in parts:
            marks.fill(copy, part, f"filled {part}")
            assert f"<!-- {part}: begin -->\n\nfilled {part}\n\n<!-- {part}: end -->" in copy.read_text()


def test_files_and_modules_that_the_pages_name_exist() -> None:
    files, modules = set(), set()
    for page in PAGES:
        text = page.read_text()
        files |= set(re.findall(r"`((?:app|worker|contract|benchmarks|cherish|tests|tools|docs)/[\w./]+)`", text))
        modules |= set(re.findall(r"python -m\s+([\w.]+)", text))
        modules |= {name.rpartition(".")[0] for name in re.findall(r"`((?:app|worker)\.[\w.]+)`", text)}
    assert len(files) >= 5
    assert len(modules) >= 6
    assert {file for file in files if not (ROOT / file).exists()} == set()
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()
