"""Statements as CSV, safe to open in a spreadsheet. Pure; reading the ledger is the service's work.

A text cell that a spreadsheet could take for a formula (OWASP, CSV injection) gets a leading apostrophe; amounts are
numbers written by us and stay as they are.
"""

import csv
import io
from collections.abc import Sequence

from app.http.ids import public_id
from app.payouts.money import plain
from app.payouts.repository import Entry

COLUMNS = ("created_at", "transfer", "account", "code", "state", "amount", "currency", "valuation_id", "reference")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def to_csv(entries: Sequence[Entry]) -> str:
    """RFC 4180 text, a header and one row for each entry, newest first."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow(
            (
                entry.created_at.isoformat(),
                public_id("tr", entry.transfer_id),
                entry.account.value,
                safe_cell(entry.code),
                entry.state.value,
                plain(entry.amount, entry.currency),
                entry.currency,
                public_id("val", entry.job_id) if entry.job_id else "",
                safe_cell(entry.reference or ""),
            )
        )
    return out.getvalue()
