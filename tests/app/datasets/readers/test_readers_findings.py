"""Findings travel with their table, each once, in the order in which they were noticed."""

import pyarrow as pa

from app.datasets.readers.findings import findings_of, with_findings
from contract.rows.findings import Finding, Severity

ONE = Finding(code="delimiter", severity=Severity.NOTE, detail="the file is delimited by semicolons")
OTHER = Finding(
    code="missing_values", severity=Severity.NOTE, detail="3 cells are empty", column="x", rows=3, share=0.5
)


def test_findings_come_back_in_order_and_once() -> None:
    table = pa.table({"x": [1, 2]})
    assert findings_of(table) == ()
    assert findings_of(with_findings(with_findings(table, [ONE]), [OTHER, ONE])) == (ONE, OTHER)


def test_other_metadata_of_the_table_stays() -> None:
    table = pa.table({"x": [1]}).replace_schema_metadata({"cherish.name": "a.csv"})
    assert (with_findings(table, [ONE]).schema.metadata or {})[b"cherish.name"] == b"a.csv"
