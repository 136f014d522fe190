"""Frozen encoders and backbones on the command line: ``--encoder FOLDER`` for texts, ``--backbone FOLDER`` for images.

The head (logistic, mlp or ridge) learns on what the folder's model makes of each row, or adapters inside the model
learn with a head (lora), as in the service's jobs. It starts no server, opens no database and reaches no network.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.checkpoints.folders import POOLING
from app.cli.valuing import lots
from app.cli.valuing.local_files import LocalFile, Notice, provider_files, read_together, the_test_set, unnoticed
from app.cli.valuing.request import ValueRequest, checkpoint_of, engine_errors, target_is
from app.cli.valuing.row_sources import RowSources
from app.datasets.readers import Limits
from app.datasets.rows import items
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.items import IMAGE, TEXT, number_labels
from app.datasets.rows.rules import clean_map
from app.errors import InvalidInput
from app.valuations.players.lots import Mask
from contract.architectures.timm_backbone import timm_architecture
from contract.learning.learners import LORA
from contract.metrics import metric_of
from contract.tasks import TargetScale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.engine.evaluation.evaluator import Evaluator
    from worker.loading.extractor import Extractor

_SUFFIXES = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv"}


@dataclass(frozen=True)
class _FeaturedPart:
    """One file's rows: fingerprints, what the model is shown or has made of them, and labels."""

    prints: Any
    rows: Any
    labels: list[str]
    places: Any
    groups: Any = None
    numbers: Any = None

    def some(self, mask: Mask) -> "_FeaturedPart":
        """The rows that a mask bool[n] names."""
        labels = [label for label, taken in zip(self.labels, mask, strict=True) if taken]
        return _FeaturedPart(self.prints[mask], self.rows[mask], labels, self.places[mask])


