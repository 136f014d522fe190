"""Whether an agent's sums are those of the rows it is committed to, found by having a few rows opened.

Asked once all of a job's worths are in, so that nobody could choose rows or sums by what is drawn. Which answers are
looked at, the weights and the rows follow from the service's secret, the game and what the agent sent: asked again
after a crash, or by another job of the same game, the same rows are opened.
"""

import hashlib
import hmac
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session, sessionmaker

from app.agents import repository
from app.agents.tables import AskedQuestion
from app.datasets.rows.registered import read_registration
from app.db.session import transaction
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.work import shards
from app.valuations.work.leases import Claim
from contract.agents import AGENT_FORMAT, AgentQuestion, AnswerRefused, Array, Ask, Registration, models_of, unpacked
from contract.openings import (
    MARK_BITS,
    DrawnRows,
    Mismatch,
    OpeningDraw,
    OpeningQuestion,
    TotalsAnswer,
    check_places,
    check_terms,
    check_total,
    columns_of,
    opened,
)
from contract.orders.job import Job
from contract.proof.sum_tree import Amount
from contract.results.openings import OpenedRows, OpenedStatus
from contract.rows.asked import NotEncodable, encoded
from contract.rows.files import InputFile
from worker.engine.learners.row_terms import TermWeights, claimed_direction
from worker.engine.unlearning.opened_terms import opened_terms, opened_total
from worker.loading.away import AgentAway, AgentRefused, Check, Questions, game_of
from worker.loading.games import read_blob

_SEED = b"cherish-opening-1 "
# answers are kept for a day; what is older may be gone before the rows are opened
_RECENT = timedelta(hours=20)
# and answers that were not borne out are kept for a dispute to be opened and decided
_DISPUTED = timedelta(days=90)
# which answers are looked at: those that worths rest on, of each kind one
_KINDS: dict[str, tuple[Ask, ...]] = {
    "ridge": ("moments",), "logistic": ("curvature", "objective"), "mlp": ("tangents", "gradients"),
}  # fmt: skip


