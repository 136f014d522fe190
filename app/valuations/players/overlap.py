"""How many rows of each payee are equal to another's, counted. Pure.

The counts stay inside the service, which acts on copies (``copies``) and tells of them in bands only
(``app.disclosure.bands``). So that a band cannot be moved by more than the rows that are moved, equal rows alone are
counted here: each row of a question changes a count by its own copies and by nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.rows.raw_rows import RawRows, row_keys


@dataclass(frozen=True)
class Overlap:
    """Of one payee's rows: how many are equal to one of the test set, how many to one of another payee's."""

    in_test: int
    in_others: int


def overlaps(payees: Sequence[RawRows], test: RawRows) -> list[Overlap]:
    """The overlap of each payee."""
    keys = [row_keys(rows.keys, rows.y) for rows in payees]
    tested = set(row_keys(test.keys, test.y))
    holders = Counter(key for own in keys for key in set(own))
    return [Overlap(sum(key in tested for key in own), sum(holders[key] > 1 for key in own)) for own in keys]
