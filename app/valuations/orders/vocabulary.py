"""What an order may name together: learner, metric, method, options. One refusal lists every fault. Pure."""

from app.errors import FieldError, InvalidInput
from app.valuations.orders.model_choice import Chosen
from app.valuations.schemas import NewValuation
from contract.learners import ARCHITECTURES
from contract.methods import method_fault, option_faults
from contract.metrics import METRICS, Predicts


def check_vocabulary(order: NewValuation, chosen: Chosen) -> None:
    """Raises InvalidInput naming every field whose choice the model cannot have, with what is allowed."""
    learner = ARCHITECTURES[chosen.model.name]
    faults: list[FieldError] = []
    if (why := METRICS[order.metric].why_not(learner.predicts)) is not None:
        allowed = [name for name, metric in METRICS.items() if metric.why_not(learner.predicts) is None]
        faults.append(FieldError("/metric", f"{why}; choose one of {', '.join(allowed)}", "metric"))
    method = order.unlearning.method
    if method is not None and (wrong := method_fault(method, chosen.model.name, order.mode)) is not None:
        faults.append(FieldError("/unlearning/method", wrong, "unlearning_method"))
    for name, wrong in option_faults(order.unlearning.options, chosen.model.name, order.mode).items():
        faults.append(FieldError(f"/unlearning/options/{name}", wrong, "unlearning_option"))
    if order.payout.shards is not None and chosen.reads is not None:
        what = "shards are cut from tables and images; leave them out for a frozen model's job"
        faults.append(FieldError("/payout/shards", what, "shards"))
    if order.class_weights != "uniform" and learner.predicts is not Predicts.CLASS:
        what = "a language model's tokens are no classes; leave class_weights at uniform"
        faults.append(FieldError("/class_weights", what, "class_weights"))
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)
