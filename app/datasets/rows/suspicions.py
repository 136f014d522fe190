"""What looks odd about a provider's columns once the job's encoding is known: counts, and never a cell. Pure."""

import numpy as np
import pyarrow as pa

from app.datasets.readers.types import as_texts
from app.datasets.rows.features import Encoding, Feature
from app.datasets.rows.filling import as_matrix, text_counts
from contract.rows.columns import CLIP
from contract.rows.findings import Finding, Severity

# from this part of a column's cells on it is said
_MOST = 0.5


def suspicions(player: pa.Table, encoding: Encoding) -> tuple[Finding, ...]:
    """Findings about one player's table, its columns under the job's names."""
    candidates = (_suspicion(player.column(feature.name), feature, encoding.scale) for feature in encoding.features)
    return tuple(finding for finding in candidates if finding is not None)


def _suspicion(column: pa.ChunkedArray, feature: Feature, scale: str) -> Finding | None:
    if feature.kind == "text":
        counts = text_counts(as_texts(column))
        known = set(feature.categories)
        odd = sum(count for text, count in counts.items() if text not in known)
        detail, mend = "are categories that the test set lacks, which all count as one", "are they spelled alike?"
        return _said("unseen_categories", feature.name, odd, sum(counts.values()), detail, mend)
    if feature.kind == "number" and scale == "standard":
        values = as_matrix(column)[:, 0]
        values = values[~np.isnan(values)]
        with np.errstate(over="ignore"):
            odd = int((np.abs(values - feature.center) > CLIP * feature.spread).sum())
        detail = f"are over {CLIP:g} standard deviations from the test set's mean, and count as just that far"
        return _said("out_of_range", feature.name, odd, len(values), detail, "is the column in the same unit?")
    return None


def _said(code: str, name: str, odd: int, of: int, detail: str, mend: str) -> Finding | None:
    if odd <= _MOST * of:
        return None
    return Finding(
        code=code,
        severity=Severity.WARN,
        detail=f"column `{name}`: {odd} of {of} cells {detail}",
        mend=mend,
        column=name,
        rows=odd,
        share=round(odd / of, 6),
    )
