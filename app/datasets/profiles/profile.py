"""What a worker finds out about a file: its columns, the balance of its labels, repeated rows, and its sketches. Pure.

Two sketches of a dataset's rows are made. ``rows``: every value of a row, exactly; the names and the order of columns
and the format of the file do not matter. ``coarse``: without the label, numbers to three significant digits, texts
without case and spaces; of documents, every run of eight words; of images, which of two neighbouring pixels of an
8 x 9 thumbnail is brighter. The second finds copies with other labels or small changes; neither finds all copies.
"""

import hashlib
import heapq
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.profiles.minhash import StoredSketch, mixed, sketch
from app.datasets.readers import Limits, Meaning, archive, images, open_columns, sniff
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.readers.exact import ends
from app.datasets.readers.types import is_tensor, is_text, normalise, type_name
from app.datasets.rows import rules
from app.datasets.rows.numeric_target import looks_like
from contract.document import Document
from contract.rows.files import AS_IT_IS, Reading

SHINGLE_WORDS = 8
MAX_LABELS = 100
BINS = 12
MOST_FREQUENT = 8
PREVIEW_TEXT = 200
_WORD = re.compile(r"\w+")
# what a missing text counts as, equal to no other text
_MISSING = 0x9E3779B97F4A7C15

Hashes = NDArray[np.uint64]


class _Gathered:
    """What grows while groups of columns go by."""

    def __init__(self, target: str | None, documents: bool, preview_rows: int) -> None:
        self.target = target
        self.documents = documents
        self.preview_rows = preview_rows
        self.rows = 0
        self.exact: Hashes = np.empty(0, dtype=np.uint64)
        self.coarse: Hashes = np.empty(0, dtype=np.uint64)
        self.shingles: list[Hashes] = []
        self.columns: list[dict[str, Any]] = []
        self.labels: dict[str, int] | None = None
        self.preview: list[list[Any]] = []

    def take(self, table: pa.Table) -> None:
        """One group of columns: all rows of each."""
        if not self.rows and table.num_columns:
            self.rows = table.num_rows
            self.exact, self.coarse = np.zeros(self.rows, np.uint64), np.zeros(self.rows, np.uint64)
            self.preview = [[] for _ in range(min(self.preview_rows, self.rows))]
        for name in table.column_names:
            column = table.column(name)
            self.columns.append({"name": name} | _described(column))
            # a sum: neither the order of columns nor their names matter
            self.exact += mixed(_values(column))
            if name == self.target:
                self.labels = _balance(table, name)
            elif self.documents and name == TEXT_COLUMN:
                self.shingles += [_shingles(text) for text in _texts(column)]
            else:
                self.coarse += mixed(_values(column, coarse=True))
            for row, shown in enumerate(self.preview):
                shown.append(_shown(column, row))

    def result(self) -> "FileProfile":
        exact = sketch(self.exact)
        coarse = sketch(np.concatenate(self.shingles) if self.shingles else self.coarse)
        return FileProfile(
            profile={
                "rows": self.rows,
                "columns": self.columns,
                "labels": self.labels,
                "repeated_rows": self.rows - exact.distinct,
            },
            preview=self.preview,
            sketches={"rows": StoredSketch.of(exact), "coarse": StoredSketch.of(coarse)},
        )


class ProfileQuestion(Document):
    """Which file is to be profiled, and how it is read."""

    task: str
    path: Path
    name: str
    target: str | None
    modality: str
    format: str
    preview_rows: int
    limits: Limits
    reading: Reading


class FileProfile(Document):
    """What is kept of a version: ``profile`` as it is shown to the owner, rows of the ``preview`` in the order of the
    columns, and its sketches by kind."""

    profile: dict[str, Any]
    preview: list[list[Any]]
    sketches: dict[str, StoredSketch]


