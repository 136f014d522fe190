"""Fits a job's files together: one encoding, copies among rows as they were read, the players, the mix of labels. Pure.

The sandbox runs it for an order (``app.sandbox.process``), so that no process that serves requests parses, encodes or
compares a stranger's rows. The question and the answer are plain JSON, and the answer holds no row. Of texts and images
for a frozen model only fingerprints are made here: enough to distinguish, count and name them.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.readers import Limits, Meaning, archive, image_shape, images
from app.datasets.readers.findings import findings_of
from app.datasets.readers.types import normalise
from app.datasets.rows.canonical_order import canonical_order, in_canonical_order
from app.datasets.rows.corpora import Blocks, bytes_located, fingerprints, read_blocks
from app.datasets.rows.encoding import EncodedRows, encode, fit_classes, fit_tables
from app.datasets.rows.items import number_labels, read_stand_ins
from app.datasets.rows.joining import Unfit, common_columns, renamed
from app.datasets.rows.labels import label_findings
from app.datasets.rows.numeric_target import target_numbers
from app.datasets.rows.raw_rows import (
    RawRows,
    array_hash,
    distance_rows,
    fit_scale,
    join_raw,
    keys_of,
    number_block,
    short_hash,
)
from app.datasets.rows.rules import class_names, class_order, clean_map
from app.datasets.rows.suspicions import suspicions
from app.datasets.rows.tokens import load_tokenizer
from app.errors import FieldError, InvalidData
from app.valuations.orders.test_commitment import label_mix
from app.valuations.players.files import table_of
from app.valuations.players.grouping import Grouping, Payee, group
from app.valuations.players.near_copies import NEAR_ROWS
from app.valuations.players.overlap import Overlap, overlaps
from contract.files import InputFile
from contract.findings import FileFinding, Finding
from contract.fit import FitAnswer, FitQuestion, FitRequest, Offer, PayeeFitted, RowsFitted, UnfitDataset

# refusals that speak of columns and their types only, which the catalogue shows
_SCHEMA = frozenset({"schema", "missing"})


@dataclass(frozen=True)
class _Read:
    """The labels' names (classes, or a language model's domains), a table's encoding, and the rows of each file: as
    the job encodes them, and as they were read."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    test: EncodedRows
    rows: Mapping[str, EncodedRows]
    raw_test: RawRows
    raw: Mapping[str, RawRows]
    findings: Sequence[FileFinding] = ()


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


class _Unfit(Exception):
    """A dataset (by its id in hex) cannot be read with the others; ``refusal`` says why."""

    def __init__(self, dataset: str, refusal: InvalidData) -> None:
        super().__init__(str(refusal))
        self.dataset = dataset
        self.refusal = refusal


def fit(request: FitRequest) -> FitAnswer:
    """The same as typed documents. Where the question allows it, datasets that do not fit are left out one by one."""
    unfit: list[UnfitDataset] = []
    while True:
        try:
            return _fit(request).model_copy(update={"unfit": tuple(unfit)})
        except _Unfit as error:
            question = request.question
            if not question.drop_unfit or len(question.files) == 1:
                raise error.refusal from None
            unfit.append(UnfitDataset(dataset=error.dataset, detail=str(error.refusal)))
            request = request.model_copy(update={"question": _without(question, error.dataset)})


def _without(question: FitQuestion, dataset: str) -> FitQuestion:
    """The question without a dataset, and without a payee that has no other."""
    offers = [
        offer.model_copy(update={"datasets": tuple(each for each in offer.datasets if each != dataset)})
        for offer in question.members
    ]
    return question.model_copy(
        update={
            "files": {key: file for key, file in question.files.items() if key != dataset},
            "uploaded": {key: moment for key, moment in question.uploaded.items() if key != dataset},
            "members": tuple(offer for offer in offers if offer.datasets),
        }
    )


def _fit(request: FitRequest) -> FitAnswer:
    question = request.question
    files = _Files(request, Limits(**question.limits))
    rows = _READERS[question.kind](files)
    payees = [_payee(offer, files, rows) for offer in question.members]
    uploaded = {uuid.UUID(key): datetime.fromisoformat(moment) for key, moment in question.uploaded.items()}
    grouping = group(payees, question.copies, rows.raw_test, uploaded)
    whole = [join_raw(payee.raw) for payee in payees]
    shared = overlaps(whole, rows.raw_test)
    # blocks of text are labelled by domains, which are no classes
    classes = rows.labels if question.kind != "blocks" else ()
    held = [encoded for payee in payees for encoded in payee.encoded]
    return FitAnswer(
        labels=rows.labels,
        encoding=rows.encoding,
        shape=rows.shape,
        test=RowsFitted(rows=len(rows.test.y), digest=rows.test.digest),
        seats=grouping.players,
        members=tuple(
            _fitted(payee, at, grouping, overlap, raw.digest)
            for at, (payee, overlap, raw) in enumerate(zip(payees, shared, whole, strict=True))
        ),
        order=tuple(_order(payees, grouping)),
        raw_test=rows.raw_test.digest,
        mix=label_mix(classes, rows.test, held, len(payees)),
        findings=tuple(rows.findings),
    )


