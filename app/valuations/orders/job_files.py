"""A job's files read together: the rows of each, one encoding for all of them, and what was noticed. Pure.

The sandbox runs it (``app.sandbox.process``), for an order on its way to ``fit_task`` and for the command line, so that
both refuse the same files in the same words, and no process that serves requests parses, encodes or compares a
stranger's rows. Of texts and images for a frozen model only fingerprints are made here: enough to distinguish, count
and name them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.readers import Limits, Meaning, archive, image_shape, images
from app.datasets.readers.cells import tidy
from app.datasets.readers.findings import at_most, findings_of
from app.datasets.readers.types import normalise
from app.datasets.rows.canonical_order import canonical_order, in_canonical_order
from app.datasets.rows.corpora import Blocks, bytes_located, read_blocks, read_documents
from app.datasets.rows.encoding import EncodedRows, encode, fit_tables
from app.datasets.rows.features import Encoding
from app.datasets.rows.groups import column_groups, numbered, runs
from app.datasets.rows.items import StandIns, read_stand_ins
from app.datasets.rows.joining import Unfit, common_columns, renamed
from app.datasets.rows.numeric_target import check_said, target_numbers
from app.datasets.rows.raw_rows import (
    RawRows,
    array_hash,
    distance_rows,
    fit_scale,
    keys_of,
    number_block,
    short_hash,
)
from app.datasets.rows.registered import (
    check_alike,
    check_fills,
    encoding_for_agent,
    read_registration,
    registered_gaps,
    registered_table,
)
from app.datasets.rows.rules import class_names
from app.datasets.rows.segments import drawn_least, segment_names, segmented
from app.datasets.rows.suspicions import suspicions
from app.datasets.rows.tokens import load_tokenizer
from app.errors import FieldError, InvalidData
from app.valuations.orders import item_targets
from app.valuations.orders.unfit import DatasetUnfit, without_unfit
from app.valuations.players.files import table_of
from app.valuations.players.near_copies import NEAR_ROWS
from contract.agents import AGENT_FORMAT, Registration
from contract.orders.fit import FilesRead, FitRequest
from contract.rows.features import FeatureChoice, without_group
from contract.rows.files import InputFile
from contract.rows.findings import FileFinding, Finding
from contract.rows.reading import TargetIs
from contract.rows.segments import Segment
from contract.rows.token_blocks import fingerprints

# refusals that speak of columns and their types only, which the catalogue shows
_SCHEMA = frozenset({"schema", "missing"})
_NOT_COMPARED = RawRows.of([], np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class JobRows:
    """The labels' names (classes, or a language model's domains), a table's encoding, and the rows of each file: as
    the job encodes them, and as they were read; ``scale`` is centre and spread of a number."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    test: EncodedRows
    rows: Mapping[str, EncodedRows]
    raw_test: RawRows
    raw: Mapping[str, RawRows]
    findings: Sequence[FileFinding] = ()
    segments: tuple[Segment, ...] = ()
    scale: tuple[float, float] | None = None


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

    @property
    def away(self) -> Mapping[str, InputFile]:
        """The datasets that stay with their owner: what lies here is what its agent registered."""
        return {key: file for key, file in self.datasets.items() if file.format == AGENT_FORMAT}

    def path(self, file: InputFile) -> Path:
        return Path(self.request.paths[file.digest])

    @contextmanager
    def refused(self, dataset: str, file: InputFile) -> Iterator[None]:
        """A refusal of a provider's file names the column and never what is in it, which is not the asker's to read,
        unless all files are the asker's own."""
        try:
            yield
        except InvalidData as error:
            if self.request.question.own or any(fault.type in _SCHEMA for fault in error.errors):
                raise DatasetUnfit(dataset, error) from None
            columns = sorted({fault.pointer for fault in error.errors})
            where = f"column `{columns[0]}`" if columns else "its content"
            detail = (
                f"{file.name}: {where} cannot be read as this order asks, and what is in it is its provider's to see; "
                "name another target or model, or leave the dataset out"
            )
            refusal = InvalidData(detail, errors=[FieldError(column, detail, "private") for column in columns])
            raise DatasetUnfit(dataset, refusal) from None


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """Read files together, as plain JSON (``FitRequest``, ``FilesRead``). Raises InvalidData where they do not fit."""
    request = FitRequest.read({name: value for name, value in plain.items() if name != "task"})
    rows, unfit = without_unfit(request, read_files)
    return FilesRead(
        labels=rows.labels,
        encoding=rows.encoding,
        shape=rows.shape,
        findings=tuple(rows.findings),
        unfit=unfit,
        scale=rows.scale,
    ).plain()


