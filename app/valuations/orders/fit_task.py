"""Fits a job's files together: one encoding, near copies, the players, the mix of labels. Pure.

The sandbox runs it for an order (``app.sandbox.process``), so that no process that serves requests parses, encodes or
compares a stranger's rows. The question and the answer are plain JSON, and the answer holds no row. Of texts and images
for a frozen model only fingerprints are made here: enough to distinguish, count and name them.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.readers import Limits
from app.datasets.rows.corpora import fingerprints, read_blocks
from app.datasets.rows.encoding import EncodedRows, encode, fit_classes, fit_encoding
from app.datasets.rows.items import number_labels, read_stand_ins
from app.datasets.rows.rules import class_order
from app.datasets.rows.tokens import load_tokenizer
from app.valuations.orders.test_commitment import label_mix
from app.valuations.players.files import table_of
from app.valuations.players.grouping import Grouping, Payee, group
from contract.files import InputFile
from contract.fit import FitAnswer, FitRequest, Offer, PayeeFitted, RowsFitted


@dataclass(frozen=True)
class _Read:
    """The labels' names (classes, or a language model's domains), a table's encoding, and the rows of each file."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    test: EncodedRows
    rows: Mapping[str, EncodedRows]


@dataclass(frozen=True)
class _Files:
    """The files to read, where the bytes of each are, and the limits they are read under."""

    request: FitRequest
    limits: Limits

    @property
    def test(self) -> InputFile:
        return self.request.question.test

    @property
    def datasets(self) -> Mapping[str, InputFile]:
        """The file of each dataset, by the dataset's id in hex."""
        return self.request.question.files

    def path(self, file: InputFile) -> Path:
        return Path(self.request.paths[file.digest])


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """Read a job's files and group who offers them into players, all as plain JSON (``FitRequest``, ``FitAnswer``).

    Raises InvalidData where the files do not fit together.
    """
    request = FitRequest.read({name: value for name, value in plain.items() if name != "task"})
    return fit(request).plain()


def fit(request: FitRequest) -> FitAnswer:
    """The same as typed documents."""
    question = request.question
    files = _Files(request, Limits(**question.limits))
    rows = _READERS[question.kind](files)
    payees = [_payee(offer, files, rows) for offer in question.members]
    uploaded = {uuid.UUID(key): datetime.fromisoformat(moment) for key, moment in question.uploaded.items()}
    grouping = group(payees, question.copies, rows.test, uploaded)
    # blocks of text are labelled by domains, which are no classes
    classes = rows.labels if question.kind != "blocks" else ()
    held = [encoded for payee in payees for encoded in payee.encoded]
    return FitAnswer(
        labels=rows.labels,
        encoding=rows.encoding,
        shape=rows.shape,
        test=RowsFitted(rows=len(rows.test.y), digest=rows.test.digest),
        seats=grouping.players,
        members=tuple(_fitted(payee, at, grouping) for at, payee in enumerate(payees)),
        order=tuple(_order(payees, grouping)),
        notes=grouping.notes,
        mix=label_mix(classes, rows.test, held, len(payees)),
    )


def _payee(offer: Offer, files: _Files, rows: _Read) -> Payee:
    return Payee(
        name=offer.name,
        shown=offer.shown,
        datasets=tuple(uuid.UUID(dataset) for dataset in offer.datasets),
        files=tuple(files.datasets[dataset] for dataset in offer.datasets),
        encoded=tuple(rows.rows[dataset] for dataset in offer.datasets),
    )


def _fitted(payee: Payee, at: int, grouping: Grouping) -> PayeeFitted:
    part = grouping.parts[at].as_integer_ratio()
    return PayeeFitted(digest=payee.digest, rows=payee.count, seat=grouping.player_of[at], part=part)


def _order(payees: Sequence[Payee], grouping: Grouping) -> list[int]:
    """The payees in the order of their players."""
    return sorted(range(len(payees)), key=lambda at: (grouping.order_of(at), payees[at].digest, payees[at].name))


def _read_tables(files: _Files) -> _Read:
    """Files with columns, or images, which may be resized to a square: one encoding for all, fixed by the test set."""
    side = files.request.question.image_size
    square = None if side is None else (side, side)
    target = files.test.target

    def table(file: InputFile) -> Any:
        return table_of(files.path(file), file, target, files.limits, square)

    test, tables = table(files.test), {key: table(file) for key, file in files.datasets.items()}
    encoding = fit_encoding(test, list(tables.values()), target)
    rows = {key: encode(rows, encoding) for key, rows in tables.items()}
    return _Read(encoding.classes, encoding.to_json(), encoding.shape, encode(test, encoding), rows)


def _read_blocks(files: _Files) -> _Read:
    """Corpora as blocks for a language model; the test set's target, if any, names its domains."""
    tokenizer = files.request.tokenizer
    tokens = None if tokenizer is None else load_tokenizer(Path(tokenizer), files.request.name).encode
    context = files.request.question.context or 0

    def blocks(file: InputFile) -> tuple[Any, tuple[str, ...]]:
        blocks = read_blocks(
            files.path(file),
            file.format,
            file.target or None,
            context,
            tokens,
            files.limits,
            file.name,
            file.reading,
        )
        return fingerprints(blocks.tokens), blocks.domains

    prints, names = blocks(files.test)
    domains = tuple(sorted(set(names)))
    number = {name: at for at, name in enumerate(domains)}
    test = EncodedRows(prints, np.array([number[name] for name in names], dtype=np.int64))
    rows = {}
    for key, file in files.datasets.items():
        prints, _ = blocks(file)
        rows[key] = EncodedRows(prints, np.zeros(len(prints), dtype=np.int64))
    return _Read(domains, None, None, test, rows)


def _read_items(files: _Files) -> _Read:
    """Texts or images for a frozen model, with their labels."""

    def items(file: InputFile) -> tuple[Any, list[str]]:
        kind = files.request.question.kind
        return read_stand_ins(files.path(file), file.format, kind, file.target, files.limits, file.name, file.reading)

    training = {key: items(file) for key, file in files.datasets.items()}
    prints, test_labels = items(files.test)
    offered = {label for _, labels in training.values() for label in labels}
    classes = fit_classes(files.test.target, files.test.name, sorted(set(test_labels), key=class_order), offered)
    rows = {
        key: EncodedRows(stand_ins, number_labels(labels, classes, files.datasets[key].name))
        for key, (stand_ins, labels) in training.items()
    }
    return _Read(classes, None, None, EncodedRows(prints, number_labels(test_labels, classes, files.test.name)), rows)


_READERS: dict[str, Callable[[_Files], _Read]] = {
    "table": _read_tables,
    "blocks": _read_blocks,
    "text": _read_items,
    "image": _read_items,
}
