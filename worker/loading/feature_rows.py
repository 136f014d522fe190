"""Rows of a job that stands on a frozen model: features of its files, computed once and kept by content.

Features of a file are kept in this process by the model's digest, the file's and how it is read, within a bound of
bytes; those of a game are stored beside its trained models, so that other workers make none. What is dropped is made
again. Nothing here trains.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.items import number_labels
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.players.files import in_groups, used_mask, used_rows
from app.valuations.players.inputs import opened_items
from contract.orders.game import FrozenModelRows
from contract.orders.job import Job
from contract.results.delivery import Scaling
from contract.rows.files import InputFile
from worker.engine.games.problem import Problem
from worker.loading.extractor import Extractor, Features, centre_and_spread, scaled, standardised
from worker.loading.frozen_models import Bases

_KEPT = "rows."
_GROUPS = f"{_KEPT}test.groups"
# of what a worker keeps, a quarter at most are features of files
_PART = 4


@dataclass(frozen=True)
class GameRows:
    """The rows of a game: each player's in the game's order, and the test set's."""

    players: list[EncodedRows]
    test: EncodedRows


@dataclass(frozen=True, eq=False)
class ShownRows:
    """What a file's labelled rows are to a job: features or the model's inputs X, ``labels``, or numbers float64[n],
    and which rows of the file they are, ``places`` int64[n], from 1."""

    X: Features
    labels: list[str] | NDArray[np.float64]
    places: NDArray[np.int64]

    def used(self, file: InputFile, encoding: FrozenModelRows) -> EncodedRows:
        """Those that the job uses, in the file's order; features are not standardised."""
        y: NDArray[Any]
        if isinstance(self.labels, np.ndarray):
            y = self.labels
        else:
            y = number_labels(self.labels, encoding.classes, file.name, encoding.label_map)
        return used_rows(in_groups(EncodedRows(self.X, y), file.groups), file.drop)


def encoding_of(job: Job) -> FrozenModelRows:
    """How a job's files become a frozen model's inputs; only jobs that stand on one have such an encoding."""
    encoding = job.game.encoding
    if not isinstance(encoding, FrozenModelRows):
        raise AssertionError(f"game {job.game_id} reads no file with a frozen model")
    return encoding


def base_of(job: Job) -> str:
    """The blob of the model that a game stands on."""
    if job.inputs.base is None:
        raise AssertionError(f"game {job.game_id} stands on a model and names none")
    return job.inputs.base


