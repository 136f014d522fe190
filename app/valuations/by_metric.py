"""A job that has succeeded, asked by a metric that it did not order: from its models' stored answers, at no cost.

Nothing is trained and nothing is paid: amounts stay as ordered. A worker computes the worths anew from the answers and
values the players on them; what it finds is kept. Where answers were not kept, were erased, or are of another kind than
the metric scores, the refusal says which. Another metric is a further question about the providers' rows, and counts
against the buyer's budget for them like a quote; the same again costs nothing. Never commits.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.disclosure import service as disclosure
from app.disclosure.service import ChargedQuestion
from app.disclosure.tables import DisclosureKind
from app.errors import Conflict, FieldError, InvalidInput
from app.identity import Caller, Role
from app.settings import Settings
from app.valuations import repository, service
from app.valuations.results.reports import Report
from app.valuations.results.schemas import Values
from app.valuations.tables import BuyerGame, Valuation
from app.valuations.work import other_metrics
from contract.document import digest_of
from contract.errors import InvalidProblem
from contract.metrics import METRICS, Metric, Predicts, metric_of
from contract.orders.game import ENGINE_RULES
from contract.orders.job import GameFacts


def metrics_of(session: Session, valuation: Valuation) -> Sequence[str]:
    """The metrics that can be asked of a job's models by name: those that score what they predict, and
    need no options."""
    predicts = _predicted(session, valuation)
    return [name for name, each in METRICS.items() if not each.needs and each.why_not(predicts) is None]


def ask(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, metric: str) -> Values | None:
    """The values of the caller's job by a metric; None while a worker computes them.

    Raises NotFound, InvalidInput for a metric that cannot score the job's models, Conflict where the job has no result
    or its answers are not there, and TooManyRequests where the budget of questions is spent.
    """
    valuation = service.succeeded(session, caller, valuation_id)
    chosen = _scoring(session, valuation, metric)
    metric = chosen.text  # one spelling for one question
    if metric == valuation.order.spec().metric:
        return service.values(session, caller, valuation_id)
    known = other_metrics.stored(session, valuation_id, metric)
    if known is None and (why := missing_answers(session, valuation)) is not None:
        raise Conflict(f"values by {chosen.name} cannot be computed: {why}; order a job with that metric")
    charge(session, settings, caller, valuation, metric)
    if known is not None and known.result is not None:
        return service.values_of(session, valuation, known.result)
    if known is not None and known.refusal is not None:
        raise Conflict(known.refusal)
    other_metrics.ask(session, valuation_id, metric)
    return None


def report(session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, metric: str) -> Report:
    """The report of the caller's job by a metric; raises what ``ask`` raises, and Conflict while it is computed."""
    values = ask(session, settings, caller, valuation_id, metric)
    if values is None:
        raise Conflict(f"values by {metric} are being computed; ask for the report again in a second")
    return service.report_of(session, caller, values)


def _predicted(session: Session, valuation: Valuation) -> Predicts:
    return repository.get_game(session, valuation.game_id).document.predicts


def _scoring(session: Session, valuation: Valuation, metric: str) -> Metric:
    """The metric; raises InvalidInput where there is none of that name, or it scores something else."""
    try:
        chosen = metric_of(metric)
        chosen.resolved(repository.get_game(session, valuation.game_id).document.classes)
    except InvalidProblem as unknown:
        raise InvalidInput(str(unknown), errors=[FieldError("/metric", str(unknown), "metric")]) from None
    if (why := chosen.why_not(_predicted(session, valuation))) is not None:
        what = f"{why}; this job's models can be asked by {', '.join(metrics_of(session, valuation))}"
        raise InvalidInput(what, errors=[FieldError("/metric", what, "metric")])
    return chosen


def charge(session: Session, settings: Settings, caller: Caller, valuation: Valuation, question: str) -> None:
    """Count a question to a job's models against the asker's budget; raises TooManyRequests where that is spent."""
    if caller.role is not Role.ADMIN:
        disclosure.charge(session, settings, caller, DisclosureKind.METRIC, _questions(session, valuation, question))


def missing_answers(session: Session, valuation: Valuation) -> str | None:
    """Why nothing but the job's own values can be had from what is stored; None where it can."""
    game = repository.get_game(session, valuation.game_id)
    if of_earlier_rules(game):
        return "the job was computed by an earlier release's rules"
    if game.facts is None:
        return "what was derived from the job's data was erased, because some of it was withdrawn"
    if not GameFacts.read(game.facts).answers_kept:
        return "the models' answers on the test set were too large to be kept"
    if not other_metrics.answers_there(session, game.id):
        return "the models' answers on the test set are not there any more"
    return None


def of_earlier_rules(game: BuyerGame) -> bool:
    """Whether a game is of an earlier release's rules, whose document may not even be readable here."""
    return bool(game.frozen.get("rules", ENGINE_RULES) != ENGINE_RULES)


def _questions(session: Session, valuation: Valuation, metric: str) -> list[ChargedQuestion]:
    """What another metric asks of each dataset of the job: of these models, on these rows, by this metric."""
    game = repository.game_digest(session, valuation.game_id)
    about = {"asks": "metric", "game": game, "job": valuation.id.hex, "metric": metric}
    return [
        ChargedQuestion(uuid.UUID(dataset), player.provider_id, digest_of({**about, "of": dataset}))
        for player in repository.players(session, valuation.id)
        for dataset in player.datasets
    ]