def profile(
    path: Path,
    *,
    target: str | None,
    modality: str,
    format: str,  # noqa: A002  the API's own word
    limits: Limits,
    name: str,
    preview_rows: int,
    reading: Reading = AS_IT_IS,
) -> FileProfile:
    """The profile of a file that was found valid; raises InvalidData."""
    if modality == "image" and sniff(path, format, name, reading) == "zip":
        return _profile_images(path, target, limits, name)
    gathered = _Gathered(target, modality == "text", preview_rows)
    meaning = Meaning(target=target, documents=modality == "text")
    for group in open_columns(path, format, limits=limits, name=name, reading=reading, meaning=meaning).groups:
        gathered.take(group)
    return gathered.result()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Runs in the sandbox: plain JSON of ``FileProfile`` for that of ``ProfileQuestion``."""
    profile_question = ProfileQuestion.read(question)
    arguments = {name: getattr(profile_question, name) for name in ProfileQuestion.model_fields if name != "task"}
    return profile(**arguments).plain()


def _profile_images(path: Path, target: str | None, limits: Limits, name: str) -> FileProfile:
    exact, coarse = [], []
    with archive.opened(path, limits, name) as packed:
        for pixels in images.decoded(packed):
            exact.append(_digest(pixels.tobytes()))
            coarse.append(_brighter(pixels))
        beside = normalise(packed.columns, name, Meaning(target=target))
        labels = None if target is None else _balance(beside, target)
        columns = [{"name": images.IMAGE_COLUMN, "type": "image", "missing": 0}]
        columns += [
            {"name": column, "type": "text", "missing": beside.column(column).null_count}
            for column in beside.column_names
        ]
    hashes = sketch(np.array(exact, dtype=np.uint64))
    facts = {"rows": len(exact), "columns": columns, "labels": labels, "repeated_rows": len(exact) - hashes.distinct}
    alike = sketch(np.array(coarse, dtype=np.uint64))
    # pictures are not shown
    sketches = {"rows": StoredSketch.of(hashes), "coarse": StoredSketch.of(alike)}
    return FileProfile(profile=facts, preview=[], sketches=sketches)


def _described(column: pa.ChunkedArray) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": type_name(column.type), "missing": column.null_count}
    if is_text(column.type):
        facts["distinct"] = len(column.unique().drop_null())
        facts["most_frequent"] = _most_frequent(column)
    elif pa.types.is_boolean(column.type):
        facts["most_frequent"] = _most_frequent(column.cast(pa.string()))
    elif not is_tensor(column.type):
        low, high = ends(column)
        facts |= {"min": low, "max": high, "mean": pc.mean(column).as_py(), "histogram": _histogram(column)}
    return facts


def _most_frequent(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    """The values that most rows have, each with how many; of equally many, in the order of the texts."""
    counted = column.value_counts()
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    present = ((value, count) for value, count in pairs if value is not None)
    ranked = heapq.nsmallest(MOST_FREQUENT, present, key=lambda pair: (-pair[1], pair[0]))
    return [{"value": value[:PREVIEW_TEXT], "rows": count} for value, count in ranked]


def _histogram(column: pa.ChunkedArray) -> list[int] | None:
    """How many rows lie in each of equally wide bins between the least and the most; None where all are one number, or
    the ends so near or far that there are no such bins."""
    numbers = np.asarray(pc.drop_null(column).to_numpy(), dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return None
    low, high = float(numbers.min()), float(numbers.max())
    edges = [low + (high - low) * place / BINS for place in range(BINS)] + [high]
    if not all(one < other for one, other in pairwise(edges)):
        return None
    return [int(count) for count in np.histogram(numbers, bins=edges)[0]]


def _balance(table: pa.Table, target: str) -> dict[str, int] | None:
    """How many rows the most frequent labels have; None of a target that is a number, which columns describe."""
    if looks_like(table, target) == "number":
        return None
    counts = rules.label_counts(table, target)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_LABELS])


def _values(column: pa.ChunkedArray, *, coarse: bool = False) -> Hashes:
    """uint64[n]: one hash a value."""
    if is_tensor(column.type):
        parts = [chunk.to_numpy_ndarray() for chunk in column.chunks]
        hashed = _brighter if coarse else lambda image: _digest(np.ascontiguousarray(image, np.float32).tobytes())
        return np.array([hashed(image) for part in parts for image in part], dtype=np.uint64)
    if is_text(column.type):
        hashes = []
        for chunk in column.chunks:
            texts = chunk.dictionary.to_pylist()
            known = [_digest((" ".join(t.casefold().split()) if coarse else t).encode()) for t in texts]
            codes = np.asarray(pc.fill_null(chunk.indices, len(known)), dtype=np.int64)
            hashes.append(np.array([*known, _MISSING], dtype=np.uint64)[codes])
        return np.concatenate(hashes)
    plain = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    # -0.0 is 0.0
    numbers = np.asarray(plain.to_numpy(), dtype=np.float64) + 0.0
    if coarse:
        numbers = _rounded(numbers)
    return np.ascontiguousarray(numbers).view(np.uint64)


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Three significant digits."""
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        scale = np.power(10.0, 2 - np.floor(np.log10(np.abs(numbers))))
        rounded = np.round(numbers * scale) / scale
    return np.where((numbers == 0) | ~np.isfinite(rounded), numbers, rounded) + 0.0


def _texts(column: pa.ChunkedArray) -> Iterator[str]:
    for chunk in column.chunks:
        texts = chunk.dictionary.to_pylist()
        yield from ("" if i is None else texts[i] for i in chunk.indices.to_pylist())


def _shingles(text: str) -> Hashes:
    """uint64[w - 7]: a hash for each run of eight words; a shorter text is one."""
    words = np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text.casefold())], dtype=np.uint64)
    if len(words) <= SHINGLE_WORDS:
        return np.array([_digest(words.tobytes())], dtype=np.uint64)
    runs = np.zeros(len(words) - SHINGLE_WORDS + 1, dtype=np.uint64)
    for offset in range(SHINGLE_WORDS):
        runs = mixed(runs ^ words[offset : offset + len(runs)])
    return runs


def _brighter(image: NDArray[Any]) -> int:
    """64 bits: which of two neighbours in a row of an 8 x 9 thumbnail is brighter (a difference hash)."""
    grey = image.mean(axis=2) if image.ndim == 3 else np.asarray(image, dtype=np.float64)
    rows = np.linspace(0, grey.shape[0] - 1, 8).round().astype(int)
    columns = np.linspace(0, grey.shape[1] - 1, 9).round().astype(int)
    small = grey[np.ix_(rows, columns)]
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _shown(column: pa.ChunkedArray, row: int) -> Any:
    if is_tensor(column.type):
        return None
    value = column[row].as_py()
    return value[:PREVIEW_TEXT] if isinstance(value, str) else value