class FeatureStore:
    """Features of files, least recently used first, within a part of this process's cache."""

    def __init__(self, blobs: BlobStore, settings: Settings, bases: Bases) -> None:
        self._blobs, self._settings, self._bases = blobs, settings, bases
        self._files: OrderedDict[str, ShownRows] = OrderedDict()
        # the heartbeat calls ``forget`` in a thread of its own
        self._lock = threading.Lock()

    def rows(self, job: Job) -> GameRows:
        """All rows of a job: features, standardised by its test set, or what the model itself is shown. Raises
        InvalidProblem, or what reading blobs raises."""
        encoding = encoding_of(job)
        test = self._joined(job, encoding, job.inputs.test_files)
        players = [self._joined(job, encoding, files) for files in job.inputs.players]
        if encoding.kind == "inputs":
            return GameRows(players, test)
        X, parts = standardised(test.X, [player.X for player in players])
        rows = [EncodedRows(part, player.y) for part, player in zip(parts, players, strict=True)]
        return GameRows(rows, EncodedRows(X, test.y, test.groups))

    def numbered(self, job: Job, file: InputFile) -> tuple[EncodedRows, NDArray[np.int64]]:
        """A file's used rows as the game has them, in the file's order, and their numbers in it, from 1."""
        encoding = encoding_of(job)
        shown = self._of_file(job, encoding, file)
        rows, numbers = shown.used(file, encoding), shown.places[used_mask(len(shown.places), file.drop)]
        if encoding.kind == "inputs":
            return rows, numbers
        test = self._joined(job, encoding, job.inputs.test_files)
        return EncodedRows(scaled(rows.X, *centre_and_spread(test.X)), rows.y), numbers

    def scaling(self, job: Job) -> Scaling | None:
        """By what a job's features are standardised; None where rows are no features."""
        if not isinstance(job.game.encoding, FrozenModelRows) or job.game.encoding.kind == "inputs":
            return None
        centre, spread = centre_and_spread(self._joined(job, job.game.encoding, job.inputs.test_files).X)
        return Scaling(centre=tuple(centre.tolist()), spread=tuple(spread.tolist()))

    def forget(self) -> None:
        """Drop all of it: a dataset was withdrawn."""
        with self._lock:
            self._files.clear()

    def _joined(self, job: Job, encoding: FrozenModelRows, files: Sequence[InputFile]) -> EncodedRows:
        parts = [self._of_file(job, encoding, file).used(file, encoding) for file in files]
        if len(parts) == 1:
            return parts[0]
        y = np.concatenate([part.y for part in parts])
        return EncodedRows(np.concatenate([part.X for part in parts]), y)

    def _of_file(self, job: Job, encoding: FrozenModelRows, file: InputFile) -> ShownRows:
        base = base_of(job)
        shown = (encoding.kind, encoding.of, encoding.context, encoding.size, encoding.target_scale is None)
        key = repr((base, file.digest, file.format, file.reading, file.target, shown))
        with self._lock:
            shown_rows = self._files.pop(key, None)
        if shown_rows is None:
            extractor = self._bases.extractor(base, encoding)
            shown_rows = _shown(self._blobs, self._settings, extractor, file, encoding)
        most = self._settings.worker_cache_bytes // _PART
        with self._lock:
            self._files[key] = shown_rows
            while len(self._files) > 1 and sum(each.X.nbytes for each in self._files.values()) > most:
                self._files.popitem(last=False)
        return shown_rows


def labelled_rows(
    blobs: BlobStore, settings: Settings, extractor: Extractor, file: InputFile, encoding: FrozenModelRows
) -> EncodedRows:
    """A file's used rows, as a job that shows them to a frozen model reads them; features are not standardised yet."""
    return _shown(blobs, settings, extractor, file, encoding).used(file, encoding)


def _shown(
    blobs: BlobStore, settings: Settings, extractor: Extractor, file: InputFile, encoding: FrozenModelRows
) -> ShownRows:
    with opened_items(blobs, file, encoding, settings) as items:
        made = extractor.features if encoding.kind == "features" else extractor.inputs
        X = made(items.values)
        return ShownRows(X, items.labels if items.numbers is None else items.numbers, items.places)


def to_arrays(rows: GameRows) -> dict[str, NDArray[Any]]:
    """Rows as named arrays, to be stored with a game's models."""
    named = {f"{_KEPT}{number}": own for number, own in enumerate(rows.players)} | {f"{_KEPT}test": rows.test}
    arrays = {f"{name}.X": own.X for name, own in named.items()} | {f"{name}.y": own.y for name, own in named.items()}
    return arrays if rows.test.groups is None else arrays | {_GROUPS: rows.test.groups}


def rows_of(problem: Problem) -> GameRows:
    """The rows of a problem, its players in the game's order."""
    players = [EncodedRows(player.X, player.y) for player in problem.players]
    return GameRows(players, EncodedRows(problem.test.X, problem.test.y, problem.test.clusters))


def from_arrays(prepared: dict[str, NDArray[Any]], players: int) -> GameRows:
    """The rows that ``to_arrays`` named, taken out of what was stored."""

    def taken(name: str) -> EncodedRows:
        return EncodedRows(prepared.pop(f"{_KEPT}{name}.X"), prepared.pop(f"{_KEPT}{name}.y"))

    test, groups = taken("test"), prepared.pop(_GROUPS, None)
    return GameRows([taken(str(number)) for number in range(players)], EncodedRows(test.X, test.y, groups))