def read_files(request: FitRequest) -> JobRows:
    """The rows of a job's files; raises InvalidData where they do not fit together."""
    return _READERS[request.question.kind](_Files(request, Limits(**request.question.limits)))


def _read_tables(files: _Files) -> JobRows:
    """Files with columns, or images, which may be resized to a square: one encoding for all, fixed by the test set."""
    question, target = files.request.question, files.test.target
    # an uploaded test set had its labels counted before
    test = _table(files, files.test, is_test=question.own)
    groups = column_groups(test, files.test.group) if files.test.group else None
    if question.target_is is None and target in test.column_names:
        # before others' files are looked at: what the asker's own target is, the asker can be told in full
        check_said(test, target)
    choice = without_group(question.features, files.test.group)
    if tidy(question.segments) in test.column_names:
        choice = without_group(choice, question.segments)
    registered = {key: read_registration(files.path(file).read_bytes(), file.name) for key, file in files.away.items()}
    tables = _provider_tables(files, test, registered, choice)
    try:
        fitted = fit_tables(
            test,
            list(tables.values()),
            target,
            choice=choice,
            label_map=question.label_map,
            target_is=question.target_is,
            reported_labels={label for each in registered.values() for label in each.labels},
            reported_gaps={name for each in registered.values() for name in registered_gaps(each, choice)},
        )
    except Unfit as error:
        raise DatasetUnfit(list(tables)[error.table], error) from None
    encoding = fitted.encoding if question.encoding is None else _of_model(question.encoding, fitted.encoding)
    findings = _said(None, findings_of(test), fitted.test_findings)
    for (key, read), more in zip(tables.items(), fitted.findings, strict=True):
        odd = suspicions(renamed(read, question.features), encoding)
        findings += _said(key, findings_of(read), more, odd)
    if registered and question.encoding is None:
        check_fills(encoding, choice)
    rows = _encoded(files, tables, registered, encoding)
    tables = {key: read for key, read in tables.items() if key not in registered}
    encoded_test = replace(encode(test, encoding), groups=groups)
    segments: tuple[Segment, ...] = ()
    if question.segments:
        segments, rows = _in_segments(files, choice, test, tables, rows)
    if not question.by_name:
        encoding, order = in_canonical_order(encoding, encoded_test, list(rows.values()))
        encoded_test, rows = order.rows(encoded_test), {key: order.rows(own) for key, own in rows.items()}
    alone = question.own or not tables
    raw_test, raw = (_NOT_COMPARED, {}) if alone else _raw_tables(files, test, tables, encoded_test, rows)
    return JobRows(
        encoding.classes, encoding.to_json(), encoding.shape, encoded_test, rows, raw_test, raw, findings, segments
    )


def _encoded(
    files: _Files, tables: Mapping[str, Any], registered: Mapping[str, Registration], encoding: Encoding
) -> dict[str, EncodedRows]:
    """The encoded rows of each dataset that is here; raises InvalidData, naming the dataset, also where one that is not
    here cannot be encoded by its agent."""
    rows = {}
    for key, read in tables.items():
        with files.refused(key, files.datasets[key]):
            if key in registered:
                encoding_for_agent(encoding, registered[key], files.datasets[key].name, files.datasets[key].target)
            else:
                rows[key] = encode(read, encoding)
    return rows


def _of_model(plain: Mapping[str, Any], found: Encoding) -> Encoding:
    """The encoding of the model that an order starts from; raises InvalidData where the files lack a column of its."""
    encoding = Encoding.from_json(plain)
    offered = {feature.name: feature.kind for feature in found.features}
    for feature in encoding.features:
        if feature.name not in offered:
            raise InvalidData(f"the files have no column `{feature.name}`, which the checkpoint reads; add it")
        if offered[feature.name] != feature.kind:
            raise InvalidData(
                f"the column `{feature.name}` is read as {offered[feature.name]} here, and the checkpoint reads it as "
                f"{feature.kind}; name files of the kind that it was trained on"
            )
    if encoding.target != found.target:
        raise InvalidData(
            f"the checkpoint predicts `{encoding.target}`, and the order `{found.target}`; name the same target"
        )
    return encoding


