"""How a job's files become rows when it is admitted: columns and images by one encoding, texts as blocks of tokens.

Either way every file is read once, what does not fit together is refused, and what results is the same to the byte as
what a worker will compute on. Of texts only fingerprints are held here, and they are read in the enclosure: a
tokenizer is a stranger's.
"""

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.checkpoints.tables import Architecture, Checkpoint
from app.datasets import enclosure
from app.datasets.corpora import from_answer
from app.datasets.encoding import EncodedRows, encode, fit_classes, fit_encoding
from app.datasets.items import IMAGE, TEXT, number_labels, read_stand_ins
from app.datasets.readers import Limits
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.rules import class_order
from app.datasets.service import limits_of
from app.datasets.tables import Dataset, Modality
from app.errors import FieldError, InvalidInput
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.inputs import InputFile, load_table
from app.valuations.quotes import Size
from app.valuations.schemas import Model

CONTEXT = 128


@dataclass(frozen=True)
class Reading:
    """What was read: the encoding as plain JSON, the test set, each dataset's file and rows, and how much it all is."""

    encoding: dict[str, Any]
    shape: tuple[int, ...]
    classes: int
    test_file: InputFile
    test: EncodedRows
    files: Mapping[uuid.UUID, InputFile]
    encoded: Mapping[uuid.UUID, EncodedRows]
    size: Size

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes that rows are labelled with; none where rows are blocks of text."""
        return tuple(self.encoding.get("classes", ()))


def read_tables(
    blobs: BlobStore,
    settings: Settings,
    test: Dataset,
    found: Sequence[Dataset],
    target: str | None,
    image_size: int | None = None,
) -> Reading:
    """Files with columns, or images, which are resized to a square of ``image_size``: one encoding for all, fixed by
    the test set. Raises InvalidData."""
    limits = limits_of(settings)
    square = None if image_size is None else (image_size, image_size)
    test_file = table_file(test, target)
    files = {each.id: table_file(each, target) for each in found}
    test_table = load_table(blobs, test_file, test_file.target, limits, square)
    tables = {each: load_table(blobs, file, test_file.target, limits, square) for each, file in files.items()}
    encoding = fit_encoding(test_table, list(tables.values()), test_file.target)
    rows = {each: encode(table, encoding) for each, table in tables.items()}
    test_rows = encode(test_table, encoding)
    size = Size(0, math.prod(encoding.shape), len(encoding.classes), test_table.num_rows)
    shape, classes = encoding.shape, len(encoding.classes)
    return Reading(encoding.to_json(), shape, classes, test_file, test_rows, files, rows, size)


def table_file(dataset: Dataset, target: str | None) -> InputFile:
    """The dataset's bytes; a target that the order names is looked for by that name in every file."""
    wanted = target or dataset.target
    if dataset.digest is None or dataset.format is None or wanted is None:
        raise AssertionError(f"dataset {dataset.id} has no content or no target, and was not refused")
    return InputFile(f"dataset ds_{dataset.id.hex}", dataset.digest, dataset.format.value, wanted)


def read_texts(
    blobs: BlobStore, settings: Settings, test: Dataset, found: Sequence[Dataset], model: Model, base: Checkpoint
) -> Reading:
    """Corpora as blocks for a language model on ``base``; the test set's target, if any, names its domains."""
    context = _context(model)
    facts = base.facts or {}
    with _tokenizer(blobs, base) as tokenizer:
        asked = (settings, context, tokenizer)
        test_file = _text_file(test, test.target)
        prints, names = _blocks(blobs, test_file, *asked)
        domains = tuple(sorted(set(names)))
        number = {name: at for at, name in enumerate(domains)}
        test_rows = EncodedRows(prints, np.array([number[name] for name in names], dtype=np.int64))
        files, rows = {}, {}
        for each in found:
            files[each.id] = _text_file(each, None)
            prints, _ = _blocks(blobs, files[each.id], *asked)
            rows[each.id] = EncodedRows(prints, np.zeros(len(prints), dtype=np.int64))
    vocabulary = int(facts["vocabulary"])
    if len(domains) > vocabulary:
        raise refused(
            "/test_dataset", f"the test set has {len(domains)} domains, more than there are tokens; merge some"
        )
    encoding = {
        "kind": "blocks",
        "context": context,
        "vocabulary": vocabulary,
        "domain_column": test.target,
        "domains": list(domains),
    }
    training = int(_hyper(model, "steps", 60)) * int(_hyper(model, "batch", 8)) * context
    size = Size(0, context + 1, vocabulary, len(names), float(facts["parameters"]) * training,
                float(facts["parameters"]) * context * len(names))  # fmt: skip
    return Reading(encoding, (context + 1,), vocabulary, test_file, test_rows, files, rows, size)


