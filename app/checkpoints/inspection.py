"""What an uploaded checkpoint holds, looked at in the sandbox: three tasks, their questions and their answers.

An archive's table, a configuration of many megabytes or a header with a hundred thousand numbers is read there and
never in the service, whose threads it would hold up. Pure; the caller unpacks, packs and stores.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from app.checkpoints import decoders, families, folders, text_encoders, vision
from app.checkpoints.families import Family
from app.checkpoints.limits import CheckpointLimits
from app.checkpoints.weights import read_tensors
from app.errors import PayloadTooLarge
from contract.architectures.model_folder import ModelFacts, Shapes, TensorFacts
from contract.document import Document
from contract.learning.learners import Architecture

FOLDERS: dict[Architecture, Callable[[Mapping[str, Any], str, Shapes], Family]] = {
    Architecture.LM: decoders.decoder,
    Architecture.ENCODER: text_encoders.encoder,
    Architecture.BACKBONE: vision.backbone,
}
"""How config.json is read, with the shapes of the arrays, by architecture, of checkpoints that come as a folder."""


class ArchiveQuestion(Document):
    """Which members of the zip in ``path`` make up a folder of ``most`` bytes."""

    task: str
    name: str
    path: str
    most: int
    limits: CheckpointLimits = CheckpointLimits()


class ArchiveAnswer(Document):
    """Each member with its name in the folder, or why there is too much of them."""

    members: tuple[tuple[str, str], ...] = ()
    too_large: str | None = None


class WeightsQuestion(Document):
    """What the safetensors file in ``path`` holds, or a folder's ``files`` (paths by name): of an architecture, on a
    base, for so many tokens or so large a square (0: any)."""

    task: str
    name: str
    path: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    architecture: Architecture | None = None
    base: ModelFacts | None = None
    context: float = 0.0
    side: float = 0.0
    limits: CheckpointLimits = CheckpointLimits()


class WeightsAnswer(Document):
    """Names, types and shapes of all arrays; of a folder the facts of its model, without sizes of files, and the names
    of the files to keep."""

    tensors: dict[str, TensorFacts]
    facts: ModelFacts | None = None
    kept: tuple[str, ...] = ()


def answer_archive(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON of ``ArchiveAnswer`` for that of ``ArchiveQuestion``; raises InvalidData."""
    question = ArchiveQuestion.read(plain)
    try:
        archive_members = folders.members(Path(question.path), question.name, question.most, question.limits)
    except PayloadTooLarge as error:
        return ArchiveAnswer(too_large=error.detail).plain()
    return ArchiveAnswer(members=tuple(archive_members)).plain()


def answer_weights(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON of ``WeightsAnswer`` for that of ``WeightsQuestion``, of one file; raises InvalidData."""
    question = WeightsQuestion.read(plain)
    tensors = read_tensors(Path(question.path), question.name, limits=question.limits)
    return WeightsAnswer(tensors=tensors).plain()


def answer_folder(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an unpacked folder."""
    question = WeightsQuestion.read(plain)
    files = {name: Path(path) for name, path in question.files.items()}
    if question.base is not None:
        checked = folders.check_adapter(files, question.name, question.base, question.limits)
    else:
        checked = folders.check_base(files, question.name, _reader(question), question.limits)
    return WeightsAnswer(tensors=checked.tensors, facts=checked.facts, kept=checked.kept).plain()


def _reader(question: WeightsQuestion) -> Callable[[Any, str, Shapes], Family]:
    if question.architecture is None:
        raise AssertionError("a folder is of an architecture")
    reader = FOLDERS[question.architecture]

    def read(config: Mapping[str, Any], what: str, arrays: Shapes) -> Family:
        family = reader(config, what, arrays)
        if question.architecture is not Architecture.LM:
            families.check_side_and_context(family, question.context, question.side, question.name)
        return family

    return read
