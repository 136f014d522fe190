"""A result as a table: CSV that no spreadsheet runs, and Parquet. Pure; one row for each player, in the job's order."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet

from app.http.ids import public_id
from app.payouts.statements import safe_cell
from app.valuations.results.schemas import PlayerValue, Values

CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
COLUMNS = (
    "position", "provider_id", "provider", "datasets", "rows", "value", "stderr", "value_low", "value_high", "share",
    "share_low", "share_high", "amount", "currency", "seat", "part", "digest",
)  # fmt: skip


def _row(player: PlayerValue, currency: str) -> dict[str, object]:
    value, share = player.value_ci or (None, None), player.share_ci or (None, None)
    return {
        "position": player.position,
        "provider_id": public_id("acc", player.provider_id),
        "provider": player.provider,
        "datasets": " ".join(public_id("ds", each) for each in player.datasets),
        "rows": player.rows,
        "value": player.value,
        "stderr": player.stderr,
        "value_low": value[0],
        "value_high": value[1],
        "share": player.share,
        "share_low": share[0],
        "share_high": share[1],
        "amount": player.amount,
        "currency": currency,
        "seat": player.seat,
        "part": player.part,
        "digest": player.digest,
    }


def to_csv(values: Values) -> str:
    """RFC 4180 text with a header; numbers are written so that they read back bit for bit."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for player in values.players:
        row = _row(player, values.currency) | {"provider": safe_cell(player.provider)}
        writer.writerow({name: repr(cell) if isinstance(cell, float) else cell for name, cell in row.items()})
    return out.getvalue()


def to_parquet(values: Values) -> bytes:
    """The same rows; amounts stay decimal strings. The file's metadata names the job and its digests."""
    rows = [_row(player, values.currency) for player in values.players]
    whole, number = pa.int64(), pa.float64()
    kinds = dict.fromkeys(COLUMNS, pa.string()) | dict.fromkeys(("position", "rows", "seat"), whole)
    for name in ("value", "stderr", "value_low", "value_high", "share", "share_low", "share_high", "part"):
        kinds[name] = number
    schema = pa.schema(
        list(kinds.items()), metadata={"valuation": public_id("val", values.valuation_id)} | values.digests
    )
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()