def evaluator_on_features(
    request: ValueRequest,
    name: str,
    hyper: dict[str, float | int | str],
    threads: int,
    notice: Notice = unnoticed,
    sources: RowSources | None = None,
) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request whose rows are features, and the digests that name what it rests on."""
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.loading.extractor import read_extractor, standardised
    from worker.loading.frozen_models import frozen_weights

    _check_options(request, name)
    told = target_is(request, name)
    kind, folder = (TEXT, request.encoder) if request.encoder else (IMAGE, request.backbone or "")
    with engine_errors():
        context, side = _taken(hyper, "context"), _taken(hyper, "size")
        extractor = read_extractor(Path(folder), kind, request.device, context=context, side=side)
        _check_adapters(name, folder, extractor)
        arguments = (request, kind, extractor, extractor.inputs if name == LORA.name else extractor.features)
        answer, used = read_together(
            request, kind, the_test_set(request), provider_files(request), notice, _SUFFIXES, told
        )
        classes, mapped = answer.labels, clean_map(request.label_map)
        scale = None if answer.scale is None else TargetScale(*answer.scale)
        test = _file(the_test_set(request), *arguments)
        read = [(file.player or "", _file(file, *arguments)) for file in used]
        tests, lot = [test], _lot(request, read, classes, mapped)
        if lot is not None:
            by_lot = [part.some(mask) for (_, part), mask in zip(read, lot.test, strict=True) if mask.any()]
            tests = by_lot if request.lot_alone else [test, *by_lot]
            read = [(player, part.some(mask)) for (player, part), mask in zip(read, lot.train, strict=True)]
        names = list(dict.fromkeys(player for player, _ in read))
        parts = [_joined([part for player, part in read if player == each], classes, each, mapped) for each in names]
        prints, X, y = _joined(tests, classes, "the test set", mapped)
        rows, labels = [part[1] for part in parts], [part[2] for part in parts]
        checkpoint = checkpoint_of(request.checkpoint) if request.checkpoint else None
        if name == LORA.name:
            hyper = {key: size for key, size in extractor.family.sizes.items() if key in _OF_BASE} | hyper
            checkpoint = frozen_weights(extractor.weights) | (checkpoint or {})
        else:
            X, rows = standardised(X, rows)
        if sources is not None:
            places = [part.places for _, part in read]
            _add_sources(sources, classes, zip(names, rows, labels, strict=True), used, places)
        digests = [EncodedRows(part[0], part[2]).digest for part in parts]
        problem = Problem(
            players=[PlayerData(*each) for each in zip(names, rows, labels, digests, strict=True)],
            test=Rows(X, y, "the test set", test.groups),
            classes=len(classes) if scale is None else 1,
            scale=scale,
            learner=LearnerSpec(name, hyper),
            metric=metric_of(request.metric).resolved(classes).text,
            mode=request.mode,
            seed=request.seed,
            checkpoint=checkpoint,
        )
        evaluator = Evaluator(problem, request.device, threads=threads)
    pools = "pooling" in extractor.family.sizes
    return evaluator, {"test": EncodedRows(prints, y).digest, "base": _digest(Path(folder), pools=pools)}


def _check_adapters(learner: str, folder: str, extractor: "Extractor") -> None:
    """Raises InvalidInput for adapters inside a model that another library computes as it is."""
    kind = timm_architecture(extractor.family.name, extractor.family.sizes)
    if learner == LORA.name and kind is not None:
        raise InvalidInput(
            f"--backbone: {folder} is a {kind}, which timm computes as it is: lora has no place for adapters inside;"
            " take logistic, ridge or mlp on its features"
        )


def _add_sources(
    sources: RowSources,
    classes: Sequence[str],
    players: Iterable[tuple[str, Any, Any]],
    used: Sequence[LocalFile],
    numbers: Sequence[Any],
) -> None:
    """Where each player's rows stand: its name, rows and labels, and the files with the numbers of each one's."""
    sources.classes = tuple(classes)
    for name, rows, labels in players:
        own = [(file.named, each) for file, each in zip(used, numbers, strict=True) if file.player == name]
        sources.add_files(name, own, rows, labels)


def _lot(
    request: ValueRequest, read: Sequence[tuple[str, _FeaturedPart]], classes: Sequence[str], mapped: Mapping[str, str]
) -> lots.DrawnFiles | None:
    """What a request's lot draws, by the rows' fingerprints; None where it has none."""
    if request.test_lot is None:
        return None
    labels = [number_labels(part.labels, classes, player, mapped) for player, part in read]
    rows = [EncodedRows(part.prints, y) for (_, part), y in zip(read, labels, strict=True)]
    return lots.drawn(request, [(player, each) for (player, _), each in zip(read, rows, strict=True)])


def _check_options(request: ValueRequest, learner: str) -> None:
    """Raises InvalidInput for what a frozen model has no use for."""
    if learner not in _HEADS or (request.encoder and request.backbone):
        raise InvalidInput(
            "--encoder or --backbone: one of them, with logistic, mlp or ridge as the head, or lora, as --model"
        )
    if request.rest:
        raise InvalidInput("--rest: rows of no player are not read through a frozen model; leave it out")


_HEADS = ("logistic", "mlp", "ridge", "lora")
_OF_BASE = tuple(each.name for each in LORA.hyper if each.of_base)


def _taken(hyper: dict[str, float | int | str], name: str) -> int:
    value = hyper.pop(name, 0)
    if not isinstance(value, int):
        raise InvalidInput(f"--model: {name} must be a whole number; got {value!r}")
    return value


def _file(
    file: LocalFile,
    request: ValueRequest,
    kind: str,
    extractor: "Extractor",
    made: "Callable[[Iterator[Any]], Any]",
) -> _FeaturedPart:
    """A file's rows: their fingerprints, what is ``made`` of them, and their labels."""
    reading, target = request.reading(file.named), request.target
    suffix_kind = _SUFFIXES.get(file.path.suffix)
    group = request.test_group if file == the_test_set(request) else ""
    told = target_is(request, request.model.partition(":")[0]) or "classes"
    stand_ins = items.read_stand_ins(
        file.path, suffix_kind, kind, target, Limits(), file.name, reading, group=group, target_is=told
    )
    side = extractor.side if kind == IMAGE else None
    with items.opened(
        file.path, suffix_kind, kind, target, Limits(), file.name, side, reading, group=group, target_is=told
    ) as opened:
        rows = made(opened.values)
        shown = stand_ins.prints, rows, stand_ins.labels, stand_ins.places
        return _FeaturedPart(*shown, stand_ins.groups, stand_ins.numbers)


def _joined(
    parts: Sequence[_FeaturedPart], classes: Sequence[str], name: str, mapped: Mapping[str, str]
) -> tuple[Any, Any, Any]:
    if parts[0].numbers is not None:
        y = np.concatenate([part.numbers for part in parts])
    else:
        y = number_labels([label for part in parts for label in part.labels], classes, name, mapped)
    return np.concatenate([part.prints for part in parts]), np.concatenate([part.rows for part in parts]), y


def _digest(folder: Path, *, pools: bool) -> str:
    hasher = hashlib.sha256()
    read = [each for each in folder.iterdir() if each.suffix in (".json", ".safetensors")]
    for path in sorted([*read, folder / POOLING] if pools else read):
        with path.open("rb") as file:
            hasher.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return hasher.hexdigest()