def _payee(offer: Offer, files: _Files, rows: _Read) -> Payee:
    return Payee(
        name=offer.name,
        shown=offer.shown,
        datasets=tuple(uuid.UUID(dataset) for dataset in offer.datasets),
        files=tuple(files.datasets[dataset] for dataset in offer.datasets),
        encoded=tuple(rows.rows[dataset] for dataset in offer.datasets),
        raw=tuple(rows.raw[dataset] for dataset in offer.datasets),
    )


def _fitted(payee: Payee, at: int, grouping: Grouping, shared: Overlap, raw: str) -> PayeeFitted:
    return PayeeFitted(
        digest=payee.digest,
        rows=payee.count,
        seat=grouping.player_of[at],
        part=grouping.parts[at].as_integer_ratio(),
        in_test=shared.in_test,
        in_others=shared.in_others,
        raw=raw,
    )


def _order(payees: Sequence[Payee], grouping: Grouping) -> list[int]:
    """The payees in the order of their players."""
    return sorted(range(len(payees)), key=lambda at: (grouping.order_of(at), payees[at].digest, payees[at].name))


def _read_tables(files: _Files) -> _Read:
    """Files with columns, or images, which may be resized to a square: one encoding for all, fixed by the test set."""
    side = files.request.question.image_size
    square = None if side is None else (side, side)
    target = files.test.target
    question = files.request.question
    number = question.target_is == "number"

    def table(file: InputFile, form: Sequence[int] = ()) -> Any:
        return table_of(files.path(file), file, target, files.limits, square, form, question.missing_labels)

    test, tables = table(files.test), {}
    for key, file in files.datasets.items():
        with _others_file(key, file):
            tables[key] = table(file, image_shape(test))
            if target in tables[key].column_names:
                (target_numbers if number else class_names)(tables[key], target)
    try:
        fitted = fit_tables(
            test,
            list(tables.values()),
            target,
            choice=question.features,
            label_map=question.label_map,
            target_is=question.target_is,
        )
    except Unfit as error:
        raise _Unfit(list(tables)[error.table], error) from None
    encoding = fitted.encoding
    findings = [*_said(None, findings_of(test)), *_said(None, fitted.test_findings)]
    for (key, read), more in zip(tables.items(), fitted.findings, strict=True):
        odd = suspicions(renamed(read, question.features), encoding)
        findings += [*_said(key, findings_of(read)), *_said(key, more), *_said(key, odd)]
    rows = {}
    for key, read in tables.items():
        with _others_file(key, files.datasets[key]):
            rows[key] = encode(read, encoding)
    encoded_test = encode(test, encoding)
    if not question.by_name:
        encoding, order = in_canonical_order(encoding, encoded_test, list(rows.values()))
        encoded_test, rows = order.rows(encoded_test), {key: order.rows(own) for key, own in rows.items()}
    # without distances where none is looked at: they take as much memory as the rows themselves
    sizes = [each.num_rows for each in tables.values()]
    near = min(test.num_rows + max(sizes), sum(sizes)) <= NEAR_ROWS
    comparable = dict(zip(("", *tables), common_columns([test, *tables.values()]), strict=True))
    scale = fit_scale([comparable[key] for key in tables], target) if near else None

    def raw(table: Any, file: InputFile, y: NDArray[Any], alike: Any) -> RawRows:
        keys = keys_of(table, target, {} if square is None else _as_they_were(files, file), number=number)
        distances = np.zeros((len(y), 0), dtype=np.float32) if scale is None else distance_rows(alike, target, scale)
        if not number:
            return RawRows(keys, distances, y)
        if scale is not None:
            # a copy of a row has nearly its number, as it has its class
            distances = np.concatenate([distances, number_block(y, [own.y for own in rows.values()])], axis=1)
        return RawRows(keys, distances, np.zeros(len(y), dtype=np.int64))

    raw_rows = {key: raw(tables[key], files.datasets[key], rows[key].y, comparable[key]) for key in rows}
    raw_test = raw(test, files.test, encoded_test.y, comparable[""])
    return _Read(encoding.classes, encoding.to_json(), encoding.shape, encoded_test, rows, raw_test, raw_rows, findings)


def _said(dataset: str | None, findings: Sequence[Finding]) -> list[FileFinding]:
    return [FileFinding(dataset=dataset, finding=finding) for finding in findings]


