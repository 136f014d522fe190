"""What stands beside the answer in a result's file is compared as well, wherever the providers' files lie now."""

import json
from dataclasses import replace

import pytest

from app.cli.proving import beside
from app.cli.valuing.request import ValueRequest
from contract.rows.findings import Finding, Severity

ASKED = ValueRequest((("a", "here/a.csv"), ("b", "b.csv")), "t.csv", "label", "logistic", "log_loss", "full", 3)
MOVED = replace(ASKED, providers=(("a", "there/a.csv"), ("b", "b.csv")))


def said(path: str, rows: int) -> tuple[str, Finding]:
    return f"a ({path})", Finding(
        code="labels_missing", severity=Severity.NOTE, detail=f"{path}: {rows} rows", rows=rows
    )


@pytest.mark.parametrize(("given", "again", "same"), [(ASKED, 2, True), (MOVED, 2, True), (MOVED, 3, False)])
def test_findings_are_of_the_files_wherever_these_are(given: ValueRequest, again: int, same: bool) -> None:
    name, finding = said("here/a.csv", 2)
    content = json.dumps({"findings": [{"file": name, **finding.plain()}]}).encode()
    verdict = beside.findings(content, ASKED, given, [said(given.providers[0][1], again)])
    assert verdict.match is same
