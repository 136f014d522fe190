"""The first half of a short program: from a file to ``X``, by what the rows are."""

from typing import NamedTuple

from contract.results.delivery import Preprocessing


class RowsRead(NamedTuple):
    """A program's first half, and what is to be known of it."""

    about: str
    code: str


_TABLE = """import csv, json, torch
from pathlib import Path
from safetensors.torch import load_file
prep, w = json.loads(Path("preprocessing.json").read_text()), load_file("model.safetensors")
def numbers(f, cell):
    gap, cell = [float(cell == "")] if "fill" in f else [], cell if cell else f.get("fill", "")
    if f["kind"] == "text":
        hits = [float(cell == known) for known in f["categories"]]
        return [*hits, float(not any(hits)), *gap]
    x = (float(cell) - f["center"]) / f["spread"]
    return [max(-10.0, min(10.0, x)) if prep["encoding"]["scale"] == "standard" else float(cell), *gap]
file = csv.DictReader(Path("rows.csv").read_text().splitlines())
X = torch.tensor([[x for f in prep["encoding"]["features"] for x in numbers(f, row[f["name"]])] for row in file])
"""
_ARRAYS = """import json, numpy, torch
from pathlib import Path
from safetensors.torch import load_file
prep, w = json.loads(Path("preprocessing.json").read_text()), load_file("model.safetensors")
f = prep["encoding"]["features"][0]
X = torch.from_numpy(numpy.load("rows.npz")["X"].astype("float64"))
X = (X if prep["encoding"]["scale"] == "none" else ((X - f["center"]) / f["spread"]).clamp(-10, 10)).float()
"""
_ENCODED = """import json, torch
from pathlib import Path
from safetensors.torch import load_file
prep, w = json.loads(Path("preprocessing.json").read_text()), load_file("model.safetensors")
X = load_file("X.safetensors")["X"]
"""


def read(preprocessing: Preprocessing) -> RowsRead:
    """How the files of a job with this preprocessing are read in short."""
    kinds = {feature["kind"] for feature in preprocessing.encoding.get("features", ())}
    if kinds and kinds <= {"number", "text"}:
        return RowsRead(
            "`rows.csv` is a plain CSV with the columns of `preprocessing.json`; it needs no labels.", _TABLE
        )
    if kinds == {"tensor"}:
        return RowsRead("`rows.npz` holds the images as `X`, in the shape that `config.json` names.", _ARRAYS)
    made = (
        "`X.safetensors` holds the rows as numbers: `cherish predict MODEL.zip FILE --encoded X.safetensors` writes it"
    )
    return RowsRead(f"{made} (prose and features of a frozen model take more than a few lines).", _ENCODED)
