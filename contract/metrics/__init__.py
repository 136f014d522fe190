"""Metrics by name. One class in one file each; adding one is adding its file and its line here."""

from contract.errors import InvalidProblem
from contract.metrics.accuracy import Accuracy
from contract.metrics.average_precision import AveragePrecision
from contract.metrics.balanced_accuracy import BalancedAccuracy
from contract.metrics.brier import Brier
from contract.metrics.clipped_log_loss import ClippedLogLoss
from contract.metrics.clipped_mae import ClippedMAE
from contract.metrics.clipped_r2 import ClippedR2
from contract.metrics.clipped_rmse import ClippedRMSE
from contract.metrics.f1 import F1
from contract.metrics.log_loss import LogLoss
from contract.metrics.mae import MAE
from contract.metrics.metric import Metric, Predicts, TokenSum
from contract.metrics.r2 import R2
from contract.metrics.rmse import RMSE
from contract.metrics.roc_auc import RocAuc
from contract.names import unknown

__all__ = ["METRICS", "Metric", "Predicts", "TokenSum", "metric_of"]

_ALL: tuple[Metric, ...] = (
    Accuracy(),
    ClippedLogLoss(),
    LogLoss(),
    RocAuc(),
    BalancedAccuracy(),
    F1(),
    AveragePrecision(),
    Brier(),
    R2(),
    RMSE(),
    MAE(),
    ClippedR2(),
    ClippedRMSE(),
    ClippedMAE(),
)
METRICS: dict[str, Metric] = {each.name: each for each in _ALL}


def metric_of(name: str) -> Metric:
    """The metric of a name; raises InvalidProblem with the nearest right spelling."""
    if name not in METRICS:
        raise InvalidProblem(unknown("metric", name, METRICS))
    return METRICS[name]
