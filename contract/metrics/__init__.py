"""Metrics by name. One class in one file each; adding one is adding its file and its line here."""

from contract import plugins
from contract.errors import InvalidProblem
from contract.metrics import options
from contract.metrics.accuracy import Accuracy
from contract.metrics.average_precision import AveragePrecision
from contract.metrics.balanced_accuracy import BalancedAccuracy
from contract.metrics.brier import Brier
from contract.metrics.clipped_log_loss import ClippedLogLoss
from contract.metrics.clipped_mae import ClippedMAE
from contract.metrics.clipped_r2 import ClippedR2
from contract.metrics.clipped_rmse import ClippedRMSE
from contract.metrics.expected_cost import ExpectedCost
from contract.metrics.f1 import F1
from contract.metrics.log_loss import LogLoss
from contract.metrics.mae import MAE
from contract.metrics.metric import Metric, Predicts, TokenSum
from contract.metrics.options import NUMBERED, MetricOptions, written
from contract.metrics.r2 import R2
from contract.metrics.recall_at_precision import RecallAtPrecision
from contract.metrics.rmse import RMSE
from contract.metrics.roc_auc import RocAuc
from contract.names import unknown

__all__ = ["METRICS", "Metric", "MetricOptions", "Predicts", "TokenSum", "metric_of", "text_of"]

_ALL: tuple[Metric, ...] = (
    Accuracy(),
    ClippedLogLoss(),
    LogLoss(),
    RocAuc(),
    BalancedAccuracy(),
    F1(),
    AveragePrecision(),
    Brier(),
    RecallAtPrecision(),
    ExpectedCost(),
    R2(),
    RMSE(),
    MAE(),
    ClippedR2(),
    ClippedRMSE(),
    ClippedMAE(),
)
METRICS: dict[str, Metric] = {each.name: each for each in _ALL}
for _each in plugins.installed(plugins.METRICS, Metric):  # type: ignore[type-abstract]  # instances of any subclass
    plugins.refuse_taken(plugins.METRICS, _each.name, METRICS)
    METRICS[_each.name] = _each


def metric_of(text: str) -> Metric:
    """The metric of a name, with the options that the text holds (``options``); raises InvalidProblem with the nearest
    right spelling, or naming the option that is not the metric's, or missing."""
    name, chosen = options.read(text)
    if name not in METRICS:
        raise InvalidProblem(unknown("metric", name, METRICS))
    metric, named = METRICS[name], set(chosen.plain()) - NUMBERED
    if wrong := sorted(named - metric.takes):
        can = f"takes {', '.join(sorted(metric.takes))}" if metric.takes else "takes no options"
        raise InvalidProblem(f"metric {name} has no option {', '.join(wrong)}; it {can}")
    if missing := sorted(metric.needs - named):
        raise InvalidProblem(f"metric {name} needs {', '.join(missing)}: name it in metric_options")
    return metric.with_options(chosen) if chosen.plain() else metric


def text_of(name: str, chosen: MetricOptions | None) -> str:
    """A metric with its options as the one text that ``metric_of`` reads; raises InvalidProblem as it does."""
    return metric_of(name if chosen is None else written(name, chosen)).text
