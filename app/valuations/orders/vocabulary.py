"""What an order may name together: learner, metric, method, options. One refusal lists every fault. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import FieldError, InvalidInput
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.errors import InvalidProblem
from contract.learning.learners import ARCHITECTURES, LEARNERS, Architecture, predicted
from contract.learning.methods import method_fault, mode_fault, option_faults
from contract.metrics import METRICS, Predicts
from contract.orders.grants import Grant
from contract.results.row_values import ROWS_NONE, rows_valued_by


def check_rows(order: NewValuation, chosen: Chosen) -> None:
    """Raises InvalidInput where values of rows are ordered that cannot be found."""
    if order.rows == ROWS_NONE:
        return
    learner = chosen.model.name
    if rows_valued_by(learner, predicted(learner, order.metric)) is None:
        raise refused(
            "/rows",
            f"rows of {learner} are not told apart; leave rows out, or choose a language model, a model of tables or "
            "images, or a head (logistic, mlp, ridge) on what the frozen model makes of each row",
        )


def check_attributions(order: NewValuation, chosen: Chosen) -> None:
    """Raises InvalidInput where attributions are ordered of a model that is none of language, or is not delivered."""
    if not order.attributions:
        return
    if chosen.model.name != Architecture.LM.value:
        raise refused(
            "/attributions",
            f"answers are of language models, and this order's learner is {chosen.model.name}; leave attributions out, "
            "or order model lm",
        )
    if Grant.MODEL not in order.delivered:
        raise refused(
            "/attributions",
            "answers are those of the delivered model, and this order asks for none; add `model` to deliver, or leave "
            "attributions out",
        )


def check_vocabulary(order: NewValuation, chosen: Chosen) -> None:
    """Raises InvalidInput naming every field whose choice the model cannot have, with what is allowed."""
    learner = ARCHITECTURES[chosen.model.name]
    faults: list[FieldError] = []
    predicts = learner.predicted(METRICS[order.metric])
    if (why := learner.why_not(METRICS[order.metric])) is not None:
        faults.append(FieldError("/metric", f"{why}; choose one of {', '.join(learner.metrics())}", "metric"))
    else:
        faults += _of_target(order, predicts)
    if (no_mode := mode_fault(chosen.model.name, order.mode)) is not None:
        faults.append(FieldError("/mode", no_mode, "mode"))
    method = order.unlearning.method
    if (
        no_mode is None
        and method is not None
        and (wrong := method_fault(method, chosen.model.name, order.mode)) is not None
    ):
        faults.append(FieldError("/unlearning/method", wrong, "unlearning_method"))
    for name, wrong in option_faults(order.unlearning.options, chosen.model.name, order.mode).items():
        faults.append(FieldError(f"/unlearning/options/{name}", wrong, "unlearning_option"))
    if order.payout.shards is not None and chosen.reads is not None:
        what = "shards are cut from tables and images; leave them out for a frozen model's job"
        faults.append(FieldError("/payout/shards", what, "shards"))
    if order.segments is not None:
        if chosen.reads is not None:
            what = "segments are told apart by a column of tables; leave segments out for a frozen model's job"
            faults.append(FieldError("/segments", what, "segments"))
        if order.payout.shards is not None:
            what = "either equal shards play or segments; leave shards (and protected) out, or segments"
            faults.append(FieldError("/segments", what, "segments"))
    if order.class_weights != "uniform" and (Predicts.CLASS not in learner.predicts or predicts is Predicts.NUMBER):
        whose = "a number has" if Predicts.NEXT_TOKEN not in learner.predicts else "a language model's tokens are"
        what = f"{whose} no classes; leave class_weights at uniform"
        faults.append(FieldError("/class_weights", what, "class_weights"))
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)


@contextmanager
def named_classes() -> Iterator[None]:
    """What a metric's options name and the files' classes lack is refused at the options."""
    try:
        yield
    except InvalidProblem as wrong:
        raise InvalidInput(str(wrong), errors=[FieldError("/metric_options", str(wrong), "metric")]) from None


def _of_target(order: NewValuation, predicts: Predicts | None) -> list[FieldError]:
    """What is wrong with the target as the metric measures it."""
    number = predicts is Predicts.NUMBER
    if order.target_is is not None and (order.target_is == "number") is not number:
        learners = ", ".join(name for name, each in LEARNERS.items() if Predicts.NUMBER in each.predicts)
        of_numbers = ", ".join(name for name, metric in METRICS.items() if Predicts.NUMBER in metric.predicts)
        mend = f"metrics of numbers are {of_numbers}, with model {learners}; or set target_is to "
        mend += "classes" if order.target_is == "number" else "number"
        what = f"metric {order.metric} does not measure predictions of target_is {order.target_is}; {mend}"
        return [FieldError("/target_is", what, "target_is")]
    return []
