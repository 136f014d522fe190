"""``cherish predict``: what a delivered model says of new rows, on this machine, without a server.

Files are read by the readers of the market, so whatever a job can read can be predicted on. It writes to standard
output, or to the files named; a package that was altered is refused.
"""

import csv
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.valuing.request import engine_errors
from app.datasets.readers import Limits, Meaning, read_table, sniff
from app.datasets.readers.images import in_form
from app.datasets.rows import items
from app.datasets.rows.corpora import read_blocks
from app.datasets.rows.encoding import encode_unlabelled
from app.datasets.rows.features import Encoding
from app.errors import InvalidInput
from contract.orders.game import FrozenModelRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from worker.loading.packages import PackagedModel


def register(app: typer.Typer) -> None:
    app.command()(predict)


def predict(
    package: Annotated[Path, typer.Argument(help="The model, as GET /v1/valuations/{id}/model gave it: a zip.")],
    file: Annotated[Path, typer.Argument(help="The rows: any file that the market reads; it needs no labels.")],
    base: Annotated[Path | None, typer.Option(help="The folder of the frozen model below, where there is one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write the CSV; else to the screen.")] = None,
    encoded: Annotated[
        Path | None, typer.Option(help="Write the rows as the numbers that the model takes (safetensors), and stop.")
    ] = None,
) -> None:
    """Predict with a delivered model: one line a row, its label and the probability of each, or its number."""
    for path in (package, file):
        if not path.is_file():
            raise InvalidInput(f"{path}: there is no such file; check the path")
    with tempfile.TemporaryDirectory() as unpacked, engine_errors():
        model = _opened(package, Path(unpacked), base)
        X = _rows(model, file)
        if encoded is not None:
            import safetensors.numpy

            safetensors.numpy.save_file({"X": X}, encoded)
            return
        header, lines = _lines(model, model.answers(X))
    if out is None:
        _write(sys.stdout, header, lines)
        return
    with out.open("w", newline="", encoding="utf-8") as target:
        _write(target, header, lines)


def _opened(package: Path, folder: Path, base: Path | None) -> "PackagedModel":
    from worker.loading.packages import read

    try:
        with zipfile.ZipFile(package) as archive:
            if any(Path(name).name != name for name in archive.namelist()):
                raise InvalidInput(f"{package}: it holds folders, and a delivered model is files alone")
            archive.extractall(folder)
    except zipfile.BadZipFile:
        raise InvalidInput(f"{package}: this is no zip; download the model again") from None
    return read(folder, base)


def _rows(model: "PackagedModel", file: Path) -> "NDArray[np.float32]":
    """The file as the model takes it, every row, in its order."""
    encoding, name = model.preprocessing.encoding, file.name
    match encoding.get("kind"):
        case None:
            table_encoding = Encoding.from_json(encoding)
            shape = table_encoding.shape
            size = (shape[0], shape[1]) if len(shape) > 1 else None
            meaning = Meaning(target=table_encoding.target)
            table = read_table(file, limits=Limits(), name=name, image_size=size, meaning=meaning)
            return encode_unlabelled(in_form(table, shape if size else ()), table_encoding)
        case "blocks":
            from worker.loading.packages import blocks_of

            context = blocks_of(model.preprocessing).context
            encode = None if model.language is None else model.language.encode
            return read_blocks(file, sniff(file, None, name), None, context, encode, Limits(), name).tokens
        case _:
            shown = FrozenModelRows.read(encoding)
            with items.unlabelled(file, shown.of, shown.target, Limits(), name, shown.size) as values:
                return model.features(values)


def _lines(model: "PackagedModel", answers: "NDArray[Any]") -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The header and the lines of the answer."""
    import numpy as np

    labels, scale = model.preprocessing.labels, model.preprocessing.target_scale
    if scale is not None:
        return ["row", "prediction"], (list(pair) for pair in enumerate(scale.numbers(answers[:, 0]).tolist(), start=1))
    if not labels:
        from contract.tasks import TOKEN_SUMS

        return ["block", *TOKEN_SUMS], ([at, *row] for at, row in enumerate(answers.tolist(), start=1))
    logits = answers.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    best = shares.argmax(axis=1)
    header = ["row", "prediction", *(f"p({label})" for label in labels)]
    rows = zip(best.tolist(), shares.tolist(), strict=True)
    return header, ([at, labels[top], *row] for at, (top, row) in enumerate(rows, start=1))


def _write(target: Any, header: Sequence[str], lines: Iterator[Sequence[Any]]) -> None:
    writer = csv.writer(target)
    writer.writerow(header)
    writer.writerows(lines)
