"""Values of single rows by OpenDataVal's own code. Runs in the peers' environment and imports nothing of ours.

``rows.py GAME.npz METHOD SEED MODELS`` reads X, y, X_test, y_test and prints JSON: values, one a row, and seconds.
Models are scikit-learn's logistic regression, the same for every method.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

# OpenDataVal imports these for images and for BERT, which are not used here
_PARTS = ("", ".datasets", ".models", ".models.feature_extraction", ".transforms", ".transforms.functional")
_UNUSED = {"transformers", *(f"torchvision{part}" for part in _PARTS)}
METHODS = ("KNN-Shapley", "Data-OOB", "AME", "Beta Shapley", "LAVA", "influence")


def evaluator_of(method: str, seed: int, models: int) -> Any:
    """OpenDataVal's evaluator; those that train take so many models."""
    sys.modules |= {name: MagicMock() for name in _UNUSED}
    from opendataval.dataval import AME, BetaShapley, DataOob, InfluenceSubsample, KNNShapley, LavaEvaluator, TMCSampler

    makers: dict[str, Callable[[], Any]] = {
        "KNN-Shapley": lambda: KNNShapley(k_neighbors=10, random_state=seed),
        "Data-OOB": lambda: DataOob(num_models=models, random_state=seed),
        "AME": lambda: AME(num_models=models // 4, random_state=seed),  # of each of four proportions
        "Beta Shapley": lambda: BetaShapley(
            TMCSampler(mc_epochs=max(1, models // 50), min_cardinality=5, random_state=seed), alpha=4, beta=1
        ),
        "LAVA": lambda: LavaEvaluator(random_state=seed),
        "influence": lambda: InfluenceSubsample(num_models=models, random_state=seed),
    }
    return makers[method]()


def main() -> None:
    path, method, seed, models = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    game = np.load(path)
    torch.set_num_threads(1)
    evaluator = evaluator_of(method, seed, models)
    from opendataval.metrics import accuracy
    from opendataval.model import ClassifierSkLearnWrapper

    classes = int(game["y"].max()) + 1
    one_hot = torch.eye(classes)
    rows = [torch.from_numpy(game[name]).float() for name in ("X", "X_test")]
    labels = [one_hot[torch.from_numpy(game[name])] for name in ("y", "y_test")]
    model = ClassifierSkLearnWrapper(LogisticRegression, classes, max_iter=200)
    begun = time.perf_counter()
    evaluator.input_data(rows[0], labels[0], rows[1], labels[1])
    if hasattr(evaluator, "input_model"):
        evaluator.input_model(model)
    if hasattr(evaluator, "input_metric"):
        evaluator.input_metric(accuracy)
    evaluator.train_data_values()
    values = np.asarray(evaluator.evaluate_data_values(), dtype=np.float64)
    print(json.dumps({"values": values.tolist(), "seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
