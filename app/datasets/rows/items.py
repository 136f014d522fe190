"""Texts or images with labels, one by one: what a frozen encoder or backbone is shown. No torch here.

Rows without a label are left out, or refused; a missing text is an empty one.

Of a table the text is its column ``text``, else its only text column beside the target; other columns are not used.
Images are those of an archive, or arrays with values 0 to 255, in a table's one column of arrays; each keeps its own
size, or is resized bilinearly to the square that the model takes. Items are held one at a time where the file allows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import Limits, Meaning, archive, images, read_table, sniff
from app.datasets.readers.cells import tidy
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.readers.findings import findings_of
from app.datasets.readers.types import is_tensor, is_text, normalise
from app.datasets.rows import numeric_target, rules
from app.datasets.rows.groups import Groups, column_groups
from app.datasets.rows.noticed import of_labelled
from app.errors import FieldError, InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.findings import Finding
from contract.rows.reading import TargetIs
from contract.rows.token_blocks import fingerprint, unpacked

TEXT, IMAGE = "text", "image"


@dataclass(frozen=True)
class Items:
    """What a file holds: the labels of its rows as texts, and the rows, str or float32/uint8 [h, w] or [h, w, 3].
    ``findings`` are those of its reading, all of them once the rows were. ``groups`` are the rows' in the column that
    says which were drawn together, where one is named; ``numbers`` float64[n] are the labels as numbers, where they
    are to be predicted as such; ``places`` int64[n] say which row of the file each is, from 1."""

    labels: list[str]
    values: Iterator[Any]
    findings: list[Finding]
    places: NDArray[np.int64]
    groups: Groups | None = None
    numbers: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class StandIns:
    """Fingerprints float32[n, 8] of a file's items, their labels, what was noticed of them, which rows of the file
    they are, their groups, and their labels as numbers, where they are some."""

    prints: NDArray[np.float32]
    labels: list[str]
    findings: tuple[Finding, ...]
    places: NDArray[np.int64]
    groups: Groups | None = None
    numbers: NDArray[np.float64] | None = None


@contextmanager
def opened(
    path: Path,
    format: str | None,  # noqa: A002  as the readers call it
    kind: str,
    target: str,
    limits: Limits,
    name: str,
    side: int | None = None,
    reading: Reading = AS_IT_IS,
    missing_labels: str = "leave_out",
    group: str = "",
    target_is: TargetIs | None = "classes",
) -> Iterator[Items]:
    """The items of one file; ``side`` resizes images to that square, ``group`` names its column of groups. Labels are
    ``target_is``; None: classes, which nobody said, so that a number is refused. Raises InvalidData, now or while they
    are read."""
    meaning = Meaning(target=target, documents=True)
    if kind == IMAGE and sniff(path, format, name, reading) == "zip":
        with archive.opened(path, limits, name) as packed:
            if not packed.images:
                raise _not(name, target, "the archive holds texts, and the backbone takes images")
            said = {"cherish.name": name, "cherish.format": "zip"}
            beside = normalise(packed.columns, name, meaning)
            findings = [*findings_of(beside)]
            beside = beside.replace_schema_metadata(said)
            rules.check_target_exists(beside, target)
            there = beside.column(target).is_valid().to_pylist()
            labelled = rules.labelled(beside, target, missing_labels)
            findings += findings_of(labelled)
            pixels = _decoded(packed, None if side is None else (side, side), findings)
            kept = (each for each, label in zip(pixels, there, strict=True) if label)
            groups = column_groups(labelled, group) if group else None
            labels, numbers = _targets(labelled, target, target_is)
            yield Items(labels, kept, findings, np.flatnonzero(there) + 1, groups, numbers)
        return
    table = read_table(path, format, limits=limits, name=name, reading=reading, meaning=meaning)
    rules.check_target_exists(table, target)
    rules.check_declared(reading, table.column_names, name)
    places = np.flatnonzero(table.column(target).is_valid().to_numpy()) + 1
    table = rules.labelled(table, target, missing_labels)
    groups = column_groups(table, group) if group else None
    beside = table.drop_columns([tidy(group)]) if group else table
    values = _texts(beside, target, name) if kind == TEXT else _arrays(beside, target, name)
    labels, numbers = _targets(table, target, target_is)
    yield Items(labels, values, [*findings_of(table)], places, groups, numbers)


def _targets(
    labelled: pa.Table, target: str, target_is: TargetIs | None
) -> tuple[list[str], NDArray[np.float64] | None]:
    """The labels of rows that have one as texts, and as numbers where they are to be predicted so; raises InvalidData
    where they are none, or where classes are asked for without saying so and the labels are numbers."""
    if target_is == "number":
        numbers = numeric_target.target_numbers(labelled, target)
        return [repr(float(number)) for number in numbers], numbers
    if target_is is None:
        numeric_target.check_said(labelled, target)
    return rules.label_texts(labelled, target).cast(pa.string()).to_pylist(), None


def _decoded(packed: archive.Packed, size: tuple[int, int] | None, findings: list[Finding]) -> Iterator[Any]:
    """The pictures of an archive; what was noticed of them is added to ``findings`` after the last."""
    seen = images.Seen()
    yield from images.decoded(packed, size, seen)
    findings += seen.findings()


@contextmanager
def unlabelled(
    path: Path, kind: str, target: str, limits: Limits, name: str, side: int | None = None
) -> Iterator[Iterator[Any]]:
    """The items of one file, every row of it; a label column ``target`` may be there and is not looked at."""
    if kind == IMAGE and sniff(path, None, name) == "zip":
        with archive.opened(path, limits, name) as packed:
            if not packed.images:
                raise _not(name, target, "the archive holds texts, and the backbone takes images")
            yield images.decoded(packed, None if side is None else (side, side))
        return
    table = read_table(path, limits=limits, name=name, meaning=Meaning(target=target, documents=True))
    yield _texts(table, target, name) if kind == TEXT else _arrays(table, target, name)


def read_stand_ins(
    path: Path,
    format: str | None,  # noqa: A002  as above
    kind: str,
    target: str,
    limits: Limits,
    name: str,
    reading: Reading = AS_IT_IS,
    missing_labels: str = "leave_out",
    group: str = "",
    target_is: TargetIs | None = "classes",
) -> StandIns:
    """What a file's items are compared and named by, and what was noticed; raises InvalidData."""
    with opened(path, format, kind, target, limits, name, None, reading, missing_labels, group, target_is) as items:
        prints = unpacked(b"".join(fingerprint(_bytes(value)) for value in items.values))
        findings = (*items.findings, *of_labelled(prints, items.labels))
        return StandIns(prints, items.labels, findings, items.places, items.groups, items.numbers)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    # the same pixels are the same image, whether an archive or an array holds them
    return repr(value.shape).encode() + np.ascontiguousarray(value, dtype="<f4").tobytes()