def _in_segments(
    files: _Files, choice: FeatureChoice, test: Any, tables: Mapping[str, Any], rows: Mapping[str, EncodedRows]
) -> tuple[tuple[Segment, ...], dict[str, EncodedRows]]:
    """The segments of all payees' rows, and the rows with their numbers; raises InvalidData, naming the dataset that
    has no such column."""
    question = files.request.question
    named = {}
    for key in (dataset for offer in question.members for dataset in offer.datasets if dataset in tables):
        with files.refused(key, files.datasets[key]):
            named[key] = segment_names(renamed(tables[key], choice), question.segments)
    offered = [[key for key in offer.datasets if key in named] for offer in question.members]
    tested = segment_names(test, question.segments) if tidy(question.segments) in test.column_names else ()
    least = [
        drawn_least(question.least_segment, question.segment_draws, [files.datasets[key].digest for key in own])
        for own in offered
    ]
    cut = segmented(named, offered, tested, least)
    return cut.segments, {key: replace(own, groups=cut.numbers.get(key)) for key, own in rows.items()}


def _table(files: _Files, file: InputFile, form: Sequence[int] = (), *, is_test: bool = False) -> Any:
    """A file's labelled rows; images are resized to the order's square, where it has one."""
    question = files.request.question
    side = question.image_size
    square = None if side is None else (side, side)
    path, missing = files.path(file), question.missing_labels
    return table_of(path, file, files.test.target, files.limits, square, form, missing, is_test=is_test)


def _provider_tables(
    files: _Files, test: Any, registered: Mapping[str, Registration], choice: FeatureChoice
) -> dict[str, Any]:
    """Each dataset's rows, or what is registered of them; raises InvalidData, naming the dataset."""
    question, target = files.request.question, files.test.target
    tables: dict[str, Any] = {}
    for key, file in files.datasets.items():
        with files.refused(key, file):
            if key in registered:
                tables[key] = registered_table(registered[key], file.name, file.target, target)
                check_alike(renamed(tables[key], choice), test, choice)
                continue
            tables[key] = _table(files, file, image_shape(test))
            if target in tables[key].column_names:
                (target_numbers if question.target_is == "number" else class_names)(tables[key], target)
    return tables


def _raw_tables(
    files: _Files, test: Any, tables: Mapping[str, Any], encoded_test: EncodedRows, rows: Mapping[str, EncodedRows]
) -> tuple[RawRows, dict[str, RawRows]]:
    """The rows of the test set and of each dataset as they were read, to be compared."""
    target, resized = files.test.target, files.request.question.image_size is not None
    number = files.request.question.target_is == "number"
    # without distances where none is looked at: they take as much memory as the rows themselves
    sizes = [each.num_rows for each in tables.values()]
    near = min(test.num_rows + max(sizes), sum(sizes)) <= NEAR_ROWS
    comparable = dict(zip(("", *tables), common_columns([test, *tables.values()]), strict=True))
    scale = fit_scale([comparable[key] for key in tables], target) if near else None

    def raw(table: Any, file: InputFile, y: NDArray[Any], alike: Any) -> RawRows:
        keys = keys_of(table, target, _as_they_were(files, file) if resized else {}, number=number)
        distances = np.zeros((len(y), 0), dtype=np.float32) if scale is None else distance_rows(alike, target, scale)
        if not number:
            return RawRows(keys, distances, y)
        if scale is not None:
            # a copy of a row has nearly its number, as it has its class
            distances = np.concatenate([distances, number_block(y, [own.y for own in rows.values()])], axis=1)
        return RawRows(keys, distances, np.zeros(len(y), dtype=np.int64))

    of_players = {key: raw(tables[key], files.datasets[key], rows[key].y, comparable[key]) for key in rows}
    return raw(test, files.test, encoded_test.y, comparable[""]), of_players


def _said(dataset: str | None, *noticed: Sequence[Finding]) -> list[FileFinding]:
    """What is said of one file."""
    return [FileFinding(dataset=dataset, finding=each) for each in at_most([each for some in noticed for each in some])]


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