@contextmanager
def _others_file(dataset: str, file: InputFile) -> Iterator[None]:
    """A refusal of a provider's file names the column and never what is in it, which is not the asker's to read."""
    try:
        yield
    except InvalidData as error:
        known = [fault for fault in error.errors if fault.type in _SCHEMA]
        if known:
            raise _Unfit(dataset, error) from None
        columns = sorted({fault.pointer for fault in error.errors})
        where = f"column `{columns[0]}`" if columns else "its content"
        detail = (
            f"{file.name}: {where} cannot be read as this order asks, and what is in it is its provider's to see; name "
            "another target or model, or leave the dataset out"
        )
        refusal = InvalidData(detail, errors=[FieldError(column, detail, "private") for column in columns])
        raise _Unfit(dataset, refusal) from None


def _as_they_were(files: _Files, file: InputFile) -> dict[str, NDArray[np.uint64]]:
    """Hashes of an archive's labelled images before they are resized; nothing of a file that is no archive."""
    if file.format != "zip":
        return {}
    with archive.opened(files.path(file), files.limits, file.name) as packed:
        meaning = Meaning(target=file.target, kinds=file.reading.kinds or {})
        labels = normalise(packed.columns, file.name, meaning).column(file.target).is_valid().to_pylist()
        pairs = zip(images.decoded(packed), labels, strict=True)
        hashes = [array_hash(pixels) for pixels, labelled in pairs if labelled]
    return {images.IMAGE_COLUMN: np.array(hashes, dtype=np.uint64)}


def _read_blocks(files: _Files) -> _Read:
    """Corpora as blocks for a language model; the test set's target, if any, names its domains."""
    place = files.request.tokenizer
    tokenizer = None if place is None else load_tokenizer(Path(place), files.request.name)
    encode_, located = (None, bytes_located) if tokenizer is None else (tokenizer.encode, tokenizer.located)
    context = files.request.question.context or 0

    def blocks(file: InputFile) -> Blocks:
        return read_blocks(
            files.path(file),
            file.format,
            file.target or None,
            context,
            encode_,
            files.limits,
            file.name,
            file.reading,
            located,
        )

    read = blocks(files.test)
    domains = tuple(sorted(set(read.domains)))
    number = {name: at for at, name in enumerate(domains)}
    labels = np.array([number[name] for name in read.domains], dtype=np.int64)
    test, raw_test = EncodedRows(fingerprints(read.tokens), labels), RawRows.of(read.raw, np.zeros_like(labels))
    rows, raw = {}, {}
    for key, file in files.datasets.items():
        with _others_file(key, file):
            read = blocks(file)
        nothing = np.zeros(len(read.raw), dtype=np.int64)
        rows[key], raw[key] = EncodedRows(fingerprints(read.tokens), nothing), RawRows.of(read.raw, nothing)
    return _Read(domains, None, None, test, rows, raw_test, raw)


def _read_items(files: _Files) -> _Read:
    """Texts or images for a frozen model, with their labels."""

    def items(file: InputFile) -> tuple[Any, list[str]]:
        kind = files.request.question.kind
        return read_stand_ins(files.path(file), file.format, kind, file.target, files.limits, file.name, file.reading)

    training = {}
    for key, file in files.datasets.items():
        with _others_file(key, file):
            training[key] = items(file)
    prints, test_labels = items(files.test)
    mapped = clean_map(files.request.question.label_map)
    counts = [Counter(mapped.get(label, label) for label in labels) for _, labels in training.values()]
    of_test = Counter(mapped.get(label, label) for label in test_labels)
    said = label_findings(files.test.target, of_test, counts)
    findings = list(_said(None, said.test))
    for key, more in zip(training, said.players, strict=True):
        findings += _said(key, more)
    offered = {label for own in counts for label in own}
    classes = fit_classes(files.test.target, files.test.name, sorted(of_test, key=class_order), offered)
    rows = {
        key: EncodedRows(stand_ins, number_labels(labels, classes, files.datasets[key].name, mapped))
        for key, (stand_ins, labels) in training.items()
    }
    test = EncodedRows(prints, number_labels(test_labels, classes, files.test.name, mapped))
    if not files.request.question.by_name:
        order = canonical_order([test.X.shape[1]], len(classes), test, list(rows.values()))
        classes = tuple(classes[at] for at in order.classes)
        test, rows = order.rows(test), {key: order.rows(own) for key, own in rows.items()}
    # fingerprints are of what was read, before any model sees it
    raw = {key: _raw_items(each, training[key][1]) for key, each in rows.items()}
    return _Read(classes, None, None, test, rows, _raw_items(test, test_labels), raw, findings)


def _raw_items(rows: EncodedRows, labels: Sequence[str]) -> RawRows:
    content = zip(np.ascontiguousarray(rows.X, dtype="<u2"), labels, strict=True)
    return RawRows.of([short_hash(item.tobytes() + label.encode()) for item, label in content], rows.y)


_READERS: dict[str, Callable[[_Files], _Read]] = {
    "table": _read_tables,
    "blocks": _read_blocks,
    "text": _read_items,
    "image": _read_items,
}
