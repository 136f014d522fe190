"""A result as a table: CSV that no spreadsheet runs, and Parquet. Pure; one row for each player, in the job's order."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet

from app.http.ids import public_id
from app.payouts.statements import safe_cell
from app.valuations.results.payout_schemas import Payouts
from app.valuations.results.schemas import PlayerValue, Values

CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
COLUMNS = (
    "position", "provider_id", "provider", "datasets", "rows", "value", "stderr", "value_low", "value_high", "share",
    "share_low", "share_high", "amount", "currency", "seat", "part", "digest", "paid_value", "paid_share", "reason",
)  # fmt: skip


PAYOUT_COLUMNS = (
    "provider_id", "provider", "share", "paid_share", "amount", "released", "held", "accrued", "currency", "reason",
)  # fmt: skip


def _row(player: PlayerValue, currency: str) -> dict[str, object]:
    value, share = player.value_ci or (None, None), player.share_ci or (None, None)
    return {
        "position": player.position,
        "provider_id": public_id("acc", player.provider_id),
        "provider": player.provider,
        "datasets": " ".join(public_id("ds", dataset) for dataset in player.datasets),
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
        "paid_value": player.paid_value,
        "paid_share": player.paid_share,
        "reason": player.reason,
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


def payouts_to_csv(payouts: Payouts) -> str:
    """Who is paid what, when and why, in the players' order."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, PAYOUT_COLUMNS)
    writer.writeheader()
    for line in payouts.payouts:
        writer.writerow(
            {
                "provider_id": public_id("acc", line.provider_id),
                "provider": safe_cell(line.provider),
                "share": "" if line.share is None else repr(line.share),
                "paid_share": repr(line.paid_share),
                "amount": line.amount,
                "released": line.released,
                "held": line.held,
                "accrued": line.accrued,
                "currency": payouts.currency,
                "reason": line.reason,
            }
        )
    return out.getvalue()


def to_parquet(values: Values) -> bytes:
    """The same rows; amounts stay decimal strings. The file's metadata names the job and its digests."""
    rows = [_row(player, values.currency) for player in values.players]
    whole, number = pa.int64(), pa.float64()
    kinds = dict.fromkeys(COLUMNS, pa.string()) | dict.fromkeys(("position", "rows", "seat"), whole)
    for name in (*(name for name in COLUMNS if name.startswith(("value", "share", "paid"))), "stderr", "part"):
        kinds[name] = number
    schema = pa.schema(
        list(kinds.items()), metadata={"valuation": public_id("val", values.valuation_id)} | values.digests
    )
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return sink.getvalue()
