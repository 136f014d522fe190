"""Values of rows, found when a job settles: of each payee's own rows, as a table in the blob store.

The rows are read again from the job's files, for their numbers there. A payee's values sum to its own value, its part
of the player's; of a row that is nearly another payee's it is not said whose.
"""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.rows.features import Encoding
from app.datasets.rows.glimpses import Glimpse
from app.valuations.players.inputs import load_documents, load_glimpses, load_numbered
from app.valuations.results import row_values as kept
from app.valuations.results.row_glimpses import Place, to_show, with_glimpses
from app.valuations.results.row_tables import RowPlaces
from app.valuations.results.row_values import ComputedRows, PayeeRows, RowsWanted
from app.valuations.work.leases import Claim
from contract.orders.game import FrozenModelRows, TokenBlocks
from contract.orders.job import Job
from contract.results.row_values import PlayerRowValues, RowFinding
from contract.rows.files import InputFile
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.rows.values import efficient, row_values, rows_of
from worker.engine.tensors import batching
from worker.jobs.known_jobs import KnownJobs, WorkerPart
from worker.loading.games import read_blob
from worker.process.heartbeat import Stop, WorkStopped
from worker.process.patience import patiently

_DATASET = "dataset "


class RowValuer(WorkerPart):
    """Finds the values of rows for the settlements of one worker process."""

    def valued_rows(self, claim: Claim, jobs: KnownJobs) -> list[ComputedRows]:
        """What settling this job finds of rows, stored; nothing where its order does not ask. Raises WorkStopped."""
        ends = time.monotonic() + self._settings.lease_seconds
        requests = patiently(self._factory, lambda session: kept.wanted(session, claim.valuation_id), ends)
        if requests is None:
            return []
        job = jobs.behind(claim)
        evaluator = self._games.evaluator(job)
        try:
            evaluator.prepare(self._heartbeat.should_stop)
        except batching.Stopped:
            raise WorkStopped(self._heartbeat.why_stop() or Stop.LOST) from None
        values = row_values(evaluator, requests.players)
        valued = []
        for at, player in enumerate(values):
            self._heartbeat.check()
            payees = [payee for payee in requests.payees if payee.part.player == at]
            valued += self._of_player(job, evaluator, requests, at, player, payees)
        return valued

    def _of_player(
        self,
        job: Job,
        evaluator: Evaluator,
        request: RowsWanted,
        at: int,
        player: PlayerRowValues,
        payees: Sequence[PayeeRows],
    ) -> list[ComputedRows]:
        places = self._places(job, job.inputs.players[at])
        whole = places.table(player, *rows_of(evaluator.problem, player.provider))
        valued = []
        for payee in payees:
            own = _of_payee(whole, payee, request.players[at].value)
            if own.num_rows:
                own = self._with_glimpses(job, job.inputs.players[at], own)
                blob = self._blobs.put_bytes(kept.to_parquet(own))
                valued.append(ComputedRows(payee.position, blob.digest, own.num_rows, player.by, _counts(own)))
        return valued

    def _with_glimpses(self, job: Job, files: Sequence[InputFile], own: pa.Table) -> pa.Table:
        """A payee's own table with what is shown of some of its rows to their owner."""
        wanted, seen = to_show(own), dict[Place, Glimpse]()
        for file in files:
            name = _name(file)
            if rows := wanted.get(name):
                load = partial(load_glimpses, self._blobs, file, job.game.encoding, self._settings, rows)
                seen |= {(name, row): glimpse for row, glimpse in read_blob(load).items()}
        return with_glimpses(own, seen)

    def _places(self, job: Job, files: Sequence[InputFile]) -> RowPlaces:
        encoding = job.game.encoding
        if isinstance(encoding, TokenBlocks):
            return self._documents(job, encoding, files)
        if isinstance(encoding, FrozenModelRows):
            return self._behind_frozen_model(job, encoding, files)
        read = Encoding.from_json(encoding.columns)
        places = RowPlaces(read.classes)
        for file in files:
            load = partial(load_numbered, self._blobs, file, read, self._settings)
            rows, numbers = read_blob(load)
            places.add(_name(file), numbers, rows.X, rows.y)
        return places

    def _behind_frozen_model(self, job: Job, encoding: FrozenModelRows, files: Sequence[InputFile]) -> RowPlaces:
        places = RowPlaces(encoding.classes)
        for file in files:
            rows, numbers = self._games.numbered(job, file)
            places.add(_name(file), numbers, rows.X, rows.y)
        return places

    def _documents(self, job: Job, encoding: TokenBlocks, files: Sequence[InputFile]) -> RowPlaces:
        places = RowPlaces(encoding.domains if any(file.target for file in files) else (), documents=True)
        encode = self._games.encode_of(job)
        for file in files:
            load = partial(load_documents, self._blobs, file, encoding, encode, self._settings)
            rows, numbers = read_blob(load)
            places.add(_name(file), numbers, rows.X, rows.y)
        return places


def _name(file: InputFile) -> str:
    """A file's dataset, as a public id."""
    return file.name.removeprefix(_DATASET)


def _of_payee(whole: pa.Table, payee: PayeeRows, value: float) -> pa.Table:
    """The rows of a payee's own files, which sum to its own value; files of others are not named."""
    names = pa.array(sorted(f"ds_{dataset.replace('-', '')}" for dataset in payee.datasets))
    own = whole.filter(pc.is_in(whole.column("file"), names))
    if not own.num_rows:
        return own
    values = own.column("value").to_numpy()
    columns = {name: own.column(name) for name in own.column_names}
    columns["provider"] = pa.array([payee.name] * own.num_rows, pa.string())
    columns["value"] = pa.array(efficient(np.asarray(values), value * float(payee.part.part)), pa.float64())
    others = pc.invert(pc.is_in(own.column("copy_of_file"), names))
    for name in ("copy_of_file", "copy_of_row"):
        columns[name] = pc.if_else(others, pa.scalar(None, own.column(name).type), own.column(name))
    return pa.table(columns)


def _counts(own: pa.Table) -> dict[str, int]:
    per_row = [findings.split(";") for findings in own.column("findings").to_pylist()]
    return {name.value: sum(name.value in each for each in per_row) for name in RowFinding}