def _read_blocks(files: _Files) -> JobRows:
    """Corpora as blocks for a language model; the test set's target, if any, names its domains."""
    place, question = files.request.tokenizer, files.request.question
    tokenizer = None if place is None else load_tokenizer(Path(place), files.request.name)
    encode_, located = (None, bytes_located) if tokenizer is None else (tokenizer.encode, tokenizer.located)

    def blocks(file: InputFile) -> Blocks:
        return read_blocks(
            files.path(file),
            file.format,
            file.target or None,
            question.context or 0,
            encode_,
            files.limits,
            file.name,
            file.reading,
            located,
            question.missing_labels,
            file.group,
        )

    read = blocks(files.test)
    domains = tuple(sorted(set(read.domains)))
    number = {name: at for at, name in enumerate(domains)}
    labels = np.array([number[name] for name in read.domains], dtype=np.int64)
    groups = numbered(read.documents) if files.test.group else runs(read.documents)
    test, raw_test = EncodedRows(fingerprints(read.tokens), labels, groups), RawRows.of(read.raw, np.zeros_like(labels))
    rows, raw, findings = {}, {}, _said(None, read.findings)
    for key, file in files.datasets.items():
        if key in files.away:
            continue
        with files.refused(key, file):
            read = blocks(file)
        nothing = np.zeros(len(read.raw), dtype=np.int64)
        rows[key], raw[key] = EncodedRows(fingerprints(read.tokens), nothing), RawRows.of(read.raw, nothing)
        findings += _said(key, read.findings)
    return JobRows(domains, None, None, test, rows, raw_test, raw, findings)


def _read_corpora(files: _Files) -> JobRows:
    """Documents that are looked at and not cut: whoever asks cuts its own files."""
    nothing = EncodedRows(np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int64))
    findings = []
    everything: list[tuple[str | None, InputFile]] = [(None, files.test), *files.datasets.items()]
    for key, file in everything:
        with nullcontext() if key is None else files.refused(key, file):
            read = read_documents(files.path(file), file.format or None, files.limits, file.name, file.reading)
        findings += _said(key, read.findings)
    return JobRows((), None, None, nothing, {}, _NOT_COMPARED, {}, findings)


def _read_items(files: _Files) -> JobRows:
    """Texts or images for a frozen model, with their labels."""
    question = files.request.question

    def items(file: InputFile, target_is: TargetIs | None) -> StandIns:
        return read_stand_ins(
            files.path(file),
            file.format or None,
            question.kind,
            file.target,
            files.limits,
            file.name,
            file.reading,
            question.missing_labels,
            file.group,
            target_is,
        )

    # the asker's own file first: what a target is, is then said of it, and not hidden as a provider's
    tested = items(files.test, question.target_is)
    training = {}
    for key, file in files.datasets.items():
        with files.refused(key, file):
            training[key] = items(file, question.target_is or "classes")
    targets = item_targets.read(question, tested, training)
    classes = targets.classes
    rows = {key: EncodedRows(each.prints, targets.files[key]) for key, each in training.items()}
    test = EncodedRows(tested.prints, targets.test, tested.groups)
    findings = _said(None, tested.findings, targets.said.test)
    for (key, each), more in zip(training.items(), targets.said.players, strict=True):
        findings += _said(key, each.findings, more)
    if not question.by_name:
        order = canonical_order([test.X.shape[1]], len(classes), test, list(rows.values()))
        classes = tuple(classes[at] for at in order.classes)
        test, rows = order.rows(test), {key: order.rows(own) for key, own in rows.items()}
    # fingerprints are of what was read, before any model sees it
    raw = {key: _raw_items(each, training[key].labels) for key, each in rows.items()}
    scale = None if targets.scale is None else (targets.scale.center, targets.scale.spread)
    return JobRows(classes, None, None, test, rows, _raw_items(test, tested.labels), raw, findings, scale=scale)


def _raw_items(rows: EncodedRows, labels: Sequence[str]) -> RawRows:
    content = zip(np.ascontiguousarray(rows.X, dtype="<u2"), labels, strict=True)
    return RawRows.of([short_hash(item.tobytes() + label.encode()) for item, label in content], rows.y)


_READERS: dict[str, Callable[[_Files], JobRows]] = {
    "table": _read_tables,
    "blocks": _read_blocks,
    "corpora": _read_corpora,
    "text": _read_items,
    "image": _read_items,
}
