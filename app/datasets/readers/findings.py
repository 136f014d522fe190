"""Findings travel with the table they are of, in its schema's metadata, from the reader to whoever shows them."""

import json
from collections.abc import Sequence

import pyarrow as pa

from contract.findings import Finding

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
