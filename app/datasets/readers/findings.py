"""Findings travel with the table they are of, in its schema's metadata, from the reader to whoever shows them."""

import json
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from contract.rows.findings import Finding

# findings of one code that are kept of a file; the others are counted in one more
MOST = 50
_KEY = b"cherish.findings"


def findings_of(table: pa.Table) -> tuple[Finding, ...]:
    """What was noticed while the table was read, in the order in which it was noticed."""
    kept = (table.schema.metadata or {}).get(_KEY)
    return () if kept is None else tuple(Finding.read(each) for each in json.loads(kept))


def with_findings(table: pa.Table, more: Sequence[Finding]) -> pa.Table:
    """The table with these findings after those it has; each is kept once."""
    if not more:
        return table
    known = dict.fromkeys([*findings_of(table), *more])
    metadata = dict(table.schema.metadata or {})
    metadata[_KEY] = json.dumps([each.plain() for each in known]).encode()
    return table.replace_schema_metadata(metadata)


def at_most(noticed: Sequence[Finding]) -> list[Finding]:
    """Findings, each once and at most MOST of a code: a file may have thousands of columns."""
    kept: list[Finding] = []
    counts: Counter[str] = Counter()
    for finding in dict.fromkeys(noticed):
        counts[finding.code] += 1
        if counts[finding.code] <= MOST:
            kept.append(finding)
    for code, count in counts.items():
        if count > MOST:
            severity = next(finding.severity for finding in kept if finding.code == code)
            kept.append(Finding(code=code, severity=severity, detail=f"the same of {count - MOST} more columns"))
    return kept
