"""docs/reliability.md names the test behind each guarantee; each of them exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = set(_NAMED.findall((ROOT / "docs" / "reliability.md").read_text()))
    assert len(named) > 30
    written = {
        (path, each.name)
        for path in {path for path, _ in named}
        for each in ast.parse((ROOT / path).read_text()).body
        if isinstance(each, ast.FunctionDef)
    }
    assert sorted(named - written) == []


def test_every_guarantee_names_a_test() -> None:
    table = (ROOT / "docs" / "reliability.md").read_text().split("## Guarantees")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| What holds |")]
    assert [row for row in rows if not _NAMED.search(row)] == []
