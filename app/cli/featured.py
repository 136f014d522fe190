"""Frozen encoders and backbones on the command line: ``--encoder FOLDER`` for texts, ``--backbone FOLDER`` for images.

The head (logistic or mlp) learns on what the folder's model makes of each row, as in the service's jobs. It starts no
server, opens no database and reaches no network.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.datasets import items
from app.datasets.encoding import EncodedRows, fit_classes
from app.datasets.items import IMAGE, TEXT, number_labels
from app.datasets.readers import Limits, sniff
from app.datasets.rules import class_order
from app.errors import InvalidInput

if TYPE_CHECKING:
    from app.cli.local import Request
    from worker.engine.evaluator import Evaluator
    from worker.features import Extractor

_SUFFIXES = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".zip": "zip"}


def evaluator_on_features(
    request: "Request", name: str, hyper: dict[str, float | int | str], threads: int
) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request whose rows are features, and the digests that name what it rests on."""
    from app.cli.local import checkpoint_of, engine_errors
    from worker.engine.evaluator import Evaluator
    from worker.engine.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.features import read_extractor, standardised

    if name not in ("logistic", "mlp") or (request.encoder and request.backbone):
        raise InvalidInput("--encoder or --backbone: one of them, with --model logistic or mlp as the head")
    if request.rest:
        raise InvalidInput("--rest: rows of no player are not read through a frozen model; leave it out")
    kind, folder = (TEXT, Path(request.encoder)) if request.encoder else (IMAGE, Path(request.backbone or ""))
    with engine_errors():
        context, side = _taken(hyper, "context"), _taken(hyper, "size")
        extractor = read_extractor(folder, kind, request.device, context=context, side=side)
        test = _file(request.test, "the test set", request.target, kind, extractor)
        read = [
            (player, _file(file, f"{player} ({file})", request.target, kind, extractor))
            for player, file in request.providers
        ]
        offered = {label for _, part in read for label in part[2]}
        classes = fit_classes(request.target, "the test set", sorted(set(test[2]), key=class_order), offered)
        names = list(dict.fromkeys(player for player, _ in read))
        parts = [_joined([part for player, part in read if player == each], classes, each) for each in names]
        prints, X, y = _joined([test], classes, "the test set")
        X, features = standardised(X, [part[1] for part in parts])
        players = [
            PlayerData(each, rows, part[2], EncodedRows(part[0], part[2]).digest)
            for each, rows, part in zip(names, features, parts, strict=True)
        ]
        problem = Problem(
            players=players,
            test=Rows(X, y, name="the test set"),
            classes=len(classes),
            learner=LearnerSpec(name, hyper),
            metric=request.metric,
            mode=request.mode,
            seed=request.seed,
            checkpoint=checkpoint_of(request.checkpoint) if request.checkpoint else None,
        )
        evaluator = Evaluator(problem, request.device, threads=threads)
    return evaluator, {"test": EncodedRows(prints, y).digest, "base": _digest(folder)}


def _taken(hyper: dict[str, float | int | str], name: str) -> int:
    value = hyper.pop(name, 0)
    if not isinstance(value, int):
        raise InvalidInput(f"--model: {name} must be a whole number; got {value!r}")
    return value


def _file(file: str, name: str, target: str, kind: str, extractor: "Extractor") -> tuple[Any, Any, list[str]]:
    """Fingerprints, features and labels of a file's rows."""
    path = Path(file)
    if not path.is_file():
        raise InvalidInput(f"{name}: there is no file {file}; check the path")
    found = _SUFFIXES.get(path.suffix) or sniff(path, None, name)
    prints, labels = items.read_stand_ins(path, found, kind, target, Limits(), name)
    side = extractor.side if kind == IMAGE else None
    with items.opened(path, found, kind, target, Limits(), name, side) as opened:
        return prints, extractor.features(opened.values), labels


def _joined(parts: Sequence[tuple[Any, Any, list[str]]], classes: Sequence[str], name: str) -> tuple[Any, Any, Any]:
    labels = [label for _, _, each in parts for label in each]
    y = number_labels(labels, classes, name)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]), y


def _digest(folder: Path) -> str:
    hasher = hashlib.sha256()
    for path in sorted(each for each in folder.iterdir() if each.suffix in (".json", ".safetensors")):
        with path.open("rb") as file:
            hasher.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return hasher.hexdigest()