def _texts(table: pa.Table, target: str, name: str) -> Iterator[str]:
    beside = [column for column in table.column_names if column != target]
    texts = [column for column in beside if is_text(table.column(column).type)]
    column = TEXT_COLUMN if TEXT_COLUMN in texts else texts[0] if len(texts) == 1 else None
    if column is None:
        there = ", ".join(f"`{each}`" for each in beside[:8]) or "nothing"
        raise _not(name, target, f"beside the target there is {there}, and an encoder takes one column `{TEXT_COLUMN}`")
    for chunk in table.column(column).chunks:
        known = chunk.dictionary.to_pylist()
        # a missing text is an empty one
        yield from ("" if index is None else known[index] for index in chunk.indices.to_pylist())


def _arrays(table: pa.Table, target: str, name: str) -> Iterator[NDArray[np.float32]]:
    tensors = [each for each in table.column_names if each != target and is_tensor(table.column(each).type)]
    if len(tensors) != 1:
        raise _not(
            name, target, "there is no column of images; send a zip of them, or an NPZ with X [n, height, width]"
        )
    row = 0
    for chunk in table.column(tensors[0]).chunks:
        for pixels in chunk.to_numpy_ndarray():
            row += 1
            colours = pixels.ndim == 3 and pixels.shape[2] == 3
            if not (pixels.ndim == 2 or colours) or not np.isfinite(pixels).all():
                fact = f"row {row} is no image [height, width] or [height, width, 3] of finite values"
                raise _not(name, target, fact, "values")
            if pixels.min() < 0 or pixels.max() > 255:
                fact = f"row {row} has values from {pixels.min():g} to {pixels.max():g}, not 0 to 255"
                raise _not(name, target, fact, "values")
            yield pixels.astype(np.float32)


def _not(name: str, target: str, fact: str, kind: str = "schema") -> InvalidData:
    """``kind`` is "schema" where the fact is of columns alone, which others may see; "values" where it is of a row."""
    detail = f"{name}: {fact}"
    return InvalidData(detail, errors=[FieldError(target, detail, kind)])


def number_labels(
    labels: Sequence[str], classes: Sequence[str], name: str, label_map: Mapping[str, str] | None = None
) -> NDArray[np.int64]:
    """int64[n]: the class of each label, by the order's map; raises InvalidData for one that is none."""
    index = {label: at for at, label in enumerate(classes)}
    labels = [(label_map or {}).get(label, label) for label in labels]
    if unknown := sorted(set(labels) - set(index)):
        raise InvalidData(
            f"{name}: it has the label {unknown[0]!r}, which is none of the job's classes; drop those rows"
        )
    return np.array([index[label] for label in labels], dtype=np.int64)
