"""Which providers the answers of a delivered language model leaned on: asked by its buyer, found by a worker.

The models of single providers were stored when the job settled, so nothing is trained for an answer. Each answer is a
question about the rows of every provider that the model was trained on, and counts against the buyer's budget for them;
the same answers again cost nothing. Nobody else may ask, and nothing is told while the model cannot be handed over.
Never commits.
"""

import csv
import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint
from app.datasets.rows.answer_tokens import Texts, TextsQuestion, tokenised
from app.disclosure import service as disclosure
from app.disclosure.service import ChargedQuestion
from app.disclosure.tables import DisclosureKind
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.http.ids import public_id
from app.http.turns.waiting import Deferred
from app.identity import Caller
from app.payouts.statements import safe_cell
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations import by_metric, handover, repository, service
from app.valuations.results.attribution_schemas import (
    AttributedAnswerView,
    AttributedProvider,
    AttributionAnswer,
    NewAttribution,
)
from app.valuations.tables import AttributionRequest, Valuation
from app.valuations.work import attributions as work
from contract.document import digest_of
from contract.learning.learners import Architecture
from contract.results.attributions import AloneModel, AskedAnswers, AttributedAnswer, Attribution, TokenisedAnswer

TOKENISE = process.declare("app.datasets.rows.answer_tokens:answer")
CSV_COLUMNS = ("answer", "tokens", "gain", "position", "provider", "value", "share")


@dataclass
class AnswersRead:
    """The tokens of a request's answers, once its texts have been read."""

    asked: AskedAnswers | None = None

    def keep(self, _session: Session, asked: AskedAnswers) -> None:
        """Take what was read."""
        self.asked = asked


@dataclass(frozen=True)
class _AskedModel:
    """A delivered model that can be asked: its job, its tokenizer's blob (None: bytes), and the models of players."""

    valuation: Valuation
    tokenizer: str | None
    models: tuple[AloneModel, ...]


def read(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    valuation_id: uuid.UUID,
    body: NewAttribution,
    answers: AnswersRead,
) -> None:
    """Check that the model can be asked, and have the texts tokenised. Raises Deferred until they are; NotFound,
    Conflict with the reason, or InvalidInput where there is too much."""
    _check_limits(settings, body)
    asked = _asked_model(session, caller, valuation_id)
    if answers.asked is None:
        texts = [(each.prompt, each.answer) for each in body.answers]
        raise Deferred(partial(_tokenised, blobs, settings, asked.tokenizer, texts), answers.keep)
    for place, answer in enumerate(answers.asked.answers):
        if answer.said < 1:
            what = f"answer {place + 1} has no token that something precedes; leave it out, or give its prompt"
            raise InvalidInput(what, errors=[FieldError(f"/answers/{place}/answer", what, "no_token")])


def post(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, asked: AskedAnswers
) -> AttributionRequest:
    """Charge for the answers and have a worker look at them; raises what ``read`` raises, and TooManyRequests where a
    provider's budget is spent."""
    model = _asked_model(session, caller, valuation_id)
    lot = settings.answers_per_question
    for begin in range(0, len(asked.answers), lot):
        questions = _questions(session, model, asked.answers[begin : begin + lot])
        disclosure.charge(session, settings, caller, DisclosureKind.ATTRIBUTION, questions)
    return work.ask(session, valuation_id, asked)


def get(session: Session, caller: Caller, valuation_id: uuid.UUID, attribution_id: uuid.UUID) -> AttributionRequest:
    """A request of the caller's; raises NotFound."""
    service.get(session, caller, valuation_id)
    request = work.found(session, valuation_id, attribution_id)
    if request is None:
        raise NotFound(f"there is no attribution {public_id('att', attribution_id)} of this model, or it is not yours")
    return request


def latest(session: Session, valuation_id: uuid.UUID) -> Sequence[AttributionRequest]:
    """The newest requests of a job, twenty at most; whoever calls has seen to it that the job is the caller's."""
    return work.latest(session, valuation_id)


def describe(session: Session, request: AttributionRequest) -> AttributionAnswer:
    """A request as HTTP shows it."""
    answer = AttributionAnswer(
        id=request.id,
        valuation_id=request.valuation_id,
        created_at=request.created_at,
        status="queued" if request.refusal is None else "refused",
        reason=request.refusal,
    )
    if request.result is None:
        return answer
    found = Attribution.read(request.result)
    payees = _payees(session, session.get_one(Valuation, request.valuation_id), found.players)
    places = {player: place for place, player in enumerate(found.players)}
    shown = [(places[player], provider.part) for player, provider in payees]
    return answer.model_copy(
        update={
            "status": "done",
            "providers": [provider for _, provider in payees],
            "answers": [_shown(each, shown) for each in found.answers],
            "together": _shown(found.together, shown),
        }
    )


