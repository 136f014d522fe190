"""What the rows worth a second look are, kept in the table of their values for their owner's page, and for nobody else:
downloads do not have it. It is erased with the table, when the data is withdrawn. Pure.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.rows.glimpses import Glimpse
from contract.results.row_values import RowFinding

MOST = 20  # rows of each finding that a page shows
SHOWN_TEXT, SHOWN_PICTURE = "shown_text", "shown_picture"
Place = tuple[str, int]  # a row's file and number


def worth_a_look(rows: pa.Table, finding: RowFinding, most: int = MOST) -> list[dict[str, object]]:
    """The rows of a table with a finding, those of least value first; of most use, of most value."""
    kept = rows.filter(pc.match_substring_regex(rows.column("findings"), f"(^|;){finding.value}(;|$)"))
    order = "descending" if finding is RowFinding.USE else "ascending"
    listed: list[dict[str, object]] = kept.sort_by([("value", order)]).slice(0, most).to_pylist()
    return listed


def to_show(rows: pa.Table) -> dict[str, set[int]]:
    """The rows that a page shows, by their files."""
    wanted: dict[str, set[int]] = {}
    for finding in RowFinding:
        for row in worth_a_look(rows, finding):
            wanted.setdefault(str(row["file"]), set()).add(int(str(row["row"])))
    return wanted


def with_glimpses(rows: pa.Table, glimpses: Mapping[Place, Glimpse]) -> pa.Table:
    """The table with what is shown of some of its rows."""
    places = list(zip(rows.column("file").to_pylist(), rows.column("row").to_pylist(), strict=True))
    seen = [glimpses.get(place, Glimpse()) for place in places]
    table = rows.append_column(SHOWN_TEXT, pa.array([each.text or None for each in seen], pa.string()))
    return table.append_column(SHOWN_PICTURE, pa.array([each.picture or None for each in seen], pa.binary()))
