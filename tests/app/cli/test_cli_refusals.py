"""What cannot be valued is refused by name on the command line, before anything is trained: one table."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.errors import CherishError

TABLES = {"numbers": ("a", "b", "t"), "classes": ("ca", "cb", "ct")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of two providers and a test set with a number, and with classes; some with what does not belong there."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(1)
    for kind, names in TABLES.items():
        for name in names:
            X = rng.normal(size=(40, 2)).round(3)
            y = [f"{200 + 30 * u:.2f}" if kind == "numbers" else "yes" if u > 0 else "no" for u, _ in X]
            rows = [f"{u},{v},{cell}" for (u, v), cell in zip(X, y, strict=True)]
            (folder / f"{name}.csv").write_text("\n".join(["u,v,label", *rows]))
            worded = [*rows[:7], "0.1,0.2,dear", *rows[8:]]
            (folder / f"{name}-worded.csv").write_text("\n".join(["u,v,label", *worded]))
    (folder / "model.pt").write_bytes(b"PK\x03\x04" + b"x" * 99)
    for name in ("model.ckpt", "rows.pkl", "rows.joblib"):
        (folder / name).write_bytes(pickle.dumps({"weight": [1.0]}))
    return folder


def refusal(place: Path, files: Sequence[str], *asked: str) -> str:
    one, other, test = (str(place / file) for file in files)
    offers = ["--provider", f"one={one}", "--provider", f"other={other}", "--test", test, "--target", "label"]
    options = [part.replace("FOLDER", str(place)) for part in asked]
    told = CliRunner().invoke(cli, ["value", *offers, *options])
    assert isinstance(told.exception, CherishError), told.output
    return told.exception.detail


NUMBERS, CLASSES = ("a.csv", "b.csv", "t.csv"), ("ca.csv", "cb.csv", "ct.csv")


@pytest.mark.parametrize(
    ("files", "asked", "says"),
    [
        (CLASSES, ["--metric", "r2"], "is to be predicted as a number, and 40 of 40 rows hold no number"),
        (CLASSES, ["--model", "ridge"], "is to be predicted as a number, and 40 of 40 rows hold no number"),
        (NUMBERS, ["--metric", "accuracy"], "so it is a number and would be cut into as many classes"),
        (NUMBERS, ["--model", "logistic", "--metric", "rmse"], "metric rmse scores predictions of a number, not of a"),
        (NUMBERS, ["--model", "ridge", "--metric", "roc_auc"], "metric roc_auc scores predictions of a class, not"),
        (("a.csv", "b-worded.csv", "t.csv"), ["--metric", "r2"], "1 of 40 rows hold no number: row 8 (`dear`)"),
        (("a.csv", "b.csv", "t-worded.csv"), ["--target-is", "number"], "1 of 40 rows hold no number: row 8 (`dear`)"),
        (CLASSES, ["--metric", "acuracy"], "metric 'acuracy' is unknown (did you mean 'accuracy'?)"),
        (CLASSES, ["--metric", "recall_at_precision"], "metric recall_at_precision needs precision"),
        (CLASSES, ["--metric", "f1:of_class=maybe"], "class 'maybe' is unknown; choose one of yes, no"),
        (CLASSES, ["--model", "logistc"], "learner 'logistc' is unknown (did you mean 'logistic'?)"),
        (CLASSES, ["--model", "xgboost"], "learner 'xgboost' is unknown; choose one of"),
        (CLASSES, ["--model", "logistic:lx=1"], "learner 'logistic' has no hyper-parameter 'lx'"),
        (CLASSES, ["--model", "cnn"], "learner 'cnn' takes images"),
        (CLASSES, ["--checkpoint", "FOLDER/model.pt"], "model.pt: this is a pickle, or a zip as torch.save writes it"),
        (CLASSES, ["--checkpoint", "FOLDER/model.ckpt"], "model.ckpt: this is a pickle, or a zip as torch.save"),
        (("rows.pkl", "cb.csv", "ct.csv"), [], "rows.pkl): this is a Python pickle; send CSV"),
        (("ca.csv", "rows.joblib", "ct.csv"), [], "rows.joblib): this is a Python pickle; send CSV"),
    ],
)
def test_what_cannot_be_valued_is_refused_by_name(
    place: Path, files: Sequence[str], asked: list[str], says: str
) -> None:
    assert says in refusal(place, files, *asked)
