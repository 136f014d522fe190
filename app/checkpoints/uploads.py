"""An uploaded checkpoint's bytes, checked before anything is stored: by the sandbox, question by question."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.checkpoints import folders
from app.checkpoints.inspection import FOLDERS, ArchiveAnswer, ArchiveQuestion, WeightsAnswer, WeightsQuestion
from app.checkpoints.limits import CheckpointLimits
from app.errors import InvalidData, PayloadTooLarge
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from contract.architectures.model_folder import ModelFacts, TensorFacts
from contract.architectures.packed_folder import TOKENIZER
from contract.learning.learners import Architecture

TRY_TOKENIZER = process.declare("app.datasets.rows.corpora:answer_tokenizer")
READ_ARCHIVE = process.declare("app.checkpoints.inspection:answer_archive")
READ_WEIGHTS = process.declare("app.checkpoints.inspection:answer_weights")
READ_FOLDER = process.declare("app.checkpoints.inspection:answer_folder")


@dataclass(frozen=True)
class ExpectedWeights:
    """What the weights of an upload must be: their name in errors, their architecture, their base, the hyper-parameters
    that the checkpoint was created with."""

    name: str
    architecture: Architecture
    base: ModelFacts | None
    hyper: Mapping[str, float]


@dataclass(frozen=True)
class CheckedWeights:
    """Checked weights. ``content`` is the file to store; ``tokenizer`` is a folder's, if it has one."""

    content: Path
    tensors: dict[str, TensorFacts]
    facts: ModelFacts | None = None
    tokenizer: bytes | None = None


def limits_of(settings: Settings) -> CheckpointLimits:
    """What the settings say of checkpoints."""
    return CheckpointLimits(
        max_members=settings.max_checkpoint_members,
        max_json_bytes=settings.max_checkpoint_json_bytes,
        max_header_bytes=settings.max_checkpoint_header_bytes,
        max_tensors=settings.max_checkpoint_tensors,
    )


def read_content(settings: Settings, expected: ExpectedWeights, path: Path) -> CheckedWeights:
    """What an uploaded file holds; a folder's zip is replaced by the one that is stored. Raises InvalidData and
    PayloadTooLarge."""
    if expected.architecture not in FOLDERS:
        question = WeightsQuestion(task=READ_WEIGHTS, name=expected.name, path=str(path), limits=limits_of(settings))
        return CheckedWeights(path, WeightsAnswer.read(_ask(settings, question.plain(), [path])).tensors)
    if path.stat().st_size == 0:
        raise InvalidData(f"{expected.name}: the file is empty; send a zip of the model folder")
    checked, facts = _packed(settings, expected, path)
    tokenizer = None
    if facts.tokenizer:
        with zipfile.ZipFile(path) as archive:
            tokenizer = archive.read(TOKENIZER)
        _check_tokenizer(settings, tokenizer, facts.vocabulary, expected.name)
    return CheckedWeights(path, checked.tensors, facts, tokenizer)


def _packed(settings: Settings, expected: ExpectedWeights, path: Path) -> tuple[WeightsAnswer, ModelFacts]:
    """A folder's zip, checked and packed again in its place; the facts of its model, with the sizes of its files."""
    archive_question = ArchiveQuestion(
        task=READ_ARCHIVE,
        name=expected.name,
        path=str(path),
        most=settings.max_upload_bytes,
        limits=limits_of(settings),
    )
    archive = ArchiveAnswer.read(_ask(settings, archive_question.plain(), [path]))
    if archive.too_large is not None:
        raise PayloadTooLarge(archive.too_large)
    with scratch.file("folder") as folder:
        folder.mkdir()
        files = folders.unpack(path, folder, expected.name, archive.members)
        question = WeightsQuestion(
            task=READ_FOLDER,
            name=expected.name,
            files={name: str(file) for name, file in files.items()},
            architecture=expected.architecture,
            base=expected.base,
            context=expected.hyper.get("context", 0.0),
            side=expected.hyper.get("size", 0.0),
            limits=limits_of(settings),
        )
        checked = WeightsAnswer.read(_ask(settings, question.plain(), list(files.values())))
        if checked.facts is None or not set(checked.kept) <= set(files):
            raise AssertionError("the sandbox said nothing of the folder's model, or named a file that is not in it")
        sizes = folders.write(folder, checked.kept, path)
    return checked, checked.facts.model_copy(update={"files": sizes})


def _check_tokenizer(settings: Settings, content: bytes, vocabulary: int, name: str) -> None:
    with scratch.file(TOKENIZER) as path:
        path.write_bytes(content)
        question = {"task": TRY_TOKENIZER, "path": str(path), "name": f"{name}: {TOKENIZER}"}
        size = int(_ask(settings, question, [path])["size"])
    if size > vocabulary:
        raise InvalidData(f"{name}: the tokenizer knows {size} tokens, the model {vocabulary}; they are of two models")


def _ask(settings: Settings, question: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    # weights are mapped into memory, which the limit counts, and hardly held in it
    memory = settings.parse_memory_bytes + sum(path.stat().st_size for path in files)
    return process.shared().ask(question, files=files, memory_bytes=memory, seconds=settings.parse_seconds)
