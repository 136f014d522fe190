"""docs/threat-model.md and docs/asvs.md name tests that exist, and the guides' and its links lead somewhere."""

import re
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()


def test_every_test_that_the_threat_model_names_exists() -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))
    assert len(named) > 40
    assert {name for name in named if f"def {name}(" not in code} == set()


def test_every_section_of_the_standard_has_a_verdict_and_what_is_met_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "asvs.md").read_text()
    code = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    rows = [row.split("|") for row in re.findall(r"^\|(.*)\|$", page, re.MULTILINE) if "---" not in row][1:]
    chapters: set[int] = set()
    for row in rows:
        section, verdict, words, tests = (cell.strip() for cell in row)
        chapters |= {int(number) for number in re.findall(r"\b(\d+)(?:\.\d+)?\b", section)}
        assert verdict in ("met", "partly", "not met", "n.a."), section
        assert verdict != "partly" or re.search(r"\b\d+\.\d+\.\d+\b", words), f"{section}: what is missing?"
        assert {name for name in re.findall(r"`(test_[a-z0-9_]+)`", tests) if f"def {name}(" not in code} == set()
        assert verdict != "met" or tests or section.startswith("13.1"), section
    assert chapters == set(range(1, 18))


def test_every_threat_has_a_mitigation_and_a_test() -> None:
    rows = [row for row in re.findall(r"^\|(.*)\|$", PAGE.partition("## Threats")[2], re.MULTILINE) if "---" not in row]
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")]
        assert len(cells) == 3, row
        assert all(cells), row
        assert cells[0] == "threat" or "`test_" in cells[2], row


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_secret_of_the_settings_is_in_the_inventory() -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("## Keys and secrets")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(CHERISH_[A-Z_]+)`", page))
    named |= {f"CHERISH_{role}_DATABASE_PASSWORD" for role in re.findall(r"`_(WORKER|HOUSEKEEPING)_`", page)}
    secrets = {
        f"CHERISH_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert len(secrets) > 8
    assert secrets - named == {"CHERISH_DATABASE_DIRECT_URL"}, "its password is that of the other address"
