"""Looking at an uploaded file: is it valid, and what is in it. Pure; it holds few columns at a time, keeps nothing.

It is what runs in the sandbox (see ``app.sandbox.process``): no database, no blob store, no settings.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from app.datasets.readers import Limits, Meaning, archive, images, open_columns, sniff
from app.datasets.readers.cells import tidy
from app.datasets.readers.findings import at_most, findings_of
from app.datasets.readers.sources import source_of
from app.datasets.readers.types import is_text, normalise
from app.datasets.rows import rules
from app.datasets.rows.filling import text_counts
from app.datasets.rows.labels import spelled_alike
from app.datasets.rows.noticed import RowHashes, of_columns
from app.datasets.rows.registered import read_registration
from app.errors import InvalidData
from contract.agents import AGENT_FORMAT
from contract.document import Document
from contract.rows.files import AS_IT_IS, FileColumn, Reading
from contract.rows.findings import Finding

_MOST_REGISTRATION = 1 << 20


class Inspection(Document):
    """What a valid file holds. ``columns`` are in file order, target included, without those that only count rows;
    ``findings`` is what was noticed."""

    format: str
    modality: str
    rows: int
    columns: tuple[FileColumn, ...]
    findings: tuple[Finding, ...] = ()


class InspectionQuestion(Document):
    """The file that the sandbox is asked about: where it lies, what is said of it (None: read off the bytes), how
    large a table may be (``Limits``), and what errors call it."""

    path: str
    format: str | None
    modality: str | None
    target: str | None
    is_test: bool
    limits: dict[str, int]
    name: str
    reading: Reading = AS_IT_IS


def inspect(
    path: Path,
    *,
    format: str | None,  # noqa: A002  the API's own word
    modality: str | None,
    target: str | None,
    is_test: bool,
    limits: Limits,
    name: str,
    reading: Reading = AS_IT_IS,
) -> Inspection:
    """Check a file against every rule of its kind; raises InvalidData for the first one it breaks."""
    if format == AGENT_FORMAT:
        return _inspect_registration(path, target, is_test, name)
    file = source_of(path, limits, name)
    sniffed = sniff(file, format, name, reading)
    if sniffed == "zip":
        with archive.opened(path, limits, name) as packed:
            if packed.images:
                return _agreed(_inspect_images(packed, target, is_test), modality, name)
    documents = sniffed in ("text", "zip") or modality == "text"
    meaning = Meaning(target=target, documents=documents)
    opened = open_columns(file, sniffed, limits=limits, name=name, reading=reading, meaning=meaning)
    limits.check_names(opened.names, name)
    _check_header(opened.names, sniffed, name, target, documents=documents)
    rows = 0
    columns: list[FileColumn] = []
    noticed: list[Finding] = []
    hashes = RowHashes()
    for group in opened.groups:
        rules.check_values(group, target, is_test=is_test)
        if documents:
            rules.check_documents(group)
        # a group of nothing but an index has no column, and no rows
        rows = max(rows, group.num_rows)
        columns += rules.columns_of(group)
        hashes.add(group)
        noticed += [*findings_of(group), *_of_labels(group, target), *of_columns(group, target)]
    if len(columns) < 2 and target is not None:
        rules.check_names(_header([column.name for column in columns], sniffed, name), target)
    rules.check_declared(reading, [column.name for column in columns], name)
    kind = "text" if documents else _modality(sniffed, columns)
    looked = Inspection(
        format=sniffed,
        modality=kind,
        rows=rows,
        columns=tuple(columns),
        findings=tuple(at_most([*noticed, *hashes.findings()])),
    )
    return _agreed(looked, modality, name)


def _check_header(names: list[str], file_format: str, name: str, target: str | None, *, documents: bool) -> None:
    """Raises InvalidData for the first rule on names that a file's names break."""
    header = _header([tidy(column) for column in names], file_format, name)
    if documents:
        rules.check_document_names(header, target)
    elif target is None:
        raise InvalidData(f"{name}: a dataset without a target can only be documents; name its target")
    else:
        rules.check_names(header, target)


def _of_labels(group: pa.Table, target: str | None) -> list[Finding]:
    if target is None or target not in group.column_names:
        return []
    spelled = spelled_alike(target, text_counts(group.column(target))) if is_text(group.column(target).type) else []
    return [*rules.missing_labels(group, target), *spelled]


def _inspect_images(packed: archive.Packed, target: str | None, is_test: bool) -> Inspection:
    """Images are decoded one at a time; only their labels are held."""
    name = packed.name
    looked = images.look(packed)
    rules.check_names(_header([images.IMAGE_COLUMN, *packed.columns.column_names], "zip", name), target or "")
    typed = normalise(looked.columns, name, Meaning(target=target))
    labels = typed.replace_schema_metadata({"cherish.name": name, "cherish.format": "zip"})
    rules.check_values(labels, target, is_test=is_test)
    hashes = RowHashes()
    hashes.mix(looked.hashes)
    hashes.add(labels)
    noticed = [*findings_of(typed), *_of_labels(labels, target), *hashes.findings()]
    shown = "image" if looked.shape is None else f"tensor{list(looked.shape)}"
    columns = (FileColumn(name=images.IMAGE_COLUMN, type=shown), *rules.columns_of(labels))
    return Inspection(
        format="zip", modality="image", rows=looked.count, columns=columns, findings=tuple(at_most(noticed))
    )


def _inspect_registration(path: Path, target: str | None, is_test: bool, name: str) -> Inspection:
    """What an agent says of a table that stays with its owner; there is nothing else to be looked at."""
    if is_test:
        raise InvalidData(
            f"{name}: a test set measures others' data here and is uploaded; it cannot stay with an agent"
        )
    if path.stat().st_size > _MOST_REGISTRATION:
        raise InvalidData(f"{name}: a registration has {_MOST_REGISTRATION} bytes at most; register fewer columns")
    registration = read_registration(path.read_bytes(), name)
    if registration.target != (target or ""):
        raise InvalidData(f"{name}: registered with target `{registration.target}`, created with `{target}`; say one")
    columns = tuple(FileColumn(name=column.name, type=column.kind) for column in registration.columns)
    modality = "tabular" if registration.texts is None else "text"
    return Inspection(format=AGENT_FORMAT, modality=modality, rows=registration.rows, columns=columns)


def _header(names: list[str], file_format: str, name: str) -> pa.Table:
    """A table without rows that has all the names: what the rules on names ask for."""
    fields = [(column, pa.null()) for column in names]
    return pa.schema(fields, {"cherish.name": name, "cherish.format": file_format}).empty_table()


def _agreed(inspection: Inspection, declared: str | None, name: str) -> Inspection:
    if declared is not None and declared != inspection.modality:
        raise InvalidData(
            f"{name}: declared as {declared}, but its rows are {inspection.modality}; send {declared} data, or create "
            f"a new dataset of modality {inspection.modality}"
        )
    return inspection


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """``inspect`` in JSON's terms (``InspectionQuestion``, ``Inspection``)."""
    question = InspectionQuestion.read({name: value for name, value in plain.items() if name != "task"})
    return inspect(
        Path(question.path),
        format=question.format,
        modality=question.modality,
        target=question.target,
        is_test=question.is_test,
        limits=Limits(**question.limits),
        name=question.name,
        reading=question.reading,
    ).plain()


def _modality(format: str, columns: Sequence[FileColumn]) -> str:  # noqa: A002  as above
    if any(column.type.startswith("tensor") for column in columns):
        return "image"
    return "array" if format == "npz" and columns[-1].name == "y" else "tabular"