@dataclass(frozen=True)
class Opener:
    """Asks for openings at the end of a job."""

    factory: sessionmaker[Session]
    blobs: BlobStore
    settings: Settings
    desk: Questions

    def openings(self, job: Job, claim: Claim, check: Check) -> tuple[OpenedRows, ...]:
        """What was found of each player whose rows stay at home; none where the order has no rows opened. Raises
        AgentAway while an agent may still come, and what ``check`` raises."""
        terms = job.inputs.away
        if terms is None or not terms.open_rows:
            return ()
        found = []
        for player, files in enumerate(job.inputs.players):
            if files[0].format == AGENT_FORMAT:
                found.append(self._of_player(job, claim, player, files[0], check))
        return tuple(found)

    def once_more(self, job: Job, game_id: uuid.UUID, player: int) -> OpenedRows:
        """What is found of a player whose answers were kept because they were not borne out; the same rows are drawn
        where the agent adds up the same terms. Raises AgentAway."""
        file, terms = job.inputs.players[player][0], job.inputs.away
        if terms is None:
            raise AssertionError(f"game {job.game_id} has no data at home, so no payout of it is void")
        with transaction(self.factory) as session:
            kept = repository.kept(session, _dataset_of(file), game_of(job, terms))
            session.expunge_all()
        return self._looked_into(job, game_id, player, file, kept, check=lambda: None, again=True)

    def _of_player(self, job: Job, claim: Claim, player: int, file: InputFile, check: Check) -> OpenedRows:
        looked_at = self._looked_at(job, claim, file)
        try:
            found = self._looked_into(job, claim.game_id, player, file, looked_at, check=check)
        except AgentAway as away:
            with transaction(self.factory) as session:
                waited = shards.waited(session, claim.shard_id)
            if waited < self.settings.agent_patience_seconds:
                raise
            found = OpenedRows(player, 0, OpenedStatus.AWAY, str(away))
        if found.voids is not None:
            with transaction(self.factory) as session:
                repository.keep(session, [row.id for row in looked_at], _DISPUTED)
        return found

    def _looked_into(
        self,
        job: Job,
        game_id: uuid.UUID,
        player: int,
        file: InputFile,
        looked_at: Sequence[AskedQuestion],
        *,
        check: Check,
        again: bool = False,
    ) -> OpenedRows:
        """What opened rows say of these answers; raises AgentAway."""
        if not looked_at:
            return OpenedRows(player, 0, OpenedStatus.NOTHING, "none of its answers is kept any more")
        registration = read_registration(read_blob(lambda: self.blobs.get(file.digest)), file.name)
        rows = 0 if job.inputs.away is None else job.inputs.away.open_rows
        count, shown = max(1, rows // len(looked_at)), 0
        try:
            for question in looked_at:
                SumsCheck(self.desk, question, registration, self._secret(game_id), again).run(count, check)
                shown += count
        except Mismatch as mismatch:
            return OpenedRows(player, shown, OpenedStatus.MISMATCH, str(mismatch))
        except AgentRefused as refusal:
            return OpenedRows(player, shown, OpenedStatus.REFUSED, str(refusal))
        return OpenedRows(player, shown, OpenedStatus.BORNE_OUT, "")

    def _secret(self, game_id: uuid.UUID) -> bytes:
        secret = self.settings.signing_secret.get_secret_value().encode()
        return hmac.digest(secret, _SEED + game_id.bytes, "sha256")

    def _looked_at(self, job: Job, claim: Claim, file: InputFile) -> list[AskedQuestion]:
        """Of each kind the answer that the secret picks, among those that were in when this part of the job began."""
        terms = job.inputs.away
        if terms is None:
            return []
        secret = self._secret(claim.game_id)
        picked: list[AskedQuestion] = []
        with transaction(self.factory) as session:
            until = shards.written_at(session, claim.shard_id)
            answers = repository.answered(session, _dataset_of(file), game_of(job, terms), until - _RECENT, until)
            for kind in _KINDS.get(job.game.learner.name, ()):
                digests = [digest for digest, asks in answers if asks == kind]
                if digests:
                    chosen = min(digests, key=lambda digest: hmac.digest(secret, digest.encode(), "sha256"))
                    picked += repository.with_answers(session, _dataset_of(file), [chosen])
            session.expunge_all()
        return picked


def _dataset_of(file: InputFile) -> uuid.UUID:
    return uuid.UUID(file.name.rpartition("_")[2])


@dataclass(frozen=True)
class SumsCheck:
    """One answer of one agent, borne out or not."""

    desk: Questions
    row: AskedQuestion
    registration: Registration
    secret: bytes
    again: bool = False

    def run(self, count: int, check: Check) -> None:
        """Have ``count`` rows opened, half of them along random weights, half along what A and b claim to fit; raises
        Mismatch, AgentRefused, AgentAway."""
        about, answer = AgentQuestion.read(self.row.question), self.row.answer or b""
        arrays = unpacked(about, answer, self.registration.noise)
        seed = self._seed(self.row.digest, answer)
        question = OpeningQuestion(about=about, answer=hashlib.sha256(answer).hexdigest(), seed=seed, again=self.again)
        toward = () if about.asks == "objective" else claimed_direction(arrays, TermWeights.of(question))
        along = count // 2 if toward else 0
        self._along(question, arrays, answer, count - along, check)
        if along:
            self._along(question.model_copy(update={"toward": toward}), arrays, answer, along, check)

    def _along(
        self, question: OpeningQuestion, arrays: dict[str, Array], answer: bytes, count: int, check: Check
    ) -> None:
        """The same along one direction."""
        about = question.about
        totals = self._asked(question, check)
        if not isinstance(totals, TotalsAnswer):
            raise AssertionError("totals are answered by totals")
        weights = TermWeights.of(question)
        amount = Amount(totals.plus, totals.minus)
        check_total(amount, opened_total(about, arrays, weights), about.rows)
        draw = OpeningDraw(self._seed(totals.root, answer))
        by_size = math.ceil(count / 2) if amount.size else 0
        drawn = question.model_copy(
            update={
                "root": totals.root,
                "marks": draw.below("marks", 1 << MARK_BITS, by_size),
                "places": draw.below("places", about.rows, count - by_size),
            }
        )
        rows = self._asked(drawn, check)
        if not isinstance(rows, DrawnRows):
            raise AssertionError("rows are answered by rows")
        check_places(drawn, totals, rows)
        try:
            numbers, texts = columns_of(self.registration, rows.rows)
            X = encoded(numbers, texts, len(rows.rows), about.encoding)
        except NotEncodable as refusal:
            raise Mismatch(f"a row that was opened cannot be one of the job's: {refusal}") from None
        check_terms(rows, opened_terms(about, X, models_of(about, self.row.models), weights))

    def _seed(self, name: str, answer: bytes) -> str:
        return hmac.new(self.secret, name.encode() + hashlib.sha256(answer).digest(), "sha256").hexdigest()

    def _asked(self, question: OpeningQuestion, check: Callable[[], None]) -> TotalsAnswer | DrawnRows:
        content = self.desk.answer(self.row.dataset_id, question, self.row.models, check)
        try:
            return opened(question, content)
        except AnswerRefused as refusal:
            raise Mismatch(str(refusal)) from None
