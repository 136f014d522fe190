"""What an order asks about its files, and what they come to: the question to the sandbox, its answer, kept a while.

Every file is read once, in the sandbox (``fit_task``), what does not fit together is refused, and what results is the
same to the byte as what a worker will compute on. The answer rests on nothing but the question, so it is kept by the
question's digest and serves every process that is asked again: a quote's order when it is posted.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.rows.items import IMAGE, TEXT
from app.datasets.service import limits_of
from app.datasets.tables import Dataset, Modality
from app.errors import FieldError, InvalidInput
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.orders import fit_cache
from app.valuations.orders.game_digest import digest_of
from app.valuations.orders.quotes import Size
from app.valuations.players.files import InputFile
from app.valuations.schemas import Model
from contract.learners import Architecture

CONTEXT = 128
FIT = process.declare("app.valuations.orders.fit_task:answer")
# raised whenever ``fitting`` answers another thing to the same question; what was kept before is then not used
_RULES = 1


@dataclass(frozen=True)
class Offer:
    """One who may be paid: its name in the job, what people call it, and its datasets."""

    name: str
    shown: str
    datasets: tuple[uuid.UUID, ...]


@dataclass(frozen=True)
class Question:
    """What an answer depends on, but for the model below: who offers what, since when, and the rule for copies."""

    test: Dataset
    found: Sequence[Dataset]
    target: str | None
    image_size: int | None
    offers: Sequence[Offer]
    copies: str
    uploaded: Mapping[uuid.UUID, datetime]


@dataclass(frozen=True)
class Reading:
    """What was read: the encoding as plain JSON, the test set's file, how much it all is; and, as ``fitting`` told
    them, the seats, the members, the notes and the mix of labels."""

    encoding: dict[str, Any]
    shape: tuple[int, ...]
    classes: int
    test_file: InputFile
    size: Size
    told: dict[str, Any]


def read_tables(session: Session, blobs: BlobStore, settings: Settings, asked: Question) -> Reading:
    """Files with columns, or images: one encoding for all, fixed by the test set. Raises InvalidData."""
    test_file = _table_file(asked.test, asked.target)
    files = {each.id: _table_file(each, asked.target) for each in asked.found}
    told = _ask(session, blobs, settings, asked, "table", test_file, files, image_size=asked.image_size)
    shape, classes = tuple(told["shape"]), len(told["labels"])
    size = Size(0, math.prod(shape), classes, told["test"]["rows"])
    return _reading(told["encoding"], shape, classes, test_file, size, told)


def read_texts(
    session: Session, blobs: BlobStore, settings: Settings, asked: Question, model: Model, base: Checkpoint
) -> Reading:
    """Corpora as blocks for a language model on ``base``; the test set's target, if any, names its domains."""
    context, facts = _context(model), base.facts or {}
    test_file = _text_file(asked.test, asked.test.target)
    files = {each.id: _text_file(each, None) for each in asked.found}
    told = _ask(session, blobs, settings, asked, "blocks", test_file, files, base.tokenizer_digest, context=context)
    vocabulary, rows = int(facts["vocabulary"]), int(told["test"]["rows"])
    if len(told["labels"]) > vocabulary:
        raise refused(
            "/test_dataset",
            f"the test set has {len(told['labels'])} domains, more than there are tokens; merge some",
        )
    encoding = {
        "kind": "blocks",
        "context": context,
        "vocabulary": vocabulary,
        "domain_column": asked.test.target,
        "domains": told["labels"],
    }
    training = int(_hyper(model, "steps", 60)) * int(_hyper(model, "batch", 8)) * context
    size = Size(0, context + 1, vocabulary, rows, float(facts["parameters"]) * training,
                float(facts["parameters"]) * context * rows)  # fmt: skip
    return _reading(encoding, (context + 1,), vocabulary, test_file, size, told)