def read_items(
    blobs: BlobStore, settings: Settings, test: Dataset, found: Sequence[Dataset], target: str | None, base: Checkpoint
) -> Reading:
    """Texts or images for the frozen model ``base``: here they are only told apart. Raises InvalidData."""
    facts, kind = base.facts or {}, TEXT if base.architecture is Architecture.ENCODER else IMAGE
    test_file, limits = table_file(test, target), limits_of(settings)
    files = {each.id: table_file(each, target) for each in found}
    asked = (kind, limits)
    prints = {each: _stand_ins(blobs, file, *asked) for each, file in files.items()}
    test_prints, wanted = _stand_ins(blobs, test_file, *asked)
    offered = {label for _, labels in prints.values() for label in labels}
    classes = fit_classes(test_file.target, test_file.name, sorted(set(wanted), key=class_order), offered)
    rows = {
        each: EncodedRows(stand_in, number_labels(labels, classes, files[each].name))
        for each, (stand_in, labels) in prints.items()
    }
    test_rows = EncodedRows(test_prints, number_labels(wanted, classes, test_file.name))
    encoding: dict[str, Any] = {"kind": "features", "of": kind, "target": test_file.target, "classes": list(classes)}
    work = float(facts["multiplications"])
    if kind == TEXT:
        encoding["context"] = int(base.hyper.get("context", min(128, facts["sizes"]["positions"])))
        work *= encoding["context"]
    else:
        encoding["size"] = int(base.hyper.get("size", facts["sizes"]["size"]))
        work *= (encoding["size"] / facts["sizes"]["size"]) ** 2
    many = len(wanted) + sum(len(each.y) for each in rows.values())
    size = Size(0, int(facts["width"]), len(classes), len(wanted), preparing=work * many)
    return Reading(encoding, (int(facts["width"]),), len(classes), test_file, test_rows, files, rows, size)


def unfit_for_items(dataset: Dataset, architecture: Architecture) -> str | None:
    """Why a frozen model cannot be shown a dataset; the rest of a sentence that begins with its name."""
    if dataset.target is None:
        return "has no target, and a head predicts one; name datasets with labels"
    if (architecture is Architecture.BACKBONE) != (dataset.modality is Modality.IMAGE):
        what = "images" if architecture is Architecture.BACKBONE else "texts"
        kind = dataset.modality.value if dataset.modality is not None else "no"
        return f"holds {kind} data, and the {architecture.value} takes {what}; name others, or another base"
    return None


def unfit_for_texts(dataset: Dataset) -> str | None:
    """Why a language model cannot read a dataset; the rest of a sentence that begins with its name."""
    column = next((each for each in dataset.columns or [] if each["name"] == TEXT_COLUMN), None)
    if dataset.modality is not Modality.TEXT and (column is None or column["type"] != "text"):
        return f"has no column `{TEXT_COLUMN}` of texts, which lm reads; name corpora, or another model"
    return None


def refused(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(pointer, detail)])


def _context(model: Model) -> int:
    context = _hyper(model, "context", CONTEXT)
    if context != int(context) or context < 8 or int(context) % 8 or context > 1 << 20:
        raise refused("/model/hyper/context", f"lm: context must be a multiple of 8 tokens; got {context:g}")
    return int(context)


def _hyper(model: Model, name: str, default: float) -> float:
    return float(model.hyper.get(name, default))


def _stand_ins(blobs: BlobStore, file: InputFile, kind: str, limits: Limits) -> tuple[Any, list[str]]:
    with scratch.file() as path:
        blobs.download(file.digest, path)
        return read_stand_ins(path, file.format, kind, file.target, limits, file.name)


def _text_file(dataset: Dataset, domain: str | None) -> InputFile:
    if dataset.digest is None or dataset.format is None:
        raise AssertionError(f"dataset {dataset.id} has no content, and was not refused")
    return InputFile(f"dataset ds_{dataset.id.hex}", dataset.digest, dataset.format.value, domain or "")


@contextmanager
def _tokenizer(blobs: BlobStore, base: Checkpoint) -> Iterator[Path | None]:
    """The base's tokenizer as a file; None for bytes."""
    if base.tokenizer_digest is None:
        yield None
        return
    with scratch.file() as path:
        blobs.download(base.tokenizer_digest, path)
        yield path


def _blocks(
    blobs: BlobStore, file: InputFile, settings: Settings, context: int, tokenizer: Path | None
) -> tuple[Any, list[str]]:
    """Fingerprints float32[n, 8] of a file's blocks, and the domain of each."""
    with scratch.file() as path:
        blobs.download(file.digest, path)
        question = {
            "task": "blocks",
            "path": str(path),
            "format": file.format,
            "domain": file.target or None,
            "context": context,
            "tokenizer": None if tokenizer is None else str(tokenizer),
            "limits": asdict(limits_of(settings)),
            "name": file.name,
        }
        memory, seconds = settings.parse_memory_bytes, settings.parse_seconds
        return from_answer(enclosure.shared().ask(question, memory_bytes=memory, seconds=seconds))
