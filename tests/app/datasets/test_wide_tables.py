"""Tables of tens of thousands of columns are uploaded in every format, up to the bound on their names."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.inspection import inspect
from app.datasets.readers import Limits
from app.errors import InvalidData

GENES = 20_531


def table(kind: str) -> bytes:
    X = (np.arange(3 * GENES).reshape(3, GENES) % 97) / 4
    names = [f"gene{at}" for at in range(GENES)]
    buffer = io.BytesIO()
    if kind == "npz":
        np.savez(buffer, X=X, y=np.array([0, 1, 1]))
    elif kind == "parquet":
        pq.write_table(pa.table(dict(zip(names, X.T, strict=True)) | {"y": [0, 1, 1]}), buffer)
    else:
        lines = [",".join([*names, "y"])]
        lines += [",".join([*(f"{cell:g}" for cell in row), str(at % 2)]) for at, row in enumerate(X)]
        buffer.write("\n".join(lines).encode())
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_twenty_thousand_genes_are_a_table(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    path.write_bytes(table(kind))
    told: dict[str, Any] = {"format": None, "modality": None, "is_test": False, "limits": Limits(), "name": "it"}
    found = inspect(path, target="y", **told)
    assert (found.rows, len(found.columns)) == (3, GENES + 1)


def test_names_as_long_as_are_allowed_are_stored_and_longer_ones_refused(
    provider: Any, upload: Callable[..., Any], tmp_path: Path
) -> None:
    def wide(length: int) -> bytes:
        names = [f"{at:06d}".rjust(length, "q") for at in range(24_999)]
        return "\n".join([",".join([*names, "label"]), ",".join(["1"] * 24_999 + ["x"])]).encode()

    answer = upload(provider, wide(31))
    assert len(answer["columns"]) == 25_000
    path = tmp_path / "it"
    path.write_bytes(wide(33))
    with pytest.raises(InvalidData, match="and 1000000 are allowed; shorten them"):
        inspect(path, format=None, modality=None, target="label", is_test=False, limits=Limits(), name="it")