def read_items(
    session: Session, blobs: BlobStore, settings: Settings, asked: Question, model: Model, base: Checkpoint
) -> Reading:
    """Texts or images for the frozen model ``base``, which makes features of them for a head, or is itself trained with
    adapters (lora): here they are only told apart. Raises InvalidData."""
    facts, kind = base.facts or {}, TEXT if base.architecture is Architecture.ENCODER else IMAGE
    test_file = _table_file(asked.test, asked.target)
    files = {each.id: _table_file(each, asked.target) for each in asked.found}
    told = _ask(session, blobs, settings, asked, kind, test_file, files)
    classes, width = told["labels"], int(facts["width"])
    inside = model.name == Architecture.LORA.value
    encoding: dict[str, Any] = {
        "kind": "inputs" if inside else "features",
        "of": kind,
        "target": test_file.target,
        "classes": classes,
    }
    work = float(facts["multiplications"])
    if kind == TEXT:
        encoding["context"] = int(base.hyper.get("context", min(128, facts["sizes"]["positions"])))
        work *= encoding["context"]
    else:
        encoding["size"] = int(base.hyper.get("size", facts["sizes"]["size"]))
        work *= (encoding["size"] / facts["sizes"]["size"]) ** 2
    rows = told["test"]["rows"]
    size = Size(0, width, len(classes), rows)
    if inside:
        training = work * _hyper(model, "steps", 60) * _hyper(model, "batch", 16)
        size = replace(size, training=training, scoring=work * rows)
    else:
        size = replace(size, preparing=work * (rows + sum(each["rows"] for each in told["members"])))
    return _reading(encoding, (width,), len(classes), test_file, size, told)


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


def _reading(
    encoding: dict[str, Any],
    shape: tuple[int, ...],
    classes: int,
    test_file: InputFile,
    size: Size,
    told: dict[str, Any],
) -> Reading:
    used = sum(each["rows"] for each in told["seats"])
    return Reading(encoding, shape, classes, test_file, replace(size, rows=used), told)


def _ask(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    asked: Question,
    kind: str,
    test: InputFile,
    files: Mapping[uuid.UUID, InputFile],
    tokenizer: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """``fitting``'s answer: the one that is kept, or a new one, which is kept with the caller's transaction."""
    question = {
        "kind": kind,
        "test": test.to_json(),
        "files": {key.hex: file.to_json() for key, file in files.items()},
        "members": [asdict(each) | {"datasets": [key.hex for key in each.datasets]} for each in asked.offers],
        "copies": asked.copies,
        "uploaded": {key.hex: moment.isoformat() for key, moment in asked.uploaded.items()},
        "limits": asdict(limits_of(settings)),
        **more,
    }
    digest = digest_of({"rules": _RULES, "tokenizer": tokenizer, **question})
    kept = fit_cache.kept(session, digest)
    if kept is not None:
        return kept
    with scratch.file() as free:
        paths = {each: str(free.with_name(each)) for each in {file.digest for file in (test, *files.values())}}
        place = None if tokenizer is None else str(free)
        for wanted, path in paths.items():
            blobs.download(wanted, Path(path))
        if tokenizer is not None:
            blobs.download(tokenizer, free)
        told = process.shared().ask(
            {"task": FIT, "name": "the job's files", "paths": paths, "tokenizer": place, **question},
            memory_bytes=settings.fit_memory_bytes,
            seconds=settings.parse_seconds,
        )
    fit_cache.keep(session, digest, told)
    return told


def _table_file(dataset: Dataset, target: str | None) -> InputFile:
    """The dataset's bytes; a target that the order names is looked for by that name in every file."""
    wanted = target or dataset.target
    if dataset.digest is None or dataset.format is None or wanted is None:
        raise AssertionError(f"dataset {dataset.id} has no content or no target, and was not refused")
    return InputFile(f"dataset ds_{dataset.id.hex}", dataset.digest, dataset.format.value, wanted)


def _text_file(dataset: Dataset, domain: str | None) -> InputFile:
    if dataset.digest is None or dataset.format is None:
        raise AssertionError(f"dataset {dataset.id} has no content, and was not refused")
    return InputFile(f"dataset ds_{dataset.id.hex}", dataset.digest, dataset.format.value, domain or "")


def _context(model: Model) -> int:
    context = _hyper(model, "context", CONTEXT)
    if context != int(context) or context < 8 or int(context) % 8 or context > 1 << 20:
        raise refused("/model/hyper/context", f"lm: context must be a multiple of 8 tokens; got {context:g}")
    return int(context)


def _hyper(model: Model, name: str, default: float) -> float:
    return float(model.hyper.get(name, default))