def to_csv(answer: AttributionAnswer) -> str:
    """One line for each answer and provider."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for number, each in enumerate(answer.answers, 1):
        for provider, value, share in zip(answer.providers, each.values, each.shares, strict=True):
            name = safe_cell(provider.provider)
            writer.writerow([number, each.tokens, each.gain, provider.position, name, value, share])
    return out.getvalue()


def _shown(answer: AttributedAnswer, payees: Sequence[tuple[int, float]]) -> AttributedAnswerView:
    return AttributedAnswerView(
        tokens=answer.tokens,
        gain=answer.gain,
        values=[round(answer.values[place] * part, 6) for place, part in payees],
        shares=[round(answer.shares[place] * part, 6) for place, part in payees],
    )


def _payees(session: Session, valuation: Valuation, players: Sequence[int]) -> list[tuple[int, AttributedProvider]]:
    """Each payee that has a part of one of the players, with the player."""
    seating = valuation.job_inputs.seating
    payees = []
    for payee in repository.players(session, valuation.id):
        part = seating[payee.position]
        if part.player is not None and part.player in players:
            shown = AttributedProvider(position=payee.position, provider=payee.name, part=float(part.part))
            payees.append((part.player, shown))
    return payees


def _check_limits(settings: Settings, body: NewAttribution) -> None:
    if len(body.answers) > settings.attributed_answers:
        what = f"{len(body.answers)} answers are more than the {settings.attributed_answers} of one request; send fewer"
        raise InvalidInput(what, errors=[FieldError("/answers", what, "too_many")])
    characters = sum(len(each.prompt) + len(each.answer) for each in body.answers)
    if characters > settings.attributed_characters:
        what = (
            f"prompts and answers have {characters} characters, more than the {settings.attributed_characters} of one "
            "request; send fewer answers, or shorter prompts"
        )
        raise InvalidInput(what, errors=[FieldError("/answers", what, "too_long")])


def _asked_model(session: Session, caller: Caller, valuation_id: uuid.UUID) -> _AskedModel:
    """The model of the caller's job, if answers of it can be attributed; raises NotFound, Conflict with the reason."""
    valuation = service.get(session, caller, valuation_id)
    name, game = public_id("val", valuation_id), repository.get_game(session, valuation.game_id)
    if by_metric.of_earlier_rules(game):
        raise Conflict(f"valuation {name} was computed by an earlier release's rules; order the job again")
    learner = game.document.learner.name
    if learner != Architecture.LM.value:
        raise Conflict(f"answers are of language models, and valuation {name} is of learner {learner}; order one of lm")
    _, checkpoint = handover.released_model(session, valuation)
    if not valuation.order.attributions:
        raise Conflict(
            f"valuation {name} was ordered without attributions, so no models of single providers were kept; order "
            "one with attributions: true"
        )
    models = work.models_of(session, valuation_id)
    if not models:
        raise Conflict(f"valuation {name}: the models of single providers were erased, because data was withdrawn")
    base = None if checkpoint.base_id is None else session.get(Checkpoint, checkpoint.base_id)
    return _AskedModel(valuation, None if base is None else base.tokenizer_digest, models)


def _tokenised(blobs: BlobStore, settings: Settings, tokenizer: str | None, texts: Texts) -> AskedAnswers:
    """The tokens of texts; a tokenizer is read in the sandbox. Touches no database."""
    if tokenizer is None:
        return tokenised(texts, None)
    with scratch.file("tokenizer.json") as path:
        blobs.download(tokenizer, path)
        question = TextsQuestion(task=TOKENISE, name="the base's tokenizer", path=str(path), texts=tuple(texts)).plain()
        memory = settings.parse_memory_bytes
        return AskedAnswers.read(
            process.shared().ask(question, files=[Path(path)], memory_bytes=memory, seconds=settings.parse_seconds)
        )


def _questions(session: Session, model: _AskedModel, answers: Sequence[TokenisedAnswer]) -> list[ChargedQuestion]:
    """What these answers ask of each dataset whose player has a model: of these models, of these tokens."""
    seating = model.valuation.job_inputs.seating
    about = {
        "asks": "attribution",
        "job": model.valuation.id.hex,
        "models": [each.digest for each in model.models],
        "answers": [each.plain() for each in answers],
    }
    players = {each.player for each in model.models}
    return [
        ChargedQuestion(uuid.UUID(dataset), payee.provider_id, digest_of({**about, "of": dataset}), "/answers")
        for payee in repository.players(session, model.valuation.id)
        for dataset in payee.datasets
        if seating[payee.position].player in players
    ]
